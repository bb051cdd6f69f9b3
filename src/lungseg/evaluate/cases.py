"""The scores of one case, and how masks are compared; how radiographs are, and in
`lungseg.evaluate.volumes` CT.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case
from lungseg.datasets.label_sets import judged_pixels
from lungseg.errors import InputError
from lungseg.image import Image
from lungseg.morphology.runs import component_sizes
from lungseg.radiograph.findings import ratio_error
from lungseg.result import Result
from lungseg.scores import Mask, components, count, surface_distances
from lungseg.segmentation import Segmentation
from lungseg.structures import OPACITY, PLURAL, Structure, regions, sided, write_names

NAN = float("nan")

REFERENCE_SIDE = 1024
"""`hd95_at_1024` is in pixels of a picture whose longer side has this many, so that sizes of
pictures do not matter."""


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How alike a mask and its ground truth are; `docs/evaluation.md` defines every metric, also
    for empty masks. NaN: the ground truth does not say.

    Attributes:
        dice, iou, accuracy, precision, recall, specificity: of pixels or voxels, 0 to 1.
        hd, hd95, hd95_pooled, assd: distances between the outlines, of volumes between the
            surfaces, in millimetres, or pixels or voxels.
        nsd_1, nsd_2, nsd_3: normalised surface Dice at tolerances of 1, 2 and 3 millimetres, or
            pixels or voxels, 0 to 1.
        relative_area_error: area found less the true one, as a fraction of the true one; of volumes
            the volume.
        components: connected components of what was found.
        volume_error: volume found less the true one, in millilitres; of volumes whose voxels have a
            known size.
        hd95_at_1024: 95th percentile Hausdorff distance in pixels of a picture of side
            `REFERENCE_SIDE`; of pictures, of a pair or a structure of none.
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
    relative_area_error: float = NAN
    components: int = 0
    volume_error: float = NAN
    hd95_at_1024: float = NAN


METRICS = tuple(field.name for field in fields(MaskScore))


@dataclass(frozen=True, slots=True)
class SliceScores:
    """What becomes of the axial slices of a volume, each by itself.

    Attributes:
        slice_dice: mean Dice over the slices that the ground truth has something in.
        worst_slice: that of them with the lowest Dice, as its axis and number in the volume's own
            array, from 0, such as "slice 12".
        worst_slice_dice: its Dice.
        slices_present: slices that the ground truth has something in.
        slices_missed: how many of them nothing was found in.
        slices_absent: the other slices.
        slices_claimed: how many of them something was found in.
    """

    slice_dice: float
    worst_slice: str
    worst_slice_dice: float
    slices_present: int
    slices_missed: int
    slices_absent: int
    slices_claimed: int


@dataclass(frozen=True, slots=True)
class CaseScore:
    """Scores of one case, at the input's own resolution, of what the model predicts and the mask
    decides. Where a mask is no ground truth (`lungseg.datasets.label_sets.judged_pixels`) nothing
    is judged, and outlines are not compared.

    Attributes:
        case, patient, source, lung_extent, notes: of the case.
        verdict: "ok", "review" or "refused".
        unit: of the distances: "mm", or "pixels" or "voxels" where the spacing is not known.
        scores: by name: of each pair, by its plural, and each structure of none, the lungs first;
            then of the halves of pairs, where the ground truth tells them apart.
        raw: of the pairs and the structures of none, had the probabilities only been thresholded.
        kind: what was scored.
        is_empty: whether the ground truth of the first of them is.
        slices: of a volume, of the first of them.
        ratio_error: of the cardiothoracic ratio, what was measured less what the masks give.
    """

    case: str
    patient: str
    source: str
    lung_extent: str
    notes: str
    verdict: str
    unit: str
    scores: Mapping[str, MaskScore]
    raw: Mapping[str, MaskScore]
    kind: Literal["radiograph", "slice", "volume"] = "radiograph"
    is_empty: bool = False
    slices: SliceScores | None = None
    ratio_error: float = NAN

    @property
    def name(self) -> str:
        """Of what is scored first: the lungs, where they are."""
        return next(iter(self.raw))

    @property
    def first(self) -> MaskScore:
        """Its score."""
        return self.scores[self.name]


def score(
    case: Case,
    ground_truth: NDArray[np.uint8],
    result: Result[Image],
    others: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
) -> CaseScore:
    """Scores one radiograph.

    Args:
        case: with a mask.
        ground_truth: its labels (rows, columns).
        result: of its image.
        others: where structures are that have a mask of their own, as
            `lungseg.datasets.other_masks.read_other_masks` gives them.

    Raises:
        InputError: the model predicts nothing that the mask decides.
    """
    spacing = result.image.geometry.spacing
    # A mask of the extent that was asked for is a ground truth everywhere.
    extent = "field" if case.lung_extent == result.options.lung_extent else case.lung_extent
    scored = scored_regions(result.segmentation, case)
    scores, raw, halves, drawn = {}, {}, {}, list[bool]()
    for name, those in scored.items():
        found = result.segmentation.mask(name)
        inside = others[name] if name in others else pixels_of(ground_truth, those)
        judged = None if name in others else judged_pixels(ground_truth, those, extent)
        drawn.append(bool(inside.any()))
        scores[name] = with_hd95_at_1024(
            compare_masks(inside, found, spacing, judged=judged), inside, found, spacing
        )
        total = sum_of([result.probabilities[structure.name] for structure in those])
        thresholded = total >= result.card.threshold
        raw[name] = compare_masks(inside, thresholded, spacing, judged=judged)
        for half in those if len(those) > 1 else ():
            own = result.segmentation.mask(half.name)
            halves[half.name] = (
                compare_masks(ground_truth == half.number, own, spacing)
                if judged is None
                else MaskScore(components=count_components(own))
            )
    return CaseScore(
        case=case.case,
        patient=case.patient,
        source=case.source,
        lung_extent=case.lung_extent,
        notes=case.notes,
        verdict=result.verdict.status,
        unit="pixels" if spacing is None else "mm",
        scores=scores | halves,
        raw=raw,
        is_empty=not drawn[0],
        ratio_error=_ratio_error(case, ground_truth, result, others),
    )


def _ratio_error(
    case: Case,
    ground_truth: NDArray[np.uint8],
    result: Result[Image],
    others: Mapping[str, NDArray[np.bool_]],
) -> float:
    """See `lungseg.radiograph.findings.ratio_error`; NaN where the mask leaves open how wide the
    chest is.
    """
    if case.lung_extent == "aerated" or (ground_truth == OPACITY.number).any():
        return NAN
    return ratio_error(result.measurements, result.image, ground_truth, others)


def scored_regions(segmentation: Segmentation[Any], case: Case) -> dict[str, tuple[Structure, ...]]:
    """The pairs, by their plural, and the structures of none that the model predicts and the mask
    of a case decides; the lungs first.

    Raises:
        InputError: there are none.
    """
    found = {
        name: those
        for layer in segmentation.structures
        for name, those in regions(layer).items()
        if all(structure.name in case.decided for structure in sided(those))
    }
    if not found:
        names = [structure.name for layer in segmentation.structures for structure in layer]
        raise InputError(
            f"the mask decides {write_names(case.decided)}, and the model predicts "
            f"{write_names(names)}",
            where=case.mask,
            cure="give a case whose mask decides what the model predicts",
        )
    return dict(sorted(found.items(), key=lambda entry: entry[0] != PLURAL))


def pixels_of(labels: NDArray[np.uint8], structures: Collection[Structure]) -> NDArray[np.bool_]:
    """Where a label map, of any shape, has one of the structures."""
    return np.isin(labels, [structure.number for structure in sided(structures)])


def sum_of(probabilities: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The probability of structures that exclude each other together."""
    total, *others = probabilities
    for other in others:
        total = total + other
    return total


def with_hd95_at_1024(
    score: MaskScore, ground_truth: Mask, found: Mask, spacing: Sequence[float] | None
) -> MaskScore:
    """The score of two masks (rows, columns) with `hd95_at_1024`, where outlines were compared."""
    if math.isnan(score.hd95):
        return score
    in_pixels = score.hd95 if spacing is None else surface_distances(ground_truth, found).hd95
    return replace(score, hd95_at_1024=in_pixels * REFERENCE_SIDE / max(ground_truth.shape))


def compare_masks(
    ground_truth: Mask,
    found: Mask,
    spacing: Sequence[float] | None = None,
    *,
    judged: Mask | None = None,
) -> MaskScore:
    """All scores of two masks, (rows, columns) or (slices, rows, columns), but `hd95_at_1024`.

    Args:
        ground_truth: one mask.
        found: the other.
        spacing: millimetres along each axis; None gives distances in pixels or voxels.
        judged: pixels that count, if not all do; outlines are then not compared.
    """
    counts = (
        count(ground_truth, found) if judged is None else count(ground_truth[judged], found[judged])
    )
    own = MaskScore(
        dice=counts.dice,
        iou=counts.iou,
        accuracy=counts.accuracy,
        precision=counts.precision,
        recall=counts.recall,
        specificity=counts.specificity,
        relative_area_error=counts.relative_area_error,
        components=count_components(found),
    )
    if judged is not None:
        return own
    outlines = surface_distances(ground_truth, found, spacing)
    return replace(
        own,
        hd=outlines.hd,
        hd95=outlines.hd95,
        hd95_pooled=outlines.hd95_pooled,
        assd=outlines.assd,
        nsd_1=outlines.nsd(1),
        nsd_2=outlines.nsd(2),
        nsd_3=outlines.nsd(3),
    )


def count_components(mask: Mask) -> int:
    """Number of connected components of a mask: (rows, columns), or (slices, rows, columns), where
    voxels of one share faces.
    """
    return components(mask) if mask.ndim == 2 else component_sizes(mask).size
