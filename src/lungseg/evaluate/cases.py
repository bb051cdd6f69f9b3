"""Scores of single cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels
from lungseg.datasets.convention import mediastinal_band
from lungseg.errors import InputError
from lungseg.labels import LEFT_LUNG, RIGHT_LUNG
from lungseg.pipeline import RadiographSegmenter
from lungseg.result import Result
from lungseg.scores import components, count, dice, surface_distances

REFERENCE_SIDE = 1024
"""Distances are given in pixels of a picture whose longer side has this many, so that sizes of pictures do not matter."""


@dataclass(frozen=True, slots=True)
class CaseScore:
    """Scores of one case, at the input's own resolution. Masks that draw through the heart are judged outside the mediastinal band
    (`lungseg.datasets.convention.mediastinal_band`) only, and then neither single lungs nor distances can be.

    Attributes:
        case, source, convention, notes: of the case.
        dice, iou, precision, recall: of both lungs together, 0 to 1.
        dice_right, dice_left: of each, 0 to 1; NaN where the truth does not say.
        hd95: 95th percentile Hausdorff distance of both lungs together, in pixels of a picture of side `REFERENCE_SIDE`; NaN where
            the truth does not say.
        components: of the lung that was found in the most pieces.
        verdict: "ok" or "review".
    """

    case: str
    source: str
    convention: str
    notes: str
    dice: float
    iou: float
    precision: float
    recall: float
    dice_right: float
    dice_left: float
    hd95: float
    components: int
    verdict: str


def score_cases(segmenter: RadiographSegmenter, cases: Sequence[Case]) -> Iterator[tuple[CaseScore, Result]]:
    """Segments and scores one case after another.

    Raises:
        InputError: a case cannot be read, or its mask has another shape than its image.
    """
    for case in cases:
        result = segmenter(case.image)
        truth = read_labels(case)
        if truth.shape != result.mask.shape:
            raise InputError(f"the mask has shape {truth.shape}, its image {result.mask.shape}", where=case.mask, cure="correct the pair")
        yield score(case, truth, result), result


def score(case: Case, truth: NDArray[np.uint8], result: Result) -> CaseScore:
    """Scores one result against its truth: labels (rows, columns)."""
    lungs, found = truth > 0, result.mask > 0
    heart_inside = case.convention == "lung and heart"
    judged = ~mediastinal_band(truth) if heart_inside else np.ones(truth.shape, bool)
    counts = count(lungs[judged], found[judged])
    right, left, hd95 = float("nan"), float("nan"), float("nan")
    if not heart_inside:
        right, left = (dice(truth == lung.number, result.mask == lung.number) for lung in (RIGHT_LUNG, LEFT_LUNG))
        hd95 = surface_distances(lungs, found).hd95 * REFERENCE_SIDE / max(truth.shape)
    return CaseScore(
        case=case.case,
        source=case.source,
        convention=case.convention,
        notes=case.notes,
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        dice_right=right,
        dice_left=left,
        hd95=hd95,
        components=max(components(result.mask == label.number) for label in (RIGHT_LUNG, LEFT_LUNG)),
        verdict=result.verdict.status,
    )
