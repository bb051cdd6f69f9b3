"""Volumes of which all but the lungs was blanked before."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ellipsoids import ellipsoids, turned
from lungseg.ct.cut_out import cut_out_lungs
from lungseg.ct.segment import VolumeSegmenter
from lungseg.geometry import Reorientation, to_ras
from lungseg.phantom.ct import ct_phantom
from lungseg.readers import read
from lungseg.readers.hounsfield import blank_around, is_hounsfield
from lungseg.volume import Volume
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return VolumeSegmenter(
        write_tiny_model(tmp_path_factory.mktemp("model"), modality="ct"), threads=2
    )


@pytest.fixture(scope="module")
def phantom():
    return ct_phantom((40, 96, 96))


def cut_out(phantom, blank):
    labels = phantom.ground_truth.labels
    return np.where(labels > 0, phantom.volume.array, blank).astype(np.int16)


@pytest.mark.parametrize("blank", [-1024, -1000, 0, -1200, -2000])
def test_lungs_that_were_cut_out_are_found_and_parted_by_side(phantom, segmenter, tmp_path, blank):
    path = tmp_path / "masked.nii.gz"
    affine = to_ras(phantom.volume.geometry.affine)
    nibabel.save(nibabel.Nifti1Image(cut_out(phantom, blank).T, affine), path)
    volume = read(path)
    assert volume.hounsfield
    assert blank_around(volume.array) == blank
    result = segmenter(volume)
    truth = phantom.ground_truth.labels
    for number in (1, 2):
        both = np.count_nonzero((result.mask == number) & (truth == number))
        assert both > 0.99 * np.count_nonzero(truth == number)
        assert both > 0.98 * np.count_nonzero(result.mask == number)
    assert result.verdict.status == "review"
    assert "cut_out" in result.verdict.codes
    others = {"not_hounsfield", "no_chest", "uncertain", "cut_off_side", "implausible_density"}
    assert not others & set(result.verdict.codes)
    assert ("expected_dice", "lungs") not in result.measurements
    assert result.measurements["mass", "lungs"].value > 0


def test_what_this_package_masks_is_found_again(segmenter, tmp_path):
    whole = segmenter(ellipsoids((20, 40, 48), lung=-930)[0])
    path = whole.save(tmp_path, ["masked"], name="scan")["masked"]
    found = segmenter(read(path))
    assert_array_equal(found.mask, whole.mask)
    assert "cut_out" in found.verdict.codes


@pytest.mark.parametrize("array", ["whole", "trunk", "no lungs", "clipped"])
def test_other_volumes_are_not_taken_for_cut_out(phantom, array):
    voxels = phantom.volume.array.copy()
    trunk = voxels > -300
    if array == "trunk":  # the body cut out of the room
        inside = np.logical_or.accumulate(trunk, axis=2)
        inside &= np.logical_or.accumulate(trunk[:, :, ::-1], axis=2)[:, :, ::-1]
        voxels[~inside] = -1024
    if array == "no lungs":
        voxels[~trunk] = -1024
    if array == "clipped":
        voxels = np.clip(voxels, -1000, 1000) // 8 * 8
    assert blank_around(voxels) is None
    assert is_hounsfield(voxels)


def test_labels_are_no_lungs():
    labels = np.zeros((10, 20, 20), np.int16)
    labels[2:8, 5:15, 5:15] = 1
    assert blank_around(labels) is None
    assert blank_around(np.zeros((10, 20, 20), np.int16)) is None


def masked(labels):
    volume, _ = ellipsoids(labels.shape)
    return Volume(
        np.where(labels > 0, -850, -1024).astype(np.int16), volume.geometry, hounsfield=True
    )


def test_a_lung_may_come_in_several_pieces() -> None:
    """As where fissures were blanked too, and whichever piece is the largest."""
    _, labels = ellipsoids((20, 40, 48))
    found = cut_out_lungs(masked(np.where(np.arange(40)[:, None] == 22, 0, labels)), -1024)
    assert_array_equal(found[:, :22], labels[:, :22])
    assert_array_equal(found[:, 23:], labels[:, 23:])


def test_lungs_that_touch_are_parted_at_the_narrowest_place():
    _, labels = ellipsoids((20, 40, 48))
    labels[8:10, 18:22, 20:28] = 1
    found = cut_out_lungs(masked(labels), -1024)
    right = np.zeros(labels.shape, bool)
    right[:, :, :24] = True
    assert_array_equal(found[labels == 2], 2)
    assert (found[(labels == 1) & (np.arange(48) < 21)] == 1).all()
    assert_array_equal(found > 0, labels > 0)


@pytest.mark.parametrize("number", [1, 2])
def test_one_lung_alone_is_that_of_its_side(segmenter, number):
    _, labels = ellipsoids((20, 40, 48))
    labels[labels != number] = 0
    result = segmenter(masked(labels))
    assert_array_equal(result.mask, labels)
    assert {"cut_out", "one_lung"} <= set(result.verdict.codes)


def test_sides_are_the_patients_however_the_volume_is_stored():
    _, labels = ellipsoids((20, 40, 48))
    turn = Reorientation((2, 0, 1), (True, False, True))
    stored = turned(masked(labels), turn)
    found = cut_out_lungs(stored, -1024)
    assert_array_equal(found, labels)


def test_islands_and_holes():
    _, labels = ellipsoids((20, 40, 48))
    given = labels.copy()
    given[10, 19:21, 12:14] = 0  # a vessel that was as dense as the filling
    given[2, 2, 2] = 1
    assert_array_equal(cut_out_lungs(masked(given), -1024), labels)
