"""From the best weights to something to use and to look at: the exported model, its predictions,
and sheets of cases.
"""

from __future__ import annotations

import lungseg.train.libraries  # noqa: F401 (first, for what it says)

# isort: split

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.calibrate.run import calibrate, choose_cases
from lungseg.datasets import Case, read_labels, read_manifest
from lungseg.datasets.label_sets import judged_pixels
from lungseg.datasets.other_masks import read_other_masks
from lungseg.draw.picture import Picture
from lungseg.errors import InputError, UsageError
from lungseg.image import Image
from lungseg.quality.files import quality_model_path
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.result import Result
from lungseg.scores import count
from lungseg.structures import LUNGS, regions, sided
from lungseg.train.export import export
from lungseg.train.pictures import MAX_CASES, case_row, write_sheet
from lungseg.writers.lock import only_writer
from lungseg.writers.names import unused

log = logging.getLogger(__name__)


PREDICTIONS = "predictions"
"""The folder of them in that of a run."""


@dataclass(frozen=True, slots=True)
class FinalisedRun:
    """What was made of a run.

    Attributes:
        model: the ONNX file, its card beside it.
        split: whose cases were scored: "test", or "validation" where there are no cases for
            testing.
        dice: mean Dice over these cases, of each pair together and of each structure of none, as
            far as their masks decide them. Questionable masks do not count.
        predictions: a label map for each of these cases, and for each case that nobody drew a mask
            for.
        pictures: the montages.
        failed: a sentence for each case that could not be used.
        notes: what its quality model lacks, or why it has none, in sentences.
    """

    model: Path
    split: str
    dice: Mapping[str, float]
    predictions: tuple[Path, ...]
    pictures: tuple[Path, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Prediction:
    """A case that was predicted, and its Dice where there is a ground truth."""

    case: Case
    mask: Path
    dice: Mapping[str, float]
    verdict: str

    @property
    def mean_dice(self) -> float:
        return float(np.mean(list(self.dice.values())))


def finalise(folder: Path, *, with_quality_model: bool = True) -> FinalisedRun:
    """Exports the best weights of a run and shows what they do; may be repeated, and then replaces
    what it left before.

    Leaves in the folder model.onnx and model.json; model.judge.json, which is fitted to the
    validation cases, unless `with_quality_model` is off or they are too few;
    predictions/CASE_mask.png (SOURCE_CASE where two sources have a case of that name) for each test
    case, or validation case where there are none for testing, and for each case without a mask;
    montage_best.png, montage_median.png and montage_worst.png, each a third of the scored cases but
    at most `MAX_CASES`; montage_unlabelled.png.

    Everything runs through the exported model as users run it. A case that cannot be read is named
    in the log and in what is returned, and the others are finished.

    Raises:
        InputError: the list of cases is broken, or names a file that is not there.
        ModelError: the weights cannot be read or exported.
        OutputError: a file cannot be written, or another program writes there.
        UsageError: there are no weights, or no settings.
    """
    best = folder / "best.ckpt"
    if not best.is_file():
        raise UsageError(
            "there are no weights to finish the run with",
            where=folder,
            cure="train for at least one epoch",
        )
    with only_writer(folder), only_writer(folder / PREDICTIONS):
        return _finalised(folder, best, with_quality_model=with_quality_model)


def _finalised(folder: Path, best: Path, *, with_quality_model: bool) -> FinalisedRun:
    cases = read_manifest(folder / "cases.csv")
    exported = export(best, folder / "model.onnx", name=folder.resolve().name)
    quality_model_path(exported.model).unlink(missing_ok=True)  # that of earlier weights
    notes = _calibrate(exported.model, cases) if with_quality_model else ()
    segmenter = RadiographSegmenter(exported.model)
    split = (
        "test"
        if any(case.split == "test" and case.mask is not None for case in cases)
        else "validation"
    )
    chosen = [case for case in cases if case.mask is None or case.split == split]
    failed: list[str] = []
    predicted: list[_Prediction] = []
    for case, name in zip(chosen, _names(chosen), strict=True):
        with _recorded(case, failed):
            predicted.append(_predict(segmenter, case, folder / PREDICTIONS, name))
    scored = [p for p in predicted if p.dice and p.case.notes != "questionable"]
    scored.sort(key=lambda p: p.mean_dice, reverse=True)
    pictures = _montages(folder, segmenter, scored, [p for p in predicted if p.case.mask is None])
    return FinalisedRun(
        exported.model,
        split,
        _mean_dice(scored),
        tuple(p.mask for p in predicted),
        tuple(pictures),
        tuple(failed),
        notes,
    )


def _mean_dice(scored: Sequence[_Prediction]) -> dict[str, float]:
    names = dict.fromkeys(name for p in scored for name in p.dice)
    return {
        name: float(np.mean([p.dice[name] for p in scored if name in p.dice])) for name in names
    }


def _calibrate(model: Path, cases: Sequence[Case]) -> tuple[str, ...]:
    """Fits a quality model to the validation cases; returns what it lacks, or why there is none."""
    try:
        return calibrate(model, choose_cases(cases, ("validation",))).notes
    except (InputError, UsageError) as error:
        return (f"the model has no quality model: {error}",)


def _names(cases: Sequence[Case]) -> list[str]:
    """A name for each case's file, no two of them equal even where letter case does not count."""
    several = {
        case for case, times in Counter(case.case.casefold() for case in cases).items() if times > 1
    }
    names = [
        f"{case.source}_{case.case}" if case.case.casefold() in several else case.case
        for case in cases
    ]
    taken: set[str] = set()
    return [unused(re.sub(r"[^\w.-]+", "_", name)[:150], taken) for name in names]


@contextmanager
def _recorded(case: Case, failed: list[str]) -> Iterator[None]:
    """Turns an input that cannot be used into a sentence."""
    try:
        yield
    except InputError as error:
        failed.append(f"{case.source} {case.case}: {error}")
        log.warning("case left out: %s", failed[-1])


def _predict(segmenter: RadiographSegmenter, case: Case, folder: Path, name: str) -> _Prediction:
    """Segments a case, writes its mask, and scores it where there is a ground truth."""
    result = segmenter(case.image)
    mask = result.save(folder, ("mask",), name=name, overwrite=True)["mask"]
    return _Prediction(case, mask, _dice(case, result), result.verdict.status)


def _ground_truth(case: Case, result: Result[Image]) -> NDArray[np.uint8] | None:
    """The labels that belong to a result; None where nobody drew any."""
    return None if case.mask is None else read_labels(case, result.image.geometry.shape)


def _dice(case: Case, result: Result[Image]) -> dict[str, float]:
    """Of each pair, and each structure of none, that the mask decides and the model predicts; where
    a mask is no ground truth (`lungseg.datasets.label_sets.judged_pixels`) it does not count.
    """
    ground_truth = _ground_truth(case, result)
    if ground_truth is None:
        return {}
    found = {}
    others = read_other_masks(case, result.image.geometry.shape)
    for layer in result.segmentation.structures:
        for name, those in regions(layer).items():
            predicted = result.segmentation.mask(name)
            if name in others:
                found[name] = count(others[name], predicted).dice
            elif {structure.name for structure in sided(those)} <= set(case.decides):
                inside = np.isin(ground_truth, [structure.number for structure in sided(those)])
                judged = judged_pixels(ground_truth, those, case.lung_extent)
                if judged is not None:
                    inside, predicted = inside[judged], predicted[judged]
                found[name] = count(inside, predicted).dice
    return found


def _montages(
    folder: Path,
    segmenter: RadiographSegmenter,
    scored: Sequence[_Prediction],
    unlabelled: Sequence[_Prediction],
) -> list[Path]:
    """Draws the sheets, those of the scored cases from a list that begins with the best; returns
    their paths.
    """
    rows = min(MAX_CASES, math.ceil(len(scored) / 3))
    middle = (len(scored) - rows) // 2
    sheets = {
        "best": scored[:rows],
        "median": scored[middle : middle + rows],
        "worst": scored[::-1][:rows],
        "unlabelled": unlabelled[:MAX_CASES],
    }
    paths = []
    for name, cases in sheets.items():
        if cases:
            paths.append(folder / f"montage_{name}.png")
            write_sheet([_row(segmenter, predicted) for predicted in cases], paths[-1])
    return paths


def _row(segmenter: RadiographSegmenter, predicted: _Prediction) -> list[tuple[Picture, str]]:
    """Segmented once more, which takes less than keeping the pictures of all cases until it is
    known which are shown.
    """
    case = predicted.case
    result = segmenter(case.image)
    ground_truth = _ground_truth(case, result)
    unjudged = ""
    if (
        ground_truth is not None
        and judged_pixels(ground_truth, LUNGS, case.lung_extent) is not None
    ):
        unjudged = ", inner borders not judged"
    score = (
        f"Dice {predicted.mean_dice:.3f}{unjudged}"
        if predicted.dice
        else f"verdict: {predicted.verdict}"
    )
    return case_row(case.case, result, ground_truth, score)
