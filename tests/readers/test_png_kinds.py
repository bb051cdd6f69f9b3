"""PNG of every depth and kind of colour, decoded by Pillow, is what OpenCV's libpng makes of it."""

from __future__ import annotations

import ast
import struct
import zlib
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import lungseg
from lungseg.errors import UnreadableError
from lungseg.readers.raster import _decode_png

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SIZE = (13, 21)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(colours: int, depth: int, *, key: bool = False, filtered: int = 0) -> bytes:
    """One with random pixels; `key` makes the colour of the first one, or the first of a palette,
    transparent."""
    rng = np.random.default_rng(depth + colours)
    width = -(-SIZE[1] * CHANNELS[colours] * depth // 8)
    rows = rng.integers(0, 256, (SIZE[0], width), dtype=np.uint8)
    lines = b"".join(bytes([filtered]) + row.tobytes() for row in rows)
    parts = [b"\x89PNG\r\n\x1a\n"]
    parts.append(chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE[::-1], depth, colours, 0, 0, 0)))
    if colours == 3:
        parts.append(chunk(b"PLTE", rng.bytes(3 * 2**depth)))
    if key:
        first = rows[0, : CHANNELS[colours] * depth // 8]
        samples = first.astype(">u2") if depth == 8 else first
        parts.append(chunk(b"tRNS", b"\x00\x80" if colours == 3 else samples.tobytes()))
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")])


KINDS = [(colours, depth) for colours, depths in DEPTHS.items() for depth in depths]


@pytest.mark.parametrize(("kind", "filtered"), [*product(KINDS, (0, 4))])
def test_pixels_are_those_of_another_decoder(kind: tuple[int, int], filtered: int) -> None:
    content = png(*kind, filtered=filtered)
    check(content)


@pytest.mark.parametrize("kind", [(2, 8), (2, 16), (3, 8), (3, 4)])
def test_a_colour_that_stands_for_nothing_is_transparent(kind: tuple[int, int]) -> None:
    content = png(*kind, key=True)
    check(content)
    assert _decode_png(content, "x")[..., 3].min() == 0


def check(content: bytes) -> None:
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    pixels = _decode_png(content, "x")
    if pixels.dtype == np.bool_:
        pixels = pixels * np.uint8(255)
    if expected.ndim == 3:
        expected = expected[..., [2, 1, 0, 3][: expected.shape[2]]]
    assert pixels.dtype == expected.dtype
    assert_array_equal(pixels, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_one_is_a_sentence(kind: tuple[int, int]) -> None:
    whole = png(*kind)
    start = whole.index(b"IDAT")
    for broken in (
        whole[: start - 4] + chunk(b"IDAT", b"no deflate") + chunk(b"IEND", b""),
        whole[: start - 4] + chunk(b"IEND", b""),
        whole[:8] + whole[33:],
        whole[:20],
    ):
        with pytest.raises(UnreadableError, match="x: the PNG file is damaged; copy or export it"):
            _decode_png(broken, "x")


def test_nothing_but_jpeg_reaches_what_opencv_brings_for_pictures() -> None:
    """Its wheel has a libpng and a libtiff of its own, which are not kept up."""
    root = Path(lungseg.__file__).parent
    found = {
        str(path.relative_to(root)): [
            node.attr
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute) and node.attr.startswith(("imdecode", "imread"))
        ]
        for path in root.rglob("*.py")
    }
    assert {name: calls for name, calls in found.items() if calls} == {
        "augment/degradations.py": ["imdecode"],  # of JPEG that it has just made
        "evaluate/robustness.py": ["imdecode"],
        "readers/raster.py": ["imdecode"],  # in _decode_jpeg
    }
