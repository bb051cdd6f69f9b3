"""TIFF of the kinds that Pillow does not open: numbers of 64 bits, half precision, grey of 16 bits
with opacity, and big-endian BigTIFF (TIFF 6.0; the BigTIFF design of the Aware Systems).

Strips and tiles are read, plain or deflated, with the predictors of TIFF 6.0 and of Adobe's
Photoshop TIFF Technical Note 3.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers.limits import chosen_frame, refuse_too_large
from lungseg.segmentation import Array

Tags = dict[int, tuple[int, ...]]
_COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_LENGTHS, _PLANAR = (
    273,
    274,
    277,
    278,
    279,
    284,
)
_PREDICTOR, _TILE_COLUMNS, _TILE_ROWS, _TILES, _TILE_LENGTHS, _FORMAT = 317, 322, 323, 324, 325, 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _APART = 0, 1, 2
_DEFLATES: Final = (8, 32946)
_KINDS: Final = {1: "u", 2: "i", 3: "f"}
_TYPES: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Of the whole numbers that tags hold: BYTE, SHORT, LONG, LONG8."""
_MAX_PAGES: Final = 2**14
_MAX_TILE_PIXELS: Final = 2**24
_MAX_VALUES: Final = 2**20
"""Numbers of one tag: as many strips or tiles as no picture has."""


def read_tiff(content: bytes, *, source: str, frame: int | None) -> tuple[Array, int]:
    """One page of grey, and how it is to be turned.

    Args:
        content: the whole file.
        source: its name, for errors.
        frame: which page, counted from 1.

    Returns:
        (rows, columns), or (rows, columns, 2) of grey and opacity, as they are stored: of the type
        that they have there, in the machine's order of bytes, bright where high; and the tag
        Orientation (1 where there is none).

    Raises:
        UnreadableError: it is truncated or damaged.
        UnsupportedError: colours, or a compression that is not read; or several pages and none
            chosen.
        TooLargeError: its header states too many pixels.
    """
    try:
        pages, order = _pages(content)
        tags = pages[chosen_frame(frame, len(pages), source=source)]
        return _page(content, tags, order, source), tags.get(_ORIENTATION, (1,))[0]
    except (struct.error, zlib.error, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(
            f"the {Format.TIFF.value} file is truncated or damaged",
            where=source,
            cure="copy or export it again",
        ) from error


def _pages(content: bytes) -> tuple[list[Tags], str]:
    """The tags of every page, and the order of bytes."""
    order = "<" if content[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", content, 2)[0] == 43
    place = struct.unpack_from(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)[0]
    pages: list[Tags] = []
    seen: set[int] = set()
    while place and place not in seen and len(pages) < _MAX_PAGES:
        seen.add(place)
        tags, place = _directory(content, place, order, is_big=is_big)
        pages.append(tags)
    if not pages:
        raise ValueError("no pages")
    return pages, order


def _directory(content: bytes, place: int, order: str, *, is_big: bool) -> tuple[Tags, int]:
    """The tags of one page, those of whole numbers, and where the next one begins."""
    counter, entry, pointer = ("Q", "HHQ", "Q") if is_big else ("H", "HHI", "I")
    count = struct.unpack_from(order + counter, content, place)[0]
    place += struct.calcsize(order + counter)
    head, width = struct.calcsize(order + entry), struct.calcsize(order + pointer)
    tags: Tags = {}
    for start in range(place, place + count * (head + width), head + width):
        tag, kind, length = struct.unpack_from(order + entry, content, start)
        if kind not in _TYPES or length > _MAX_VALUES:
            continue
        values, inside = f"{order}{length}{_TYPES[kind]}", start + head
        if struct.calcsize(values) > width:
            inside = struct.unpack_from(order + pointer, content, inside)[0]
        tags[tag] = struct.unpack_from(values, content, inside)
    end = place + count * (head + width)
    return tags, struct.unpack_from(order + pointer, content, end)[0]


def _page(content: bytes, tags: Tags, order: str, source: str) -> Array:
    rows, columns = tags[_ROWS][0], tags[_COLUMNS][0]
    refuse_too_large(rows, columns, source=source)
    samples = tags.get(_SAMPLES, (1,))[0]
    photometric = tags.get(_PHOTOMETRIC, (_BLACK_IS_ZERO,))[0]
    is_grey = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and samples in (1, 2)
    compression = tags.get(_COMPRESSION, (1,))[0]
    if not is_grey:
        raise UnsupportedError(
            "it is a TIFF of colours of a kind that is not read",
            where=source,
            cure="export it in grey, with 8 or 16 bits",
        )
    if compression != 1 and compression not in _DEFLATES:
        raise UnsupportedError(
            "it is a TIFF whose kind of numbers is read plain or deflated only, and it is "
            "compressed in another way",
            where=source,
            cure="export it again without compression, or in 8 or 16 bits",
        )
    bits = tags.get(_BITS, (1,))
    kind = _KINDS[tags.get(_FORMAT, (1,))[0]]
    predictor = tags.get(_PREDICTOR, (1,))[0]
    is_packed = bool(bits[0] % 8)  # numbers of 10, 12 or 14 bits, one after the other
    if len(set(bits)) > 1 or (is_packed and (kind != "u" or bits[0] > 16 or predictor != 1)):
        raise UnsupportedError(
            f"it is a TIFF of numbers of {' and '.join(map(str, sorted(set(bits))))} bits, of a "
            "kind that is not read",
            where=source,
            cure="export it in grey, with 8 or 16 bits",
        )
    dtype = np.dtype("u2") if is_packed else np.dtype(f"{order}{kind}{bits[0] // 8}")
    pixels = np.zeros((rows, columns, samples), dtype.newbyteorder("="))
    for stored, top, left, shape, channels in _blocks(content, tags, pixels.shape):
        size = shape[0] * -(-shape[1] * shape[2] * bits[0] // 8)
        block = stored
        if compression in _DEFLATES:
            block = zlib.decompressobj().decompress(stored, size)
        numbers = np.frombuffer(block[:size], np.uint8)
        if is_packed:
            decoded = _unpacked(numbers, shape, bits[0])
        else:
            decoded = _predicted(numbers, shape, dtype, predictor)
        part = pixels[top : top + shape[0], left : left + shape[1], channels]
        part[...] = decoded[: part.shape[0], : part.shape[1]]
    if photometric == _WHITE_IS_ZERO:
        highest = 2 ** bits[0] - 1 if kind == "u" else 0
        pixels[..., 0] = (highest - pixels[..., 0]) if kind != "i" else ~pixels[..., 0]
    return pixels[..., 0] if samples == 1 else pixels


def _blocks(
    content: bytes, tags: Tags, page: tuple[int, ...]
) -> list[tuple[bytes, int, int, tuple[int, int, int], slice]]:
    """Strips or tiles of a page of so many rows, columns and samples: their bytes, the row and
    column where each begins, its rows, columns and samples, and which ones those are: all, or one
    after the other where each lies in blocks of its own.
    """
    rows, columns, samples = page
    if _TILES in tags:
        height, width = tags[_TILE_ROWS][0], tags[_TILE_COLUMNS][0]
        places, lengths = tags[_TILES], tags[_TILE_LENGTHS]
        if height * width > _MAX_TILE_PIXELS:
            raise ValueError("tiles")
    else:
        height, width = min(rows, tags.get(_ROWS_PER_STRIP, (rows,))[0]), columns
        places, lengths = tags[_STRIPS], tags[_STRIP_LENGTHS]
    is_apart = samples > 1 and tags.get(_PLANAR, (1,))[0] == _APART
    channels = [slice(i, i + 1) for i in range(samples)] if is_apart else [slice(samples)]
    wanted = -(-rows // height) * -(-columns // width) * len(channels) if height and width else -1
    if len(places) != wanted:
        raise ValueError("blocks")
    corners = [
        (channel, top, left)
        for channel in channels
        for top in range(0, rows, height)
        for left in range(0, columns, width)
    ]
    return [
        (
            content[place : place + length],
            top,
            left,
            (
                height if _TILES in tags else min(height, rows - top),
                width,
                samples // len(channels),
            ),
            channel,
        )
        for (channel, top, left), place, length in zip(corners, places, lengths, strict=True)
    ]


def _unpacked(stored: Array, shape: tuple[int, int, int], bits: int) -> Array:
    """Numbers (rows, columns, samples) of so many bits, of which each row begins with a byte."""
    rows, columns, samples = shape
    each = np.unpackbits(stored.reshape(rows, -1), axis=1)[:, : columns * samples * bits]
    places = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    return (each.reshape(*shape, bits) * places).sum(axis=3, dtype=np.uint16)


def _predicted(
    stored: Array, shape: tuple[int, int, int], dtype: np.dtype[Any], predictor: int
) -> Array:
    """Numbers (rows, columns, samples) from bytes, from which neighbours may have been taken."""
    if predictor == 3:  # differences of bytes, those of the highest order first
        rows, _, samples = shape
        sums = stored.reshape(rows, -1, samples)
        sums = np.cumsum(sums, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, -1)
        ordered = np.ascontiguousarray(sums.transpose(0, 2, 1))
        return ordered.view(dtype.newbyteorder(">")).reshape(shape)
    numbers = stored.view(dtype).reshape(shape)
    if predictor == 2:
        return np.cumsum(numbers, axis=1, dtype=dtype.newbyteorder("="))
    if predictor != 1:
        raise ValueError("predictor")
    return numbers
