"""How well opacities are found in films whose opacities were marked with boxes, and what is found
as boxes, as the RSNA Pneumonia Detection Challenge asks for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, OpacityBox
from lungseg.errors import InputError, UsageError
from lungseg.evaluate.tables import Table
from lungseg.image import Image
from lungseg.morphology.components import components
from lungseg.options import SegmentOptions
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.result import Result
from lungseg.structures import OPACITY, PLURAL
from lungseg.writers import write_file, written_out
from lungseg.writers.cells import harmless

PERCENTILE: Final = 90.0
"""Of the probabilities of opacity inside the lungs: by it films are ranked. On films of
COVID-QU-Ex that a model had not seen it told opacities from none as well as the mean did, and it
does not fade where they are small."""

HIT: Final = 0.25
"""Fraction of a box that is opaque from which on it counts as hit."""

STRUCTURES: Final = (PLURAL, OPACITY.name)
"""What is asked for."""


@dataclass(frozen=True, slots=True)
class OpacityScore:
    """What was found of opacities in one film.

    Attributes:
        case, patient: of the image.
        boxes: how many were marked.
        measured: how many of them lie in the picture.
        score: by which films are ranked, 0 to 1; see `PERCENTILE`.
        covered: fraction of all that is in boxes that is opaque; NaN without a box.
        hit: boxes of which at least `HIT` is opaque.
        outside: fraction of the lungs that is opaque and in no box.
    """

    case: str
    patient: str
    boxes: int
    measured: int
    score: float
    covered: float
    hit: int
    outside: float


def finds_opacities(segmenter: RadiographSegmenter) -> bool:
    """Whether the model predicts lungs and opacities."""
    names = {structure.name for layer in segmenter.card.structures for structure in layer}
    return segmenter.card.has_lungs and OPACITY.name in names


def score_opacities(result: Result[Image], case: Case, boxes: Sequence[OpacityBox]) -> OpacityScore:
    """What was found in a film, of which `STRUCTURES` were asked for."""
    lungs, found = (result.segmentation.mask(name) for name in STRUCTURES)
    inside = [box.pixels(found.shape) for box in boxes]
    marked = np.zeros(found.shape, bool)
    for pixels in inside:
        marked[pixels] = True
    return OpacityScore(
        case.case,
        case.patient,
        len(boxes),
        sum(found[pixels].size > 0 for pixels in inside),
        score=_score(result, lungs),
        covered=_fraction(found, marked),
        hit=sum(found[pixels].size > 0 and found[pixels].mean() >= HIT for pixels in inside),
        outside=_fraction(found & ~marked, lungs) if lungs.any() else 0.0,
    )


def _score(result: Result[Image], lungs: NDArray[np.bool_]) -> float:
    values = result.probabilities[OPACITY.name][lungs]
    return float(np.percentile(values, PERCENTILE)) if values.size else 0.0


def _fraction(part: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    size = np.count_nonzero(of)
    return float(np.count_nonzero(part & of) / size) if size else float("nan")


def area_under_roc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive has a higher score than a negative; equal scores count half. NaN
    where one kind is missing.
    """
    values, is_positive = np.asarray(scores, float), np.asarray(positive, bool)
    those, others = values[is_positive], np.sort(values[~is_positive])
    if not (those.size and others.size):
        return float("nan")
    below, up_to = (np.searchsorted(others, those, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / others.size)


def summarise_opacities(scores: Sequence[OpacityScore]) -> Table:
    """Over all films that were looked at: how well they are told apart, and what lies in boxes."""
    marked = [score for score in scores if score.boxes]
    boxes = sum(score.measured for score in marked)
    clear = [score.outside for score in scores if not score.boxes]
    auroc = area_under_roc([s.score for s in scores], [s.boxes > 0 for s in scores])
    covered = [score.covered for score in marked if not np.isnan(score.covered)]
    rows = [
        ["films with boxes, without", f"{len(marked)}, {len(clear)}"],
        ["AUROC, film by film", _shown(auroc)],
        ["fraction of the boxes' area that is opaque, mean over films", _mean(covered)],
        [
            f"boxes hit (at least {HIT:.0%} opaque)",
            f"{sum(score.hit for score in marked)} of {boxes}",
        ],
        [
            "fraction of the lungs that is opaque outside boxes, films with boxes",
            _mean([score.outside for score in marked]),
        ],
        ["the same, films without boxes", _mean(clear)],
    ]
    return Table(("opacities", ""), rows)


def _mean(values: Sequence[float]) -> str:
    return _shown(float(np.mean(values)) if values else float("nan"))


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"


def found_boxes(result: Result[Image]) -> list[tuple[float, OpacityBox]]:
    """A box around each connected opacity with the mean probability in it, the most certain one
    first.
    """
    found = result.segmentation.mask(OPACITY.name)
    if not found.any():
        return []
    regions, areas = components(found.view(np.uint8))
    probability = result.probabilities[OPACITY.name]
    boxes = []
    for number in np.flatnonzero(areas).tolist():
        inside = regions == number
        x, y, width, height = cv2.boundingRect(inside.view(np.uint8))
        boxes.append((float(probability[inside].mean()), OpacityBox(x, y, width, height)))
    return sorted(boxes, key=lambda entry: -entry[0])


def write_submission(
    model: str | Path, cases: Sequence[Case], path: Path, *, workers: int = 1
) -> list[str]:
    """Writes what a model finds as the CSV of the RSNA Pneumonia Detection Challenge: columns
    patientId and PredictionString, in which each box is "confidence x y width height".

    Args:
        model: name of an embedded model, or path of an .onnx file.
        cases: radiographs; of a patient with several all boxes are on one line.
        path: of the CSV.
        workers: images at a time.

    Returns:
        A sentence for each image that could not be read; its patient has no box of it.

    Raises:
        ModelError: the model cannot be used.
        OutputError: the file cannot be written.
        UsageError: the model does not predict lungs and opacities.
    """
    segmenter = RadiographSegmenter(model, threads=None if workers == 1 else 1)
    if not finds_opacities(segmenter):
        raise UsageError(
            f"the model {segmenter.card.name} predicts no opacities in lungs",
            cure="give one that does",
        )
    with ThreadPoolExecutor(workers, "lungseg") as pool:
        found = list(pool.map(partial(_try, segmenter), cases))
    rows: dict[str, list[str]] = {}
    for case, boxes in zip(cases, found, strict=True):
        rows.setdefault(case.patient, []).extend([] if isinstance(boxes, str) else _words(boxes))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("patientId", "PredictionString"))
    writer.writerows((harmless(patient), " ".join(words)) for patient, words in rows.items())
    write_file(path, written_out(text.getvalue()).encode())
    return [problem for problem in found if isinstance(problem, str)]


def _try(segmenter: RadiographSegmenter, case: Case) -> list[tuple[float, OpacityBox]] | str:
    try:
        return found_boxes(segmenter(case.image, SegmentOptions(structures=STRUCTURES)))
    except InputError as error:
        return error.recorded


def _words(boxes: Sequence[tuple[float, OpacityBox]]) -> list[str]:
    return [
        f"{confidence:.4f} {box.x:g} {box.y:g} {box.width:g} {box.height:g}"
        for confidence, box in boxes
    ]
