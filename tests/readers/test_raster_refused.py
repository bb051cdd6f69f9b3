"""Pictures that are cut short, damaged, too large, or show nothing."""

import io
import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Pillow

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers import read_image
from picture_files import png_chunk, save


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.999])
def test_truncated(film, tmp_path, kind, part, capfd):
    path = save(film, tmp_path / "film", kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UnreadableError, match=f"film: the {kind} file .*(truncated|damaged)"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_whole_and_truncated(film, tmp_path, compression, capfd):
    path = save(film, tmp_path / "film", "TIFF", compression=compression)
    assert_array_equal(read_image(path).array, film)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableError, match="the TIFF file"):
        read_image(path)


def test_thumbnail_does_not_hide_a_truncated_jpeg(film, tmp_path):
    small = io.BytesIO()
    Pillow.fromarray(film[:8, :8]).save(small, "JPEG")
    path = save(film, tmp_path / "film.jpg", "JPEG", comment=small.getvalue())
    content = path.read_bytes()
    assert read_image(path).geometry.shape == (60, 80)
    path.write_bytes(content[:-20])
    with pytest.raises(UnreadableError, match="the JPEG file is truncated"):
        read_image(path)


@pytest.mark.parametrize(("place", "byte"), [(1, 0xC3), (1, 0xF7), (4, 12)])
def test_jpeg_of_a_kind_that_is_not_read(film, tmp_path, place, byte):
    path = save(film, tmp_path / "film.jpg", "JPEG")
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xc0") + place] = byte
    path.write_bytes(content)
    with pytest.raises(
        UnsupportedError,
        match="a lossless JPEG file, or one of more than 8 bits, is read within DICOM only",
    ):
        read_image(path)


def test_damaged_png(film, tmp_path):
    path = save(film, tmp_path / "film.png", "PNG")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(
        UnreadableError, match=r"film\.png: the PNG file is damaged; copy or export it again\.$"
    ):
        read_image(path)


def png_header(columns: int, rows: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    )


BOMBS = {
    "PNG": png_header(30000, 30000),
    "JPEG": b"\xff\xd8\xff\xc0\0\x0b\x08" + struct.pack(">HH", 30000, 30000) + b"\1\1\x11\0",
    "TIFF": b"II*\0\x08\0\0\0\x05\0"
    + b"".join(
        struct.pack("<HHII", *entry)
        for entry in [
            (256, 4, 1, 30000),
            (257, 4, 1, 30000),
            (258, 3, 1, 8),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
        ]
    )
    + b"\0\0\0\0",
    "BMP": b"BM"
    + struct.pack("<IHHI", 900_000_054, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 30000, 30000, 1, 8, 0, 0, 0, 0, 256, 0),
    "GIF": b"GIF89a"
    + struct.pack("<HHBBB", 30000, 30000, 0, 0, 0)
    + b","
    + struct.pack("<HHHHB", 0, 0, 30000, 30000, 0)
    + b"\x08",
}


@pytest.mark.parametrize("kind", list(BOMBS))
def test_bomb_is_refused_by_its_header(tmp_path, kind):
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[kind])
    with pytest.raises(TooLargeError, match=r"bomb: the header states .* was not decoded"):
        read_image(path)


def test_limits_of_size(tmp_path):
    path = tmp_path / "bomb.png"
    for columns, rows in ((16385, 100), (100, 16385), (9000, 9000)):
        path.write_bytes(png_header(columns, rows))
        with pytest.raises(
            TooLargeError,
            match=f"the header states {rows} x {columns} pixels.*at most 16384 pixels a side and "
            "80 million",
        ):
            read_image(path)
    path.write_bytes(png_header(16384, 4000))
    with pytest.raises(UnreadableError, match="truncated"):
        read_image(path)


def test_images_that_show_nothing(tmp_path):
    with pytest.raises(InputError, match=r"dot\.png: the image has 1 x 1 pixels, too few"):
        read_image(save(np.zeros((1, 1), np.uint8), tmp_path / "dot.png", "PNG"))
    with pytest.raises(InputError, match=r"blank\.png: every pixel has the same value \(7\)"):
        read_image(save(np.full((50, 50), 7, np.uint8), tmp_path / "blank.png", "PNG"))
