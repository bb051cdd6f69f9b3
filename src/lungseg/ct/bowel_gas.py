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


MAX_LUNG_FRACTION_OF_OPEN, MIN_TISSUE_FRACTION_OF_OPEN = 0.1, 0.75
"""The first two for gas that goes on above what was scanned, and of whose top nothing is known."""


EDGE_BELOW = -200
"""Hounsfield units of cells two steps from gas that are neither gas nor tissue: between the two."""


ROOF = 4
"""Cells above the gas in which the diaphragm is looked for."""


GAS_BELOW, LUNG_BELOW = -940, -300
"""Hounsfield units; a piece of what was labelled with a median below the first is gas, above the
second tissue, and no lung by which to tell where the lungs are, unless it is larger than
`MAX_BOWEL_MM3`."""


MIN_SEEN_MM = 50.0
"""Millimetres that must have been scanned, up to the highest slice with a label, before what was
labelled is said to be no lung: in fewer, emphysema may look the same."""


MIN_LUNG_HEIGHT_MM = 150.0
"""Millimetres from base to apex of a lung that is cut off above, at least; those of LCTSC have 210
to 237. The domes of the diaphragm, with bowel beneath, reach into the lower half of them."""


MAX_BOWEL_MM3 = 5.0e5
"""Cubic millimetres of a component of gas in stomach or bowel, where no lungs above it say that it
lies below them; lungs with emphysema all over are larger."""


MIN_LABELLED_MM3 = 5000.0
"""Cubic millimetres of gas called lung: less changes no volume by a measurable fraction."""


def remove_bowel_gas(
    labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None
) -> None:
    """Takes gas of stomach and bowel, with its wall, out of what was labelled as lung.

    It is a component of nearly pure gas that lies below the middle of the lungs, with tissue around
    it and above it: the diaphragm. A bulla has lung around it, or above it. Where all that was
    labelled is gas, there are no lungs, and any of it may be bowel. Slices more than
    `MAX_SLICE_DISTANCE_MM` apart, and unknown spacing, are left alone.

    Args:
        labels: (slices, rows, columns) in axial order, changed in place, as a network gave them,
            islands and all.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
    """
    if spacing is None or spacing[0] > MAX_SLICE_DISTANCE_MM or not labels.any():
        return
    steps = [max(1, round(CELL / side)) for side in spacing]
    rows, columns = (
        max(1, count // step) for count, step in zip(labels.shape[1:], steps[1:], strict=True)
    )
    top = int(np.flatnonzero(labels.any(axis=(1, 2)))[-1]) + 1 + ROOF * steps[0]
    real = (plane.astype(np.float32) for plane in voxels[: top : steps[0]])  # one at a time
    density = _resized(real, (columns, rows), cv2.INTER_AREA)
    lung = _resized(labels[: top : steps[0]], (columns, rows), cv2.INTER_NEAREST) > 0
    cell = math.prod(steps) * math.prod(spacing)
    height = steps[0] * spacing[0]
    lower = _below_the_middle(lung, density, cell, height)
    is_cut = lower < len(lung) or len(lung) * height < MIN_SEEN_MM
    density, lung = density[:lower], lung[:lower]
    gas = components(density < PURE_BELOW)
    size = np.bincount(gas.ravel()) * cell
    labelled = np.bincount(gas[lung], minlength=size.size) * cell >= MIN_LABELLED_MM3
    labelled &= is_cut | (size <= MAX_BOWEL_MM3)
    # Air around the patient, and what goes on above, is no closed component.
    for side in (gas[:, 0], gas[:, -1], gas[:, :, 0], gas[:, :, -1], *([gas[-1]] * is_cut)):
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


def _below_the_middle(
    lung: NDArray[np.bool_], density: NDArray[np.float32], cell: float, height: float
) -> int:
    """How many slices, from the lowest, lie below the middle of the lungs; all where there are
    none. Lungs that go on above what was scanned are taken to be `MIN_LUNG_HEIGHT_MM` high at
    least.

    Args:
        lung: cells that were labelled.
        density: Hounsfield units of the cells.
        cell: cubic millimetres of one.
        height: millimetres of one.
    """
    pieces = components(lung)
    seen = len(lung) * height >= MIN_SEEN_MM
    found = [
        np.flatnonzero((pieces == number).any(axis=(1, 2)))
        for number in range(1, int(pieces.max()) + 1)
        if not seen or _shows_lung(density[pieces == number], cell)
    ]
    if not found:
        return len(lung)
    low, high = (int(end) for end in (np.min(np.concatenate(found)), np.max(np.concatenate(found))))
    if not seen:
        return (low + high) // 2 + 1
    if high == len(lung) - 1:
        high = max(high, low + round(MIN_LUNG_HEIGHT_MM / height))
    return min(len(lung), (low + high) // 2 + 1)


def _shows_lung(density: NDArray[np.float32], cell: float) -> bool:
    """Whether a piece of what was labelled, by its cells, is lung and no gas."""
    size = density.size * cell
    return size > MAX_BOWEL_MM3 or bool(
        size >= MIN_LABELLED_MM3 and GAS_BELOW <= np.median(density) <= LUNG_BELOW
    )


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
    gas = ~grown(~grown(gas, 1), 1)  # without pores of noise
    wall = grown(gas, 1)
    edge = wall | (grown(wall, 1) & (density < EDGE_BELOW))  # blurred, or a part of a cell
    around = grown(edge, 2) & ~edge
    top = np.nonzero(gas & ~np.pad(gas, ((0, 1), (0, 0), (0, 0)))[1:])
    roof = np.max(
        [density[(np.minimum(top[0] + up, len(gas) - 1), *top[1:])] for up in range(1, ROOF + 1)],
        axis=0,
    )
    tissue = float(np.mean(density[around] > MIN_TISSUE_HU))
    labelled = float(np.mean(lung[around]))
    if gas[-1].any():
        closed = tissue >= MIN_TISSUE_FRACTION_OF_OPEN and labelled <= MAX_LUNG_FRACTION_OF_OPEN
    else:
        closed = np.mean(roof > MIN_TISSUE_HU) >= MIN_ROOF_FRACTION
    bowel = closed and tissue >= MIN_TISSUE_FRACTION and labelled <= MAX_LUNG_FRACTION
    return wall if bowel else None


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
