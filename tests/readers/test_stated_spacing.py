"""Volumes whose spacing was lost, or is stated twice."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (as everybody calls it)
from numpy.testing import assert_allclose

from lungseg.geometry import to_ras
from lungseg.readers import read
from lungseg.readers.stated_spacing import LOST_NOTE, disagreement, is_lost
from phantom_volumes import AFFINE, CHEST, SPACING, check_chest

DIFFERS = (
    "its affine has voxels of 2.875 x 0.8625 x 0.575 mm (slices, rows, columns), and its pixdim "
    "says 2.5 x 0.75 x 0.5 mm: the affine was taken; give the right one as `spacing`"
)


def bare(path):
    """A file as SimpleITK writes an array whose header nobody copied."""
    sitk.WriteImage(sitk.GetImageFromArray(CHEST), str(path))
    return path


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_cubes_of_1_mm_at_the_origin_are_a_spacing_that_was_lost(tmp_path, ending):
    volume = read(bare(tmp_path / f"lost.{ending}"))
    assert (volume.geometry.spacing, volume.geometry.voxel_volume) == (None, None)
    assert volume.doubts == ("spacing_unknown",)
    assert volume.notes == (LOST_NOTE,)
    assert np.array_equal(volume.geometry.to_axial().apply(volume.array), CHEST)


def test_images_of_other_libraries_lose_it_too():
    for image in (
        sitk.GetImageFromArray(CHEST),
        nibabel.Nifti1Image(CHEST.T, np.eye(4)),
        nibabel.Nifti1Image(CHEST.T, np.diag([-1, 1, 1, 1])),
    ):
        volume = read(image)
        assert (volume.geometry.spacing, volume.doubts) == (None, ("spacing_unknown",))
    assert read(CHEST, affine=np.eye(4)).doubts == ("spacing_unknown",)


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_a_spacing_that_is_given_is_known(tmp_path, ending):
    volume = read(bare(tmp_path / f"lost.{ending}"), spacing=SPACING)
    assert_allclose(volume.geometry.spacing, SPACING)
    assert (volume.doubts, volume.notes) == ((), ())
    assert read(sitk.GetImageFromArray(CHEST), spacing=SPACING).doubts == ()


def test_other_affines_are_believed(tmp_path):
    for edges, origin in (((1, 1, 1), (0, 0, 0.5)), ((1, 1, 1.001), (0, 0, 0))):
        image = sitk.GetImageFromArray(CHEST)
        image.SetSpacing(edges)
        image.SetOrigin(origin)
        sitk.WriteImage(image, str(tmp_path / "known.nrrd"))
        volume = read(tmp_path / "known.nrrd")
        assert_allclose(volume.geometry.spacing, edges[::-1])
        assert volume.doubts == ()
    assert not is_lost(None)
    assert not is_lost(np.array([[0.6, 0.8, 0, 0], [-0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    assert read(CHEST, affine=np.diag([1, 1, -1, 1])[[2, 1, 0, 3]]).doubts == ()


def stated_twice(path, *, factor):
    """An sform that is larger than pixdim says."""
    affine = to_ras(AFFINE)
    affine[:3, :3] *= factor
    image = nibabel.Nifti1Image(CHEST.T, affine)
    image.header["pixdim"][1:4] = SPACING[::-1]
    path.write_bytes(image.to_bytes())
    return path


def test_an_affine_that_contradicts_the_spacing_is_taken_and_said(tmp_path):
    path = stated_twice(tmp_path / "twice.nii", factor=1.15)
    volume = read(path)
    assert_allclose(volume.geometry.spacing, np.array(SPACING) * 1.15, rtol=1e-6)
    assert (volume.doubts, volume.notes) == (("spacing_contradictory",), (DIFFERS,))
    image = nibabel.load(path)
    assert (read(image).doubts, read(image).notes) == (("spacing_contradictory",), (DIFFERS,))
    volume = read(path, spacing=SPACING)
    assert (volume.doubts, volume.geometry.spacing) == ((), pytest.approx(SPACING))


@pytest.mark.parametrize("factor", [1.0, 1.01, 0.99])
def test_rounding_is_no_contradiction(tmp_path, factor):
    volume = read(stated_twice(tmp_path / "twice.nii", factor=factor))
    assert (volume.doubts, volume.notes) == ((), ())


def test_under_a_tilted_gantry_either_distance_of_slices_may_be_stated():
    tilted = AFFINE.copy()
    tilted[1, 0] = SPACING[0] * np.tan(np.radians(25))
    along = np.linalg.norm(tilted[:3, 0])
    assert disagreement(np.array(SPACING), tilted) == ()
    assert disagreement(np.array([along, *SPACING[1:]]), tilted) == ()
    assert len(disagreement(np.array([1.2 * along, *SPACING[1:]]), tilted)) == 1
    assert disagreement(np.array([0.0, *SPACING[1:]]), AFFINE) == ()


def test_a_nifti_in_metres_states_one_spacing(tmp_path):
    affine = to_ras(AFFINE)
    affine[:3] /= 1000
    image = nibabel.Nifti1Image(CHEST.T, affine)
    image.header.set_xyzt_units("meter")
    image.header["pixdim"][1:4] = np.array(SPACING[::-1]) / 1000
    path = tmp_path / "metres.nii"
    path.write_bytes(image.to_bytes())
    volume = read(path)
    assert_allclose(volume.geometry.spacing, SPACING, rtol=1e-6)
    assert volume.doubts == ()
    check_chest(volume)
