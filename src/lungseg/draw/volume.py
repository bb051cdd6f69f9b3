"""A volume on one sheet: slices in three planes, in true proportions, lungs tinted and outlined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import Picture, montage, paint, shades, threefold, window
from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume

LUNG_WINDOW: Final = (-1350.0, 150.0)
"""Hounsfield units that become black and white: the usual lung window, level -600 and width
1500."""
TILES: Final = 6
"""Slices shown in each plane."""
TILE: Final = 256
"""Pixels of the longest side of the volume on the sheet."""
LARGEST_SLICE: Final = 1024
"""Pixels of the longer side of a volume of one slice, which has the sheet to itself; a larger one
is shrunk."""
PLANES: Final = ("axial", "coronal", "sagittal")
AXES: Final = ("slice", "row", "column")


def overview(volume: Volume, segmentation: Segmentation[VolumeGeometry]) -> Picture:
    """Red, green, blue (rows, columns, 3): `TILES` axial, coronal and sagittal slices, evenly
    spread over the lungs; all that there is of a volume of one slice.

    Every tile has the same millimetres to a pixel. Head or front is up; the patient's right, or
    front in sagittal slices, is on the left. A caption gives the number of the slice, row or column
    in the volume's own array, from 0.

    Raises:
        UsageError: the segmentation has another shape than the volume.
    """
    return _sheet(volume, segmentation, paint)


def unpainted(volume: Volume, segmentation: Segmentation[VolumeGeometry]) -> Picture:
    """The same slices as those of `overview`, at the same places, without the lungs painted on
    them.
    """
    return _sheet(volume, segmentation, lambda grey, _: threefold(grey))


def section(
    volume: Volume, labels: NDArray[np.uint8], axis: int, number: int, side: int
) -> Picture:
    """Red, green, blue: one slice of a volume, in true proportions, turned as `overview` has it,
    lungs tinted and outlined.

    Args:
        volume: in any order.
        labels: (slices, rows, columns) in axial order (`lungseg.geometry.AXIAL`).
        axis: 0, 1 or 2 for an axial, coronal or sagittal slice.
        number: of the slice, in axial order.
        side: pixels of its longer side.
    """
    turn = volume.geometry.to_axial()
    voxels = turn.apply(volume.array)
    arrays: tuple[NDArray[Any], NDArray[Any]] = (voxels, labels)
    grey, lungs = (
        np.ascontiguousarray(_upright(array.take(number, axis), axis)) for array in arrays
    )
    spacing = turn.geometry(volume.geometry).spacing or (1.0, 1.0, 1.0)
    height, width = (
        length * spacing[other]
        for length, other in zip(grey.shape, (i for i in range(3) if i != axis), strict=True)
    )
    size = (
        max(1, round(side * height / max(height, width))),
        max(1, round(side * width / max(height, width))),
    )
    ends = LUNG_WINDOW if volume.hounsfield else window(voxels)
    return paint(shades(_resized(grey.astype(np.float32), size), *ends), _resized(lungs, size))


def _sheet(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    coloured: Callable[[Picture, NDArray[np.uint8]], Picture],
) -> Picture:
    """Slices in three planes, each made `coloured` of its greys and its labels."""
    if segmentation.labels.shape != volume.array.shape:
        raise UsageError(
            f"a segmentation of shape {segmentation.labels.shape} is not one of a volume of "
            f"shape {volume.array.shape}"
        )
    turn = volume.geometry.to_axial()
    voxels, labels = turn.apply(volume.array), turn.apply(segmentation.labels)
    spacing = turn.geometry(volume.geometry).spacing or (1.0, 1.0, 1.0)
    ends = LUNG_WINDOW if volume.hounsfield else window(voxels)
    planes = [axis for axis in range(3) if voxels.shape[axis] == 1] or range(3)
    longest = max(
        voxels.shape[axis] * spacing[axis]
        for axis in range(3)
        if axis not in planes or len(planes) == 3
    )
    scale = (
        TILE if len(planes) == 3 else min(LARGEST_SLICE, max(voxels.shape))
    ) / longest  # pixels of the sheet to a millimetre
    tiles, captions = [], []
    for axis in planes:
        down, across = (spacing[other] * scale for other in range(3) if other != axis)
        for number in _spread(labels, axis):
            grey, lungs = (
                np.ascontiguousarray(_upright(array.take(number, axis), axis))
                for array in (voxels, labels)
            )
            size = max(1, round(grey.shape[0] * down)), max(1, round(grey.shape[1] * across))
            tiles.append(
                coloured(
                    shades(_resized(grey.astype(np.float32), size), *ends), _resized(lungs, size)
                )
            )
            own = (
                volume.array.shape[turn.order[axis]] - 1 - number if turn.flipped[axis] else number
            )
            captions.append(f"{PLANES[axis]}, {AXES[turn.order[axis]]} {own}")
    return tiles[0] if len(tiles) == 1 else montage(tiles, TILES, captions)


def _spread(labels: NDArray[np.uint8], axis: int) -> list[int]:
    """Numbers of at most `TILES` slices across an axis, through the lungs, or through all where
    there are none.
    """
    others = tuple(other for other in range(3) if other != axis)
    inside = np.flatnonzero(labels.any(axis=others))
    first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, labels.shape[axis] - 1)
    return sorted({first + int((last - first + 1) * (i + 0.5) / TILES) for i in range(TILES)})


def _upright(tile: NDArray[Any], axis: int) -> NDArray[Any]:
    """Slices run from the feet to the head, and the head is up where they are seen from the
    side.
    """
    return tile if axis == 0 else tile[::-1]


def _resized(tile: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Grey values averaged where they shrink, labels taken at the centre."""
    if tile.dtype == np.uint8:
        return np.asarray(cv2.resize(tile, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
    smaller = min(size[0], tile.shape[0]), min(size[1], tile.shape[1])
    averaged = cv2.resize(tile, smaller[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(averaged, size[::-1], interpolation=cv2.INTER_LINEAR))
