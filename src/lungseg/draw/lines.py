"""Lines that were measured, drawn on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2

from lungseg.draw.picture import Picture

Ends = tuple[tuple[float, float], tuple[float, float]]
"""Two places, each (row, column) in pixels of the image."""

LINE: Final = (255, 255, 255)
HALO: Final = (0, 0, 0)
"""White on a black border, so that it is seen on bone and on air."""


def with_lines(picture: Picture, lines: Sequence[Ends], shape: tuple[int, int]) -> Picture:
    """A picture with the width between two places drawn as on a technical drawing: a line along
    the rows, or the columns, halfway between them, and from each of its ends one to the place.

    Args:
        picture: (rows, columns, 3), of the image or of it shrunk.
        lines: the places.
        shape: rows, columns of the image.
    """
    drawn = picture.copy()
    rows, columns = (side / of for side, of in zip(picture.shape[:2], shape, strict=True))
    width = max(1, round(max(picture.shape[:2]) / 512))
    strokes = [
        tuple((round((x + 0.5) * columns - 0.5), round((y + 0.5) * rows - 0.5)) for y, x in stroke)
        for ends in lines
        for stroke in _strokes(ends)
    ]
    for colour, thickness in ((HALO, width + 2), (LINE, width)):
        for start, end in strokes:
            cv2.line(drawn, start, end, colour, thickness, cv2.LINE_8)
    return drawn


def _strokes(ends: Ends) -> list[Ends]:
    (top, left), (bottom, right) = ends
    if abs(right - left) >= abs(bottom - top):
        middle = (top + bottom) / 2
        feet = (middle, left), (middle, right)
    else:
        middle = (left + right) / 2
        feet = (top, middle), (bottom, middle)
    return [feet, *zip(ends, feet, strict=True)]
