"""What a JPEG, JPEG-LS or JPEG 2000 stream states of itself, found without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

FRAME_HEADERS: Final = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""The markers that state the size (ITU-T T.81, table B.1, and T.87, table C.1)."""
SCAN: Final = 0xDA
_JP2: Final = b"\0\0\0\x0cjP  "


def segments(content: bytes) -> Iterator[tuple[int, int]]:
    """The markers of a JPEG or JPEG-LS stream and where they stand, up to the first scan (ITU-T
    T.81, annex B); fewer where it is cut.

    Raises:
        ValueError: there is something else where a marker should be.
    """
    marker, position = 0, 2
    while marker != SCAN and position + 4 <= len(content):
        marker = content[position + 1]
        if content[position] != 0xFF or marker < 0xC0:
            raise ValueError("no marker")
        if marker == 0xFF:  # padding
            position += 1
            continue
        yield marker, position
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")


def coded_size(content: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples of each pixel that will be decoded.

    What GDCM ends the whole process at is refused: no marker in its place, a version of JFIF that
    does not exist, too many bits.

    Raises:
        ValueError: they are not stated where they should be, with more than 16 bits, or beside such
            a version.
        struct.error: the stream ends before.
    """
    if content.startswith(b"\xff\xd8"):
        for marker, position in list(segments(content)):
            if content.startswith(b"JFIF\0", position + 4) and content[position + 9] != 1:
                raise ValueError("no version of JFIF")
            if marker in FRAME_HEADERS:
                bits, rows, columns, samples = struct.unpack_from(">BHHB", content, position + 4)
                if bits > 16:
                    raise ValueError("too many bits")
                return rows, columns, samples
    start = _unwrapped(content) if content.startswith(_JP2) else 0
    if content[start : start + 4] != b"\xff\x4f\xff\x51":
        raise ValueError("no size")
    right, bottom, left, top, samples, bits = struct.unpack_from(
        ">4I16xHB", content, start + 8
    )  # ITU-T T.800, table A.9
    if bits & 0x7F >= 16:  # one less than there are; the highest one is the sign's
        raise ValueError("too many bits")
    return bottom - top, right - left, samples


def _unwrapped(content: bytes) -> int:
    """Where in a JP2 file the codestream begins (ITU-T T.800, annex I.4)."""
    start = 0
    while (kind := content[start + 4 : start + 8]) != b"jp2c":
        length = int.from_bytes(content[start : start + 4], "big")
        if length < 8 or not kind:
            raise ValueError("no codestream")
        start += length
    return start + 8
