"""Radiographs for the screen, structures tinted and outlined on them, label maps in colour, and
sheets of such tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS_AS_ONE, STRUCTURES
from lungseg.verdict import Verdict

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

WINDOW: Final = (0.5, 99.5)
"""Percentiles that become black and white where an image is deeper than 8 bits."""
OPACITY: Final = 0.25
"""Fraction of a structure's colour in its tint."""
GAP: Final = 4
"""Pixels of black between the tiles of a sheet."""
CAPTION: Final = 22
"""Pixels of height for the caption under a tile."""
REFUSED: Final = (213, 94, 0)
"""The vermilion of the palette of `lungseg.structures`, for the edge of a picture whose mask means
nothing."""


PAINTED: Final = (*STRUCTURES[1:], LUNGS_AS_ONE)
"""What is painted, in this order."""
PALETTE: Final = np.zeros((256, 3), np.uint8)
"""(256, 3): the colour of each label."""
for _one in PAINTED:
    PALETTE[_one.number] = _one.colour


def display(image: Image) -> Picture:
    """Grey (rows, columns) for the screen, a new array: 8-bit pixels as they are, deeper ones
    windowed linearly between `WINDOW`.
    """
    return (
        image.array.copy()
        if image.array.dtype == np.uint8
        else to_8_bits(image.array, *window(image.array))
    )


def window(values: NDArray[Any]) -> tuple[float, float]:
    """What becomes black and white of an image or volume of any axes: the percentiles `WINDOW`; all
    there is where these are equal.
    """
    # Those of about a million pixels say the same as those of all, in a fraction of the time.
    step = max(1, int((values.size / 1_000_000) ** (1 / values.ndim)))
    low, high = (
        float(value)
        for value in np.percentile(values[(slice(None, None, step),) * values.ndim], WINDOW)
    )
    return (low, high) if high > low else (float(values.min()), float(values.max()))


def to_8_bits(values: NDArray[Any], low: float, high: float) -> Picture:
    """Greys of the same axes, 0 to 255: `low` and below are black, `high` and above white, linear
    between.
    """
    return np.asarray(
        np.rint((np.clip(values, low, high).astype(np.float32) - low) * (255.0 / (high - low))),
        np.uint8,
    )


def outline_width(shape: tuple[int, int]) -> int:
    """Pixels across the outline of a structure: 1 up to 384 pixels of the shorter side, and one
    more for every further 256.
    """
    return 1 + max(0, min(shape) - 129) // 256


def contour(mask: NDArray[Any], width: int) -> NDArray[np.bool_]:
    """The outline of a mask: its own pixels that are at most `width` steps along rows and columns
    away from the outside.

    Args:
        mask: (rows, columns), inside where not 0. Beyond the border of the array is outside, so a
            lung that is cut off is outlined too.
        width: pixels, at least 1.
    """
    inside = (mask != 0).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    core = cv2.erode(inside, cross, iterations=width, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(inside > core)


def grey(image: Image) -> Picture:
    """Red, green, blue (rows, columns, 3), all equal: the image as `display` shows it."""
    return grey_to_rgb(display(image))


def grey_to_rgb(grey: Picture) -> Picture:
    """Red, green, blue (rows, columns, 3), all equal, of greys (rows, columns)."""
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def coloured(labels: NDArray[Any]) -> Picture:
    """Red, green, blue (rows, columns, 3): a label map (rows, columns) in the colours of its
    structures, on black.
    """
    return PALETTE[labels]


def thumbnail(picture: Picture, side: int) -> Picture:
    """A picture (rows, columns, 3), resized so that its longer side has `side` pixels."""
    rows, columns = (
        max(1, round(length * side / max(picture.shape[:2]))) for length in picture.shape[:2]
    )
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def overlay(
    image: Image,
    segmentation: Segmentation[ImageGeometry],
    *,
    opacity: float = OPACITY,
    colour: Colour | None = None,
) -> Picture:
    """Red, green, blue (rows, columns, 3): the image as `display` shows it, its structures painted
    as `paint` does, the layer of the lungs first.

    Raises:
        UsageError: the segmentation has another shape than the image, or the opacity is outside 0
            to 1.
    """
    picture = display(image)
    first = segmentation.labels
    for labels in (first, *(one for one in segmentation.layers if one is not first)):
        picture = paint(picture, labels, opacity=opacity, colour=colour)
    return picture


def paint(
    grey: Picture,
    labels: NDArray[np.uint8],
    *,
    opacity: float = OPACITY,
    colour: Colour | None = None,
) -> Picture:
    """Red, green, blue (rows, columns, 3): a grey picture, or one that was painted before, its
    structures tinted and outlined in their colours, or all in the one `colour` that is given.

    Outside of them a pixel keeps its grey g in all three channels. Inside it becomes (1 - opacity)
    g + opacity c, rounded, for the structure's colour c; on the outline, `outline_width` pixels
    wide and within the structure, it is c.

    Raises:
        UsageError: the labels have another shape than the picture, or the opacity is outside 0 to
            1.
    """
    if labels.shape != grey.shape[:2]:
        raise UsageError(
            f"a segmentation of shape {labels.shape} is not one of an image of shape {grey.shape}"
        )
    if not 0.0 <= opacity <= 1.0:
        raise UsageError(f"opacity is between 0 and 1, not {opacity}")
    picture = grey_to_rgb(grey) if grey.ndim == 2 else grey.copy()
    width = outline_width((grey.shape[0], grey.shape[1]))
    present = np.bincount(labels.ravel(), minlength=len(PALETTE))
    for structure in PAINTED:
        if not present[structure.number]:
            continue
        left, top, columns, rows = cv2.boundingRect((labels == structure.number).view(np.uint8))
        box = np.s_[top : top + rows, left : left + columns]
        inside = labels[box] == structure.number
        part = picture[box]
        tone = colour or structure.colour
        tones = np.arange(256)[:, None] * (1 - opacity) + opacity * np.array(tone)
        tinted = cv2.LUT(part, np.rint(tones).astype(np.uint8)[None])
        cv2.copyTo(tinted, inside.view(np.uint8), part)
        part[contour(inside, width)] = tone
    return picture


def refused_stamp(picture: Picture, verdict: Verdict) -> Picture:
    """A picture (rows, columns, 3) of a refused input with the verdict and its first reason printed
    into its upper edge, in a frame; any other is given back as it is. The size stays, so that the
    picture still lies on the image.
    """
    if verdict.status != "refused":
        return picture
    rows, columns = picture.shape[:2]
    marked, font, edge = picture.copy(), cv2.FONT_HERSHEY_SIMPLEX, max(2, min(rows, columns) // 100)
    lines = ["REFUSED: NO MASK TO RELY ON", *verdict.reasons[:1]]
    below = 0
    strip = max(8, min(rows, columns) // 22)
    for line in lines:
        (wide, tall), base = cv2.getTextSize(line, font, 1.0, 1)
        scale = min(strip * 0.7 / (tall + base), 0.96 * columns / wide)
        marked[below : below + strip] = REFUSED
        at = (max(edge, columns // 50), below + round((strip + tall * scale) / 2))
        cv2.putText(
            marked, line, at, font, scale, (255, 255, 255), max(1, round(1.6 * scale)), cv2.LINE_AA
        )
        below += strip
    cv2.rectangle(marked, (0, 0), (columns - 1, rows - 1), REFUSED, edge)
    return marked


def montage(
    tiles: Sequence[Picture], columns: int, captions: Sequence[str] | None = None
) -> Picture:
    """A sheet of tiles in rows of `columns`, red, green, blue.

    Args:
        tiles: each (rows, columns, 3). A cell is as large as the largest tile; smaller ones stand
            in its middle, none is resampled.
        columns: tiles in a row; fewer where there are fewer tiles.
        captions: a line under each tile, cut off at the cell's right border.

    Returns:
        Cells with `GAP` black pixels between and around them, each higher by `CAPTION` where there
        are captions.

    Raises:
        UsageError: no tiles, less than one column, or not one caption for each tile.
    """
    if not tiles or columns < 1:
        raise UsageError(
            f"a montage needs tiles and columns, not {len(tiles)} tiles in {columns} columns"
        )
    if captions is not None and len(captions) != len(tiles):
        raise UsageError(
            f"a montage of {len(tiles)} tiles needs as many captions, not {len(captions)}"
        )
    columns = min(columns, len(tiles))
    tall, wide = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    cell = tall + (CAPTION if captions else 0)
    sheet = np.zeros(
        (GAP + math.ceil(len(tiles) / columns) * (cell + GAP), GAP + columns * (wide + GAP), 3),
        np.uint8,
    )
    for number, tile in enumerate(tiles):
        top, left = GAP + number // columns * (cell + GAP), GAP + number % columns * (wide + GAP)
        rows, across = tile.shape[:2]
        down, right = top + (tall - rows) // 2, left + (wide - across) // 2
        sheet[down : down + rows, right : right + across] = tile
        if captions:
            _caption(sheet[top + tall : top + cell, left : left + wide], captions[number])
    return sheet


def _caption(strip: Picture, text: str) -> None:
    """Writes light grey letters into a strip of a sheet; letters beyond ASCII, which OpenCV's fonts
    lack, become question marks.
    """
    plain = text.encode("ascii", "replace").decode("ascii")
    line = np.zeros(strip.shape, np.uint8)
    cv2.putText(
        line,
        plain,
        (2, CAPTION - 7),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.42,
        (220, 220, 220),
        1,
        cv2.LINE_AA,
    )
    strip[:] = line
