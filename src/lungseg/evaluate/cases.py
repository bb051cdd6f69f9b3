"""Scores of single cases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels
from lungseg.datasets.convention import mediastinal_band
from lungseg.errors import InputError
from lungseg.labels import LEFT_LUNG, RIGHT_LUNG
from lungseg.pipeline import RadiographSegmenter
from lungseg.result import Result
from lungseg.scores import Mask, components, count, surface_distances

log = logging.getLogger(__name__)

NAN = float("nan")

REFERENCE_SIDE = 1024
"""`hd95_of_1024` is in pixels of a picture whose longer side has this many, so that sizes of pictures do not matter."""


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How alike a mask and its truth are; `docs/evaluation.md` defines every figure, also for empty masks. NaN: the truth does not say.

    Attributes:
        dice, iou, accuracy, precision, recall, specificity: of pixels, 0 to 1.
        hd, hd95, assd: distances between the outlines, in millimetres or pixels.
        nsd_1, nsd_2, nsd_3: normalised surface Dice at tolerances of 1, 2 and 3 millimetres or pixels, 0 to 1.
        area_error: area found less the true one, as a share of the true one.
        components: pieces of what was found.
    """

    dice: float = NAN
    iou: float = NAN
    accuracy: float = NAN
    precision: float = NAN
    recall: float = NAN
    specificity: float = NAN
    hd: float = NAN
    hd95: float = NAN
    assd: float = NAN
    nsd_1: float = NAN
    nsd_2: float = NAN
    nsd_3: float = NAN
    area_error: float = NAN
    components: int = 0


METRICS = tuple(field.name for field in fields(MaskScore))


@dataclass(frozen=True, slots=True)
class CaseScore:
    """Scores of one case, at the input's own resolution. Masks that draw through the heart are judged outside the mediastinal band
    (`lungseg.datasets.convention.mediastinal_band`) only, and then neither single lungs nor outlines can be.

    Attributes:
        case, patient, source, convention, notes: of the case.
        verdict: "ok" or "review".
        unit: of the distances: "mm", or "pixels" where the image's spacing is not known.
        hd95_of_1024: 95th percentile Hausdorff distance of both lungs together, in pixels of a picture of side `REFERENCE_SIDE`.
        lungs: of both lungs together.
        right, left: of each lung.
        uncleaned: of both lungs together, had the probabilities only been thresholded.
    """

    case: str
    patient: str
    source: str
    convention: str
    notes: str
    verdict: str
    unit: str
    hd95_of_1024: float
    lungs: MaskScore
    right: MaskScore
    left: MaskScore
    uncleaned: MaskScore


REGIONS = ("lungs", "right", "left", "uncleaned")


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that could not be scored.

    Attributes:
        case, source: of the case.
        why: in a sentence that names the file.
    """

    case: str
    source: str
    why: str


def score_cases(
    segmenter: RadiographSegmenter, cases: Sequence[Case], *, spacing: tuple[float, float] | None = None, jobs: int = 1
) -> tuple[list[CaseScore], list[Failure]]:
    """Segments and scores cases, `jobs` at a time; scores and failures each in the order of the cases.

    What cannot be read, and a mask of another shape than its image, becomes a failure.

    Args:
        segmenter: the model.
        cases: with masks.
        spacing: millimetres between rows and between columns, instead of what the files say.
        jobs: cases at a time.
    """
    with ThreadPoolExecutor(jobs, "lungseg") as pool:
        found = list(pool.map(partial(_try, segmenter, spacing), cases))
    return [one for one in found if isinstance(one, CaseScore)], [one for one in found if isinstance(one, Failure)]


def _try(segmenter: RadiographSegmenter, spacing: tuple[float, float] | None, case: Case) -> CaseScore | Failure:
    try:
        result = segmenter(case.image, spacing=spacing)
        return score(case, read_labels(case, result.mask.shape), result)
    except InputError as error:
        log.warning("case %s of %s is left out: %s", case.case, case.source, error)
        return Failure(case.case, case.source, str(error))


def score(case: Case, truth: NDArray[np.uint8], result: Result) -> CaseScore:
    """Scores one result against its truth: labels (rows, columns)."""
    spacing = result.image.geometry.spacing
    lungs, found = truth > 0, result.mask > 0
    uncleaned = result.probabilities[1:].sum(axis=0) >= result.card.threshold
    heart_inside = case.convention == "lung and heart"
    judged = ~mediastinal_band(truth) if heart_inside else None
    right, left = (
        MaskScore(components=components(result.mask == lung.number))
        if heart_inside
        else compare_masks(truth == lung.number, result.mask == lung.number, spacing)
        for lung in (RIGHT_LUNG, LEFT_LUNG)
    )
    both = compare_masks(lungs, found, spacing, judged=judged)
    pixels = both.hd95 if spacing is None or heart_inside else surface_distances(lungs, found).hd95
    return CaseScore(
        case=case.case,
        patient=case.patient,
        source=case.source,
        convention=case.convention,
        notes=case.notes,
        verdict=result.verdict.status,
        unit="pixels" if spacing is None else "mm",
        hd95_of_1024=pixels * REFERENCE_SIDE / max(truth.shape),
        lungs=both,
        right=right,
        left=left,
        uncleaned=compare_masks(lungs, uncleaned, spacing, judged=judged),
    )


def compare_masks(truth: Mask, found: Mask, spacing: tuple[float, float] | None = None, *, judged: Mask | None = None) -> MaskScore:
    """All scores of two masks (rows, columns).

    Args:
        truth: one mask.
        found: the other.
        spacing: millimetres between rows, between columns; None gives distances in pixels.
        judged: pixels that count, if not all do; outlines are then not compared.
    """
    counts = count(truth, found) if judged is None else count(truth[judged], found[judged])
    pixels = (counts.dice, counts.iou, counts.accuracy, counts.precision, counts.recall, counts.specificity)
    if judged is not None:
        return MaskScore(*pixels, area_error=counts.area_error, components=components(found))
    outlines = surface_distances(truth, found, spacing or (1.0, 1.0))
    distances = (outlines.hd, outlines.hd95, outlines.assd, outlines.nsd(1), outlines.nsd(2), outlines.nsd(3))
    return MaskScore(*pixels, *distances, counts.area_error, components(found))
