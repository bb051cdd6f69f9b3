"""Colour to grey, and other number types to the three that an `Image` has; used by every reader."""

from __future__ import annotations

import cv2
import numpy as np

from lungseg.errors import InputError, UnsupportedError
from lungseg.readers.limits import refuse_implausible_greys
from lungseg.segmentation import Array

COLOURED_DEVIATION = 16.0
"""Of 255: a pixel is coloured when its red-green or blue-green difference is further than this from
what is usual at its brightness."""
COLOURED_FRACTION = 0.10
"""A picture with more coloured pixels than this is no radiograph. A film toned in one colour has
none, because its colour depends on its brightness alone; letters, arrows and rulers drawn on a film
cover some per cent."""
GREY_DEVIATION = 3.0
"""Of 255: red, green and blue that are no further apart are grey, and differ by a lossy
compression, such as WebP's, which knows no picture without colours."""
_SAMPLES_A_SIDE = 256
_BRIGHTNESS_BINS = 32


def to_grey(colour: Array, *, source: str) -> tuple[Array, tuple[str, ...]]:
    """Grey from colour, by luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B).

    Args:
        colour: (rows, columns, 3 or 4), uint8 or uint16: red, green, blue and opacity. What is
            transparent becomes black.
        source: the file, for the error.

    Returns:
        (rows, columns) of the same type, and notes on what was done.

    Raises:
        UnsupportedError: the picture is a colour picture and not a toned or annotated film.
    """
    notes: list[str] = []
    rgb = np.ascontiguousarray(colour[..., :3])
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2]):
        grey: Array = np.ascontiguousarray(rgb[..., 0])
    else:
        coloured = coloured_fraction(rgb)
        if coloured > COLOURED_FRACTION:
            raise UnsupportedError(
                f"it is a colour picture, not a radiograph ({coloured:.0%} of it is coloured)",
                where=source,
                cure="give the radiograph itself, or convert it to grey first if it really is one",
            )
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if _furthest_from_grey(rgb) > GREY_DEVIATION:
            notes.append("colour turned into grey")
    if colour.shape[2] == 4:
        opacity = colour[..., 3]
        if (
            opacity.min() != opacity.max()
        ):  # a constant opacity hides nothing, or all, and then it is only a writer's habit
            limit = np.iinfo(colour.dtype).max
            grey = np.rint(grey * (opacity / np.float64(limit))).astype(colour.dtype)
            notes.append("transparent parts made black")
    return grey, tuple(notes)


def _furthest_from_grey(rgb: Array) -> float:
    """Of 255, how far red or blue is from green at most."""
    furthest = max(int(cv2.absdiff(rgb[..., i], rgb[..., 1]).max()) for i in (0, 2))
    return furthest * 255.0 / np.iinfo(rgb.dtype).max


def coloured_fraction(rgb: Array) -> float:
    """The part, 0 to 1, of a picture's pixels whose colour does not follow from their brightness
    (see `COLOURED_DEVIATION`).

    Args:
        rgb: (rows, columns, 3), uint8 or uint16; averaged down to 256 x 256 first, which also
            removes a camera's colour noise.
    """
    rows, columns = (min(side, _SAMPLES_A_SIDE) for side in rgb.shape[:2])
    small = cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_AREA)
    sample = small.reshape(-1, 3) * (255.0 / np.iinfo(rgb.dtype).max)
    differences = sample[:, [0, 2]] - sample[:, [1]]
    if 2 * np.abs(differences).max() <= COLOURED_DEVIATION:
        return 0.0  # as in films that are grey but for a lossy compression
    bins = (sample.mean(axis=1) * (_BRIGHTNESS_BINS / 256.0)).astype(np.intp)
    deviation = np.zeros(len(sample))
    for number in np.unique(bins):
        inside = bins == number
        usual = np.median(differences[inside], axis=0)
        deviation[inside] = np.abs(differences[inside] - usual).max(axis=1)
    return float((deviation > COLOURED_DEVIATION).mean())


def to_image_type(grey: Array, *, source: str) -> tuple[Array, tuple[str, ...]]:
    """Any real numbers as uint8, uint16 or float32, whichever is the smallest that keeps them.

    Args:
        grey: (rows, columns), of any boolean, integer or floating type. False and True become 0 and
            255; whole numbers below 0, or beyond 16 bits, are shifted to begin at 0 where the range
            fits into 16 bits.
        source: the file, for the error.

    Returns:
        The pixels and notes on what was done.

    Raises:
        InputError: the pixels are not real numbers, or beyond what grey values are.
    """
    if grey.dtype in (np.uint8, np.uint16):
        return grey, ()
    if grey.dtype == np.bool_:
        return grey.astype(np.uint8) * np.uint8(255), ()
    if grey.dtype.kind == "f":
        if grey.size:
            refuse_implausible_greys(float(grey.min()), float(grey.max()), source=source)
        return grey.astype(np.float32, copy=False), ()
    if grey.dtype.kind not in "iu":
        raise InputError(f"pixels are whole or real numbers, not {grey.dtype}", where=source)
    low, high = (int(grey.min()), int(grey.max())) if grey.size else (0, 0)
    if low >= 0 and high <= 255:
        return grey.astype(np.uint8), ()
    if low >= 0 and high <= 65535:
        return grey.astype(np.uint16), ()
    if high - low <= 65535:
        shifted = grey.astype(np.uint16) - np.uint16(
            low % 2**16
        )  # wraps around exactly where the type does
        done = (
            f"{-low} added to every pixel, so that none is below 0"
            if low < 0
            else f"{low} taken from every pixel, to fit 16 bits"
        )
        return shifted, (done,)
    refuse_implausible_greys(low, high, source=source)
    exact = max(-low, high) <= 2**24
    return grey.astype(np.float32), () if exact else ("pixels rounded to the 24 bits of float32",)
