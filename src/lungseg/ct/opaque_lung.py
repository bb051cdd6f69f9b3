"""A second lung that is none: fluid, or a part of what fills the place of a lung that was removed
or has collapsed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

Labels = NDArray[np.uint8]

AIRLESS = -300
"""Hounsfield units above which next to nothing of a voxel is air: less than a third."""

FLUID = -20, 25
"""Hounsfield units between which the median of fluid lies. Consolidated lung has those of tissue,
30 and more."""

MIN_AIRLESS_FRACTION, MAX_FRACTION = 0.9, 0.25
"""Of a lung's voxels how many are airless at least, and of the other lung's size how much it has at
most, unless it is fluid, where it is no lung. What was found in the fluid of LCTSC's volumes,
painted in place of one lung, has 0.97 to 1.00 and 0.02 to 0.07; the healthy lungs have 0.03 to 0.06
and 0.7 to 1.4."""


def remove_opaque_remnant(labels: Labels, voxels: NDArray[np.int16]) -> None:
    """Takes out, in place, a lung that holds no air and is as dense as fluid, or small beside the
    other one.

    After a lung was removed, or collapsed, fluid and mediastinum take its place, and a network may
    call them lung, or a part of them. A consolidated lung that was found for the most part stays.

    Args:
        labels: (slices, rows, columns), at most one right and one left lung.
        voxels: the same shape, Hounsfield units.
    """
    lungs = (RIGHT_LUNG, LEFT_LUNG)
    sizes = {lung: np.count_nonzero(labels == lung.number) for lung in lungs}
    smaller, larger = sorted(lungs, key=sizes.__getitem__)
    if not sizes[smaller]:
        return
    inside = labels == smaller.number
    density = voxels[inside]
    small = sizes[smaller] <= MAX_FRACTION * sizes[larger]
    if np.mean(density > AIRLESS) >= MIN_AIRLESS_FRACTION and (
        small or FLUID[0] <= np.median(density) <= FLUID[1]
    ):
        labels[inside] = 0
