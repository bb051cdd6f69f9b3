"""TIFF of every type of numbers, order of bytes and compression, written by hand."""

from __future__ import annotations

import struct
import zlib
from itertools import product

import numpy as np
import pytest

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers import read_image
from lungseg.readers.tiff import read_tiff

FILM = np.rint(
    1000 + 900 * np.sin(np.arange(60)[:, None] / 9) + 20 * np.arange(80) + np.arange(60)[:, None]
)
"""(60, 80), 100 to 3600."""


def tiff(
    pixels,
    *,
    order="<",
    big=False,
    rows_a_strip=None,
    tile=None,
    pack=None,
    predictor=1,
    pages=1,
    planar=False,
    **tags,
):
    """A TIFF or BigTIFF file (`big`) of (rows, columns) or (rows, columns, samples)."""
    stored = np.atleast_3d(pixels)
    rows, columns, samples = stored.shape
    kind = {"u": 1, "i": 2, "f": 3}[stored.dtype.kind]
    height, width = tile or (rows_a_strip or rows, columns)
    blocks = []
    planes = np.split(stored, samples, axis=2) if planar else [stored]
    for plane, top, left in product(planes, range(0, rows, height), range(0, columns, width)):
        part = plane[top : top + height, left : left + width]
        if tile:
            gap = (height - part.shape[0], width - part.shape[1])
            part = np.pad(part, ((0, gap[0]), (0, gap[1]), (0, 0)))
        blocks.append(packed_block(part, order, predictor, pack))
    places, body = [], b""
    for block in blocks:
        places.append((16 if big else 8) + len(body))
        body += block + bytes(len(block) % 2)
    found = {
        256: columns,
        257: rows,
        258: [8 * stored.dtype.itemsize] * samples,
        259: {None: 1, "deflate": 8, "old deflate": 32946, "other": 5}[pack],
        262: 1,
        277: samples,
        317: predictor,
        339: [kind] * samples,
    }
    lengths = [len(block) for block in blocks]
    found |= (
        {322: width, 323: height, 324: places, 325: lengths}
        if tile
        else {273: places, 278: height, 279: lengths}
    )
    found |= {284: 2} if planar else {}
    found |= {int(name[1:]): value for name, value in tags.items()}
    return assembled(body, found, order, big, pages)


def packed_block(part, order, predictor, pack):
    if predictor == 2:
        part = np.concatenate([part[:, :1], np.diff(part, axis=1)], axis=1)
    content = part.astype(part.dtype.newbyteorder(order)).tobytes()
    if predictor == 3:
        rows, columns, samples = part.shape
        planes = np.frombuffer(part.astype(part.dtype.newbyteorder(">")).tobytes(), np.uint8)
        planes = planes.reshape(rows, columns * samples, -1).transpose(0, 2, 1)
        planes = planes.reshape(rows, -1, samples)
        first = planes[:, :1]
        content = np.concatenate([first, np.diff(planes, axis=1)], axis=1).tobytes()
    return zlib.compress(content) if pack and "deflate" in pack else content


def assembled(body, tags, order, big, pages):
    counter, entry, pointer = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    room, content = struct.calcsize(order + pointer), body
    directories = []
    start = 16 if big else 8
    for page in range(pages):
        entries, extra = [], b""
        place = start + len(content)
        size = (
            struct.calcsize(order + counter)
            + len(tags) * struct.calcsize(order + entry + pointer)
            + room
        )
        for tag, value in sorted(tags.items()):
            values = value if isinstance(value, list) else [value]
            kind = "H" if max(values) < 2**16 and tag not in (273, 279, 324, 325) else "I"
            inside = struct.pack(f"{order}{len(values)}{kind}", *values)
            if len(inside) > room:
                extra += inside
                inside = struct.pack(order + pointer, place + size + len(extra) - len(inside))
            code = {"H": 3, "I": 4}[kind]
            entries.append(
                struct.pack(order + entry, tag, code, len(values)) + inside.ljust(room, b"\0")
            )
        following = place + size + len(extra) if page + 1 < pages else 0
        content += struct.pack(order + counter, len(tags)) + b"".join(entries)
        content += struct.pack(order + pointer, following) + extra
        directories.append(place)
    head = {"<": b"II", ">": b"MM"}[order]
    head += (
        struct.pack(order + "HHHQ", 43, 8, 0, directories[0])
        if big
        else struct.pack(order + "HI", 42, directories[0])
    )
    return head + content


@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8", "f2", "i8", "u8"])
def test_every_type_of_numbers(tmp_path, dtype, order, big):
    pixels = (FILM // 16 if dtype == "u1" else FILM // 2 if dtype == "f2" else FILM).astype(dtype)
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(pixels, order=order, big=big))
    image = read_image(path)
    assert image.array.dtype == {"u1": np.uint8}.get(
        dtype, np.float32 if dtype[0] == "f" else np.uint16
    )
    assert np.array_equal(image.array, pixels)
    assert image.notes == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pack", [None, "deflate", "old deflate"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize(
    "blocks", [{}, {"rows_a_strip": 7}, {"tile": (16, 32)}, {"tile": (64, 96)}]
)
def test_strips_tiles_and_predictors(order, pack, predictor, blocks):
    dtype = np.int64 if predictor == 2 else np.float64
    content = tiff(FILM.astype(dtype), order=order, pack=pack, predictor=predictor, **blocks)
    read, orientation = read_tiff(content, source="it", frame=None)
    assert (read.dtype, orientation) == (dtype, 1)
    assert np.array_equal(read, FILM)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("predictor", [1, 2])
def test_grey_with_opacity(tmp_path, order, dtype, predictor):
    limit = np.iinfo(dtype).max
    grey = np.rint(FILM / FILM.max() * limit).astype(dtype)
    opacity = np.full(grey.shape, limit, dtype)
    path = tmp_path / "film.tif"
    both = np.stack([grey, opacity], axis=-1)
    path.write_bytes(tiff(both, order=order, pack="deflate", predictor=predictor, t338=2))
    image = read_image(path)
    assert np.array_equal(image.array, grey)
    assert image.notes == ()
    opacity[:, :20] = 0
    path.write_bytes(tiff(np.stack([grey, opacity], axis=-1), order=order, t338=2))
    image = read_image(path)
    assert not image.array[:, :20].any()
    assert np.array_equal(image.array[:, 20:], grey[:, 20:])
    assert image.notes == ("transparent parts made black",)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("rows_a_strip", [None, 7])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize(("pack", "predictor"), [(None, 1), ("deflate", 2)])
def test_grey_and_opacity_one_after_the_other(
    tmp_path, order, dtype, rows_a_strip, tile, pack, predictor
):
    grey = np.rint(FILM / FILM.max() * np.iinfo(dtype).max).astype(dtype)
    opacity = np.full(grey.shape, np.iinfo(dtype).max, dtype)
    opacity[:, :20] = 0
    how = {"order": order, "rows_a_strip": rows_a_strip, "tile": tile}
    both = np.stack([grey, opacity], axis=-1)
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(both, pack=pack, predictor=predictor, planar=True, t338=2, **how))
    image = read_image(path)
    assert not image.array[:, :20].any()
    assert np.array_equal(image.array[:, 20:], grey[:, 20:])
    assert image.notes == ("transparent parts made black",)


def test_white_may_be_zero(tmp_path):
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(FILM.astype(np.uint64), order=">", big=True, t262=0))
    image = read_image(path)
    assert np.array_equal(image.array, FILM.max() - FILM)
    assert image.notes == (f"{2**64 - 1 - int(FILM.max())} taken from every pixel, to fit 16 bits",)
    grey = FILM.astype(np.uint16)
    path.write_bytes(tiff(np.stack([grey, np.full_like(grey, 65535)], axis=-1), t262=0, t338=2))
    assert np.array_equal(read_image(path).array, 65535 - grey)


@pytest.mark.parametrize(
    ("bits", "order", "photometric"), [(10, "<", 1), (12, ">", 1), (12, "<", 0), (14, "<", 1)]
)
def test_numbers_of_a_few_bits_one_after_the_other(tmp_path, bits, order, photometric):
    grey = np.rint(FILM / FILM.max() * (2**bits - 1)).astype(np.uint16)
    each = np.unpackbits(grey.astype(">u2")[..., np.newaxis].view(np.uint8), axis=2)
    rows = np.packbits(each[..., 16 - bits :].reshape(len(grey), -1), axis=1)
    content = tiff(rows, order=order, t256=grey.shape[1], t258=bits, t262=photometric)
    (tmp_path / "film.tif").write_bytes(content)
    expected = grey if photometric else 2**bits - 1 - grey
    assert np.array_equal(read_image(tmp_path / "film.tif").array, expected)


@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_white_may_be_zero_of_numbers_with_a_sign_too(tmp_path, dtype):
    (tmp_path / "film.tif").write_bytes(tiff((FILM - 1000.0).astype(dtype), t262=0))
    shown = read_image(tmp_path / "film.tif").array.astype(float)
    assert np.corrcoef(shown.ravel(), -FILM.ravel().astype(float))[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("orientation", [2, 3, 6])
@pytest.mark.parametrize("kind", ["grey", "grey and opacity", "float"])
def test_a_picture_is_turned_as_its_tag_asks_whoever_reads_it(tmp_path, orientation, kind):
    grey = FILM.astype(np.float64 if kind == "float" else np.uint16)
    pixels = np.stack([grey, np.full_like(grey, 65535)], -1) if kind == "grey and opacity" else grey
    more = {"t338": 2} if pixels.ndim == 3 else {}
    (tmp_path / "film.tif").write_bytes(tiff(pixels, t274=orientation, **more))
    image = read_image(tmp_path / "film.tif")
    turned = {2: FILM[:, ::-1], 3: FILM[::-1, ::-1], 6: np.rot90(FILM, -1)}[orientation]
    assert np.array_equal(image.array, turned)
    assert image.notes[0].endswith(", as its orientation tag asks")


def test_one_of_several_pages():
    content = tiff(FILM.astype("f8"), pages=3)
    assert np.array_equal(read_tiff(content, source="it", frame=3)[0], FILM)
    with pytest.raises(UnsupportedError, match=r"it: it holds 3 frames.*from 1 to 3"):
        read_tiff(content, source="it", frame=None)


def test_greys_that_no_image_has_are_refused(tmp_path):
    for dtype, highest in (
        ("f4", 3e38),
        ("f8", 1e300),
        ("f8", -1e13),
        ("i8", 2**62),
        ("u8", 2**63),
    ):
        pixels = FILM.astype(dtype)
        pixels[3, 4] = highest
        (tmp_path / "film.tif").write_bytes(tiff(pixels))
        with pytest.raises(
            InputError, match=r"its values go from .* which no grey values do; scale"
        ):
            read_image(tmp_path / "film.tif")
    pixels = FILM.astype("f8")
    pixels[3, 4] = np.nan
    (tmp_path / "film.tif").write_bytes(tiff(pixels))
    with pytest.raises(InputError, match="the image contains NaN or infinite values"):
        read_image(tmp_path / "film.tif")


def test_what_is_not_read_says_so():
    def read(**more):
        return read_tiff(tiff(FILM.astype("f8"), **more), source="it", frame=None)

    with pytest.raises(
        UnsupportedError, match=r"is read plain or deflated only.*export it again wi"
    ):
        read(pack="other")
    with pytest.raises(UnsupportedError, match="a TIFF of colours of a kind that is not read"):
        read(t262=2)
    with pytest.raises(UnsupportedError, match="a TIFF of colours of a kind that is not read"):
        read_tiff(tiff(np.zeros((9, 9, 3), "f8")), source="it", frame=None)
    with pytest.raises(TooLargeError, match="the header states 60 x 20000 pixels"):
        read(t256=20_000)
    for tags, bits in (({"t258": 12}, "12"), ({"t258": [64, 32], "t277": 2}, "32 and 64")):
        with pytest.raises(UnsupportedError, match=f"a TIFF of numbers of {bits} bits, of a kind"):
            read(**tags)


@pytest.mark.parametrize(
    "tags",
    [
        {"t339": 7},
        {"t273": 2**31},
        {"t279": 100},
        {"t278": 0},
        {"t317": 9},
        {"t273": [8, 9]},
        {"t324": 8, "t322": 2**16, "t323": 2**16, "t325": 9},
    ],
)
def test_damaged_files_are_refused(tags):
    with pytest.raises(UnreadableError, match="it: the TIFF file is truncated or damaged; copy or"):
        read_tiff(tiff(FILM.astype("f8"), **tags), source="it", frame=None)


def test_files_that_end_early_or_lead_in_a_circle():
    content = tiff(FILM.astype("f8"))
    for cut in (0, 3, 8, 1000, len(content) - 20):
        with pytest.raises(UnreadableError, match="the TIFF file is truncated or damaged"):
            read_tiff(content[:cut], source="it", frame=None)
    circle = bytearray(tiff(FILM.astype("f8"), pages=2))
    first = struct.unpack_from("<I", circle, 4)[0]
    end = bytes(circle).rindex(struct.pack("<I", 0))
    circle[end : end + 4] = struct.pack("<I", first)
    assert np.array_equal(read_tiff(bytes(circle), source="it", frame=2)[0], FILM)
    with pytest.raises(InputError, match="frame 3 was asked for, and it holds 2"):
        read_tiff(bytes(circle), source="it", frame=3)
