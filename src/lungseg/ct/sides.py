"""Right and left lung of a volume whose network predicts them as one, slice by slice."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.slices import Planes
from lungseg.morphology.dilation import nearest_of
from lungseg.morphology.sides import cut_in_the_middle, is_undecided
from lungseg.structures import LUNGS

MAX_OPEN_FRACTION: Final = 0.5
"""Of the lungs' pixels, in slices that do not tell the sides; with more nothing is told."""


def settle_sides(planes: Planes, lungs: list[int], threshold: float) -> None:
    """Gives the slices that do not tell right from left, in place, the sides of the nearest that
    does: each pixel those of the nearest lung there. Where too few tell, all stays as it is.

    Args:
        planes: (slices, structures, rows, columns), as `lungseg.sided.SidedPredictor` sees them.
        lungs: where right and left lung are among the structures.
        threshold: 0 to 1, from which on a pixel is lung.
    """
    limit = 255 * threshold - 1  # halves of 255ths are rounded
    is_open = open_slices(planes, lungs, threshold)
    if not is_open.any():
        return
    right, left = (planes[:, lung] for lung in lungs)
    areas = np.count_nonzero(np.maximum(right, left) >= limit / 2, axis=(1, 2))
    telling = np.flatnonzero(
        ~is_open & (right >= limit).any(axis=(1, 2)) & (left >= limit).any(axis=(1, 2))
    )
    if not telling.size or areas[is_open].sum() > MAX_OPEN_FRACTION * areas.sum():
        return
    for number in np.flatnonzero(is_open):
        like = telling[np.abs(telling - number).argmin()]
        seeds = np.where(right[like] >= limit, np.uint8(LUNGS[0].number), np.uint8(0))
        seeds[left[like] >= limit] = LUNGS[1].number
        nearest, _ = nearest_of(seeds, [lung.number for lung in LUNGS])
        both = np.minimum(right[number].astype(np.uint16) + left[number], 255).astype(np.uint8)
        for lung, structure in zip(lungs, LUNGS, strict=True):
            planes[number, lung] = np.where(nearest == structure.number, both, np.uint8(0))


def open_slices(planes: Planes, lungs: list[int], threshold: float) -> NDArray[np.bool_]:
    """Which slices do not tell right from left: (slices,) of True and False."""
    limit = 255 * threshold - 1
    right, left = lungs
    return np.array([is_undecided(plane[right], plane[left], limit).any() for plane in planes])


def cut_planes(planes: Planes, lungs: list[int]) -> Planes:
    """New planes whose lungs were cut in the middle, see
    `lungseg.morphology.sides.cut_in_the_middle`.
    """
    cut = planes.copy()
    cut[:, lungs[0]], cut[:, lungs[1]] = cut_in_the_middle(*(planes[:, lung] for lung in lungs))
    return cut
