"""The trachea and the main bronchi, which are no lung, although a network may call them so where
they touch one.

They are followed downwards, slice by slice, as what they are in axial slices: small spots of gas
with walls, each lying below the last. Where they cannot be told from lung for certain, nothing is
taken out.
"""

from __future__ import annotations

import math
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.structures import LUNGS

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEVELS = (-700, -800, -850, -900, -940)
"""Hounsfield units below which a spot is looked for, one after the other: a wall that is thinner
than a voxel parts gas and lung only at low ones, and in emphysema at none."""

SOFT = -500
"""Hounsfield units from which it is tissue, and not lung, that surrounds a spot."""

MIN_TRACHEA_MM2, MIN_BRONCHUS_MM2, MAX_AREA_MM2 = 40.0, 15.0, 700.0
"""Square millimetres of a section. Tracheas are 13 to 25 mm wide from side to side in men, 10 to 21
in women, and 13 to 27 and 10 to 23 from front to back (E. Breatnach, G. C. Abbott, R. G. Fraser,
"Dimensions of the normal human trachea", American Journal of Roentgenology 142, 1984); the largest
of these is 530 mm2, and where the bronchi part, sections are larger. Children's are smaller."""

ROUND, FILLED = 2.5, 0.6
"""How often longer than wide the first section may be, and the least fraction of its box that it
fills; a disc fills 0.79."""

BURIED_FIRST, BURIED = 0.6, 0.3
"""Fraction of tissue around a section, at the start and further down. A bulla or cavity, or a
bronchus inside the lung, has lung around it."""

RING = (1.5, 5.0)
"""Millimetres from the border of a spot between which lies what surrounds it; the wall is
nearer."""

BELOW = ((0.7, 0.7), (0.4, 0.0))
"""The least fraction of a section that lies straight below the last one, so that it cannot widen
into lung or jump, and of the last one that lies above it: the second two where the first are met at
no level. So a bulla beside the trachea is parted from it at a lower level, before both would be
taken for its widening."""

MIDDLE = 0.3
"""Of the distance between the middles of the two lungs: so far to the side of half-way the trachea
may begin."""

SHORTEST = 30.0
"""Millimetres, and `MIN_SLICES` slices, over which gas must be followed before it is taken for the
trachea."""

MIN_SLICES = 3

TOP = 0.05
"""Fraction of the largest slice of the lungs from which a slice shows their tops, and no mere
island above them."""

ABOVE, BENEATH = 60.0, 30.0
"""Millimetres above and beneath these tops between which the first section must lie, where there
are few bullae to be mistaken for it. As far beneath the largest slice the search ends: bronchi
there lie in the lungs."""

MARGIN = 25.0
"""Millimetres around one section in which the next one is looked for."""


def remove_trachea(
    labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None
) -> None:
    """Takes trachea and main bronchi, with their walls, out of what was labelled as lung; nothing
    where they are not found for certain.

    Args:
        labels: (slices, rows, columns) in axial order, see `lungseg.geometry.AXIAL`, changed in
            place: 0 background, 1 right lung, 2 left lung, as a network gave them, islands and all.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns. Where it is None, nothing is done.
    """
    if spacing is None:
        return
    wall = _disc(RING[0], spacing)
    for number, lumen in find_trachea(labels, voxels, spacing):
        labels[number][cv2.dilate(lumen.astype(np.uint8), wall) > 0] = 0


def find_trachea(
    labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float]
) -> list[tuple[int, Mask]]:
    """The gas in trachea and main bronchi: number of the slice and section (rows, columns),
    downwards; empty where there is none.

    In a volume that begins within the chest it begins with the first slice; it ends at the latest
    `BENEATH` the slice with the most lung.

    Args:
        labels: as for `remove_trachea`.
        voxels: as for it.
        spacing: as for it.
    """
    every = max(1, int(10.0 / spacing[0]))
    some = labels[::every]
    middles = [_median(np.count_nonzero(some == lung.number, axis=(0, 1))) for lung in LUNGS]
    if None in middles:
        return []
    right, left = (float(middle or 0) for middle in middles)
    sizes = np.count_nonzero(some, axis=(1, 2))
    top, largest = (
        int(at) * every for at in (np.flatnonzero(sizes >= TOP * sizes.max())[-1], sizes.argmax())
    )
    above, beneath = (int(reach / spacing[0]) for reach in (ABOVE, BENEATH))
    number, end = min(len(labels) - 1, top + above), max(0, largest - beneath)
    found: list[tuple[int, Mask]] = []
    while number > max(end, top - beneath):
        first = _first(voxels[number], spacing, (right + left) / 2, MIDDLE * abs(left - right))
        sections = [] if first is None else _followed(voxels, spacing, number, end, first)
        long = len(sections) >= max(MIN_SLICES, SHORTEST / spacing[0])
        if long and len(sections) > len(found):
            found = sections
        number -= len(sections) if long else 1
    return found


def _median(counts: NDArray[np.intp]) -> int | None:
    """Where half of what is counted lies before; None where nothing is."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, total[-1] / 2)) if total[-1] else None


def _first(
    plane: NDArray[np.int16], spacing: tuple[float, float, float], middle: float, reach: float
) -> Mask | None:
    """The largest spot of a slice, if there is one, that may be the trachea; `middle` and `reach`
    are columns.
    """
    margin = math.ceil(MARGIN / spacing[2])
    start = max(0, int(middle - reach) - margin)
    strip = plane[:, start : int(middle + reach) + margin]
    for level in LEVELS:
        _, spots, stats, centres = cv2.connectedComponentsWithStats(
            (strip < level).astype(np.uint8), connectivity=4
        )
        _, _, across, down, count = stats.T
        wide, high, area = across * spacing[2], down * spacing[1], count * spacing[1] * spacing[2]
        fits = (
            (area >= MIN_TRACHEA_MM2) & (area <= MAX_AREA_MM2) & (count >= FILLED * across * down)
        )
        fits &= np.maximum(wide, high) <= ROUND * np.minimum(wide, high)
        fits &= abs(centres[:, 0] + start - middle) <= reach
        fits[0] = False
        for spot in sorted(np.flatnonzero(fits), key=lambda spot: -area[spot]):
            if _buried(spots == spot, strip, spacing) >= BURIED_FIRST:
                section = np.zeros(plane.shape, bool)
                section[:, start : start + strip.shape[1]] = spots == spot
                return section
    return None


def _followed(
    voxels: NDArray[np.int16],
    spacing: tuple[float, float, float],
    number: int,
    end: int,
    section: Mask,
) -> list[tuple[int, Mask]]:
    """The trachea from its first section downwards to slice `end` at most."""
    sections = [(number, section)]
    for below in range(number - 1, end - 1, -1):
        rows, columns = (np.flatnonzero(section.any(axis=axis)) for axis in (1, 0))
        down, across = (math.ceil(MARGIN / side) for side in spacing[1:])
        box = (
            slice(max(0, rows[0] - down), rows[-1] + down + 1),
            slice(max(0, columns[0] - across), columns[-1] + across + 1),
        )
        part = _below(voxels[below][box], section[box], spacing)
        if not part.any():
            break
        section = np.zeros(section.shape, bool)
        section[box] = part
        sections.append((below, section))
    return sections


def _below(plane: NDArray[np.int16], above: Mask, spacing: tuple[float, float, float]) -> Mask:
    """The spots of a slice that go on from those above it."""
    section = np.zeros(plane.shape, bool)
    parts = [
        cv2.connectedComponentsWithStats((plane < level).astype(np.uint8), connectivity=4)
        for level in LEVELS
    ]
    for (own, last), (_, spots, stats, _) in product(BELOW, parts):
        count = stats[:, cv2.CC_STAT_AREA]
        area = count * spacing[1] * spacing[2]
        least = np.maximum(own * count, last * np.count_nonzero(above))
        fits = (
            (area >= MIN_BRONCHUS_MM2)
            & (area <= MAX_AREA_MM2)
            & (np.bincount(spots[above], minlength=len(stats)) >= least)
        )
        # What is part of a spot that was taken before is known already.
        fits[np.append(spots[section], 0)] = False
        for spot in np.flatnonzero(fits):
            if _buried(spots == spot, plane, spacing) >= BURIED:
                section |= spots == spot
    return section


def _buried(spot: Mask, plane: NDArray[np.int16], spacing: tuple[float, float, float]) -> float:
    """The fraction of tissue in what surrounds a spot; 0 where nothing does."""
    inner, outer = (
        cv2.dilate(spot.astype(np.uint8), _disc(radius, spacing, least))
        for least, radius in enumerate(RING, start=1)
    )
    around = plane[(outer > 0) & (inner == 0)]
    return float(np.mean(around > SOFT)) if around.size else 0.0


def _disc(radius: float, spacing: tuple[float, float, float], least: int = 1) -> NDArray[np.uint8]:
    """A disc with a radius of so many millimetres, and of so many voxels at `least`."""
    down, across = (max(least, round(radius / side)) for side in spacing[1:])
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * across + 1, 2 * down + 1))
