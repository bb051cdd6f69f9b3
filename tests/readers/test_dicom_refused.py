"""DICOM that states one thing and holds another: cut short, damaged, or too large."""

import logging
import struct
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
)

from dicom_files import compress
from lungseg.errors import TooLargeError, UnreadableError
from lungseg.readers import read_image, read_volume

SYNTAXES = [
    "JPEGBaselineProcess1",
    "JPEGLosslessProcess14_1",
    "JPEGLSLossless",
    "JPEG2000Lossless",
    "RLELossless",
    "ExplicitVRLittleEndian",
]


@pytest.mark.parametrize("syntax", [*SYNTAXES, "DeflatedExplicitVRLittleEndian"])
@pytest.mark.parametrize("part", [0.5, 0.98])
def test_truncated_file(write_dicom, film, syntax, part):
    path = compress(write_dicom(film), syntax)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UnreadableError, match=r"film\.dcm: .*(truncated|damaged)"):
        read_image(path)


@pytest.mark.parametrize("syntax", SYNTAXES[:-1])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_pixels_in_a_whole_file(write_dicom, film, syntax, part):
    path = compress(write_dicom(film), syntax)
    dataset = pydicom.dcmread(path)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame[: int(len(frame) * part) // 2 * 2]])
    dataset.save_as(path)
    with pytest.raises(
        UnreadableError,
        match=r"its pixels \(.*\) could not be decoded: they are damaged, truncated",
    ):
        read_image(path)


@pytest.mark.parametrize("reader", [read_image, read_volume])
@pytest.mark.parametrize("change", ["none", "group length", "preamble", "long"])
def test_deflated_bomb(write_dicom, film, monkeypatch, reader, change):
    path = write_dicom(film)
    dataset = pydicom.dcmread(path)
    if change == "long":  # the transfer syntax stands behind it
        dataset.file_meta.FileMetaInformationVersion = bytes(2000)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.PixelData = bytes(3_000_000)
    dataset.save_as(path)
    content = bytearray(path.read_bytes())
    if change == "group length":
        content[140:144] = struct.pack("<I", 2**31)
    path.write_bytes(content[132:] if change == "preamble" else content)
    monkeypatch.setattr(
        sys.modules["lungseg.readers.dicom_pixels"], "_MAX_INFLATED_BYTES", 2_000_000
    )
    monkeypatch.setattr("zlib.decompress", lambda *_: pytest.fail("inflated"))
    with pytest.raises(TooLargeError, match="holds more than an image has, and it was not decoded"):
        reader(path)


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "spoilt"])
def test_damaged_deflated_file(write_dicom, film, cut):
    path = compress(write_dicom(film), "DeflatedExplicitVRLittleEndian")
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    path.write_bytes(
        content[:-200] if cut else content[:start] + b"\xff" * (len(content) - start)
    )  # no block begins with three ones
    for reader in (read_image, read_volume):
        with pytest.raises(
            UnreadableError,
            match=r"film\.dcm: the deflated DICOM file is damaged; copy or export it again\.$",
        ):
            reader(path)


@pytest.mark.parametrize("syntax", SYNTAXES[:4])
@pytest.mark.parametrize("rows", [15, 90])
def test_another_size_than_the_header_states_is_not_decoded(
    write_dicom, film, monkeypatch, syntax, rows
):
    path = compress(write_dicom(film), syntax)
    assert_array_equal(read_image(path).array.shape, film.shape)
    dataset = pydicom.dcmread(path)
    dataset.Rows = rows
    dataset.save_as(path)
    decoded = []
    monkeypatch.setattr("pydicom.pixels.utils.pixel_array", lambda *_, **__: decoded.append(1))
    with pytest.raises(
        UnreadableError,
        match=r"its pixels \(.*\) could not be decoded: .* do not fit the header; export",
    ):
        read_image(path)
    assert decoded == []


@pytest.mark.parametrize("first", [False, True])
def test_the_size_is_that_of_the_frame_which_the_offsets_name(write_dicom, film, first):
    path = compress(write_dicom(film), "JPEG2000Lossless")
    dataset = pydicom.dcmread(path)
    frames = [
        cv2.imencode(".jp2", film[:40])[1].tobytes(),
        next(generate_frames(dataset.PixelData, number_of_frames=1)),
    ]
    frames = [frame + bytes(len(frame) % 2) for frame in frames]
    dataset.PixelData, offsets, lengths = encapsulate_extended(frames[::-1] if first else frames)
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets[8:], lengths[8:]
    dataset.save_as(path)
    if first:
        with pytest.raises(UnreadableError, match="could not be decoded"):
            read_image(path)
    else:
        assert_array_equal(read_image(path).array, film)


def test_careless_headers_do_not_warn_and_leave_the_filters_alone(write_dicom, film, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicom(film, StudyDate="Secret^Name", WindowCenter=None)
        content = path.read_bytes() + b"\0\0"
        path.write_bytes(content)
    caplog.clear()
    filters = list(warnings.filters)
    with caplog.at_level(logging.DEBUG), ThreadPoolExecutor(4) as pool:
        images = list(pool.map(read_image, [path] * 12))
    assert all(np.array_equal(image.array, film) for image in images)
    assert warnings.filters == filters
    assert "Secret" not in caplog.text


def test_numbers_that_are_none(write_dicom, film):
    path = write_dicom(film, WindowCenter="128", WindowWidth="9876")
    content = path.read_bytes()
    assert content.count(b"9876") == 1
    path.write_bytes(content.replace(b"9876", b"wide"))
    image = read_image(path)
    assert_array_equal(image.array, film)
    assert image.notes == ()
