from __future__ import annotations

import hashlib

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    RLELossless,
)

from dicom_files import compress
from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read_image

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
"""All of twelve bits: (value - 2047.5) / 4095 + 0.5 = value / 4095."""


def stretched(pixels, highest=4095):
    return np.rint(pixels / highest * 65535).astype(np.uint16)


def test_eight_bits_without_window_come_back_exactly(write_dicom, film):
    image = read_image(write_dicom(film))
    assert_array_equal(image.array, film)
    assert image.array.dtype == np.uint8
    assert image.provenance.format is Format.DICOM
    assert image.provenance.transfer_syntax == ExplicitVRLittleEndian
    assert (image.geometry.spacing, image.notes, image.modality) == (None, (), "radiograph")


def test_twelve_bits_keep_their_steps(write_dicom, deep_film):
    image = read_image(write_dicom(deep_film, **WINDOW))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == ("window 2048 / 4096",)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("preamble", [True, False])
def test_uncompressed_syntaxes_with_and_without_preamble(
    write_dicom, deep_film, tmp_path, syntax, preamble
):
    dataset = pydicom.dcmread(write_dicom(deep_film, **WINDOW))
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = deep_film.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "film"
    pydicom.dcmwrite(
        path,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        force_encoding=True,
    )
    if not preamble:
        path.write_bytes(path.read_bytes()[132:])
    image = read_image(path)
    assert_array_equal(image.array, stretched(deep_film))
    assert image.provenance.transfer_syntax == syntax


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_bare_data_set_without_meta_information(write_dicom, deep_film, tmp_path, implicit, little):
    dataset = pydicom.dcmread(write_dicom(deep_film, **WINDOW))
    bare = Dataset(dataset)
    if not little:
        bare.PixelData = deep_film.astype(">u2").tobytes()
    path = tmp_path / "IM0001"
    bare.save_as(path, implicit_vr=implicit, little_endian=little)
    assert find_inputs([tmp_path]).files == [path, tmp_path / "film.dcm"]
    assert_array_equal(read_image(path).array, stretched(deep_film))


@pytest.mark.parametrize(
    ("syntax", "uid"),
    [
        ("RLELossless", "5"),
        ("JPEGLosslessProcess14", "4.57"),
        ("JPEGLosslessProcess14_1", "4.70"),
        ("JPEGLSLossless", "4.80"),
        ("JPEG2000Lossless", "4.90"),
    ],
)
def test_lossless_syntaxes_agree_exactly(write_dicom, film, deep_film, syntax, uid):
    image = read_image(compress(write_dicom(deep_film, **WINDOW), syntax))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.provenance.transfer_syntax == f"1.2.840.10008.1.2.{uid}"
    assert_array_equal(read_image(compress(write_dicom(film), syntax)).array, film)


@pytest.mark.parametrize(
    ("syntax", "uid"),
    [
        ("JPEGBaselineProcess1", "4.50"),
        ("JPEGExtendedProcess2_4", "4.51"),
        ("JPEGLSNearLossless", "4.81"),
        ("JPEG2000", "4.91"),
    ],
)
def test_lossy_syntaxes_are_close(write_dicom, film, syntax, uid):
    image = read_image(compress(write_dicom(film), syntax))
    assert np.abs(image.array.astype(int) - film).max() <= 3
    assert image.provenance.transfer_syntax == f"1.2.840.10008.1.2.{uid}"


def test_jpeg_extended_with_twelve_bits(write_dicom, deep_film):
    path = compress(write_dicom(deep_film, **WINDOW), "JPEGExtendedProcess2_4")
    image = read_image(path)
    assert (
        np.abs(image.array.astype(int) - stretched(deep_film)).max() <= 4 * 16
    )  # and black and white, which both occur, stay so
    assert (deep_film.min(), deep_film.max()) == (0, 4095)
    assert image.provenance.transfer_syntax == JPEGExtended12Bit


def test_rle_of_pydicom(write_dicom, deep_film):
    path = write_dicom(deep_film, **WINDOW)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    assert_array_equal(read_image(path).array, stretched(deep_film))


@pytest.mark.parametrize(
    "header", [{}, {"PlanarConfiguration": None}], ids=["stated", "not stated"]
)
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_secondary_capture_in_colour(write_dicom, film, photometric, header):
    channels = (
        [film] * 3
        if photometric == "RGB"
        else [film, np.full_like(film, 128), np.full_like(film, 128)]
    )
    capture = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "Modality": "OT",
        "PhotometricInterpretation": photometric,
    }
    assert_array_equal(
        read_image(write_dicom(np.dstack(channels), **capture, **header)).array, film
    )


def test_palette(write_dicom, film):
    table = np.arange(255, -1, -1).astype("<u2") * 257
    header = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        header[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        header[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    path = write_dicom(film, **header)
    assert_array_equal(read_image(path).array, (255 - film.astype(np.uint16)) * 257)


def test_colour_photograph_in_dicom(write_dicom):
    down, across = np.mgrid[0:64, 0:64] * 4
    with pytest.raises(UnsupportedError, match="it is a colour picture, not a radiograph"):
        read_image(write_dicom(np.dstack([down, across, (down + across) % 256]).astype(np.uint8)))


def test_frames(write_dicom, film):
    both = np.stack([film, 255 - film])
    path = write_dicom(film, NumberOfFrames=2, PixelData=both.tobytes())
    with pytest.raises(
        UnsupportedError,
        match=r"it holds 2 frames.*; choose one with `frame`, from 1 to 2",
    ):
        read_image(path)
    assert_array_equal(read_image(path, frame=2).array, 255 - film)
    with pytest.raises(InputError, match="frame 3 was asked for, and it holds 2"):
        read_image(path, frame=3)


@pytest.mark.parametrize(
    ("header", "spacing", "plane"),
    [
        ({}, None, "patient"),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "detector"),
        ({"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "detector"),
        (
            {"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.200001, 0.1]},
            (0.2, 0.1),
            "detector",
        ),
        ({"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.18, 0.09]}, (0.18, 0.09), "patient"),
        ({"PixelSpacing": [0.18, 0.09]}, (0.18, 0.09), "detector"),
        (
            {"PixelSpacing": [0.18, 0.09], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.18, 0.09),
            "patient",
        ),
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17), "detector"),
        ({"PixelSpacing": [0, 0]}, None, "patient"),
        ({"PixelSpacing": [0.2]}, (0.2, 0.2), "detector"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": []}, None, "patient"),
    ],
)
def test_spacing_and_where_it_was_measured(write_dicom, film, header, spacing, plane):
    geometry = read_image(write_dicom(film, **header)).geometry
    assert geometry.spacing_plane == plane
    assert geometry.spacing == (None if spacing is None else pytest.approx(spacing, rel=1e-4))


def test_notes_on_spacing(write_dicom, film):
    assert read_image(
        write_dicom(film, PixelSpacing=[0.1, 0.1], PixelSpacingCalibrationType="GEOMETRY")
    ).notes == ("pixel spacing calibrated (GEOMETRY)",)
    assert read_image(write_dicom(film, PixelSpacing=[0.1, 0.1])).notes == (
        "whether the pixel spacing was calibrated is not stated; taken as measured at the detector",
    )


def test_stated_spacing_replaces_the_header(write_dicom, film):
    geometry = read_image(
        write_dicom(film, ImagerPixelSpacing=[0.2, 0.1]), spacing=(0.3, 0.3)
    ).geometry
    assert (geometry.spacing, geometry.spacing_plane) == ((0.3, 0.3), "patient")


def test_film_hung_the_other_way_round_is_noted(write_dicom, film):
    note = "the header says that the patient's right is on the right of this picture"
    assert read_image(write_dicom(film, PatientOrientation=["R", "F"])).notes == (note,)
    assert read_image(write_dicom(film, PatientOrientation=["L", "F"])).notes == ()


@pytest.mark.parametrize(
    ("header", "error", "words"),
    [
        (
            {"Modality": "CT"},
            UnsupportedError,
            r"of modality CT, and no radiograph; set `modality` to ct",
        ),
        ({"Modality": "MR"}, UnsupportedError, "of modality MR"),
        (
            {"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
            UnsupportedError,
            "of the kind CT Image Storage, and no radiograph; set `modality` to ct",
        ),
        (
            {"Modality": "SR", "PixelData": None},
            UnreadableError,
            r"no pixel data \(it is of modality SR\)",
        ),
        (
            {"PixelData": None},
            UnreadableError,
            "the DICOM file holds no pixel data; give an image",
        ),
        ({"PixelData": b""}, UnreadableError, "could not be decoded"),
        ({"PixelData": b"\0" * 100}, UnreadableError, "could not be decoded"),
        ({"Rows": None}, UnreadableError, "does not state rows and columns"),
        (
            {"Rows": 30000, "Columns": 30000},
            TooLargeError,
            "the header states 30000 x 30000 pixels",
        ),
        (
            {"PhotometricInterpretation": None},
            UnsupportedError,
            "its photometric interpretation is missing",
        ),
        (
            {"PhotometricInterpretation": "NEGATIVE"},
            UnsupportedError,
            "its photometric interpretation is not one that is known",
        ),
        (
            {"PhotometricInterpretation": "RGB"},
            UnreadableError,
            "its pixels do not fit RGB|could not be decoded",
        ),
        ({"BitsAllocated": None}, UnreadableError, "could not be decoded"),
    ],
)
def test_refusals(write_dicom, film, header, error, words):
    path = write_dicom(film, **header)
    with pytest.raises(error, match=words) as caught:
        read_image(path)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{path}: ")
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("modality", ["CR", "DX", "RF", "MG", "OT", None])
def test_radiographs_and_unnamed_modalities_pass(write_dicom, film, modality):
    assert_array_equal(read_image(write_dicom(film, Modality=modality)).array, film)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.3.4"]
)
def test_unknown_transfer_syntax(write_dicom, film, syntax):
    path = write_dicom(film)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([film.tobytes()])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(
        UnsupportedError, match=r"its pixels are compressed as .*, which is not read; convert it"
    ):
        read_image(path)


def test_tiff_in_the_preamble_is_still_dicom(write_dicom, film):
    path = write_dicom(film)
    path.write_bytes(b"II*\0" + path.read_bytes()[4:])
    assert read_image(path).provenance.transfer_syntax == ExplicitVRLittleEndian


def test_bytes_are_hashed(write_dicom, film):
    path = write_dicom(film)
    assert read_image(path).provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
