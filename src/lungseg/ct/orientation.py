"""How a chest lies in a volume, told by what is seen: on which side which lung is, where the spine
is, and, of volumes that do not say it, along which axis its slices are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import AXIAL, Reorientation, VolumeGeometry
from lungseg.segmentation import as_fraction
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.volume import Volume

BONE: Final = 200
"""HU; most of what is denser between the lungs' middles is spine."""

MIN_SPINE_FRACTION: Final = 0.35
"""Fraction of the bone between the lungs' middles that must lie in the back half of the lungs'
depth. In seven real and drawn patients it is 0.67 to 0.91; the rest is breastbone. Prone patients
are no exception, since the orientation is the patient's."""

MIN_BONE_VOXELS: Final = 200
"""Voxels of bone in the sampled slices; fewer say nothing."""

TISSUE: Final = -300
"""HU; denser is the body."""

GLIMPSES: Final = 6
"""Slices, evenly spread over the middle of a volume, by which an orientation is judged."""

MIDDLE: Final = (0.2, 0.8)
"""Of the height of a volume, where lungs are looked for."""

SAMPLED_SLICES: Final = 40
"""Slices, evenly spread, in which bone and airless lung are looked for."""

ALIKE: Final = 0.8
"""Of the largest fraction of body in an outer plane: the trunk is cut through at the top and at the
bottom of a volume, and elsewhere ends in air."""

Planes = NDArray[np.uint8]
Glimpse = Callable[[Volume, NDArray[np.intp]], Planes]
"""Probabilities of right and left lung, (slices, 2, rows, columns) in 255ths, of axial slices of a
volume by their numbers."""


def spread(count: int) -> slice:
    """Up to `SAMPLED_SLICES` of so many slices."""
    return slice(None, None, -(-count // SAMPLED_SLICES))


def middles(labels: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Mean columns of the right and of the left lung in axial order; None where one is missing."""
    across = [
        np.count_nonzero(labels == lung.number, axis=(0, 1)) for lung in (RIGHT_LUNG, LEFT_LUNG)
    ]
    if not all(counts.any() for counts in across):
        return None
    right, left = (float(np.average(np.arange(counts.size), weights=counts)) for counts in across)
    return right, left


def spine_in_front(labels: NDArray[np.uint8], voxels: NDArray[Any]) -> bool:
    """Whether what should be the spine lies before the lungs.

    Args:
        labels: (slices, rows, columns) in axial order, of some slices.
        voxels: the same slices, Hounsfield units.
    """
    found = middles(labels)
    if found is None:
        return False
    first, last = int(min(found)), int(max(found))
    rows = np.flatnonzero(labels.any(axis=(0, 2)))
    bone = np.count_nonzero(voxels[:, :, first : last + 1] > BONE, axis=(0, 2))
    middle = (int(rows[0]) + int(rows[-1]) + 1) // 2
    return bool(
        bone.sum() >= MIN_BONE_VOXELS and bone[middle:].sum() < MIN_SPINE_FRACTION * bone.sum()
    )


def turned_over(grid: VolumeGeometry) -> VolumeGeometry:
    """The grid with front and back exchanged, and all else as it was."""
    turn = grid.to_axial()
    rows = turn.order[1]
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, rows] * (grid.shape[rows] - 1)
    affine[:3, rows] *= -1
    return replace(grid, affine=affine)


def exchanged(planes: Planes) -> bool:
    """Whether the network saw the right lung to the left of the left one.

    Args:
        planes: (slices, 2, rows, columns), probabilities of the lungs in 255ths, in axial order.
    """
    found = middles(as_labels(planes))
    return found is not None and found[0] >= found[1]


def certainty(planes: Planes) -> float:
    """How decided the network is of what it took for lung: soft Dice of probabilities and the mask
    that they make; 0 where it took nothing.
    """
    both = as_fraction(planes).sum(axis=1)
    inside = both >= 0.5
    return float(2 * both[inside].sum() / (both.sum() + inside.sum())) if inside.any() else 0.0


def as_labels(planes: Planes) -> NDArray[np.uint8]:
    """Labels (slices, rows, columns) on the network's grid, of planes as in `exchanged`."""
    lung = planes.max(axis=1) >= 128
    right = planes[:, 0] >= planes[:, 1]
    numbers = np.where(right, RIGHT_LUNG.number, LEFT_LUNG.number)
    return np.where(lung, numbers, 0).astype(np.uint8)


def is_at_origin(grid: VolumeGeometry) -> bool:
    """Whether a volume of several slices says that its first voxel lies at exactly 0, 0, 0, and its
    axes along those of space: as is written where nobody knew.
    """
    if grid.affine is None or grid.affine[:3, 3].any() or min(grid.shape) < 2:
        return False
    return bool(np.count_nonzero(grid.affine[:3, :3]) == 3)


def likeliest(volume: Volume, glimpse: Glimpse) -> VolumeGeometry:
    """The grid as the volume has it where that shows a chest, else that of the orientation in which
    it is most like one.

    Axial slices are those across the axis at whose ends the body is cut through; on them the
    network finds two lungs, the right one on the right. Columns are taken to run from the patient's
    right to the left, as in slices that are looked at, unless the volume's own orientation fits.

    Args:
        volume: of several slices, with an affine.
        glimpse: looks at some slices.
    """
    body = _cut_through(volume)
    best, own = volume.geometry, volume.geometry.to_axial()
    seen = _likeness(volume, glimpse)
    if body[own.order[0]] >= ALIKE * max(body) and np.count_nonzero(seen) >= GLIMPSES / 2:
        return best
    most = float(seen.mean()) * body[own.order[0]]
    for order in permutations(range(3)):
        for upside_down in (False, True):
            grid = _lying(volume.geometry, Reorientation(order, (False, upside_down, False)))
            seen = _likeness(replace(volume, geometry=grid), glimpse)
            if np.count_nonzero(seen) < GLIMPSES / 2:
                continue
            if float(seen.mean()) * body[order[0]] > most:
                best, most = grid, float(seen.mean()) * body[order[0]]
    return best


def _cut_through(volume: Volume) -> list[float]:
    """Across each axis of the array the fraction of body in the two outer planes."""
    level = TISSUE if volume.hounsfield else float(volume.array[::8, ::8, ::8].mean())
    return [
        float(np.mean(volume.array.take((0, -1), axis=axis) > level)) + 1e-3 for axis in range(3)
    ]


def _lying(grid: VolumeGeometry, turn: Reorientation) -> VolumeGeometry:
    """The grid with its axes such that this turn makes it axial."""
    affine = np.eye(4)
    edges = np.linalg.norm(np.array(grid.affine)[:3, :3], axis=0)
    for wanted, (axis, flip) in enumerate(zip(turn.order, turn.flipped, strict=True)):
        affine[:3, axis] = AXIAL[:, wanted] * edges[axis] * (-1 if flip else 1)
    return replace(grid, affine=affine)


def _likeness(volume: Volume, glimpse: Glimpse) -> NDArray[np.float64]:
    """Of some slices how much like one of a chest each is: the fraction of it that the smaller lung
    covers, times how certain the network is; 0 where the lungs are exchanged, or one is missing.
    """
    count = volume.geometry.shape[volume.geometry.to_axial().order[0]]
    first, last = (share * (count - 1) for share in MIDDLE)
    numbers = np.unique(np.linspace(first, last, GLIMPSES).round().astype(np.intp))
    planes = glimpse(volume, numbers)
    found = []
    for plane in planes:
        labels = as_labels(plane[np.newaxis])
        sizes = [float(np.mean(labels == lung.number)) for lung in (RIGHT_LUNG, LEFT_LUNG)]
        in_order = min(sizes) > 0 and not exchanged(plane[np.newaxis])
        found.append(min(sizes) * certainty(plane[np.newaxis]) * in_order)
    return np.array(found)
