"""CT in DICOM with more than one volume under one series UID, and CT as secondary capture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pydicom.dataset import Dataset

from lungseg.errors import InputError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_image, read_volume
from lungseg.readers.probe import probe
from phantom_volumes import AFFINE, CHEST, SPACING, check_chest, ct_slice, enhanced, write_series

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
OTHER = (CHEST // 2).astype(np.int16)
GREYS = np.clip((CHEST + 1100) // 8, 0, 255).astype(np.uint8)


def together(folder, first, second, *, affine=AFFINE, voxels=OTHER):
    """Two volumes in one folder and under one UID, each with its own header; `second` may be a
    function of the slice's number."""
    write_series(folder, CHEST, AFFINE, **first)
    for path in write_series(folder / "deeper", voxels, affine, **second):
        path.rename(folder / f"b{path.name}")
    (folder / "deeper").rmdir()
    return folder


@pytest.mark.parametrize(
    ("first", "second", "words", "wishes"),
    [
        (
            {"AcquisitionNumber": 1, "AcquisitionTime": "101500.5"},
            {"AcquisitionNumber": 2, "AcquisitionTime": "101545"},
            "acquisition 2, at 10:15:45",
            ["2", "acquisition 2", "10:15:45", "1.2.3, Acquisition 2"],
        ),
        (
            {"ConvolutionKernel": "B30f", "AcquisitionNumber": 1},
            {"ConvolutionKernel": ["B70f", "3"], "AcquisitionNumber": 1},
            r"kernel B70f\3",
            ["2", "b70f", "kernel B70f\\3"],
        ),
        ({}, {"SliceThickness": 1.25}, "1.25 mm thick", ["1.25 mm", "thickness 1.25"]),
        ({"KVP": 80}, {"KVP": 140}, "140 kV", ["140 kV"]),
        (
            {"TemporalPositionIdentifier": 1},
            {"TemporalPositionIdentifier": 2},
            "phase 2",
            ["phase 2"],
        ),
        ({"AcquisitionTime": "101500"}, {"AcquisitionTime": "101545"}, "at 10:15:45", ["10:15:45"]),
    ],
)
def test_two_volumes_under_one_uid_are_listed_and_one_is_chosen(
    tmp_path, first, second, words, wishes
):
    folder = together(tmp_path / "s", first, second)
    with pytest.raises(UnsupportedError) as caught:
        read_volume(folder)
    assert "it holds 2 CT series: 1: LUNG (20 slices, 1.2.3, " in str(caught.value)
    assert f"2: LUNG (20 slices, 1.2.3, {words}); choose one with `series`" in str(caught.value)
    for wish in wishes:
        volume = read_volume(folder, series=wish)
        assert_array_equal(volume.array, OTHER)
    assert volume.notes[-1] == "chosen among 2 series"
    assert caught.value.recorded == (
        f"{folder}: it holds 2 CT series; choose one with `series`: number, UID, name or what else "
        "tells it apart."
    )
    check_chest(read_volume(folder, series="1"))
    with pytest.raises(InputError, match=r"2 series are called '1\.2\.3' among 1: LUNG"):
        read_volume(folder, series="1.2.3")
    with pytest.raises(InputError, match="no series is called 'acquisition 3' among 1: LUNG"):
        read_volume(folder, series="acquisition 3")


def test_two_volumes_are_parted_by_the_numbers_of_their_images(tmp_path):
    folder = tmp_path
    for block, voxels in enumerate((CHEST, OTHER)):
        for number, pixels in enumerate(voxels):
            image = block * len(CHEST) + number + 1
            ct_slice(pixels, AFFINE[:3, 3] + number * AFFINE[:3, 0], InstanceNumber=image).save_as(
                folder / f"{image:03}.dcm"
            )
    with pytest.raises(UnsupportedError, match=r"images 1 to 20\), 2: .*images 21 to 40\)"):
        read_volume(folder)
    assert_array_equal(read_volume(folder, series="images 21 to 40").array, OTHER)


def test_different_intervals_and_matrices_are_parted(tmp_path):
    affine = AFFINE.copy()
    affine[:3, 0] *= 2
    folder = together(tmp_path / "s", {}, {"SliceThickness": 5}, affine=affine, voxels=CHEST[::2])
    assert_array_equal(read_volume(folder, series="5 mm").array, CHEST[::2])
    check_chest(read_volume(folder, series="2.5 mm"))
    folder = together(tmp_path / "t", {}, {}, voxels=OTHER[:, :33])
    assert_array_equal(read_volume(folder, series="2").array, OTHER[:, :33])


def test_pieces_of_one_scan_stay_one_volume(tmp_path):
    for number, pixels in enumerate(CHEST):
        header = {
            "AcquisitionNumber": 1 + number // 8,
            "ConvolutionKernel": "B30f",
            "SliceThickness": 2.5 if number % 2 else 2.53,
            "AcquisitionTime": f"1015{number:02}",
        }
        ct_slice(pixels, AFFINE[:3, 3] + number * AFFINE[:3, 0], **header).save_as(
            tmp_path / f"{number}.dcm"
        )
    check_chest(read_volume(tmp_path))


def test_slices_scanned_in_two_turns_that_interlock_stay_one_volume(tmp_path):
    for number, pixels in enumerate(CHEST):
        ct_slice(
            pixels, AFFINE[:3, 3] + number * AFFINE[:3, 0], AcquisitionNumber=number % 2
        ).save_as(tmp_path / f"{number}.dcm")
    check_chest(read_volume(tmp_path))


@pytest.mark.parametrize(
    "image_type", [["ORIGINAL", "PRIMARY", "SCOUT"], ["ORIGINAL", "PRIMARY", "CT_SURVIEW"]]
)
def test_one_scout_forces_no_choice(tmp_path, image_type):
    write_series(tmp_path, CHEST, AFFINE)
    ct_slice(CHEST[3], (0, 0, 0), (1, 0, 0, 0, 0, -1), ImageType=image_type).save_as(
        tmp_path / "scout.dcm"
    )
    volume = read_volume(tmp_path)
    check_chest(volume)
    assert volume.notes == ("set aside: 1 localizer",)


def test_a_topogram_alone_has_one_cure(tmp_path):
    path = tmp_path / "topogram.dcm"
    ct_slice(CHEST[3], (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]).save_as(path)
    for reader in (read_volume, read_image):
        with pytest.raises(UnsupportedError) as caught:
            reader(path)
        assert str(caught.value) == (
            f"{path}: it is a localizer (topogram, scout), on which a scan was planned: neither a "
            "slice of CT nor a radiograph; give the slices that were scanned after it."
        )


@pytest.mark.parametrize(
    "header",
    [
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66", "Modality": "CT"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1", "Modality": "DOC"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67", "Modality": "SR"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1", "Modality": "PR"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128", "Modality": "PT"},
    ],
)
def test_any_number_of_other_files_before_the_slices(tmp_path, header):
    write_series(tmp_path, CHEST, AFFINE)
    other = ct_slice(CHEST[0], (0, 0, 0), SeriesInstanceUID="1.2.4", **header)
    if header["Modality"] != "PT":
        for keyword in ("Rows", "Columns", "PixelData"):
            delattr(other, keyword)
    for number in range(60):
        other.save_as(tmp_path / f"0000-{number}.dcm", enforce_file_format=True)
    volume = read_volume(probe(tmp_path))
    check_chest(volume)
    assert volume.notes[0].startswith("set aside: 60 of ")


def test_two_phases_in_one_enhanced_image_are_parted(tmp_path):
    positions = [AFFINE[:3, 3] + AFFINE[:3, 0] * number for number in range(len(CHEST))]
    dataset = enhanced(np.concatenate([CHEST, OTHER]), positions * 2, [1] * (2 * len(CHEST)))
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.TemporalPositionIndex = 1 + number // len(CHEST)
        frame.FrameContentSequence = [content]
    path = tmp_path / "enhanced.dcm"
    dataset.save_as(path)
    with pytest.raises(UnsupportedError, match=r"phase 1\), 2: LUNG \(20 slices, .*phase 2\)"):
        read_volume(path)
    assert_array_equal(read_volume(path, series="phase 2").array, OTHER)


def test_frames_of_a_capture_without_positions_are_slices(tmp_path):
    capture(GREYS, 0, NumberOfFrames=len(CHEST), **EIGHT).save_as(tmp_path / "all.dcm")
    volume = read_volume(tmp_path / "all.dcm")
    assert_array_equal(volume.array, GREYS)
    assert "the order was taken from the frames, " in volume.notes[-1]


def capture(pixels, number, **header):
    """A slice as secondary capture, without position and scale."""
    elements = {
        "SOPClassUID": CAPTURE,
        "ImageType": ["DERIVED", "SECONDARY"],
        "InstanceNumber": number + 1,
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "PixelSpacing": None,
        "SliceThickness": None,
    }
    dataset = ct_slice(CHEST[0], (0, 0, 0), **elements | header)
    dataset.PixelData = pixels.tobytes()
    return dataset


EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
COLOURS = EIGHT | {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
}


@pytest.mark.parametrize(
    ("pixels", "header"),
    [
        (GREYS, EIGHT),
        (255 - GREYS, EIGHT | {"PhotometricInterpretation": "MONOCHROME1"}),
        (np.stack([GREYS] * 3, axis=-1), COLOURS),
    ],
)
def test_ct_as_secondary_capture_is_a_slice(tmp_path, pixels, header):
    for number in range(len(CHEST)):
        capture(pixels[number], number, **header).save_as(tmp_path / f"{number}.dcm")
    path = tmp_path / "7.dcm"
    assert probe(path).modality == "ct"
    volume = read_volume(path)
    assert (volume.hounsfield, volume.provenance.format) == (False, Format.DICOM)
    assert_array_equal(volume.array[0], GREYS[7])
    volume = read_volume(tmp_path)
    assert_array_equal(volume.array, GREYS)
    assert (volume.hounsfield, volume.geometry.affine, volume.assumed_order) == (False, None, True)


def test_sixteen_bits_as_secondary_capture_are_hounsfield_units(tmp_path):
    scale = {"RescaleSlope": 1, "RescaleIntercept": -2000}
    for number, pixels in enumerate((CHEST + 2000).astype(np.uint16)):
        place = AFFINE[:3, 3] + number * AFFINE[:3, 0]
        header = {
            "ImagePositionPatient": list(place),
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": list(SPACING[1:]),
        }
        capture(pixels, number, **scale, **header).save_as(tmp_path / f"{number}.dcm")
    check_chest(read_volume(tmp_path))


def test_captures_beside_slices_are_set_aside(tmp_path):
    write_series(tmp_path, CHEST, AFFINE)
    capture(GREYS[0], 0, **EIGHT).save_as(tmp_path / "dose.dcm")
    volume = read_volume(tmp_path)
    check_chest(volume)
    assert volume.notes == ("set aside: 1 secondary capture",)
    coloured = np.random.default_rng(0).integers(0, 256, (34, 40, 3), np.uint8)
    capture(coloured, 0, **COLOURS).save_as(tmp_path / "dose.dcm")
    with pytest.raises(UnsupportedError, match="it is a colour picture"):
        read_volume(tmp_path / "dose.dcm")
