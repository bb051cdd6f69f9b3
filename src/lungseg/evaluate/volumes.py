"""Scores of CT: a volume is scored in space and slice by slice, a single slice as any picture
is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case
from lungseg.datasets.ground_truth import read_volume_labels
from lungseg.draw.volume import AXES
from lungseg.evaluate.cases import (
    NAN,
    CaseScore,
    MaskScore,
    SliceScores,
    compare_masks,
    count_components,
    hd95_of_1024,
)
from lungseg.geometry import VolumeGeometry
from lungseg.result import Result
from lungseg.scores import Mask, dice
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG
from lungseg.volume import Volume


def score_ct(case: Case, result: Result[Volume]) -> CaseScore:
    """Scores the lungs of one CT volume or slice against its masks.

    Raises:
        InputError: the masks cannot be read, or do not lie on the volume's grid.
    """
    grid = result.image.geometry
    truth = read_volume_labels(case, grid)
    turn = grid.to_axial()
    axial = turn.geometry(grid)
    flat = axial.shape[0] == 1
    spacing = axial.spacing and axial.spacing[1 if flat else 0 :]
    known, found, uncleaned = (
        a[0] if flat else a
        for a in (truth.labels, turn.apply(result.mask), turn.apply(_thresholded(result)))
    )
    lungs = known > 0

    def compared(one: Mask, other: Mask) -> MaskScore:
        score = compare_masks(one, other, spacing)
        if flat or grid.voxel_volume is None:
            return score
        surplus = int(np.count_nonzero(other)) - int(np.count_nonzero(one))
        return replace(score, volume_error=surplus * grid.voxel_volume / 1000.0)

    right, left = (
        compared(known == lung.number, found == lung.number)
        if truth.sides
        else MaskScore(components=count_components(found == lung.number))
        for lung in (RIGHT_LUNG, LEFT_LUNG)
    )
    both = compared(lungs, found > 0)
    return CaseScore(
        case=case.case,
        patient=case.patient,
        source=case.source,
        lung_extent=case.lung_extent,
        notes=case.notes,
        verdict=result.verdict.status,
        unit="mm" if spacing else "pixels" if flat else "voxels",
        hd95_of_1024=hd95_of_1024(lungs, found > 0, None if spacing else both) if flat else NAN,
        lungs=both,
        right=right,
        left=left,
        uncleaned=compared(lungs, uncleaned),
        kind="slice" if flat else "volume",
        has_lung=bool(lungs.any()),
        slices=None if flat else score_slices(lungs, found > 0, grid),
    )


def _thresholded(result: Result[Volume]) -> NDArray[np.bool_]:
    """What the probabilities of both lungs together, in the input's own order, would be without
    cleaning.
    """
    right, left = (result.probabilities[lung.name] for lung in LUNGS)
    limit = math.ceil(255 * result.card.threshold)
    return np.stack([a.astype(np.uint16) + b >= limit for a, b in zip(right, left, strict=True)])


def score_slices(truth: Mask, found: Mask, grid: VolumeGeometry) -> SliceScores:
    """Compares two masks (slices, rows, columns) in axial order, slice by slice; `grid` is the
    volume's own, as it was stored.
    """
    turn = grid.to_axial()
    scores: dict[str, float] = {}
    missed = claimed = 0
    for number, (a, b) in enumerate(zip(truth, found, strict=True)):
        if not a.any():
            claimed += bool(b.any())
            continue
        own = len(truth) - 1 - number if turn.flipped[0] else number
        scores[f"{AXES[turn.order[0]]} {own}"] = dice(a, b)
        missed += not b.any()
    worst = min(scores, key=scores.__getitem__, default="")
    return SliceScores(
        slice_dice=float(np.mean(list(scores.values()))) if scores else NAN,
        worst_slice=worst,
        worst_slice_dice=scores.get(worst, NAN),
        slices_with_lung=len(scores),
        slices_missed=missed,
        slices_without_lung=len(truth) - len(scores),
        slices_claimed=claimed,
    )
