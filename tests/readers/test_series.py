"""CT in DICOM: which files make a volume, in which order, and what is refused or set aside."""

from __future__ import annotations

import hashlib
import shutil

import cv2
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError, UsageError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, holds_series, read_volume
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.limits import MAX_SIDE_PIXELS
from lungseg.readers.probe import probe
from phantom_volumes import (
    AFFINE,
    CHEST,
    SHAPE,
    SPACING,
    axial_affine,
    check_chest,
    ct_slice,
    enhanced,
    write_series,
)


def cut(step_slice, step_row, step_column):
    """The chest cut along other axes: each is an axis of the chest (0, 1, 2) and a direction;
    voxels, and their affine."""
    order = [step_slice[0], step_row[0], step_column[0]]
    flips = tuple(slice(None, None, step[1]) for step in (step_slice, step_row, step_column))
    voxels = CHEST.transpose(order)[flips]
    affine = AFFINE.copy()
    affine[:, :3] = AFFINE[:, order]
    for axis, (_, way) in enumerate((step_slice, step_row, step_column)):
        if way < 0:
            affine[:, 3] += affine[:, axis] * (voxels.shape[axis] - 1)
            affine[:, axis] *= -1
    return voxels, affine


@pytest.mark.parametrize(
    ("steps", "header"),
    [
        (((0, 1), (1, 1), (2, 1)), {"PatientPosition": "HFS"}),
        (((0, -1), (1, 1), (2, 1)), {"PatientPosition": "FFS"}),
        (((0, 1), (1, -1), (2, -1)), {"PatientPosition": "HFP"}),
        (((0, -1), (1, -1), (2, -1)), {"PatientPosition": "FFP"}),
        (((0, 1), (2, 1), (1, -1)), {"PatientPosition": "HFDL"}),
        (((1, 1), (0, -1), (2, 1)), {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}),
        (((2, 1), (0, -1), (1, 1)), {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}),
    ],
    ids=["supine", "feet first", "prone", "feet first prone", "on the side", "coronal", "sagittal"],
)
def test_positions_and_planes(tmp_path, steps, header):
    write_series(tmp_path / "series", *cut(*steps), **header)
    volume = read_volume(tmp_path / "series")
    check_chest(volume)
    assert (volume.provenance.format, volume.missing_slices, volume.notes) == (
        Format.DICOM_SERIES,
        0,
        (),
    )
    normal = np.cross(volume.geometry.affine[:3, 2], volume.geometry.affine[:3, 1])
    assert normal @ volume.geometry.affine[:3, 0] > 0


def test_oblique(tmp_path):
    cosine, sine = np.cos(0.35), np.sin(0.35)
    turned = AFFINE.copy()
    turned[:3, :3] = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ AFFINE[:3, :3]
    write_series(tmp_path / "series", CHEST, turned)
    volume = read_volume(tmp_path / "series")
    check_chest(volume, turned)
    assert volume.notes == ()


def test_a_tilted_gantry_skews_the_stack(tmp_path):
    skewed = AFFINE.copy()
    skewed[1, 0] = SPACING[0] * np.tan(np.radians(15))
    write_series(tmp_path / "series", CHEST, skewed)
    volume = read_volume(tmp_path / "series")
    check_chest(volume, skewed)
    assert volume.notes == ("the slices are tilted by 15.0 degrees",)
    assert volume.geometry.voxel_volume == pytest.approx(np.prod(SPACING))


def test_hash_covers_the_files_in_the_order_of_slices(tmp_path):
    paths = write_series(tmp_path / "series", CHEST, AFFINE)
    assert sorted(paths) != paths
    assert (
        read_volume(tmp_path / "series").provenance.sha256
        == hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    )


def test_each_slice_has_its_own_rescaling(tmp_path):
    for number, pixels in enumerate(CHEST):
        header = {
            "RescaleSlope": 0.5 if number % 2 else 1,
            "RescaleIntercept": -2000 if number % 3 else -1200,
        }
        ct_slice(pixels, (0, 0, 2.5 * number), **header).save_as(tmp_path / f"{number}.dcm")
    assert_array_equal(read_volume(tmp_path).array, CHEST)


def test_paddings_are_kept_and_noted(tmp_path):
    voxels = CHEST.copy()
    voxels[:, :, :8] = -3024
    write_series(
        tmp_path / "series", voxels, AFFINE, PixelRepresentation=1, PixelPaddingValue=-2000
    )
    volume = read_volume(tmp_path / "series")
    assert_array_equal(volume.array, voxels)
    assert volume.notes == ("20% of the voxels are padding, down to -3024",)


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        ([7], "2.50 to 5.00 mm apart, 1 missing"),
        ([3, 4, 5, 12], "2.50 to 10.00 mm apart, 4 missing"),
    ],
)
def test_missing_slices_are_counted(tmp_path, missing, note):
    paths = write_series(tmp_path / "series", CHEST, AFFINE)
    for number in missing:
        paths[number].unlink()
    volume = read_volume(tmp_path / "series")
    assert_array_equal(volume.array, np.delete(CHEST, missing, axis=0))
    assert volume.missing_slices == len(missing)
    assert volume.notes == (
        f"slices stand unevenly, {note} between them; each counts with the space it stands for",
        "files of the volume have 20 slices, 2.5 mm apart, each of them the nearest one of the "
        "series",
    )
    assert_allclose(volume.geometry.affine[:3, 0] * (len(volume.array) - 1), [0, 0, 2.5 * 19])


def test_every_nth_slice_is_told_from_thick_ones(tmp_path):
    affine = axial_affine((10, *SPACING[1:]))
    write_series(tmp_path / "thin", CHEST, affine)
    volume = read_volume(tmp_path / "thin")
    assert volume.notes == (
        "slices of 2.5 mm stand 10 mm apart, so that volumes count what was not imaged between "
        "them",
    )
    write_series(tmp_path / "thick", CHEST, affine, SliceThickness=10)
    assert read_volume(tmp_path / "thick").notes == ()


def test_unevenly_cut_slices(tmp_path):
    for number, pixels in enumerate(CHEST):
        ct_slice(pixels, (0, 0, 2.5 * number + (0.7 if number % 2 else 0))).save_as(
            tmp_path / f"{number}.dcm"
        )
    volume = read_volume(tmp_path)
    assert volume.missing_slices == 0
    assert volume.notes == (
        "slices stand unevenly, 1.80 to 3.20 mm apart; each counts with the space it stands for",
        "files of the volume have 28 slices, 1.785 mm apart, each of them the nearest one of the "
        "series",
    )


def test_pieces_of_a_scan_that_overlap_lack_no_slice(tmp_path):
    for number, pixels in enumerate(CHEST):
        ct_slice(pixels, (0, 0, 2.5 * number - (2 if number > 9 else 0))).save_as(
            tmp_path / f"{number}.dcm"
        )
    volume = read_volume(tmp_path)
    assert volume.missing_slices == 0
    assert volume.notes == (
        "slices stand unevenly, 0.50 to 2.50 mm apart; each counts with the space it stands for",
        "files of the volume have 77 slices, 0.5987 mm apart, each of them the nearest one of the "
        "series",
    )


def test_slices_shifted_against_each_other_are_noted(tmp_path):
    for number, pixels in enumerate(CHEST):
        ct_slice(pixels, (3 if number > 9 else 0, 0, 2.5 * number)).save_as(
            tmp_path / f"{number}.dcm"
        )
    assert "mm beside a straight line" in read_volume(tmp_path).notes[0]


def test_the_same_slice_twice_counts_once_and_two_different_ones_are_refused(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    shutil.copy(paths[4], tmp_path / "again.dcm")
    volume = read_volume(tmp_path)
    check_chest(volume)
    assert volume.notes == (
        "slices left out because there are others of the same content at the same position: 1",
    )
    changed = pydicom.dcmread(paths[4])
    changed.PixelData = changed.PixelData[2:] + bytes(2)
    changed.save_as(tmp_path / "again.dcm")
    with pytest.raises(
        InputError,
        match=r"it shows something else at the same place as .*; take one of them out of the "
        r"folder",
    ):
        read_volume(tmp_path)


def test_a_damaged_duplicate_is_left_out_when_asked(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    (tmp_path / "again.dcm").write_bytes(paths[4].read_bytes()[:-100])
    with pytest.raises(UnreadableError, match=r"again\.dcm: .*`skip_damaged`"):
        read_volume(tmp_path)
    volume = read_volume(tmp_path, skip_damaged=True)
    check_chest(volume)
    assert volume.notes[-1] == "left out because damaged: again.dcm"


@pytest.mark.parametrize("copies", [1, 2])
def test_of_damaged_duplicates_the_first_whole_one_is_kept(tmp_path, copies):
    paths = write_series(tmp_path, CHEST, AFFINE)
    whole = paths[4].read_bytes()
    paths[4].write_bytes(whole[:-100])
    for number in range(copies):
        (tmp_path / f"x{number}.dcm").write_bytes(whole)
    volume = read_volume(tmp_path, skip_damaged=True)
    check_chest(volume)
    notes = (
        f"left out because damaged: {paths[4].name}",
        "slices left out because there are others of the same content at the same position: 1",
    )
    assert (volume.missing_slices, volume.notes) == (0, notes[:copies])
    files = [*paths[:4], tmp_path / "x0.dcm", *paths[5:]]
    assert (
        volume.provenance.sha256
        == hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    )
    changed = pydicom.dcmread(tmp_path / "x0.dcm")
    changed.PixelData = changed.PixelData[2:] + bytes(2)
    changed.save_as(tmp_path / "y.dcm")
    with pytest.raises(
        InputError,
        match=r"y\.dcm: it shows something else at the same place as x0\.dcm; take one of them out",
    ):
        read_volume(tmp_path, skip_damaged=True)


def test_several_series_are_listed_and_one_is_chosen(tmp_path):
    write_series(tmp_path / "a", CHEST, AFFINE)
    paths = write_series(
        tmp_path / "b",
        CHEST[:5] + 1,
        AFFINE,
        SeriesInstanceUID="1.2.9",
        SeriesNumber=7,
        SeriesDescription="SOFT",
    )
    for path in paths:
        path.rename(tmp_path / "a" / f"other{path.name}")
    with pytest.raises(UnsupportedError) as caught:
        read_volume(tmp_path / "a")
    assert (
        "it holds 2 CT series: 1: LUNG (20 slices, 1.2.3), 2: SOFT (5 slices, 1.2.9); choose one "
        "with" in str(caught.value)
    )
    for wish in ("2", "1.2.9", "soft"):
        assert_array_equal(read_volume(tmp_path / "a", series=wish).array, CHEST[:5] + 1)
    check_chest(read_volume(tmp_path / "a", series="1"))
    with pytest.raises(InputError, match="no series is called 'bone' among 1: LUNG"):
        read_volume(tmp_path / "a", series="bone")


def test_slices_of_one_series_in_two_planes_are_two(tmp_path):
    write_series(tmp_path / "a", CHEST, AFFINE)
    for path in write_series(tmp_path / "b", *cut((1, 1), (0, -1), (2, 1))):
        path.rename(tmp_path / "a" / f"coronal{path.name}")
    with pytest.raises(
        UnsupportedError,
        match=r"it holds 2 CT series: 1: LUNG \(20 slices, 1\.2\.3, axial\), 2: LUNG "
        r"\(34 slices, 1\.2\.3, coronal\)",
    ):
        read_volume(tmp_path / "a")
    check_chest(read_volume(tmp_path / "a", series="2"))
    with pytest.raises(InputError, match=r"2 series are called '1\.2\.3'"):
        read_volume(tmp_path / "a", series="1.2.3")


def test_a_plane_and_an_image_type_of_one_name_are_said_once(tmp_path):
    write_series(tmp_path / "a", CHEST, AFFINE, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    header = {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}
    for path in write_series(tmp_path / "b", *cut((1, 1), (0, -1), (2, 1)), **header):
        path.rename(tmp_path / "a" / f"coronal{path.name}")
    with pytest.raises(
        UnsupportedError,
        match=r"1: LUNG \(20 slices, 1\.2\.3, axial\), 2: LUNG "
        r"\(34 slices, 1\.2\.3, coronal, mpr\)",
    ):
        read_volume(tmp_path / "a")


def test_what_is_no_slice_is_set_aside_and_said_so(tmp_path):
    write_series(tmp_path, CHEST, AFFINE)
    others = {
        "scout1": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "scout2": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "dose": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        "mr": {"Modality": "MR"},
    }
    for name, header in others.items():
        ct_slice(CHEST[0], (0, 0, 0), **header).save_as(tmp_path / f"{name}.dcm")
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 200)
    (tmp_path / "deeper").mkdir()
    volume = read_volume(tmp_path)
    check_chest(volume)
    assert volume.notes == ("set aside: 2 localizers, 1 secondary capture, 1 of modality MR",)


def test_a_damaged_slice_is_named_and_left_out_when_asked(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    whole = paths[6].read_bytes()
    for content in (whole[:-500], whole[:600], b""):
        paths[6].write_bytes(content)
        with pytest.raises(
            UnreadableError,
            match=rf"{paths[6].name}.*leave it out with `skip_damaged`",
        ):
            read_volume(tmp_path)
        volume = read_volume(tmp_path, skip_damaged=True)
        assert_array_equal(volume.array, np.delete(CHEST, 6, axis=0))
        assert volume.missing_slices == 1
        assert volume.notes[-1] == f"left out because damaged: {paths[6].name}"


def test_slices_that_do_not_agree_are_refused(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    ct_slice(CHEST[6, :32], AFFINE[:3, 3] + [0, 0, 15]).save_as(paths[6])
    with pytest.raises(
        UnsupportedError,
        match=rf"{paths[6].name}: the slice has 32 x 40 pixels, and others of its series 34 x 40",
    ):
        read_volume(tmp_path)
    ct_slice(CHEST[6], AFFINE[:3, 3] + [0, 0, 15], PixelSpacing=[1, 1]).save_as(paths[6])
    with pytest.raises(
        UnsupportedError,
        match=r"the slice has 1 x 1 mm of spacing, and others of its series 0\.75 x 0\.5",
    ):
        read_volume(tmp_path)


def test_missing_elements(tmp_path):
    write_series(tmp_path / "modality", CHEST, AFFINE, Modality=None)
    check_chest(read_volume(tmp_path / "modality"))
    write_series(tmp_path / "orientation", CHEST, AFFINE, ImageOrientationPatient=None)
    volume = read_volume(tmp_path / "orientation")
    check_chest(volume)
    assert volume.notes == ("it states no orientation, so that right and left are only assumed",)
    write_series(tmp_path / "spacing", CHEST, AFFINE, PixelSpacing=None)
    volume = read_volume(tmp_path / "spacing")
    assert_array_equal(volume.array, CHEST)
    assert volume.geometry.affine is None
    write_series(tmp_path / "prone", *cut((0, 1), (1, -1), (2, -1)), PixelSpacing=None)
    with pytest.raises(UnsupportedError, match="it states no spacing, and does not lie as usual"):
        read_volume(tmp_path / "prone")


def test_one_slice_alone(tmp_path):
    path = tmp_path / "slice"
    ct_slice(CHEST[10], (1, 2, 3), (-1, 0, 0, 0, -1, 0)).save_as(path)
    volume = read_volume(path)
    assert_array_equal(volume.geometry.to_axial().apply(volume.array)[0], CHEST[10, ::-1, ::-1])
    assert (volume.provenance.format, volume.geometry.spacing, volume.notes) == (
        Format.DICOM,
        SPACING,
        (),
    )
    ct_slice(CHEST[10], (1, 2, 3), SliceThickness=None).save_as(path)
    volume = read_volume(path)
    assert volume.geometry.spacing == (1.0, *SPACING[1:])
    assert volume.notes == ("the thickness of the slice is not known and was taken as 1 mm",)
    (tmp_path / "folder").mkdir()
    shutil.copy(path, tmp_path / "folder")
    assert read_volume(tmp_path / "folder").provenance.format is Format.DICOM_SERIES


def test_enhanced_image_of_many_frames(tmp_path):
    order = np.random.default_rng(2).permutation(len(CHEST))
    positions = [AFFINE[:3, 3] + AFFINE[:3, 0] * number for number in order]
    path = tmp_path / "enhanced.dcm"
    enhanced(CHEST[order], positions, [0.5 if number % 2 else 1 for number in order]).save_as(path)
    volume = read_volume(path)
    check_chest(volume)
    assert (volume.provenance.format, volume.notes) == (Format.DICOM, ())
    assert probe(path).modality == "ct"
    check_chest(read_volume(tmp_path))
    assert_array_equal(read_volume(path, frame=3).array[0], CHEST[order[2]])
    with pytest.raises(UsageError, match="a folder has no frames"):
        read_volume(tmp_path, frame=1)


def test_compressed_slices(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    for path in paths[::2]:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    assert encapsulate([b"ab"])[:2] == pydicom.dcmread(paths[0]).PixelData[:2]
    check_chest(read_volume(tmp_path))


def test_without_rescaling_the_values_decide(tmp_path):
    write_series(
        tmp_path / "hu",
        CHEST,
        AFFINE,
        RescaleSlope=None,
        RescaleIntercept=None,
        PixelRepresentation=1,
    )
    check_chest(read_volume(tmp_path / "hu"))
    grey = np.clip((CHEST + 1100) // 8, 0, 255)
    write_series(tmp_path / "grey", grey, AFFINE, RescaleSlope=None, RescaleIntercept=None)
    volume = read_volume(tmp_path / "grey")
    assert (volume.hounsfield, volume.array.dtype) == (False, np.uint16)
    assert_array_equal(volume.array, grey)
    write_series(
        tmp_path / "low",
        CHEST // 2,
        AFFINE,
        RescaleSlope=None,
        RescaleIntercept=None,
        PixelRepresentation=1,
    )
    volume = read_volume(tmp_path / "low")
    assert_array_equal(volume.array, CHEST // 2 - (CHEST // 2).min())
    assert volume.notes == (f"{-(CHEST // 2).min()} added to every voxel, so that none is below 0",)


def test_a_secondary_capture_is_a_picture_and_other_modalities_are_refused(tmp_path):
    path = tmp_path / "capture.dcm"
    ct_slice(CHEST[10], (0, 0, 0), SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT").save_as(
        path
    )
    volume = read_volume(path)
    assert (volume.hounsfield, volume.array.shape) == (False, (1, *SHAPE[1:]))
    ct_slice(CHEST[10], (0, 0, 0), Modality="MR").save_as(path)
    with pytest.raises(
        UnsupportedError, match=r"the DICOM file is no CT slice \(it is of modality MR\)"
    ):
        read_volume(path)
    with pytest.raises(UnsupportedError, match="it holds no CT slices in DICOM"):
        read_volume(tmp_path)


def test_sizes_are_capped_by_the_header(tmp_path):
    path = tmp_path / "large.dcm"
    ct_slice(CHEST[10], (0, 0, 0), Columns=MAX_SIDE_PIXELS + 1).save_as(path)
    with pytest.raises(TooLargeError, match="the header states 34 x 16385 pixels"):
        read_volume(path)


@pytest.mark.parametrize(
    ("frames", "header"), [(2**14 + 1, {}), (2**12 + 1, {"Rows": 512, "Columns": 512})]
)
def test_frames_are_capped_by_the_header(tmp_path, frames, header):
    path = tmp_path / "many.dcm"
    ct_slice(CHEST[10], (0, 0, 0), NumberOfFrames=frames, **header).save_as(path)
    with pytest.raises(
        TooLargeError,
        match=rf"many\.dcm: the header states {frames} frames of \d+ x \d+ pixels, more than a "
        r"volume has",
    ):
        read_volume(path)
    assert not holds_series(tmp_path)


def test_nothing_of_the_patient_is_said(tmp_path):
    paths = write_series(tmp_path, CHEST, AFFINE)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    with pytest.raises(UnreadableError) as caught:
        read_volume(tmp_path)
    assert "Secret" not in str(caught.value)


def test_files_that_come_first_hide_no_series(tmp_path, film):
    folder = tmp_path / "series"
    write_series(folder, CHEST, AFFINE)
    localizer = ct_slice(CHEST[3], (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    for number in range(60):
        localizer.save_as(folder / f"000-{number:02}.dcm", enforce_file_format=True)
    cv2.imwrite(str(folder / "film.png"), film)
    (folder / "film.png").rename(folder / "film")
    found = find_inputs([tmp_path])
    assert found.files == [folder, folder / "film"]
    assert holds_series(folder)
    probed = found.probes[folder]
    assert (probed.format, probed.modality, len(probed.headers)) == (
        Format.DICOM_SERIES,
        "ct",
        80,
    )
    volume = read_volume(probed)
    check_chest(volume)
    assert volume.notes == ("set aside: 60 localizers",)


def test_in_a_folder_of_films_each_is_asked_once(tmp_path, film, write_dicom, monkeypatch):
    paths = [write_dicom(film, f"{number}.dcm") for number in range(3)]
    found = find_inputs([tmp_path])
    assert found.files == paths
    assert {path: probed.modality for path, probed in found.probes.items()} == dict.fromkeys(
        paths, "radiograph"
    )
    assert find_inputs([tmp_path], series=False).probes == {}


def test_a_folder_with_a_series_is_found_as_one(tmp_path):
    write_series(tmp_path / "patient" / "series", CHEST, AFFINE)
    assert find_inputs([tmp_path]).files == [tmp_path / "patient" / "series"]
    assert probe(tmp_path / "patient" / "series").modality == "ct"
    assert probe(tmp_path / "patient").modality is None


GREYS = np.rint((CHEST.astype(np.float64) + 1350) / 1500 * 255).clip(0, 255).astype(np.uint8)
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"


def eight_bits(number, pixels, **header):
    """A slice in greys of 8 bits, or colours that are grey."""
    samples = 3 if pixels.ndim == 3 else 1
    slice_ = ct_slice(CHEST[number], AFFINE[:3, 3] + number * AFFINE[:3, 0], **header)
    slice_.BitsAllocated = slice_.BitsStored = 8
    slice_.HighBit, slice_.SamplesPerPixel = 7, samples
    if samples == 3:
        slice_.PhotometricInterpretation, slice_.PlanarConfiguration = "RGB", 0
    slice_.PixelData = pixels.tobytes()
    return slice_


@pytest.mark.parametrize("kind", [CT, CAPTURE], ids=["CT", "capture"])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_rescale_that_was_left_over_makes_no_hounsfield_units_of_greys(tmp_path, kind, samples):
    for number, greys in enumerate(GREYS):
        pixels = greys if samples == 1 else np.repeat(greys[..., np.newaxis], 3, axis=2)
        made = eight_bits(number, pixels, SOPClassUID=kind, RescaleIntercept=-1024)
        made.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path)
    assert not volume.hounsfield
    assert_array_equal(volume.geometry.to_axial().apply(volume.array), GREYS)


def test_eight_bits_that_do_hold_hounsfield_units_are_rescaled(tmp_path):
    for number, greys in enumerate(GREYS):
        header = {"RescaleSlope": 6, "RescaleIntercept": -1350}
        eight_bits(number, greys, **header).save_as(tmp_path / f"{number}.dcm")
    volume = read_volume(tmp_path)
    assert volume.hounsfield
    assert volume.array.max() == 6 * int(GREYS.max()) - 1350


@pytest.mark.parametrize("kind", [CT, CAPTURE], ids=["CT", "capture"])
def test_greys_without_a_rescale_are_white_where_dense(tmp_path, kind):
    header = {"SOPClassUID": kind, "RescaleSlope": None, "RescaleIntercept": None}
    shown = []
    for photometric, greys in (("MONOCHROME2", GREYS[5]), ("MONOCHROME1", 255 - GREYS[5])):
        made = eight_bits(5, greys, PhotometricInterpretation=photometric, **header)
        made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        shown.append(read_volume(tmp_path / "a.dcm").array)
    assert_array_equal(*shown)
    assert_array_equal(shown[0][0], GREYS[5])


@pytest.mark.parametrize("kind", [CT, CAPTURE], ids=["CT", "capture"])
def test_greys_of_all_sixteen_bits_stay_as_they_are(tmp_path, kind):
    bright = np.rint((CHEST + 1350.0) * 20).astype(np.uint16)
    header = {"SOPClassUID": kind, "RescaleSlope": None, "RescaleIntercept": None}
    for number, pixels in enumerate(bright):
        made = ct_slice(CHEST[number], AFFINE[:3, 3] + number * AFFINE[:3, 0], **header)
        made.PixelData = pixels.tobytes()
        made.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path)
    assert (volume.array.dtype, volume.hounsfield) == (np.uint16, False)
    assert_array_equal(volume.geometry.to_axial().apply(volume.array), bright)


def test_the_place_of_one_of_many_frames_is_not_that_of_all(tmp_path):
    frames = ct_slice(CHEST[0], (1, 2, 3), NumberOfFrames=len(CHEST))
    frames.PixelData = (CHEST.astype(np.int32) + 2000).astype(np.uint16).tobytes()
    frames.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path / "a.dcm")
    assert_array_equal(volume.array, CHEST)
    assert volume.assumed_order
    assert volume.notes[0].startswith("no slice states its position: the order was taken from the")


def test_of_very_many_series_the_first_are_listed(tmp_path):
    for number in range(40):
        own = {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number}
        made = ct_slice(CHEST[0], (0, 0, 0), **own)
        made.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    with pytest.raises(UnsupportedError, match=r"it holds 40 CT series: 1: .*, and 10 more; ch"):
        read_volume(tmp_path)


def test_of_copies_of_a_file_of_many_frames_each_is_loaded_once(tmp_path, monkeypatch):
    positions = [AFFINE[:3, 3] + number * AFFINE[:3, 0] for number in range(len(CHEST))]
    for name in ("a.dcm", "b.dcm"):
        enhanced(CHEST, positions, [1] * len(CHEST)).save_as(tmp_path / name)
    shutil.copy(tmp_path / "a.dcm", tmp_path / "b.dcm")
    loaded, load = [], DicomFile.load
    monkeypatch.setattr(DicomFile, "load", lambda self: (loaded.append(self.name), load(self))[1])
    check_chest(read_volume(tmp_path))
    assert sorted(loaded) == [str(tmp_path / "a.dcm"), str(tmp_path / "b.dcm")]
