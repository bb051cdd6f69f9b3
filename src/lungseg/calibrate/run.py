"""One calibration, from a model and a list of cases to the quality model beside the model."""

from __future__ import annotations

import json
import logging
import math
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from lungseg.calibrate import ct, radiograph
from lungseg.calibrate import out_of_distribution as ood
from lungseg.calibrate.fit import Sample, of_cases
from lungseg.card import ModelCard, read_card
from lungseg.ct.segment import VolumeSegmenter
from lungseg.datasets import Case
from lungseg.datasets.cases import BOTH_LUNGS, SPLITS
from lungseg.errors import InputError, UsageError
from lungseg.modality import Modality
from lungseg.predict import find_model, processors
from lungseg.quality.files import (
    encode_quality_model,
    quality_model_path,
    read_quality_model,
)
from lungseg.quality.model import FrontalModel, QualityModel
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.writers import write_file
from lungseg.writers.atomic import not_written
from lungseg.writers.lock import LOCK, Lock

log = logging.getLogger(__name__)

UNSEEN: Final = ("validation", "test")
"""The splits whose cases no weights were fitted to."""

DEGRADED_RADIOGRAPHS, DEGRADED_SLICES, DEGRADED_STACKS = 600, 400, 60
"""About so many are made of all cases together ..."""

MAX_DEGRADED = 10
"""... but of each case no more than this, and at least one."""

ROTATED_CASES = 40
"""About so many are also shown in three rotations."""

STACKS_AS_IS = 2
"""Of each volume, with other slices each time."""

FEW_PATIENTS = 20
"""With fewer it is said that intervals are rough."""

Item = TypeVar("Item", radiograph.RadiographItem, ct.StackItem)
Given = TypeVar("Given")
Made = TypeVar("Made")
Progress = Callable[[int], None]
"""Called with the number of inputs that were measured so far."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of a calibration.

    Attributes:
        path: of the quality model.
        quality: what stands in it.
        masks: how many of cases of known Dice it was fitted to.
        patients: how many these are of.
        out_of_distribution: how many inputs that are no chest were shown to the model.
        notes: what it lacks, in sentences.
        failed: a sentence for each case that could not be used.
    """

    path: Path
    quality: QualityModel
    masks: int
    patients: int
    out_of_distribution: int
    notes: tuple[str, ...]
    failed: tuple[str, ...]


def choose_cases(cases: Sequence[Case], splits: Sequence[str] = UNSEEN) -> list[Case]:
    """The cases that a model can be calibrated on: with a mask that says all of the lungs and is
    not questionable, of the given splits; where no case has a split, of all.

    Raises:
        UsageError: a split is unknown, or there is no such case.
    """
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise UsageError(
            f"there is no split {unknown[0]!r}", cure=f"choose from {', '.join(SPLITS)}"
        )
    without_split = not any(case.split for case in cases)
    chosen = [
        case
        for case in cases
        if case.mask is not None
        and case.notes != "questionable"
        and case.lung_extent != "aerated"
        and set(BOTH_LUNGS) <= set(case.decides)
        and (without_split or case.split in splits)
    ]
    if not chosen:
        raise UsageError(
            f"no case with a mask is of the splits {', '.join(splits)}",
            cure="give cases that the model has not seen, or choose other splits",
        )
    return chosen


def calibrate(
    model: Path,
    cases: Sequence[Case],
    *,
    out_of_distribution: Sequence[Path] = (),
    keep_frontal: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Calibrated:
    """Fits a quality model and writes it beside the model, in place of the one that may lie there.

    What was measured is kept in a file beside it until the end, so that the same call goes on where
    one was interrupted.

    Args:
        model: the ONNX file, its card beside it.
        cases: that the model has not seen, with masks (see `choose_cases`). Where cases of the
            split "train" are among them, intervals of CT are widened.
        out_of_distribution: folders of inputs that are no frontal chest radiograph, or no CT of a
            chest; some are drawn in any case.
        keep_frontal: leave what tells frontal radiographs from other pictures as it was fitted
            before, so that no picture that is no chest is shown to the model.
        workers: inputs at a time; None for one on each core.
        progress: told how many inputs were measured.

    Raises:
        InputError: there are too few masks to calibrate with.
        ModelError: the model cannot be loaded, or the network not be computed.
        OutputError: the file cannot be written, or another program calibrates this model.
        UsageError: the model does not predict both lungs, a folder is none, or there is nothing to
            keep.
    """
    path = find_model(model)
    card = read_card(path.with_suffix(".json"))
    if not card.has_lungs:
        raise UsageError(
            "the model does not predict both lungs, whose masks are judged",
            where=path,
            cure="use it without a quality model",
        )
    for folder in out_of_distribution:
        if not folder.is_dir():
            raise UsageError("there is no such folder of inputs", where=folder)
    frontal = _frontal_of(path, card, out_of_distribution) if keep_frontal else None
    with Lock(path.with_name(f".{path.stem}{LOCK}")):
        return _calibrate(path, card, cases, out_of_distribution, frontal, workers, progress)


def _calibrate(
    path: Path,
    card: ModelCard,
    cases: Sequence[Case],
    out_of_distribution: Sequence[Path],
    frontal: FrontalModel | None,
    workers: int | None,
    progress: Progress | None,
) -> Calibrated:
    failed: list[str] = []
    kept = _Kept(path.with_suffix(".samples.jsonl"), card.sha256)
    measured = partial(_measured, kept=kept, workers=workers or processors(), progress=progress)
    if card.modality == "radiograph":
        radiographs = RadiographSegmenter(path, threads=1, with_quality_model=False)
        samples = measured(
            partial(radiograph.measure_radiograph, radiographs),
            _radiograph_items(cases, out_of_distribution, failed, only_masks=frontal is not None),
        )
        fit = partial(radiograph.fit_radiograph, frontal=frontal)
    else:
        volumes = VolumeSegmenter(path, threads=workers, with_quality_model=False)
        samples = measured(
            partial(ct.measure_stack, volumes), _stack_items(cases, out_of_distribution, failed)
        )
        seen = any(case.split == "train" for case in cases)
        fit = partial(ct.fit_ct, widening=ct.SEEN_WIDENING if seen else 1.0)
    kept.remove()
    quality = fit(samples, card.sha256)
    write_file(quality_model_path(path), encode_quality_model(quality))
    return _calibrated(quality_model_path(path), card.modality, quality, samples, failed)


def _calibrated(
    path: Path,
    modality: Modality,
    quality: QualityModel,
    samples: Sequence[Sample],
    failed: Sequence[str],
) -> Calibrated:
    masks = of_cases(samples)
    patients = len({sample.patient for sample in masks})
    notes = {
        f"{patients} patients are few: the intervals of the expected Dice are rough": patients
        < FEW_PATIENTS,
        "too few pictures showed two lungs to tell frontal radiographs from other pictures": (
            modality == "radiograph" and quality.frontal is None
        ),
        "too few volumes were among the cases, so only single slices get an expected Dice": (
            modality == "ct" and "volume" not in quality.curves
        ),
    }
    return Calibrated(
        path,
        quality,
        len(masks),
        patients,
        sum(sample.kind == "out_of_distribution" for sample in samples),
        tuple(note for note, holds in notes.items() if holds),
        tuple(failed),
    )


def _repeats(wanted: int, number: int) -> int:
    """How many are made of each of a number of cases."""
    return max(1, min(MAX_DEGRADED, math.ceil(wanted / max(number, 1))))


def _frontal_of(path: Path, card: ModelCard, folders: Sequence[Path]) -> FrontalModel:
    """What tells frontal radiographs from other pictures, in the quality model that is there."""
    quality = None
    if card.modality == "radiograph":
        quality = read_quality_model(path, card.sha256)
    if folders or quality is None or quality.frontal is None:
        raise UsageError(
            "nothing that tells frontal radiographs from other pictures can be kept",
            where=path,
            cure="keep it of a model for radiographs whose quality model has it, and give no "
            "pictures that are no chest",
        )
    return quality.frontal


def _radiograph_items(
    cases: Sequence[Case], folders: Sequence[Path], failed: list[str], *, only_masks: bool
) -> Iterator[radiograph.RadiographItem]:
    degraded, step = (
        _repeats(DEGRADED_RADIOGRAPHS, len(cases)),
        math.ceil(len(cases) / ROTATED_CASES),
    )
    for number, case in enumerate(cases):
        rotated = number % step == 0 and not only_masks
        items = radiograph.case_items(case, degraded=degraded, rotated=rotated)
        yield from _said(items, case, failed)
    if only_masks:
        return
    yield from ood.drawn_pictures()
    for folder in folders:
        yield from ood.pictures_in(folder)


def _stack_items(
    cases: Sequence[Case], folders: Sequence[Path], failed: list[str]
) -> Iterator[ct.StackItem]:
    groups = ct.group_slices(cases)
    stacks = [group for group in groups if ct.is_stack(group)]
    for group in groups:
        whole = ct.is_stack(group)
        degraded = (
            _repeats(DEGRADED_STACKS, len(stacks))
            if whole
            else _repeats(DEGRADED_SLICES, len(groups) - len(stacks))
        )
        items = ct.case_items(group, as_is=STACKS_AS_IS if whole else 1, degraded=degraded)
        yield from _said(items, group[0], failed)
    yield from ood.drawn_volumes()
    for folder in folders:
        yield from ood.volumes_in(folder)


def _said(items: Iterator[Item], case: Case, failed: list[str]) -> Iterator[Item]:
    """The items of a case; one that cannot be used becomes a sentence."""
    try:
        yield from items
    except InputError as error:
        failed.append(f"{case.source} {case.case}: {error}")
        log.warning("case left out: %s", failed[-1])


def content_of(item: radiograph.RadiographItem | ct.StackItem) -> int:
    """A number that changes with what the model is shown of an input, or with its mask."""
    found = 0
    for array in item.arrays:
        found = zlib.crc32(array.tobytes(), found)
    return found


class _Kept:
    """What was measured with one model, kept in a file, a line for each input."""

    def __init__(self, path: Path, model: str) -> None:
        self.path, self.model = path, model
        self.samples: dict[tuple[str, int], list[Sample]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            try:
                entry = json.loads(line)
                known = [Sample(**one) for one in entry["samples"]]
                key = entry["key"], entry["content"]
            except (ValueError, TypeError, KeyError):  # what was not written to its end
                continue
            if entry["model"] == model:
                self.samples[key] = known

    def add(self, key: tuple[str, int], samples: list[Sample]) -> None:
        """Keeps the samples of an input."""
        entry = {
            "model": self.model,
            "key": key[0],
            "content": key[1],
            "samples": [asdict(one) for one in samples],
        }
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write("\n" + json.dumps(entry))  # never behind half a line
        except OSError as error:
            raise not_written(self.path, error) from error

    def remove(self) -> None:
        """Once all is measured."""
        self.path.unlink(missing_ok=True)


def _measured(
    measure: Callable[[Item], list[Sample]],
    items: Iterable[Item],
    *,
    kept: _Kept,
    workers: int,
    progress: Progress | None,
) -> list[Sample]:
    """The samples of all items, in order, before or now."""

    def samples_of(item: Item) -> tuple[tuple[str, int], list[Sample]]:
        key = item.key, content_of(item)
        known = kept.samples.get(key)
        return key, measure(item) if known is None else known

    found: list[Sample] = []
    for count, (_, (key, samples)) in enumerate(bounded_map(samples_of, items, workers), 1):
        if key not in kept.samples:
            kept.add(key, samples)
        found += samples
        if progress is not None:
            progress(count)
    return found


def bounded_map(
    work: Callable[[Given], Made], items: Iterable[Given], workers: int
) -> Iterator[tuple[Given, Made]]:
    """Each item with what `work` makes of it, in order, `workers` at a time; no more than some four
    times as many items are in memory.
    """
    with ThreadPoolExecutor(workers, "lungseg-calibrate") as pool:
        waiting: deque[tuple[Given, Future[Made]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 4 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
