"""Colours of 16 bits, of which Pillow keeps the upper eight: it is asked for the lower ones by a
second decoding that takes the bytes for the other way round.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.segmentation import Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_OTHER: Final = {"B": "L", "L": "B"}
_NATIVE: Final = "L" if sys.byteorder == "little" else "B"
_HEADER, _DEPTH, _COLOURS, _SUM, _DATA = 12, 24, 25, 29, 33
"""Places in a PNG file: name of the first chunk, two of its bytes, its check sum, and its end."""


def colours_of_sixteen_bits(opened: Callable[[], PillowImage]) -> Array:
    """The pixels (rows, columns, 3 or 4), uint16: red, green, blue, and opacity where there is one.

    Args:
        opened: opens the picture, at its frame, and loads nothing.

    Raises:
        OSError: it is damaged.
        ValueError: it is of another kind.
    """
    upper, lower = (np.asarray(_loading(opened(), swapped=swapped)) for swapped in (False, True))
    return upper.astype(np.uint16) << 8 | lower


def _loading(picture: PillowImage, *, swapped: bool) -> PillowImage:
    """The picture, to be loaded as it is, or with the bytes of each number the other way round."""
    tiles: Any = picture
    changed = []
    for tile in tiles.tile:
        raw, *rest = [tile.args] if isinstance(tile.args, str) else tile.args
        kind, _, order = raw.partition(";16")
        order = _NATIVE if order == "N" else order
        if kind not in ("RGB", "RGBA") or order not in _OTHER:
            raise ValueError(f"colours stored as {raw}")
        raw = f"{kind};16{_OTHER[order] if swapped else order}"
        changed.append(tile._replace(args=raw if isinstance(tile.args, str) else (raw, *rest)))
    tiles.tile = changed
    return picture


def grey_with_opacity_as_colours(content: bytes) -> bytes:
    """A PNG of grey and opacity in 16 bits as one of four colours in 8 bits, which are the same
    bytes, differ from their neighbours in the same way, and have the same size.
    """
    header = bytearray(content[_HEADER:_SUM])
    header[_DEPTH - _HEADER], header[_COLOURS - _HEADER] = 8, 6
    check_sum = zlib.crc32(header).to_bytes(4, "big")
    return content[:_HEADER] + bytes(header) + check_sum + content[_DATA:]
