"""The size that a compressed stream states."""

from __future__ import annotations

import struct

import cv2
import pytest

from lungseg.readers.codestream import coded_size

SIZ = b"\xff\x4f\xff\x51" + struct.pack(">HH8IHB", 41, 0, 90, 70, 10, 20, 90, 70, 0, 0, 1, 11)
"""A canvas of 90 x 70 whose image begins at (10, 20)."""


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


FRAME = b"\xff\xd8\xff\xc3\0\x0b\x08" + struct.pack(">HHB", 60, 80, 1) + bytes(3)
"""The beginning of a lossless JPEG stream of 8 bits."""

SIGNATURE = box(b"jP  ", b"\r\n\x87\n")


@pytest.mark.parametrize("ending", [".jpg", ".jp2"])
def test_rows_columns_and_samples(film, ending):
    assert coded_size(cv2.imencode(ending, film)[1].tobytes()) == (60, 80, 1)
    assert coded_size(cv2.imencode(ending, cv2.merge([film] * 3))[1].tobytes()) == (60, 80, 3)


def test_of_lossless_jpeg():
    assert coded_size(FRAME) == (60, 80, 1)


def test_of_jpeg_2000_the_part_with_the_image():
    assert coded_size(SIZ) == (50, 80, 1)


def test_a_size_in_another_box_is_not_believed():
    decoy = box(b"uuid", b"\xff\x4f\xff\x51" + bytes(40)) + box(b"free", box(b"jp2c", SIZ)[:8])
    assert coded_size(SIGNATURE + decoy + box(b"jp2c", SIZ)) == (50, 80, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        SIZ[:20],
        b"\0\0" + SIZ,
        SIGNATURE,
        SIGNATURE + box(b"uuid", b"")[:4],
        SIGNATURE
        + struct.pack(">I4sQ", 1, b"uuid", 16)
        + box(b"jp2c", SIZ),  # lengths of 64 bits are not followed
        SIGNATURE + struct.pack(">I4s", 0, b"uuid") + box(b"jp2c", SIZ),
        b"\xff\xd8",
        b"\xff\xd8\xff\xc0\0\x0b",
        b"\xff\xd8\xff\xda" + bytes(20),
        b"\xff\xd8\0" + SIZ,
        FRAME.replace(b"\x08", b"\x11"),
        SIZ[:-1] + b"\x10",
        FRAME[:2] + b"\xff\xe0\0\x10JFIF\0\3" + bytes(8) + FRAME[2:],
        FRAME[:2] + b"\xff\x01\0\2" + FRAME[2:],
        FRAME + b"\xff\0\0\x04\0\0\xff\xda\0\0",
    ],
)
def test_what_states_none(content):
    with pytest.raises((ValueError, struct.error)):
        coded_size(content)
