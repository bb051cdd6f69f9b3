"""Volumes on one sheet: slices in three planes, in true proportions, structures tinted and
outlined.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import Picture, grey_to_rgb, montage, paint, to_8_bits, window
from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume

SHEET_WINDOW: Final = (-1350.0, 150.0)
"""Hounsfield units that become black and white on a sheet, which nobody can window again: the usual
lung window, level -600 and width 1500, in which vessels and lung differ most."""
TILES: Final = 6
"""Slices shown in each plane."""
TILE: Final = 256
"""Pixels of the longest side of the volume on the sheet."""
MAX_SLICE_SIDE: Final = 1024
"""Pixels of the longer side of a volume of one slice, which has the sheet to itself; a larger one
is shrunk."""
PLANES: Final = ("axial", "coronal", "sagittal")
AXES: Final = ("slice", "row", "column")


def overview(
    volume: Volume, segmentation: Segmentation[VolumeGeometry], *, marked: bool = True
) -> Picture:
    """Red, green, blue (rows, columns, 3): `TILES` axial, coronal and sagittal slices, evenly
    spread over what was found; all that there is of a volume of one slice. Across unevenly spaced
    planes a tile shows the nearest plane of each place.

    Every tile has the same millimetres to a pixel. Head or front is up; the patient's right, or
    front in sagittal slices, is on the left. A caption gives the number of the slice, row or column
    in the volume's own array, from 0.

    Args:
        volume: in any order.
        segmentation: decides which slices are shown.
        marked: tint and outline what was found; without it the same slices stay grey.

    Raises:
        UsageError: the segmentation has another shape than the volume.
    """
    if segmentation.labels.shape != volume.array.shape:
        raise UsageError(
            f"a segmentation of shape {segmentation.labels.shape} is not one of a volume of "
            f"shape {volume.array.shape}"
        )
    axial = volume.geometry.to_axial()
    voxels, labels = axial.apply(volume.array), axial.apply(segmentation.labels)
    grid = axial.geometry(volume.geometry)
    drawn = grid if grid.planes is None else grid.even()[0]
    spacing = drawn.spacing or (1.0, 1.0, 1.0)
    low, high = _window(voxels, hounsfield=volume.hounsfield)
    planes = [axis for axis in range(3) if voxels.shape[axis] == 1] or range(3)
    longest = max(
        drawn.shape[axis] * spacing[axis]
        for axis in range(3)
        if axis not in planes or len(planes) == 3
    )
    scale = (
        TILE if len(planes) == 3 else min(MAX_SLICE_SIDE, max(voxels.shape))
    ) / longest  # pixels of the sheet to a millimetre
    tiles, captions = [], []
    for axis in planes:
        down, across = (spacing[other] * scale for other in range(3) if other != axis)
        for number in _spread(labels, axis):
            grey, found = (_slice(array, axis, number, grid) for array in (voxels, labels))
            size = max(1, round(grey.shape[0] * down)), max(1, round(grey.shape[1] * across))
            tile = to_8_bits(_resized(grey.astype(np.float32), size), low, high)
            tiles.append(paint(tile, _resized(found, size)) if marked else grey_to_rgb(tile))
            last = volume.array.shape[axial.order[axis]] - 1
            own = last - number if axial.flipped[axis] else number
            captions.append(f"{PLANES[axis]}, {AXES[axial.order[axis]]} {own}")
    return tiles[0] if len(tiles) == 1 else montage(tiles, TILES, captions)


def slice_picture(
    volume: Volume, labels: NDArray[np.uint8], axis: int, number: int, side: int
) -> Picture:
    """Red, green, blue: one slice of a volume, in true proportions, turned as `overview` has it,
    structures tinted and outlined.

    Args:
        volume: in any order.
        labels: (slices, rows, columns) in axial order (`lungseg.geometry.AXIAL`).
        axis: 0, 1 or 2 for an axial, coronal or sagittal slice.
        number: of the slice, in axial order.
        side: pixels of its longer side.
    """
    axial = volume.geometry.to_axial()
    voxels = axial.apply(volume.array)
    grid = axial.geometry(volume.geometry)
    grey, found = (_slice(array, axis, number, grid) for array in (voxels, labels))
    spacing = (grid if grid.planes is None else grid.even()[0]).spacing or (1.0, 1.0, 1.0)
    height, width = (
        length * spacing[other]
        for length, other in zip(grey.shape, (i for i in range(3) if i != axis), strict=True)
    )
    size = (
        max(1, round(side * height / max(height, width))),
        max(1, round(side * width / max(height, width))),
    )
    low, high = _window(voxels, hounsfield=volume.hounsfield)
    return paint(
        to_8_bits(_resized(grey.astype(np.float32), size), low, high), _resized(found, size)
    )


def _window(voxels: NDArray[Any], *, hounsfield: bool) -> tuple[float, float]:
    """What becomes black and white."""
    return SHEET_WINDOW if hounsfield else window(voxels)


def _slice(array: NDArray[Any], axis: int, number: int, grid: VolumeGeometry) -> NDArray[Any]:
    """One slice of an array in axial order, which begins at the feet; seen from the front or from
    the side, its head is up.
    """
    tile = array.take(number, axis)
    if grid.planes is not None and grid.uneven_axis != axis:
        tile = tile.take(grid.even()[1], grid.uneven_axis - (grid.uneven_axis > axis))
    return np.ascontiguousarray(tile if axis == 0 else tile[::-1])


def _spread(labels: NDArray[np.uint8], axis: int) -> list[int]:
    """Numbers of at most `TILES` slices across an axis, through the lungs, or through all where
    there are none.
    """
    others = tuple(other for other in range(3) if other != axis)
    inside = np.flatnonzero(labels.any(axis=others))
    first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, labels.shape[axis] - 1)
    return sorted({first + int((last - first + 1) * (i + 0.5) / TILES) for i in range(TILES)})


def _resized(tile: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Grey values averaged where they shrink, labels taken at the centre."""
    if tile.dtype == np.uint8:
        return np.asarray(cv2.resize(tile, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
    smaller = min(size[0], tile.shape[0]), min(size[1], tile.shape[1])
    averaged = cv2.resize(tile, smaller[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(averaged, size[::-1], interpolation=cv2.INTER_LINEAR))
