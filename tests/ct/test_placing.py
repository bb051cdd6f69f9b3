"""Volumes that do not lie as they say, or are not as large."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ellipsoids import ellipsoids, turned
from lungseg.ct.orientation import Planes, is_at_origin, likeliest, spine_in_front, turned_over
from lungseg.ct.placing import (
    FRONT_IN_BACK,
    SIDES_ASSUMED,
    SIDES_EXCHANGED,
    SIDES_UNCERTAIN,
    placed,
    righted,
)
from lungseg.ct.segment import VolumeSegmenter
from lungseg.geometry import Reorientation, VolumeGeometry, to_ras
from lungseg.options import SegmentOptions
from lungseg.phantom.ct import ct_phantom
from lungseg.readers import read
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.scores import dice
from lungseg.volume import Volume
from tiny_model import SIZE, write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return VolumeSegmenter(
        write_tiny_model(tmp_path_factory.mktemp("model"), modality="ct"), threads=2
    )


def with_spine(volume, *, rows=slice(62, 70)):
    voxels = volume.array.copy()
    voxels[:, rows, 44:52] = 700
    return replace(volume, array=voxels)


def planes_of(labels, *, exchanged=False):
    """What a network would see, sure of itself: right and left lung on a grid of 64 x 64."""
    rows, columns = ((np.arange(64) * side) // 64 for side in labels.shape[1:])
    small = labels[:, rows][:, :, columns]
    planes = np.stack([255 * (small == 1), 255 * (small == 2)], axis=1).astype(np.uint8)
    return planes[:, ::-1].copy() if exchanged else planes


def corners(shape):
    return np.array([[*np.array(at) * (np.array(shape) - 1), 1] for at in np.ndindex(2, 2, 2)])


def never(_volume):
    raise AssertionError("the network was asked a second time")


def test_sides_are_those_of_the_affine():
    volume, labels = ellipsoids()
    volume = with_spine(volume)
    seen, planes, notes = righted(volume, planes_of(labels, exchanged=True), [0, 1], never)
    assert_array_equal(planes, planes_of(labels))
    assert notes == (SIDES_EXCHANGED,)
    assert seen.doubts == ("orientation_mismatch",)


def test_sides_of_what_states_no_orientation_are_those_that_are_seen():
    volume, labels = ellipsoids()
    unknown = Volume(volume.array, VolumeGeometry(volume.array.shape), hounsfield=True)
    for given in (replace(volume, notes=(NO_ORIENTATION,)), unknown):
        seen, planes, notes = righted(given, planes_of(labels, exchanged=True), [0, 1], never)
        assert_array_equal(planes, planes_of(labels, exchanged=True))
        assert (seen.doubts, notes) == (("orientation_mismatch",), (SIDES_UNCERTAIN,))
        seen, planes, notes = righted(given, planes_of(labels), [0, 1], never)
        assert (seen.doubts, notes) == ((), ())


@pytest.mark.parametrize("consistent", [True, False])
def test_the_sides_of_a_slice_are_assumed_where_its_mirror_image_has_the_same(
    consistent: bool,
) -> None:
    volume, labels = ellipsoids()
    middle = slice(len(labels) // 2, len(labels) // 2 + 1)
    labels = labels[middle]
    array = volume.array[middle]
    given = Volume(array, VolumeGeometry(array.shape), hounsfield=True)

    def look(other: Volume) -> Planes:
        assert_array_equal(other.array, array[:, :, ::-1])
        mirrored = np.where(labels, 3 - labels, 0)[:, :, ::-1]
        return planes_of(mirrored, exchanged=consistent)

    seen, planes, notes = righted(given, planes_of(labels, exchanged=True), [0, 1], look)
    assert_array_equal(planes, planes_of(labels, exchanged=consistent))
    assert seen.doubts == ("orientation_mismatch",)
    assert notes == (SIDES_UNCERTAIN if consistent else SIDES_ASSUMED,)


@pytest.mark.parametrize("surer", [True, False])
def test_what_is_turned_over_is_looked_at_as_it_should_lie(surer):
    volume, labels = ellipsoids()
    upside_down = with_spine(volume, rows=slice(10, 18))
    looks = []

    def look(other):
        looks.append(other)
        planes = planes_of(labels[:, ::-1])
        return planes if surer else planes // 2

    first = planes_of(labels) - (planes_of(labels) > 0) * np.uint8(20)
    seen, planes, notes = righted(upside_down, first, [0, 1], look)
    turn = looks[0].geometry.to_axial()
    assert_array_equal(turn.apply(upside_down.array), upside_down.array[:, ::-1])
    if surer:
        assert seen.geometry is looks[0].geometry
        assert (notes, seen.doubts) == ((FRONT_IN_BACK,), ("orientation_mismatch",))
        assert_array_equal(planes, planes_of(labels[:, ::-1]))
    else:
        assert (seen, notes) == (upside_down, ())
        assert_array_equal(planes, first)


def test_what_is_turned_over_is_told_by_the_sides_too() -> None:
    """A network may be as sure of a chest in a mirror, and then takes the right lung for the
    left."""
    volume, labels = ellipsoids()
    upside_down = with_spine(volume, rows=slice(10, 18))
    second = planes_of(labels[:, ::-1]) // 3 * 2
    first = planes_of(labels, exchanged=True)
    seen, planes, notes = righted(upside_down, first, [0, 1], lambda _: second)
    assert (notes, seen.doubts) == ((FRONT_IN_BACK,), ("orientation_mismatch",))
    assert_array_equal(planes, second)
    third = planes_of(labels[:, ::-1], exchanged=True) // 3 * 2
    _, _, notes = righted(upside_down, first.copy(), [0, 1], lambda _: third)
    assert notes == (SIDES_EXCHANGED,)  # nothing tells which, so the surer one


def test_a_volume_that_lies_well_is_left_alone():
    volume, labels = ellipsoids()
    volume = with_spine(volume)
    assert righted(volume, planes_of(labels), [0, 1], never)[0] is volume
    assert not spine_in_front(labels, volume.array)
    assert spine_in_front(labels[:, ::-1], volume.array[:, ::-1])


def test_turning_over_exchanges_front_and_back_alone():
    volume, _ = ellipsoids((12, 34, 40))
    for flipped in ((True, False, True), (False, False, False)):
        stored = turned(volume, Reorientation((2, 0, 1), flipped))
        grid = turned_over(stored.geometry)
        assert_array_equal(grid.to_axial().apply(stored.array), volume.array[:, ::-1])
        before, after = (
            set(map(tuple, (corners(at.shape) @ at.affine.T).round(6).tolist()))
            for at in (stored.geometry, grid)
        )
        assert before == after


def test_the_result_lies_on_the_grid_that_was_given(segmenter):
    volume, labels = ellipsoids()
    upside_down = with_spine(volume, rows=slice(10, 18))
    result = segmenter(upside_down)
    assert_array_equal(result.image.geometry.affine, upside_down.geometry.affine)
    assert dice(result.mask == 1, labels == 1) > 0.95
    assert result.notes == (FRONT_IN_BACK,)
    assert "orientation_mismatch" in result.verdict.codes


@pytest.mark.slow
def test_rows_that_were_turned_over_leave_right_and_left_where_they_are():
    phantom = ct_phantom((20, 96, 96))
    embedded = VolumeSegmenter()
    plain = embedded(phantom.volume)
    result = embedded(replace(phantom.volume, array=phantom.volume.array[:, ::-1]))
    assert_array_equal(result.mask[:, ::-1], plain.mask)
    assert result.notes == (FRONT_IN_BACK,)
    assert "orientation_mismatch" in result.verdict.codes
    assert plain.notes == ()


def chest_with_air():
    """Two lungs in a body that is cut through above and below, and ends around in what is no tissue
    and for the network no lung."""
    volume, labels = ellipsoids((40, 80, 96), spacing=(5.0, 3.0, 3.0))
    voxels = volume.array.copy()
    for side in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        voxels[side] = -320
    return voxels, labels


@pytest.mark.parametrize(
    ("axes", "called"),
    [((0, 1, 2), "from right to left"), ((2, 0, 1), "from front to back")],
)
def test_an_identity_affine_is_tried_in_other_orientations(segmenter, tmp_path, axes, called):
    voxels, labels = chest_with_air()
    path = tmp_path / "identity.nii.gz"
    # As who stacks slices first and saves them with np.eye(4).
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(axes), np.eye(4)), path)
    volume = read(path)
    result = segmenter(volume)
    mask = result.mask.T.transpose(np.argsort(axes))
    for number in (1, 2):
        assert dice(mask == number, labels == number) > 0.9
    assert {"spacing_unknown", "orientation_assumed"} <= set(result.verdict.codes)
    assert result.verdict.status == "review"
    assert result.notes[0].endswith(f"along the axis that the affine calls {called}")
    assert result.measurements["volume", "lungs"].unit == "voxels"


def test_a_spacing_that_is_given_is_that_of_the_slices_that_are_found(segmenter, tmp_path):
    voxels, labels = chest_with_air()
    path = tmp_path / "identity.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    spacing = (5.0, 3.0, 3.5)
    result = segmenter(read(path, spacing=spacing), SegmentOptions(spacing=spacing))
    turn = result.image.geometry.to_axial()
    assert turn.geometry(result.image.geometry).spacing == pytest.approx(spacing)
    volume = np.count_nonzero(labels) * np.prod(spacing) / 1000
    assert result.measurements["volume", "lungs"].value == pytest.approx(volume, rel=0.1)
    assert "spacing_unknown" not in result.verdict.codes


def test_only_what_lies_at_the_origin_is_tried_otherwise():
    volume, _ = ellipsoids((12, 34, 40))

    def glimpse(_volume, _numbers):
        raise AssertionError("nothing was to be tried")

    assert not is_at_origin(volume.geometry)
    assert placed(volume, glimpse) == (volume, ())
    grid = VolumeGeometry(volume.array.shape, np.diag([3.0, 2.0, 2.0, 1.0]))
    assert is_at_origin(grid)
    oblique = np.diag([3.0, 2.0, 2.0, 1.0])
    oblique[1, 2] = 0.1
    assert not is_at_origin(VolumeGeometry(volume.array.shape, oblique))
    assert not is_at_origin(VolumeGeometry((1, 34, 40), np.diag([3.0, 2.0, 2.0, 1.0])))


def test_an_orientation_that_shows_a_chest_is_kept(segmenter):
    voxels, _ = chest_with_air()
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5.0, 3.0, 3.0, 1.0
    volume = Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=True)
    looks = []

    def glimpse(other, numbers):
        looks.append(numbers)
        return segmenter._glimpse(other, numbers)

    assert likeliest(volume, glimpse) is volume.geometry
    assert len(looks) == 1
    assert segmenter(volume).notes == ()


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((5000.0, 3000.0, 3000.0), "the body would be 282000 mm wide"),
        ((0.5, 0.3, 0.3), "the body would be 28 mm wide"),
        ((1.0, 3.0, 3.0), "the lungs would be 30 mm high and 222 mm wide"),
        ((30.0, 3.0, 3.0), "the lungs would be 960 mm high and 222 mm wide"),
    ],
)
def test_a_size_that_is_impossible_makes_the_spacing_unknown(segmenter, spacing, words):
    voxels, labels = chest_with_air()
    affine = ellipsoids(spacing=spacing)[0].geometry.affine
    volume = Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=True)
    result = segmenter(volume)
    assert result.notes == (
        f"by the spacing that is stated {words}, which is impossible: it is taken as unknown; give "
        "the right one as `spacing`",
    )
    assert result.verdict.status == "review"
    assert "spacing_unknown" in result.verdict.codes
    assert "no_chest" not in result.verdict.codes
    volumes = result.measurements["volume", "lungs"]
    assert (volumes.unit, volumes.value) == ("voxels", np.count_nonzero(result.mask))
    assert ("mass", "lungs") not in result.measurements
    assert dice(result.mask > 0, labels > 0) > 0.9
    assert_array_equal(result.image.geometry.affine, affine)
    stated = segmenter(volume, SegmentOptions(spacing=spacing))  # who states it is believed
    assert stated.measurements["volume", "lungs"].unit == "mL"
    assert "spacing_unknown" not in stated.verdict.codes


@pytest.mark.parametrize("spacing", [(5.0, 3.0, 3.0), (2.0, 1.0, 1.0), (10.0, 3.0, 3.0)])
def test_sizes_that_are_possible_are_believed(segmenter, spacing):
    voxels, _ = chest_with_air()
    affine = ellipsoids(spacing=spacing)[0].geometry.affine
    volume = Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=True)
    result = segmenter(volume)
    assert result.notes == ()
    assert result.measurements["volume", "lungs"].unit == "mL"


def test_lungs_that_are_cut_off_may_have_any_proportions(segmenter):
    volume, _ = ellipsoids((40, 80, 96), spacing=(1.0, 3.0, 3.0))
    part = Volume(
        volume.array[15:25], VolumeGeometry((10, 80, 96), volume.geometry.affine), hounsfield=True
    )
    assert segmenter(part).measurements["volume", "lungs"].unit == "mL"


def test_a_mask_of_what_lost_its_spacing_lies_on_the_input(tmp_path, segmenter):
    voxels, _ = chest_with_air()
    path = tmp_path / "lost.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels.T, np.diag([-1.0, -1.0, 1.0, 1.0])), path)
    result = segmenter(read(path))
    saved = nibabel.load(result.save(tmp_path, ["mask"])["mask"])
    assert_array_equal(saved.affine, nibabel.load(path).affine)
    assert_array_equal(result.to_nibabel().affine, to_ras(result.image.geometry.affine))
    assert result.record()["grid"]["spacing_mm"] is None
    assert SIZE == (64, 64)
