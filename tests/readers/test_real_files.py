"""On real files: every one reads, or is refused for the right reason."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import InputError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read_image, read_volume

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("name", "shape", "note"),
    [
        (
            "chest/gdcm-CR-MONO1-10-chest.dcm",
            (440, 440),
            "window 550 / 1024; inverted, as the header asks",
        ),
        ("chest/RG1_J2KI.dcm", (1955, 1841), "window 15000 / 30000; inverted, as the header asks"),
        (
            "chest/1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm",
            (1024, 1024),
            "whether the pixel spacing",
        ),
    ],
)
def test_in_chest_films_the_mediastinum_is_brighter_than_the_lungs(data_folder, name, shape, note):
    image = read_image(data_folder / "cxr" / "dicom" / name)
    assert image.geometry.shape == shape
    assert "; ".join(image.notes).startswith(note)
    rows, columns = shape
    band = image.array[rows // 3 : rows // 2].astype(float)
    spine = band[:, int(columns * 0.45) : int(columns * 0.55)].mean()
    lungs = [
        band[:, int(columns * start) : int(columns * (start + 0.12))].mean()
        for start in (0.2, 0.68)
    ]
    assert spine > 1.1 * max(lungs)


@pytest.mark.parametrize(
    "name", ["RG2_JPLL.dcm", "GH133.dcm", "dx_image_dog_lateral.dcm", "OutOfBoundsOverlay.dcm"]
)
def test_other_radiographs_are_read_and_judged_later(data_folder, name):
    image = read_image(data_folder / "cxr" / "dicom" / "non_chest" / name)
    assert image.provenance.format is Format.DICOM
    assert np.ptp(image.array) > 200


def test_window_that_shows_nothing(data_folder):
    image = read_image(data_folder / "cxr" / "dicom" / "trap" / "JPEG2KLossless_1s_1f_u_16_16.dcm")
    assert image.notes == ("window 2725 / 5310 left nothing to see, full range used",)
    assert (image.geometry.spacing, image.geometry.spacing_plane) == ((0.4, 0.4), "detector")


@pytest.mark.slow
def test_all_of_rsna(data_folder):
    found = find_inputs([data_folder / "cxr" / "rsna" / "stage_2_train_images"])
    assert len(found.files) == 91
    for path in found.files:
        image = read_image(path)
        assert (image.geometry.shape, image.array.dtype, image.provenance.transfer_syntax) == (
            (1024, 1024),
            np.uint8,
            "1.2.840.10008.1.2.4.50",
        )
        assert image.geometry.spacing_plane == "detector"


def test_odd_files_and_computed_tomography_are_refused(data_folder):
    odd = data_folder / "ct" / "odd"
    for name, error, words in (
        ("0.dcm", UnsupportedError, "of the kind CT Image Storage"),
        ("1.dcm", UnsupportedError, "of the kind CT Image Storage"),
        ("no-pixel-data.dcm", UnreadableError, "holds no pixel data"),
        ("no-pixel-spacing.dcm", UnsupportedError, "of modality US"),
    ):
        with pytest.raises(error, match=words):
            read_image(odd / name)
    for path in find_inputs([data_folder / "ct" / "transfer_syntaxes"], series=False).files:
        with pytest.raises(UnsupportedError, match="of modality CT, and no radiograph"):
            read_image(path)


@pytest.mark.parametrize(
    "pattern",
    [
        "masks_and_labels/test/*",
        "diseased_adults/images/*0*",
        "paediatric/images/*1*",
        "not_frontal/*/*",
    ],
)
def test_radiographs_as_pictures(data_folder, pattern):
    found = find_inputs([data_folder / "cxr" / pattern])
    assert found.problems == []
    assert found.files
    for path in found.files:
        assert read_image(path).array.dtype == np.uint8


def test_series_with_missing_slices(data_folder):
    volume = read_volume(data_folder / "ct" / "series_lidc")
    assert (volume.array.shape, volume.hounsfield, volume.missing_slices) == (
        (34, 512, 512),
        True,
        95,
    )
    assert volume.notes[0].startswith(
        "slices stand unevenly, 2.50 to 35.00 mm apart, 95 missing between them"
    )
    assert volume.geometry.to_axial().flipped == (False, False, False)


def test_prone_slices_are_turned(data_folder):
    turns = {
        path.name[:6]: read_volume(path).geometry.to_axial().flipped
        for path in sorted((data_folder / "ct" / "prone").iterdir())
    }
    supine, prone = (False, False, False), (False, True, True)
    assert turns == {
        "MS0008": supine,
        "MS0018": supine,
        "SL0059": prone,
        "SL0064": prone,
        "SL0074": prone,
        "SL0083": prone,
    }


@pytest.mark.parametrize("name", ["CT1_UNC", "CTImage"])
def test_all_transfer_syntaxes_give_the_same_slice(data_folder, name):
    slices = [
        read_volume(path)
        for path in sorted((data_folder / "ct" / "transfer_syntaxes").glob(f"{name}*"))
    ]
    assert len(slices) >= 4
    for one in slices:
        assert_array_equal(one.array, slices[0].array)
        assert one.hounsfield
    with pytest.raises(UnsupportedError, match="it holds 2 CT series"):
        read_volume(data_folder / "ct" / "transfer_syntaxes")


@pytest.mark.slow
def test_volumes_in_files(data_folder):
    small = data_folder / "ct" / "small_volumes"
    straight, turned = (
        read_volume(small / "ct-64.nrrd"),
        read_volume(small / "ct-64-transformed.nrrd"),
    )
    assert_array_equal(straight.array, turned.array)
    assert_allclose(straight.geometry.spacing, turned.geometry.spacing)
    assert not np.allclose(straight.geometry.affine, turned.geometry.affine)
    paths = sorted((data_folder / "ct" / "lctsc").glob("*_ct.nii.gz"))
    assert len(paths) == 5
    for path in paths:
        volume = read_volume(path)
        assert (volume.hounsfield, volume.notes, volume.array.shape[1:]) == (True, (), (320, 320))
    for path in (small / "lm-64.nrrd", data_folder / "ct" / "lctsc" / "case0_lung.nii.gz"):
        with pytest.raises(InputError, match="a map of labels"):
            read_volume(path)


def test_slices_without_hounsfield_units(data_folder):
    for pattern, shape in (("covid19/ct/*", (1, 256, 256)), ("bmp/images/*", (1, 512, 512))):
        paths = sorted((data_folder / "ct").glob(pattern))
        assert paths
        for path in paths:
            volume = read_volume(path)
            assert (volume.array.shape, volume.hounsfield, volume.geometry.affine) == (
                shape,
                False,
                None,
            )
