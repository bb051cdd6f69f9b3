"""What is said of one case, and how masks are compared; how radiographs are, and in
`lungseg.evaluate.volumes` CT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case
from lungseg.datasets.label_sets import mediastinal_band
from lungseg.image import Image
from lungseg.morphology.runs import component_sizes
from lungseg.result import Result
from lungseg.scores import Mask, components, count, surface_distances
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

NAN = float("nan")

REFERENCE_SIDE = 1024
"""`hd95_of_1024` is in pixels of a picture whose longer side has this many, so that sizes of
pictures do not matter."""


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How alike a mask and its truth are; `docs/evaluation.md` defines every figure, also for empty
    masks. NaN: the truth does not say.

    Attributes:
        dice, iou, accuracy, precision, recall, specificity: of pixels or voxels, 0 to 1.
        hd, hd95, hd95_pooled, assd: distances between the outlines, of volumes between the
            surfaces, in millimetres, or pixels or voxels.
        nsd_1, nsd_2, nsd_3: normalised surface Dice at tolerances of 1, 2 and 3 millimetres, or
            pixels or voxels, 0 to 1.
        area_error: area found less the true one, as a share of the true one; of volumes the volume.
        components: pieces of what was found.
        volume_error: volume found less the true one, in millilitres; of volumes whose voxels have a
            known size.
    """

    dice: float = NAN
    iou: float = NAN
    accuracy: float = NAN
    precision: float = NAN
    recall: float = NAN
    specificity: float = NAN
    hd: float = NAN
    hd95: float = NAN
    hd95_pooled: float = NAN
    assd: float = NAN
    nsd_1: float = NAN
    nsd_2: float = NAN
    nsd_3: float = NAN
    area_error: float = NAN
    components: int = 0
    volume_error: float = NAN


METRICS = tuple(field.name for field in fields(MaskScore))


@dataclass(frozen=True, slots=True)
class SliceScores:
    """What becomes of the axial slices of a volume, each by itself.

    Attributes:
        slice_dice: mean Dice of both lungs together over the slices with lung in the truth.
        worst_slice: that of them with the lowest Dice, as its axis and number in the volume's own
            array, from 0, such as "slice 12".
        worst_slice_dice: its Dice.
        slices_with_lung: slices with lung in the truth.
        slices_missed: how many of them nothing was found in.
        slices_without_lung: the other slices.
        slices_claimed: how many of them something was found in.
    """

    slice_dice: float
    worst_slice: str
    worst_slice_dice: float
    slices_with_lung: int
    slices_missed: int
    slices_without_lung: int
    slices_claimed: int


@dataclass(frozen=True, slots=True)
class CaseScore:
    """Scores of one case, at the input's own resolution. Masks that draw through the heart are
    judged outside the mediastinal band (`lungseg.datasets.label_sets.mediastinal_band`) only, and
    then neither single lungs nor outlines can be.

    Attributes:
        case, patient, source, lung_extent, notes: of the case.
        verdict: "ok", "review" or "refused".
        unit: of the distances: "mm", or "pixels" or "voxels" where the spacing is not known.
        hd95_of_1024: 95th percentile Hausdorff distance of both lungs together, in pixels of a
            picture of side `REFERENCE_SIDE`; NaN of volumes.
        lungs: of both lungs together.
        right, left: of each lung; of CT only where the truth tells the sides.
        uncleaned: of both lungs together, had the probabilities only been thresholded.
        kind: what was scored.
        has_lung: whether there is lung in the truth.
        slices: of a volume.
    """

    case: str
    patient: str
    source: str
    lung_extent: str
    notes: str
    verdict: str
    unit: str
    hd95_of_1024: float
    lungs: MaskScore
    right: MaskScore
    left: MaskScore
    uncleaned: MaskScore
    kind: Literal["radiograph", "slice", "volume"] = "radiograph"
    has_lung: bool = True
    slices: SliceScores | None = None


REGIONS = ("lungs", "right", "left", "uncleaned")


def score(case: Case, truth: NDArray[np.uint8], result: Result[Image]) -> CaseScore:
    """Scores one radiograph against its truth: labels (rows, columns)."""
    spacing = result.image.geometry.spacing
    lungs, found = truth > 0, result.mask > 0
    uncleaned = (
        np.add(*(result.probabilities[lung.name] for lung in LUNGS)) >= result.card.threshold
    )
    heart_inside = case.lung_extent == "through-heart"
    judged = ~mediastinal_band(truth) if heart_inside else None
    right, left = (
        MaskScore(components=count_components(result.mask == lung.number))
        if heart_inside
        else compare_masks(truth == lung.number, result.mask == lung.number, spacing)
        for lung in (RIGHT_LUNG, LEFT_LUNG)
    )
    both = compare_masks(lungs, found, spacing, judged=judged)
    return CaseScore(
        case=case.case,
        patient=case.patient,
        source=case.source,
        lung_extent=case.lung_extent,
        notes=case.notes,
        verdict=result.verdict.status,
        unit="pixels" if spacing is None else "mm",
        hd95_of_1024=NAN if heart_inside else hd95_of_1024(lungs, found, None if spacing else both),
        lungs=both,
        right=right,
        left=left,
        uncleaned=compare_masks(lungs, uncleaned, spacing, judged=judged),
    )


def hd95_of_1024(truth: Mask, found: Mask, in_pixels: MaskScore | None = None) -> float:
    """The 95th percentile Hausdorff distance of two masks (rows, columns) in pixels of a picture of
    side `REFERENCE_SIDE`; of their score where that is in pixels.
    """
    distance = surface_distances(truth, found).hd95 if in_pixels is None else in_pixels.hd95
    return distance * REFERENCE_SIDE / max(truth.shape)


def compare_masks(
    truth: Mask, found: Mask, spacing: Sequence[float] | None = None, *, judged: Mask | None = None
) -> MaskScore:
    """All scores of two masks: (rows, columns), or (slices, rows, columns).

    Args:
        truth: one mask.
        found: the other.
        spacing: millimetres along each axis; None gives distances in pixels or voxels.
        judged: pixels that count, if not all do; outlines are then not compared.
    """
    counts = count(truth, found) if judged is None else count(truth[judged], found[judged])
    pixels = (
        counts.dice,
        counts.iou,
        counts.accuracy,
        counts.precision,
        counts.recall,
        counts.specificity,
    )
    if judged is not None:
        return MaskScore(*pixels, area_error=counts.area_error, components=count_components(found))
    outlines = surface_distances(truth, found, spacing)
    distances = (outlines.hd, outlines.hd95, outlines.hd95_pooled, outlines.assd)
    shares = (outlines.nsd(1), outlines.nsd(2), outlines.nsd(3))
    return MaskScore(*pixels, *distances, *shares, counts.area_error, count_components(found))


def count_components(mask: Mask) -> int:
    """Number of pieces of a mask: (rows, columns), or (slices, rows, columns), where voxels of one
    piece share faces.
    """
    return components(mask) if mask.ndim == 2 else component_sizes(mask).size
