"""Refusals that all readers share: an image too large to decode, a file of many frames, and numbers
of a header that no chest image has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError, UsageError

MAX_SIDE_PIXELS = 16_384
"""Pixels; radiographs have 2,000 to 5,000 a side, stitched films of a whole leg or spine under
12,000."""
MAX_AREA_PIXELS = 80_000_000
"""Pixels; four times the finest detectors. It stays below the 89 million at which Pillow itself
begins to warn."""
MAX_FILE_BYTES = 2 * 1024**3
"""Bytes; a larger file is refused before it is read."""
PIXEL_SPACING: Final = (0.02, 10.0)
"""Millimetres between the pixels of a radiograph, at least and at most: a mammography detector has
0.05, a film brought down to 64 pixels 7."""
VOXEL_SPACING: Final = (0.1, 100.0)
"""Millimetres between the voxels of CT, along any axis: the finest scanners reconstruct pixels of
0.15, and where slices stand further apart than 100 no lung is measured."""
THICKNESS: Final = (0.05, 200.0)
"""Millimetres of a slice."""
MAX_EXTENT: Final = 3000.0
"""Millimetres; nobody is longer."""
MAX_DISTANCE: Final = 1e6
"""Millimetres of the first voxel from the origin; scanners stay within some thousand."""
SLOPE: Final = (1e-9, 1e6)
"""What stored numbers are multiplied by, whatever its sign: floats kept in 16 bits are in need of
small ones."""
MAX_INTERCEPT: Final = 1e7
MAX_GREY: Final = 1e12
"""Beyond it sums of squares overflow 32-bit floats; whole numbers of 32 bits stay far below."""


SMALLER_IMAGE = (
    f"give an image of at most {MAX_SIDE_PIXELS} pixels a side and {MAX_AREA_PIXELS // 1_000_000} "
    "million pixels"
)
"""The cure for an image that is too large."""


def refuse_too_large(rows: int, columns: int, *, source: str) -> None:
    """Called with the size that the header states, before any pixel is decoded.

    Raises:
        TooLargeError: a side is above `MAX_SIDE_PIXELS`, or the area above `MAX_AREA_PIXELS`.
    """
    if max(rows, columns) > MAX_SIDE_PIXELS or rows * columns > MAX_AREA_PIXELS:
        raise TooLargeError(
            f"the header states {rows} x {columns} pixels, more than an image has, and it "
            "was not decoded",
            where=source,
            cure=SMALLER_IMAGE,
        )


def chosen_frame(frame: int | None, count: int, *, source: str) -> int:
    """The index, counted from 0, of the frame that `frame`, counted from 1, asks for. A page of a
    TIFF file is a frame, too.

    Args:
        frame: which was asked for, from 1; None for none.
        count: how many frames there are.
        source: the file, for the sentence.

    Raises:
        UnsupportedError: there are several frames and none was asked for.
        InputError: there is no such frame.
    """
    if frame is None:
        if count > 1:
            raise UnsupportedError(
                f"it holds {count} frames, and only one can be segmented at a time",
                where=source,
                cure=f"choose one with `frame`, from 1 to {count}",
            )
        return 0
    if not 1 <= frame <= count:
        cure = f"choose one from 1 to {count}" if count > 1 else "leave `frame` out"
        raise InputError(
            f"frame {frame} was asked for, and it holds {count}", where=source, cure=cure
        )
    return frame - 1


def is_plausible_rescale(slope: float, intercept: float) -> bool:
    """Whether grey values can be `slope` times the stored ones plus `intercept`."""
    return SLOPE[0] <= abs(slope) <= SLOPE[1] and abs(intercept) <= MAX_INTERCEPT


def is_plausible_thickness(thickness: float) -> bool:
    """Whether a slice can be so many millimetres thick."""
    return THICKNESS[0] <= thickness <= THICKNESS[1]


def is_plausible_spacing(spacing: Sequence[float]) -> bool:
    """Whether the voxels of CT can be so many millimetres apart, along any axis."""
    return all(VOXEL_SPACING[0] <= side <= VOXEL_SPACING[1] for side in spacing)


def is_plausible_place(place: Sequence[float]) -> bool:
    """Whether a voxel can lie there, in millimetres from the origin."""
    return all(abs(coordinate) <= MAX_DISTANCE for coordinate in place)


def plausible_pixel_spacing(
    spacing: tuple[float, float] | None, shape: tuple[int, int]
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The spacing that a radiograph states, None where it cannot be one, and a note that says so.

    Args:
        spacing: millimetres between rows and between columns.
        shape: rows, columns.
    """
    if spacing is None or _is_plausible(spacing, shape, PIXEL_SPACING):
        return spacing, ()
    stated = _product(spacing)
    return None, (f"it states a spacing of {stated} mm, which cannot be, and was not used",)


def refuse_implausible_spacing(
    spacing: Sequence[float], shape: Sequence[int], *, source: str
) -> None:
    """Refuses a spacing that somebody gave and that no chest image has.

    Args:
        spacing: millimetres along two axes of a radiograph or three of a volume.
        shape: pixels along them.
        source: the file, for the sentence.

    Raises:
        UsageError: it is too small or too large.
    """
    limits = PIXEL_SPACING if len(spacing) == 2 else VOXEL_SPACING
    if not _is_plausible(spacing, shape, limits):
        stated = _product(spacing)
        raise UsageError(
            f"a spacing of {stated} mm was given, which no chest image has",
            where=source,
            cure=f"give millimetres, from {limits[0]:g} to {limits[1]:g}",
        )


def plausible_affine(
    affine: NDArray[np.float64] | None, shape: tuple[int, int, int], *, source: str
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """The affine of CT, and notes. Of a single slice that states an impossible thickness, it is
    taken as 1 mm.

    Args:
        affine: (4, 4) from (slice, row, column) to LPS millimetres, None where not known.
        shape: slices, rows, columns.
        source: the file, for the sentence.

    Raises:
        UnreadableError: its voxels would be smaller or larger than any of CT, and so its scale is
            wrong, and with it every size.
    """
    if affine is None:
        return None, ()
    notes: tuple[str, ...] = ()
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if min(shape) == 1 and not is_plausible_thickness(edges[shape.index(1)]):
        across = shape.index(1)
        affine = np.array(affine)
        affine[:3, across] /= edges[across]
        notes = (f"a thickness of {edges[across]:.4g} mm cannot be, and was taken as 1 mm",)
        edges[across] = 1.0
    is_near = is_plausible_place(affine[:3, 3].tolist())
    if is_near and _is_plausible(edges.tolist(), shape, VOXEL_SPACING):
        return affine, notes
    stated = _product(edges.tolist())
    raise UnreadableError(
        f"it states voxels of {stated} mm, which CT cannot have"
        if is_near
        else "it states that it lies further than a kilometre away",
        where=source,
        cure="give the right distances in millimetres with `spacing`, or repair its header",
    )


def _product(spacing: Sequence[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in spacing)


def _is_plausible(
    spacing: Sequence[float], shape: Sequence[int], limits: tuple[float, float]
) -> bool:
    return all(
        limits[0] <= side <= limits[1] and side * count <= MAX_EXTENT
        for side, count in zip(spacing, shape, strict=True)
    )


def refuse_implausible_greys(low: float, high: float, *, source: str) -> None:
    """Refuses grey values that no image has and that arithmetic of 32 bits cannot stand.

    Raises:
        InputError: they are beyond `MAX_GREY`.
    """
    if math.isfinite(low) and math.isfinite(high) and max(-low, high) > MAX_GREY:
        raise InputError(
            f"its values go from {low:.4g} to {high:.4g}, which no grey values do",
            where=source,
            cure="scale them first, or replace what stands for missing ones",
        )
