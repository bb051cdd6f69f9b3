"""Air that was taken for lung and is none: between lung and ribs, as in a pneumothorax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.ct.bowel_gas import CELL, MAX_SLICE_DISTANCE_MM, grown
from lungseg.morphology.boxes import enclosing_box
from lungseg.morphology.runs import components

Labels = NDArray[np.uint8]

ABOVE_AIR, MAX_AIR = 30.0, -960.0
"""Hounsfield units: cells are nothing but air up to the first above the air around the patient, and
up to the second in any case. Emphysema that was painted into LCTSC, 35 percent of the lungs below
-950 HU, has at most 3 mL of them together; the lungs themselves have none."""

MIN_TISSUE_FRACTION, MIN_TISSUE_FRACTION_OF_SLICE, TISSUE = 0.37, 0.3, -300
"""Of what lies 3 to 6 mm from the air in a volume, and in a single slice, how much must be above so
many Hounsfield units: chest wall, mediastinum, diaphragm. Air 15 to 60 mm thick that was painted
between lung and ribs of LCTSC and of phantoms has 0.45 to 0.86 (in single slices 0.32 to 0.89),
bullae of 35 mm, some at the border of the lung, 0.06 to 0.33 (0.41), pieces of emphysema 0.12 to
0.33 (0.42)."""

MIN_CONTACT, MIN_CONTACT_OF_SLICE = 3.0, 2.2
"""The area of that tissue, over the volume of the air to the power of two thirds; in a single slice
its length, over the root of the air's area: a pneumothorax is a shell. The same air has 4.1 to 8.0
(2.5 to 4.7), bullae 0.3 to 1.9 (1.5); half a ball has 2.4, half a disc 1.8. Only emphysema, all
strands, has up to 6.4 (1.9)."""

MIN_FREE_AIR_MM3 = 100000.0
"""Cubic millimetres of such air, in a volume: gas of a stomach, that was taken for the base of a
lung, has less."""

MIN_FREE_AIR_MM2 = 1000.0
"""Square millimetres of it in a single slice, where the trachea, of at most 600, may be labelled
too."""


def free_air(
    labels: Labels,
    voxels: NDArray[np.int16],
    spacing: tuple[float, float, float] | None,
    *,
    open_air: float,
) -> float:
    """Cubic millimetres, in a single slice square millimetres, of pure air beside the chest wall
    that was labelled as lung; 0 where there is none to speak of, or the spacing is not known.

    A component of cells of nothing but air, two cells wide at least, that is a shell along the
    chest wall. A bulla is round and has lung there, and what is left of lung in emphysema parts its
    air.

    Args:
        labels: (slices, rows, columns) in axial order.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
        open_air: Hounsfield units of the air around the patient.
    """
    if spacing is None or not labels.any():
        return 0.0
    box = _with_margin(enclosing_box(labels), labels.shape)
    steps = [max(1, round(CELL / side)) for side in spacing]
    density, lung = _cells(voxels[box], labels[box], steps)
    limit = min(open_air + ABOVE_AIR, MAX_AIR)
    square = np.ones((2, 2), np.uint8)
    air = np.stack([_opened(plane, square) for plane in lung & (density < limit)])
    if spacing[0] <= MAX_SLICE_DISTANCE_MM and len(labels) > 1:
        sides = [step * side for step, side in zip(steps, spacing, strict=True)]
        found = _shells(air, density, sides, MIN_FREE_AIR_MM3)
        return found if found >= MIN_FREE_AIR_MM3 else 0.0
    # Of a slice, and of slices that say too little of each other, each by itself.
    sides = [step * side for step, side in zip(steps[1:], spacing[1:], strict=True)]
    area = sum(_shells(air[[i]], density[[i]], sides, MIN_FREE_AIR_MM2) for i in range(len(air)))
    if len(labels) == 1:
        return area
    volume = area * steps[0] * spacing[0]
    return volume if volume >= MIN_FREE_AIR_MM3 else 0.0


def _shells(
    air: NDArray[np.bool_], density: NDArray[np.float32], sides: Sequence[float], least: float
) -> float:
    """Size of all components of air, of `least` size each, that are shells."""
    pieces = components(air)
    sizes = np.bincount(pieces.ravel()) * math.prod(sides)
    large = np.flatnonzero(sizes >= least)
    return float(sum(sizes[i] for i in large[large > 0] if _is_shell(pieces == i, density, sides)))


def _with_margin(
    box: tuple[slice, ...], shape: tuple[int, ...], margin: int = 12
) -> tuple[slice, ...]:
    """A box of voxels with as many rows and columns more, as far as there are."""
    across = (
        slice(max(0, side.start - margin), min(count, side.stop + margin))
        for side, count in zip(box[1:], shape[1:], strict=True)
    )
    return box[0], *across


def _cells(
    voxels: NDArray[Any], labels: Labels, steps: list[int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean Hounsfield units of cells, and which of them are lung."""
    size = tuple(
        max(1, count // step)
        for count, step in zip(labels.shape[:0:-1], reversed(steps[1:]), strict=True)
    )
    chosen = slice(None, None, steps[0])
    density = [
        cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for plane in voxels[chosen]
    ]
    lung = [cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in labels[chosen]]
    return np.stack(density), np.stack(lung) > 0


def _opened(plane: NDArray[np.bool_], square: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """What is as wide as a square in (rows, columns)."""
    blocks = cv2.erode(plane.view(np.uint8), square, anchor=(0, 0))
    return cv2.dilate(blocks, square, anchor=(1, 1)).astype(bool)


def _is_shell(air: NDArray[np.bool_], density: NDArray[np.float32], sides: Sequence[float]) -> bool:
    """Whether air lies along the chest wall; `sides` of a cell, three in space, two in a slice."""
    single = len(sides) == 2
    shell = grown(air, 2) & ~grown(air, 1)
    tissue = density[shell] > TISSUE
    least = MIN_TISSUE_FRACTION_OF_SLICE if single else MIN_TISSUE_FRACTION
    if not tissue.size or np.mean(tissue) < least:
        return False
    # Cells along a surface, of one layer, have this area each (along a line, this length).
    power = (len(sides) - 1) / len(sides)
    contact = np.count_nonzero(tissue) / np.count_nonzero(air) ** power
    return bool(contact >= (MIN_CONTACT_OF_SLICE if single else MIN_CONTACT))
