"""Which slices of a volume the network sees, and how: white surroundings blackened."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import VolumeGeometry
from lungseg.segmentation import Array

WHITE_SHARE = 0.3
"""Of the border of a slice; from here on, white is what the slice was set in, and no tissue that
reaches the edge."""


def blacken_surround(pixels: Array) -> Array:
    """A slice (rows, columns) whose surroundings are white, as in some collections of pictures,
    with black ones; any other as it is.
    """
    white = pixels == pixels.max()
    if np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]]).mean() < WHITE_SHARE:
        return pixels
    _, components = cv2.connectedComponents(white.view(np.uint8), connectivity=4)
    outside = np.unique(
        np.concatenate([components[0], components[-1], components[:, 0], components[:, -1]])
    )
    return np.where(np.isin(components, outside[outside > 0]), pixels.min(), pixels)


Planes = NDArray[np.uint8]
"""(slices, 2, rows, columns): probabilities of right and left lung in 255ths, axial slices from the
feet to the head, on the network's grid in each."""


MAX_STEP_MM = 3.0
"""Millimetres between two slices that the network sees, where slices are thinner: between them
probabilities are interpolated. LCTSC's are as far apart; where of those only every second one is
seen, 6 mm, the Dice falls by 0.0004 to 0.0018, and were it by the square of the distance, it would
at 3 mm by a quarter of that."""


def sampled_slices(grid: VolumeGeometry) -> NDArray[np.intp]:
    """Numbers of the axial slices, ascending, that the network sees: all, or as few as
    `MAX_STEP_MM` allows; first and last always.
    """
    turned = grid.to_axial().geometry(grid)
    if turned.spacing is None:
        return np.arange(turned.shape[0])
    if turned.planes is None or turned.uneven_axis != 0:
        # A distance is known to six digits or so: 0.600001 mm is 0.6, of which five are 3 mm.
        step = max(1, int(MAX_STEP_MM / turned.spacing[0] + 1e-3))
        return np.unique(np.append(np.arange(0, turned.shape[0], step), turned.shape[0] - 1))
    places = turned.places(0) * turned.spacing[0]
    seen = [0]
    for number in range(1, len(places)):
        after = places[min(number + 1, len(places) - 1)] - places[seen[-1]]
        if after > MAX_STEP_MM * (1 + 1e-3) or number == len(places) - 1:
            seen.append(number)
    return np.array(seen)


def fill_between(planes: Planes, seen: NDArray[np.intp], places: NDArray[np.float64]) -> None:
    """Fills the planes that are not `seen`, in place, by linear interpolation between those that
    are; `places` are those of all planes along their axis.
    """
    for before, after in pairwise(seen):
        for number in range(before + 1, after):
            weight = (places[number] - places[before]) / (places[after] - places[before])
            planes[number] = np.rint((1 - weight) * planes[before] + weight * planes[after])
