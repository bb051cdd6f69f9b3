from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError, UsageError
from lungseg.provenance import Format
from lungseg.readers import read_image
from lungseg.readers.limits import MAX_FILE_BYTES


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", UnreadableError, "the file is empty"),
        (b"Patient,Finding\n1,nothing\n", UnsupportedError, "the file is text, not an image"),
        ("Größe\n".encode("utf-16"), UnsupportedError, "the file is text, not an image"),
        (
            b"GIF89a" + bytes(90),
            UnreadableError,
            "the GIF file is damaged, or holds pixels of a kind that is not read",
        ),
        (
            b"RIFF\0\0\0\0WEBPVP8 ",
            UnreadableError,
            "the WebP file is damaged, or holds pixels of a kind that is not read",
        ),
        (
            b"\0\0\0\x1cftypavif\0\0\0\0",
            UnreadableError,
            "the AVIF file is damaged, or holds pixels of a kind that is not read",
        ),
        (b"%PDF-1.7\n", UnsupportedError, "PDF files are not read"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", UnsupportedError, "JPEG 2000 files are not read"),
        (b"PK\x03\x04" + bytes(30), UnsupportedError, "ZIP files are not read"),
        (
            bytes(344) + b"n+1\0",
            UnsupportedError,
            r"a NIfTI file may hold a volume, but no radiograph; set `modality` to ct",
        ),
        (
            bytes(range(256)),
            UnsupportedError,
            r"the file is no PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF(, HEIC)? or DICOM image, and no "
            "NIfTI, NRRD or MetaImage volume; convert it to PNG",
        ),
        (b"\x89PNG\r\n\x1a\n", UnreadableError, "the PNG file is truncated"),
        (b"\xff\xd8\xff\xe0", UnreadableError, "the JPEG file is truncated"),
        (
            b"II*\0",
            UnreadableError,
            "the TIFF file is truncated or damaged",
        ),
        (bytes(128) + b"DICM", UnreadableError, "the DICOM file holds no pixel data"),
    ],
)
def test_what_is_no_radiograph_is_told_by_its_content(tmp_path, content, error, words):
    path = tmp_path / "film.dcm"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert type(caught.value) is error


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(
        UnreadableError, match=r"nothing\.png: there is no such file; check the name\."
    ):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(UnreadableError, match="it is a folder, not a file"):
        read_image(tmp_path)
    with pytest.raises(UnreadableError, match="not a valid file name"):
        read_image("a\0b.png")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableError, match="it is not a regular file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "denied"), "permission to read it was denied"),
        (OSError(5, "broken disk"), "broken disk"),
    ],
)
def test_refused_by_the_system(tmp_path, monkeypatch, error, words):
    path = tmp_path / "film.png"
    path.write_bytes(b"x")

    def refuse(*_args, **_settings):
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableError, match=f"film.png: .*{words}"):
        read_image(path)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: it takes no room
    with pytest.raises(TooLargeError, match=r"the file has 2\.0 GB, more than an image has"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_array_types_that_are_kept(film, dtype):
    image = read_image(film.astype(dtype), spacing=(0.5, 0.25))
    assert image.array.dtype == dtype
    assert_array_equal(image.array, film)
    assert (
        image.source,
        image.provenance.format,
        image.geometry.spacing,
        image.geometry.spacing_plane,
    ) == (
        "array",
        Format.ARRAY,
        (0.5, 0.25),
        "patient",
    )


@pytest.mark.parametrize(
    ("array", "dtype", "notes"),
    [
        (np.eye(40, dtype=bool), np.uint8, ()),
        (np.eye(40, dtype=np.int64) * 255, np.uint8, ()),
        (np.eye(40, dtype=np.int32) * 65535, np.uint16, ()),
        (
            np.eye(40, dtype=np.int16) * 3000 - 1000,
            np.uint16,
            ("1000 added to every pixel, so that none is below 0",),
        ),
        (
            np.eye(40, dtype=np.int8) - 1,
            np.uint16,
            ("1 added to every pixel, so that none is below 0",),
        ),
        (np.eye(40, dtype=np.uint32) * 2**24, np.float32, ()),
        (
            np.eye(40, dtype=np.int64) * (2**24 + 1),
            np.float32,
            ("pixels rounded to the 24 bits of float32",),
        ),
        (np.eye(40, dtype=np.float64), np.float32, ()),
        (np.eye(40, dtype=np.float16), np.float32, ()),
    ],
)
def test_array_types_that_are_converted(array, dtype, notes):
    image = read_image(array)
    assert image.array.dtype == dtype
    assert image.notes == notes
    expected = (
        array * 255.0 if array.dtype == bool else array.astype(float) - min(0, float(array.min()))
    )
    assert_array_equal(image.array, expected.astype(dtype))


def test_array_is_copied(film):
    image = read_image(film)
    before = image.array.copy()
    film[:] = 0
    assert_array_equal(image.array, before)


def test_arrays_that_are_refused(film):
    values = film.astype(float)
    values[0, 0] = np.nan
    with pytest.raises(InputError, match="array: the image contains NaN or infinite values"):
        read_image(values)
    values[0, 0] = 1e300
    with pytest.raises(
        InputError, match=r"its values go from 0 to 1e\+300, which no grey values do"
    ):
        read_image(values)
    with pytest.raises(UnreadableError, match=r"the array of shape \(0, 5\) is empty"):
        read_image(np.zeros((0, 5)))
    with pytest.raises(UsageError, match=r"this array has shape \(5, 60, 80\); give one image"):
        read_image(np.stack([film] * 5))
    with pytest.raises(UnsupportedError, match="a colour array is uint8 or uint16, not float64"):
        read_image(np.dstack([film] * 3) / 2)
    with pytest.raises(InputError, match="whole or real numbers, not complex128"):
        read_image(film * 1j)
    with pytest.raises(UsageError, match="an array has no frames"):
        read_image(film, frame=1)


def test_colour_array(film):
    assert_array_equal(read_image(np.dstack([film] * 4)[..., :3]).array, film)
    opaque = np.dstack([film, film, film, np.full_like(film, 255)])
    assert_array_equal(read_image(opaque).array, film)
