"""Volumes on one sheet: slices in three planes, in true proportions, structures tinted and
outlined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import (
    CAPTION,
    GAP,
    STYLE,
    Picture,
    check_shape,
    grey_to_rgb,
    montage,
    paint,
    resize_labels,
    to_8_bits,
    window,
)
from lungseg.geometry import VolumeGeometry
from lungseg.options import OverlayStyle
from lungseg.preprocess import resize
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume

SHEET_WINDOW: Final = (-1350.0, 150.0)
"""Hounsfield units that become black and white on a sheet, which nobody can window again: the usual
lung window, level -600 and width 1500, in which vessels and lung differ most."""
TILES: Final = (8, 4, 4)
"""Axial, coronal and sagittal slices that are shown."""
COLUMNS: Final = 4
"""Slices beside each other."""
SHEET: Final = 1600
"""Pixels of the longer side of a sheet."""
MIN_TILE: Final = 8
"""Pixels of a slice on a sheet that is too small for all."""
MAX_SLICE_SIDE: Final = 1024
"""Pixels of the longer side of a volume of one slice, which has the sheet to itself; a larger one
is shrunk."""
PLANES: Final = ("axial", "coronal", "sagittal")
AXES: Final = ("slice", "row", "column")


def overview(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    style: OverlayStyle = STYLE,
    *,
    size: int | None = None,
    marked: bool = True,
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
        style: of what is tinted and outlined.
        size: pixels of the longer side; None for `SHEET`, or for that of a volume of one slice, but
            at most `MAX_SLICE_SIDE`.
        marked: tint and outline what was found; without it the same slices stay grey.

    Raises:
        UsageError: the segmentation has another shape than the volume.
    """
    check_shape(segmentation.labels, volume.array, "a volume")
    axial = volume.geometry.to_axial()
    voxels, labels = axial.apply(volume.array), axial.apply(segmentation.labels)
    grid = axial.geometry(volume.geometry)
    drawn = grid if grid.planes is None else grid.even()[0]
    spacing = drawn.spacing or (1.0, 1.0, 1.0)
    low, high = _window(voxels, hounsfield=volume.hounsfield)
    lines = _lines(labels)
    lengths = [side * step for side, step in zip(drawn.shape, spacing, strict=True)]
    scale = _scale(lengths, lines, size, min(MAX_SLICE_SIDE, max(voxels.shape)))
    tiles, captions = [], []
    for axis, numbers in lines:
        height, width = (max(1, int(lengths[i] * scale + 1e-6)) for i in range(3) if i != axis)
        for number in numbers:
            grey, found = (cut(array, axis, number, grid) for array in (voxels, labels))
            tile = to_8_bits(resize(grey, (height, width)), low, high)
            found = resize_labels(found, (height, width))
            tiles.append(paint(tile, found, style) if marked else grey_to_rgb(tile))
            last = volume.array.shape[axial.order[axis]] - 1
            own = last - number if axial.flipped[axis] else number
            captions.append(f"{PLANES[axis]}, {AXES[axial.order[axis]]} {own}")
        rest = -len(numbers) % COLUMNS if len(lines) > 1 else 0
        tiles += [np.zeros((1, 1, 3), np.uint8)] * rest
        captions += [""] * rest
    return tiles[0] if len(tiles) == 1 else montage(tiles, COLUMNS, captions)


def _lines(labels: NDArray[np.uint8]) -> list[tuple[int, list[int]]]:
    """What stands beside each other on a sheet: the axis that is cut across, and numbers of slices;
    of a volume of one slice, that slice.
    """
    planes = [axis for axis in range(3) if labels.shape[axis] == 1] or range(3)
    return [
        (axis, numbers[first : first + COLUMNS])
        for axis in planes
        for numbers in [_spread(labels, axis)]
        for first in range(0, len(numbers), COLUMNS)
    ]


def _scale(
    lengths: Sequence[float], lines: Sequence[tuple[int, list[int]]], size: int | None, own: int
) -> float:
    """Pixels of the sheet to a millimetre.

    Args:
        lengths: millimetres of the volume along each axis.
        lines: of slices on the sheet.
        size: pixels of its longer side, if they were asked for.
        own: pixels of the longer side of a volume of one slice.
    """
    sides = [[lengths[i] for i in range(3) if i != axis] for axis, _ in lines]
    heights, width = [height for height, _ in sides], max(width for _, width in sides)
    if len(lines) == 1 and len(lines[0][1]) == 1:
        return (size or own) / max(*heights, width)
    free = (size or SHEET) - GAP
    return min(
        max(MIN_TILE, free - len(lines) * (GAP + CAPTION)) / sum(heights),
        max(MIN_TILE, free - COLUMNS * GAP) / (COLUMNS * width),
    )


def slice_picture(
    volume: Volume,
    labels: NDArray[np.uint8],
    axis: int,
    number: int,
    side: int,
    style: OverlayStyle = STYLE,
) -> Picture:
    """Red, green, blue: one slice of a volume, in true proportions, turned as `overview` has it,
    structures tinted and outlined.

    Args:
        volume: in any order.
        labels: (slices, rows, columns) in axial order (`lungseg.geometry.AXIAL`).
        axis: 0, 1 or 2 for an axial, coronal or sagittal slice.
        number: of the slice, in axial order.
        side: pixels of its longer side.
        style: of what is tinted and outlined.
    """
    axial = volume.geometry.to_axial()
    voxels = axial.apply(volume.array)
    grid = axial.geometry(volume.geometry)
    grey, found = (cut(array, axis, number, grid) for array in (voxels, labels))
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
    return paint(to_8_bits(resize(grey, size), low, high), resize_labels(found, size), style)


def _window(voxels: NDArray[Any], *, hounsfield: bool) -> tuple[float, float]:
    """What becomes black and white."""
    return SHEET_WINDOW if hounsfield else window(voxels)


def cut(array: NDArray[Any], axis: int, number: int, grid: VolumeGeometry) -> NDArray[Any]:
    """One slice of an array in axial order (slices, rows, columns), which begins at the feet; seen
    from the front or from the side, its head is up, and unevenly spaced slices are evened.
    """
    tile = array.take(number, axis)
    if grid.planes is not None and grid.uneven_axis != axis:
        tile = tile.take(grid.even()[1], grid.uneven_axis - (grid.uneven_axis > axis))
    return np.ascontiguousarray(tile if axis == 0 else tile[::-1])


def _spread(labels: NDArray[np.uint8], axis: int) -> list[int]:
    """Numbers of at most as many slices across an axis as `TILES` says, through the lungs, or
    through all where there are none.
    """
    count = TILES[axis]
    others = tuple(other for other in range(3) if other != axis)
    inside = np.flatnonzero(labels.any(axis=others))
    first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, labels.shape[axis] - 1)
    return sorted({first + int((last - first + 1) * (i + 0.5) / count) for i in range(count)})
