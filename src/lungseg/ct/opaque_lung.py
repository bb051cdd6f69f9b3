"""A second lung that is none: a part of what fills the place of a lung that was removed or holds no
air.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

Labels = NDArray[np.uint8]

AIRLESS = -300
"""Hounsfield units above which next to nothing of a voxel is air: less than a third."""

MIN_AIRLESS_FRACTION, MAX_FRACTION = 0.9, 0.25
"""Of a lung's voxels how many are airless at least, and of the other lung's size how much it has at
most, where it is no lung. What was found in the fluid of LCTSC's volumes, painted in place of one
lung, has 0.97 to 1.00 and 0.02 to 0.07; the healthy lungs have 0.03 to 0.06 and 0.7 to 1.4."""


def remove_opaque_remnant(labels: Labels, voxels: NDArray[np.int16]) -> None:
    """Takes out, in place, a lung that holds no air and is small beside the other one.

    After a lung was removed, or collapsed, fluid and mediastinum take its place, and a network may
    call a part of them lung. A white lung that was found for the most part stays.

    Args:
        labels: (slices, rows, columns), at most one right and one left lung.
        voxels: the same shape, Hounsfield units.
    """
    sizes = {lung: np.count_nonzero(labels == lung.number) for lung in (RIGHT_LUNG, LEFT_LUNG)}
    smaller, larger = sorted(sizes, key=sizes.__getitem__)
    if not 0 < sizes[smaller] <= MAX_FRACTION * sizes[larger]:
        return
    inside = labels == smaller.number
    if np.mean(voxels[inside] > AIRLESS) >= MIN_AIRLESS_FRACTION:
        labels[inside] = 0
