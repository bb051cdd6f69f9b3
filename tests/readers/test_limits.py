"""Numbers of a header that no chest image has."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import InputError, UnreadableError, UsageError
from lungseg.readers import read, read_image
from lungseg.readers.limits import (
    is_plausible_rescale,
    is_plausible_thickness,
    plausible_affine,
    plausible_pixel_spacing,
    refuse_implausible_greys,
)
from phantom_volumes import (
    AFFINE,
    CHEST,
    SHAPE,
    axial_affine,
    ct_slice,
    patched,
    write_nifti,
    write_series,
)


@pytest.mark.parametrize(
    ("spacing", "shape", "possible"),
    [
        ((0.02, 0.02), (2000, 2000), True),
        ((0.0199, 0.1), (2000, 2000), False),
        ((0.1, 0.0199), (2000, 2000), False),
        ((10.0, 10.0), (64, 64), True),
        ((10.1, 10.0), (64, 64), False),
        ((1e-30, 1e-30), (2000, 2000), False),
        ((775_052_341.0, 0.2), (2000, 2000), False),
        ((1.5, 1.5), (2000, 2000), True),
        ((1.51, 1.5), (2000, 2000), False),
        ((1.5, 1.51), (2000, 2000), False),
    ],
)
def test_spacings_of_films(spacing, shape, possible):
    stated, notes = plausible_pixel_spacing(spacing, shape)
    assert stated == (spacing if possible else None)
    assert bool(notes) is not possible


def test_no_spacing_stays_none():
    assert plausible_pixel_spacing(None, (9, 9)) == (None, ())


@pytest.mark.parametrize(
    ("slope", "intercept", "possible"),
    [
        (1, -1024, True),
        (-1, 0, True),
        (1e-9, 1e7, True),
        (9e-10, 0, False),
        (1e6, -1e7, True),
        (1.1e6, 0, False),
        (1, 1.1e7, False),
        (1, -1e308, False),
        (1e308, 0, False),
        (float("nan"), 0, False),
        (1, float("inf"), False),
    ],
)
def test_slopes_and_intercepts(slope, intercept, possible):
    assert is_plausible_rescale(slope, intercept) is possible


def test_thicknesses():
    assert [is_plausible_thickness(one) for one in (0, 0.05, 200, 200.1, 1e308)] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_greys_have_a_limit():
    refuse_implausible_greys(-1e12, 1e12, source="it")
    refuse_implausible_greys(float("nan"), float("inf"), source="it")  # which others refuse
    for low, high in ((-1.1e12, 0), (0, 1.1e12)):
        with pytest.raises(InputError, match=r"^it: its values go from .* scale them first"):
            refuse_implausible_greys(low, high, source="it")


@pytest.mark.parametrize("side", [0, 1, 2])
@pytest.mark.parametrize(
    ("spacing", "possible"),
    [(0.1, True), (0.099, False), (1e-6, False), (70, True), (101, False), (1e12, False)],
)
def test_affines_of_volumes(side, spacing, possible):
    stated = [2.0, 2.0, 2.0]
    stated[side] = spacing
    affine = axial_affine((stated[0], stated[1], stated[2]))
    if possible:
        kept, notes = plausible_affine(affine, SHAPE, source="it")
        assert_array_equal(kept, affine)
        assert notes == ()
        return
    words = "it: it states voxels of .* mm, which CT cannot have; give the right distances in milli"
    with pytest.raises(UnreadableError, match=words):
        plausible_affine(affine, SHAPE, source="it")


def test_a_volume_is_neither_too_long_nor_too_far_away():
    plausible_affine(axial_affine((100, 2, 2)), (30, 9, 9), source="it")
    with pytest.raises(UnreadableError, match="which CT cannot have"):
        plausible_affine(axial_affine((100, 2, 2)), (31, 9, 9), source="it")
    plausible_affine(axial_affine(origin=(-1e6, 0, 0)), SHAPE, source="it")
    with pytest.raises(UnreadableError, match="it lies further than a kilometre away"):
        plausible_affine(axial_affine(origin=(0, 0, 1e7)), SHAPE, source="it")
    assert plausible_affine(None, SHAPE, source="it") == (None, ())


@pytest.mark.parametrize("thickness", [999.0, 1e-6, 1e100])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_of_impossible_thickness_has_one_of_a_millimetre(thickness, axis):
    spacing, shape = [2.0, 2.0, 2.0], list(SHAPE)
    spacing[axis], shape[axis] = thickness, 1
    affine = axial_affine((spacing[0], spacing[1], spacing[2]))
    kept, notes = plausible_affine(affine, (shape[0], shape[1], shape[2]), source="it")
    spacing[axis] = 1.0
    assert_allclose(np.linalg.norm(kept[:3, :3], axis=0), spacing)
    assert notes == (f"a thickness of {thickness:.4g} mm cannot be, and was taken as 1 mm",)


def test_a_nifti_of_tiny_or_huge_voxels_is_refused_and_read_with_a_spacing(tmp_path):
    for scale in (1e-5, 1e6):
        affine = AFFINE.copy()
        affine[:3, :3] *= scale
        path = write_nifti(tmp_path / "chest.nii", CHEST, affine)
        with pytest.raises(UnreadableError, match=f"{path}: it states voxels of"):
            read(path)
        volume = read(path, spacing=(2.5, 0.75, 0.5))
        assert_allclose(volume.geometry.spacing, (2.5, 0.75, 0.5))
        assert_allclose(volume.geometry.affine[:3, :3], AFFINE[:3, :3], atol=1e-6)
    with pytest.raises(UsageError, match="a spacing of 1e-06 x 1 x 1 mm was given, which no chest"):
        read(path, spacing=(1e-6, 1, 1))
    with pytest.raises(UsageError, match=r"give millimetres, from 0\.1 to 100"):
        read(CHEST, spacing=(1, 1, 1e9))
    with pytest.raises(UnreadableError, match="array: it states voxels of"):
        read(CHEST, affine=np.diag([1e-9, 1e-9, 1e-9, 1]))


def test_slopes_of_nifti(tmp_path):
    path = write_nifti(tmp_path / "chest.nii", CHEST, AFFINE)
    for slope, intercept in ((1e20, 0), (1, 1e20), (1e-20, 0)):
        with pytest.raises(InputError, match=r"multiplied by .* which gives no grey values; rep"):
            read(patched(path, (112, "<2f", slope, intercept)))
    voxels = CHEST.astype(np.float64)
    voxels[3, 4, 5] = 1e300
    nibabel.save(nibabel.Nifti1Image(voxels.T, np.diag([1, 1, 2, 1])), path)
    with pytest.raises(
        InputError, match=r"its values go from -.* to 1e\+300, which no grey values"
    ):
        read(path)


def test_films_of_impossible_spacing_have_none(tmp_path, write_dicom, film):
    for spacing in (1e-30, 775_052_341.0, 1e308):
        image = read_image(write_dicom(film, PixelSpacing=[spacing, spacing]))
        assert image.geometry.spacing is None
        words = f"it states a spacing of {spacing:.4g} x {spacing:.4g} mm, which cannot be, and was"
        assert any(note.startswith(words) for note in image.notes)
        with pytest.raises(UsageError, match=r"a spacing of .* was given.*from 0\.02 to 10"):
            read_image(write_dicom(film), spacing=(spacing, spacing))
    given = read_image(write_dicom(film, PixelSpacing=[1e-30, 1e-30]), spacing=(0.2, 0.2))
    assert given.geometry.spacing == (0.2, 0.2)
    assert not any("cannot be" in note for note in given.notes)
    with pytest.raises(UsageError, match="which no chest image has"):
        read(film, spacing=(0.2, 1e9))


def test_a_film_is_not_rescaled_by_what_cannot_be(write_dicom, deep_film):
    plain = read_image(write_dicom(deep_film))
    for slope, intercept in ((1, 1e300), (1e300, 0)):
        image = read_image(write_dicom(deep_film, RescaleSlope=slope, RescaleIntercept=intercept))
        assert_array_equal(image.array, plain.array)
        assert (
            f"a rescaling by {slope:g} and {intercept:g} cannot be, and was left out" in image.notes
        )


def test_a_series_with_impossible_numbers(tmp_path):
    damaged = ct_slice(CHEST[9], (0, 0, 0))
    damaged.RescaleIntercept = "1e300"
    damaged.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    with pytest.raises(UnreadableError, match=r"multiplied by 1 and 1e\+300 added, which gives no"):
        read(tmp_path / "one.dcm")
    for spacing in (1e-30, 1e300):
        write_series(tmp_path / "b", CHEST, AFFINE, PixelSpacing=[spacing, spacing])
        volume = read(tmp_path / "b")
        assert volume.geometry.affine is None
        assert any(note.startswith("it states no spacing") for note in volume.notes)
    path = tmp_path / "one.dcm"
    for thickness in ("1e300", "1e-30"):
        ct_slice(CHEST[9], (0, 0, 0), SliceThickness=thickness).save_as(
            path, enforce_file_format=True
        )
        volume = read(path)
        assert volume.geometry.spacing[0] == 1.0
        assert "the thickness of the slice is not known and was taken as 1 mm" in volume.notes
    ct_slice(CHEST[9], (1e300, 0, 0)).save_as(path, enforce_file_format=True)
    assert "it states no position" in read(path).notes
