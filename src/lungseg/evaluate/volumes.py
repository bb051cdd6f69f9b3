"""Scores of CT: a volume is scored in space and slice by slice, a single slice as any picture
is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case
from lungseg.datasets.cases import LungExtent
from lungseg.datasets.ground_truth import (
    VolumeGroundTruth,
    read_other_volumes,
    read_volume_labels,
)
from lungseg.datasets.label_sets import judged_pixels
from lungseg.draw.volume import AXES
from lungseg.evaluate.cases import (
    NAN,
    CaseScore,
    MaskScore,
    SliceScores,
    compare_masks,
    count_components,
    pixels_of,
    scored_regions,
    sum_of,
    with_hd95_at_1024,
)
from lungseg.geometry import VolumeGeometry
from lungseg.result import Result
from lungseg.scores import Mask, dice
from lungseg.structures import Structure
from lungseg.volume import Volume


class _Space:
    """The space of a volume in axial order, in which each slice counts with what it stands for."""

    def __init__(self, grid: VolumeGeometry) -> None:
        self.grid, self.across = grid, grid.uneven_axis
        self.even = grid
        self.planes: NDArray[np.intp] | None = None
        if grid.planes is not None:
            self.even, self.planes = grid.even()

    def evened(self, mask: Mask) -> Mask:
        """A mask on evenly spaced slices."""
        return mask if self.planes is None else mask.take(self.planes, self.across)

    def of(self, mask: Mask) -> float:
        """Of a mask, in mean voxels."""
        slices = np.moveaxis(mask, self.across, 0).reshape(mask.shape[self.across], -1)
        return float(slices.sum(axis=1) @ self.grid.widths(self.across))

    def compared(self, inside: Mask, found: Mask, judged: Mask | None) -> MaskScore:
        """Two masks; volumes only where all of it is judged."""
        known = None if judged is None else self.evened(judged)
        a, b = self.evened(inside), self.evened(found)
        score = compare_masks(a, b, self.even.spacing, judged=known)
        if judged is not None:
            return score
        true, surplus = self.of(inside), self.of(found) - self.of(inside)
        score = replace(score, relative_area_error=surplus / true) if true else score
        if self.grid.voxel_volume is None:
            return score
        return replace(score, volume_error=surplus * self.grid.voxel_volume / 1000.0)


def score_ct(case: Case, result: Result[Volume]) -> CaseScore:
    """Scores one CT volume or slice against its masks.

    Raises:
        InputError: the masks cannot be read, or do not lie on the volume's grid, or the model
            predicts nothing that they decide.
    """
    grid = result.image.geometry
    ground_truth, others = read_volume_labels(case, grid), read_other_volumes(case, grid)
    turn = grid.to_axial()
    axial = turn.geometry(grid)
    flat = axial.shape[0] == 1
    space = _Space(axial)
    spacing = space.even.spacing and space.even.spacing[1 if flat else 0 :]
    scored = scored_regions(result.segmentation, case)

    def as_scored(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return turn.apply(mask)[0] if flat else turn.apply(mask)

    def compared(inside: Mask, found: Mask, those: Sequence[Structure]) -> MaskScore:
        judged = _judged(case, labels, those, others)
        if flat:
            return compare_masks(inside, found, spacing, judged=judged)
        return space.compared(inside, found, judged)

    labels = ground_truth.labels[0] if flat else ground_truth.labels
    scores, raw, halves, slices, drawn = {}, {}, {}, None, list[bool]()
    for name, those in scored.items():
        inside = _inside(ground_truth, labels, those, others.get(name))
        drawn.append(bool(inside.any()))
        found = as_scored(result.segmentation.mask(name))
        scores[name] = compared(inside, found, those)
        if flat:
            scores[name] = with_hd95_at_1024(scores[name], inside, found, spacing)
        raw[name] = compared(inside, as_scored(_thresholded(result, those)), those)
        for half in those if len(those) > 1 else ():
            own = as_scored(result.segmentation.mask(half.name))
            halves[half.name] = (
                compared(labels == half.number, own, [half])
                if ground_truth.sides
                else MaskScore(components=count_components(own))
            )
        if not flat and slices is None:
            slices = score_slices(inside, found, grid, _judged(case, labels, those, others))
    return CaseScore(
        case=case.case,
        patient=case.patient,
        source=case.source,
        lung_extent=case.lung_extent,
        notes=case.notes,
        verdict=result.verdict.status,
        unit="mm" if spacing else "pixels" if flat else "voxels",
        scores=scores | halves,
        raw=raw,
        kind="slice" if flat else "volume",
        is_empty=not drawn[0],
        slices=slices,
    )


def _judged(
    case: Case,
    labels: NDArray[np.uint8],
    structures: Sequence[Structure],
    others: Mapping[str, Mask],
) -> Mask | None:
    """Where labels are a ground truth of structures; None for everywhere, as of those with a mask
    of their own.
    """
    if any(one.name in others for one in structures):
        return None
    extent: LungExtent = "aerated" if case.lung_extent == "aerated" else "field"
    return judged_pixels(labels, structures, extent)


def _inside(
    ground_truth: VolumeGroundTruth,
    labels: NDArray[np.uint8],
    structures: Sequence[Structure],
    own: Mask | None,
) -> Mask:
    """Where structures are: as a mask of their `own` says, or as the labels do; of a ground truth
    that does not tell the sides everywhere it has lung.
    """
    if own is not None:
        return own[0] if labels.ndim < own.ndim else own
    return pixels_of(labels, structures) if ground_truth.sides else labels > 0


def _thresholded(result: Result[Volume], structures: Sequence[Structure]) -> NDArray[np.bool_]:
    """What the probabilities of structures together, in the input's own order, would be without
    postprocessing.
    """
    limit = math.ceil(255 * result.card.threshold)
    channels = [result.probabilities[structure.name] for structure in structures]
    planes = zip(*channels, strict=True)
    return np.stack([sum_of([p.astype(np.uint16) for p in plane]) >= limit for plane in planes])


def score_slices(
    ground_truth: Mask, found: Mask, grid: VolumeGeometry, judged: Mask | None = None
) -> SliceScores:
    """Compares two masks (slices, rows, columns) in axial order, slice by slice, where they are
    judged; `grid` is the volume's own, as it was stored.
    """
    turn = grid.to_axial()
    if judged is not None:
        ground_truth, found = ground_truth & judged, found & judged
    scores: dict[str, float] = {}
    missed = claimed = 0
    for number, (a, b) in enumerate(zip(ground_truth, found, strict=True)):
        if not a.any():
            claimed += bool(b.any())
            continue
        own = len(ground_truth) - 1 - number if turn.flipped[0] else number
        scores[f"{AXES[turn.order[0]]} {own}"] = dice(a, b)
        missed += not b.any()
    worst = min(scores, key=scores.__getitem__, default="")
    return SliceScores(
        slice_dice=float(np.mean(list(scores.values()))) if scores else NAN,
        worst_slice=worst,
        worst_slice_dice=scores.get(worst, NAN),
        slices_present=len(scores),
        slices_missed=missed,
        slices_absent=len(ground_truth) - len(scores),
        slices_claimed=claimed,
    )
