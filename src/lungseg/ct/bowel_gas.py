"""Gas of stomach and bowel that a network took for lung."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.runs import components

Labels = NDArray[np.uint8]

MAX_SLICE_DISTANCE_MM = 5.0
"""Millimetres between slices; further apart, one slice says too little about the next."""


CELL = 3.0
"""Millimetres of the grid on which gas of stomach and bowel is looked for: averages over so much
tell gas from lung in spite of noise."""


PURE_BELOW = -950
"""Hounsfield units of cells that hold nothing but gas, unless emphysema does; so what lies around
them must decide."""


MAX_LUNG_FRACTION, MIN_TISSUE_FRACTION, MIN_ROOF_FRACTION, MIN_TISSUE_HU = 0.32, 0.5, 0.55, -150
"""Of what lies 3 to 9 mm from the gas at most the first fraction may be labelled lung, and at least
the second must be tissue, above so many Hounsfield units; so must something within 12 mm above the
third fraction of its top. On LCTSC and ct-64 of the Chest Imaging Platform gas of stomach and bowel
that was called lung has at most 0.06, and at least 0.55 and 0.72; bullae with walls of 2 mm,
painted into these lungs, have at most 0.49 of tissue above where the first two hold."""


ROOF = 4
"""Cells above the gas in which the diaphragm is looked for."""


MIN_LABELLED_MM3 = 5000.0
"""Cubic millimetres of gas called lung: less changes no volume by a measurable fraction."""


def remove_bowel_gas(
    labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None
) -> None:
    """Takes gas of stomach and bowel, with its wall, out of what was labelled as lung.

    It is a component of nearly pure gas that lies below the middle of the lungs, with tissue around
    it and above it: the diaphragm. A bulla has lung around it, or above it. Slices more than
    `MAX_SLICE_DISTANCE_MM` apart, and unknown spacing, are left alone.

    Args:
        labels: (slices, rows, columns) in axial order, changed in place, as a network gave them,
            islands and all.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
    """
    heights = np.flatnonzero(labels.any(axis=(1, 2)))
    if spacing is None or spacing[0] > MAX_SLICE_DISTANCE_MM or not heights.size:
        return
    steps = [max(1, round(CELL / side)) for side in spacing]
    rows, columns = (
        max(1, count // step) for count, step in zip(labels.shape[1:], steps[1:], strict=True)
    )
    lower = slice(0, int(heights[0] + heights[-1]) // 2 + 1, steps[0])
    real = (plane.astype(np.float32) for plane in voxels[lower])  # one at a time
    density = _resized(real, (columns, rows), cv2.INTER_AREA)
    lung = _resized(labels[lower], (columns, rows), cv2.INTER_NEAREST) > 0
    gas = components(density < PURE_BELOW)
    labelled = (
        np.bincount(gas[lung], minlength=int(gas.max()) + 1) * math.prod(steps) * math.prod(spacing)
        >= MIN_LABELLED_MM3
    )
    # Air around the patient, and what goes on above, is no closed component.
    for side in (gas[-1], gas[:, 0], gas[:, -1], gas[:, :, 0], gas[:, :, -1]):
        labelled[side] = False
    labelled[0] = False
    taken = np.zeros(gas.shape, bool)
    for component in np.flatnonzero(labelled):
        box = tuple(
            slice(max(0, int(at.min()) - ROOF), int(at.max()) + ROOF + 1)
            for at in np.nonzero(gas == component)
        )
        wall = _bowel(gas[box] == component, density[box], lung[box])
        if wall is not None:
            taken[box] |= wall
    for number in np.flatnonzero(taken.any(axis=(1, 2))):
        cells = taken[number : number + 1].astype(np.uint8)
        wide = _resized(cells, labels.shape[:0:-1], cv2.INTER_NEAREST)[0] > 0
        labels[number * steps[0] : (number + 1) * steps[0], wide] = 0


def _resized(
    planes: Iterable[NDArray[Any]], size: tuple[int, ...], interpolation: int
) -> NDArray[Any]:
    """Each slice resized to (columns, rows)."""
    return np.stack([cv2.resize(plane, size, interpolation=interpolation) for plane in planes])


def _bowel(
    gas: NDArray[np.bool_], density: NDArray[np.float32], lung: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """The cells of a component of gas and its wall, where it is one of stomach or bowel; None where
    it may be lung.
    """
    wall = grown(gas, 1)
    around = grown(wall, 2) & ~wall
    top = np.nonzero(gas & ~np.pad(gas, ((0, 1), (0, 0), (0, 0)))[1:])
    roof = np.max(
        [density[(np.minimum(top[0] + up, len(gas) - 1), *top[1:])] for up in range(1, ROOF + 1)],
        axis=0,
    )
    tissue = float(np.mean(density[around] > MIN_TISSUE_HU)), float(np.mean(roof > MIN_TISSUE_HU))
    return (
        wall
        if np.mean(lung[around]) <= MAX_LUNG_FRACTION
        and tissue[0] >= MIN_TISSUE_FRACTION
        and tissue[1] >= MIN_ROOF_FRACTION
        else None
    )


def grown(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """With all voxels that share a face with it, so many times."""
    for _ in range(times):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1, 1:-1] | wide[2:, 1:-1, 1:-1] | wide[:-2, 1:-1, 1:-1]
        mask |= (
            wide[1:-1, 2:, 1:-1]
            | wide[1:-1, :-2, 1:-1]
            | wide[1:-1, 1:-1, 2:]
            | wide[1:-1, 1:-1, :-2]
        )
    return mask
