"""Radiographs for the screen, structures tinted and outlined on them, label maps in colour, and
sheets of such tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.options import OverlayStyle
from lungseg.preprocess import resize
from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS_AS_ONE, STRUCTURES
from lungseg.verdict import Verdict

Picture = NDArray[np.uint8]
WINDOW: Final = (0.5, 99.5)
"""Percentiles that become black and white where an image is deeper than 8 bits."""
STYLE: Final = OverlayStyle()
"""Of overlays, unless another one is asked for."""
GAP: Final = 4
"""Pixels of black between the tiles of a sheet."""
CAPTION: Final = 28
"""Pixels of height for the caption under a tile."""
LETTERS: Final = (0.55, 0.4)
"""Scale of a caption's letters, and the least that they are shrunk to where it is long."""
REFUSED: Final = (213, 94, 0)
"""The vermilion of the palette of `lungseg.structures`, for the edge of a picture whose mask means
nothing."""


SQUARE: Final = 0.01
"""By which sides of a pixel may differ that counts as square."""
MAX_STRETCH: Final = 4.0
"""Times that one side of a pixel may be the other; a header that states more is not believed."""


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
    rows, columns = _size(picture.shape, side)
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def in_proportion(picture: Picture, spacing: tuple[float, float] | None) -> Picture:
    """The picture (rows, columns, 3) of a radiograph with pixels as wide as high.

    Args:
        picture: with the pixels of the radiograph, or as many times fewer rows as columns.
        spacing: millimetres between its rows and its columns; where it is not known, or where one
            is more than `MAX_STRETCH` times the other, the picture stays as it is.
    """
    ratio = 1.0 if spacing is None else spacing[0] / spacing[1]
    if abs(ratio - 1) < SQUARE or not 1 / MAX_STRETCH <= ratio <= MAX_STRETCH:
        return picture
    rows, columns = picture.shape[:2]
    wide, tall = round(columns * max(1.0, 1 / ratio)), round(rows * max(1.0, ratio))
    stretched = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched, np.uint8)


def overlay(
    image: Image,
    segmentation: Segmentation[ImageGeometry],
    style: OverlayStyle = STYLE,
    *,
    size: int | None = None,
) -> Picture:
    """Red, green, blue (rows, columns, 3): the image as `display` shows it, its structures painted
    as `paint` does, the layer of the lungs first.

    Args:
        image: a radiograph.
        segmentation: on its grid.
        style: of what is painted.
        size: pixels of the longer side, to which the image is brought before it is painted on; None
            for its own.

    Raises:
        UsageError: the segmentation has another shape than the image.
    """
    check_shape(segmentation.labels, image.array, "an image")
    picture = display(image)
    first = segmentation.labels
    layers = [first, *(one for one in segmentation.layers if one is not first)]
    if size is not None:
        brought = _size(picture.shape, size)
        picture = np.rint(resize(picture, brought)).astype(np.uint8)
        layers = [resize_labels(labels, brought) for labels in layers]
    for labels in layers:
        picture = paint(picture, labels, style)
    return picture


def resize_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map (rows, columns) at another size: each structure where it covers half of a pixel,
    so that its border stays smooth where it grows.
    """
    found = np.zeros(size, np.uint8)
    for number in 1 + np.flatnonzero(np.bincount(labels.ravel())[1:]):
        found[resize((labels == number).astype(np.float32), size) >= 0.5] = number
    return found


def check_shape(labels: NDArray[Any], array: NDArray[Any], what: str) -> None:
    """Whether labels lie on the grid of an array, which is an image or a volume.

    Raises:
        UsageError: they do not.
    """
    if labels.shape != array.shape:
        raise UsageError(
            f"a segmentation of shape {labels.shape} is not one of {what} of shape {array.shape}"
        )


def _size(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Rows and columns, the longer of which is `side`, of a picture of these proportions."""
    rows, columns = (max(1, round(length * side / max(shape[:2]))) for length in shape[:2])
    return rows, columns


def paint(
    grey: Picture,
    labels: NDArray[np.uint8],
    style: OverlayStyle = STYLE,
) -> Picture:
    """Red, green, blue (rows, columns, 3): a grey picture, or one that was painted before, its
    structures (labels (rows, columns)) tinted and outlined in their colours, or all in that of the
    style.

    Outside of them a pixel keeps its grey g in all three channels. Inside it becomes (1 - opacity)
    g + opacity c, rounded, for the structure's colour c; on the outline, as wide as the style says,
    else `outline_width` pixels, and within the structure, it is c.
    """
    picture = grey_to_rgb(grey) if grey.ndim == 2 else grey.copy()
    width = (
        outline_width((grey.shape[0], grey.shape[1])) if style.outline is None else style.outline
    )
    opacity = style.opacity
    present = np.bincount(labels.ravel(), minlength=len(PALETTE))
    for structure in PAINTED:
        if not present[structure.number]:
            continue
        left, top, columns, rows = cv2.boundingRect((labels == structure.number).view(np.uint8))
        box = np.s_[top : top + rows, left : left + columns]
        inside = labels[box] == structure.number
        part = picture[box]
        tone = style.colour or structure.colour
        tones = np.arange(256)[:, None] * (1 - opacity) + opacity * np.array(tone)
        tinted = cv2.LUT(part, np.rint(tones).astype(np.uint8)[None])
        cv2.copyTo(tinted, inside.view(np.uint8), part)
        if width:
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
        tiles: each (rows, columns, 3). A cell is as wide as the widest tile and as high as the
            highest of its row; smaller ones stand in its middle, none is resampled.
        columns: tiles in a row; fewer where there are fewer tiles.
        captions: a line under each tile, in smaller letters where it is long, then cut off.

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
    wide = max(tile.shape[1] for tile in tiles)
    lines = [tiles[first : first + columns] for first in range(0, len(tiles), columns)]
    talls = [max(tile.shape[0] for tile in line) for line in lines]
    below = GAP + (CAPTION if captions else 0)
    sheet = np.zeros(
        (GAP + sum(talls) + below * len(lines), GAP + columns * (wide + GAP), 3), np.uint8
    )
    top = GAP
    for number, (line, tall) in enumerate(zip(lines, talls, strict=True)):
        for column, tile in enumerate(line):
            left, (rows, across) = GAP + column * (wide + GAP), tile.shape[:2]
            down, right = top + (tall - rows) // 2, left + (wide - across) // 2
            sheet[down : down + rows, right : right + across] = tile
            if captions:
                text = captions[number * columns + column]
                _caption(sheet[top + tall : top + tall + CAPTION, left : left + wide], text)
        top += tall + below
    return sheet


def _caption(strip: Picture, text: str) -> None:
    """Writes light grey letters into a strip of a sheet; letters beyond ASCII, which OpenCV's fonts
    lack, become question marks.
    """
    plain = text.encode("ascii", "replace").decode("ascii")
    line = np.zeros(strip.shape, np.uint8)
    font, (largest, smallest) = cv2.FONT_HERSHEY_SIMPLEX, LETTERS
    wide = cv2.getTextSize(plain, font, largest, 1)[0][0]
    scale = max(smallest, min(largest, largest * (strip.shape[1] - 4) / max(1, wide)))
    cv2.putText(line, plain, (2, CAPTION - 9), font, scale, (235, 235, 235), 1, cv2.LINE_AA)
    strip[:] = line
