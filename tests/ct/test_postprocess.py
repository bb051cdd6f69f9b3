"""Cleaning in three dimensions: each mistake of a network alone, on boxes and on a phantom."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.ct import postprocess as module
from lungseg.ct.bowel_gas import remove_bowel_gas
from lungseg.ct.lung_bases import complete_bases
from lungseg.ct.postprocess import fill_holes, postprocess_volume
from lungseg.morphology import runs
from lungseg.morphology.runs import component_sizes, components
from lungseg.phantom.ct import ct_phantom

SPACING = (3.0, 3.0, 3.0)


def lungs(**boxes: tuple[int, slice, slice, slice]) -> np.ndarray:
    """Two boxes of 20 x 20 x 14 voxels in 30 x 40 x 50, then others over them, in this order."""
    labels = np.zeros((30, 40, 50), np.uint8)
    labels[5:25, 10:30, 8:22] = 1
    labels[5:25, 10:30, 28:42] = 2
    for number, *box in boxes.values():
        labels[tuple(box)] = number
    return labels


def test_what_is_clean_stays_as_it_is():
    labels = lungs()
    cleaned = postprocess_volume(labels, SPACING)
    np.testing.assert_array_equal(cleaned, labels)
    assert cleaned is not labels
    assert cleaned.dtype == np.uint8


@pytest.mark.parametrize(("seed", "touching"), [(0, False), (1, True), (2, False), (3, True)])
def test_known_lungs_come_through(seed, touching):
    ground_truth = ct_phantom((40, 96, 96), seed=seed, touching=touching).ground_truth
    cleaned = postprocess_volume(ground_truth.labels, ground_truth.geometry.spacing)
    # Vessels at the hila are open to one side, and filled where a slice cuts them.
    assert ((cleaned == 0) & (ground_truth.labels > 0)).sum() == 0
    assert (cleaned != ground_truth.labels).sum() < 0.001 * (ground_truth.labels > 0).sum()


def test_islands_go():
    labels = lungs(
        gas=(2, slice(0, 3), slice(12, 20), slice(30, 40)),
        air=(1, slice(8, 20), slice(0, 4), slice(0, 5)),
    )
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), lungs())


def test_what_touches_at_an_edge_only_is_an_island():
    labels = lungs(island=(1, slice(1, 5), slice(26, 30), slice(22, 26)))
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), lungs())


def test_a_large_part_that_was_cut_off_stays_and_a_small_one_goes():
    labels = lungs(cut=(0, slice(8, 9), slice(None), slice(None)))
    np.testing.assert_array_equal(
        postprocess_volume(labels, SPACING), labels
    )  # 3 of 20 slices lie below the cut
    labels = lungs(cut=(0, slice(6, 7), slice(None), slice(None)))
    cleaned = postprocess_volume(labels, SPACING)
    assert not cleaned[:7].any()
    np.testing.assert_array_equal(cleaned[7:], labels[7:])


@pytest.mark.parametrize(
    "where",
    [(slice(8, 14), slice(14, 20), slice(28, 34)), (slice(5, 9), slice(10, 30), slice(28, 42))],
)
def test_the_wrong_side_is_put_right(where):
    """A patch, and all of the lowest slices, of the left lung that were called right."""
    np.testing.assert_array_equal(postprocess_volume(lungs(wrong=(1, *where)), SPACING), lungs())


def test_a_patch_in_a_wrong_patch():
    labels = lungs(
        wrong=(1, slice(8, 18), slice(12, 26), slice(30, 40)),
        right_again=(2, slice(10, 14), slice(16, 20), slice(33, 37)),
    )
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), lungs())


def test_a_small_patch_in_an_only_lung_is_no_second_lung():
    labels = np.where(lungs() == 1, 1, 0).astype(np.uint8)
    patched = labels.copy()
    patched[10:14, 12:20, 10:16] = 2
    np.testing.assert_array_equal(postprocess_volume(patched, SPACING), labels)


def test_lungs_that_touch_are_parted_where_the_labels_change():
    labels = lungs(
        junction=(1, slice(8, 20), slice(10, 12), slice(22, 26)),
        other=(2, slice(8, 20), slice(10, 12), slice(26, 28)),
    )
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), labels)


def test_what_touching_lungs_enclose_in_a_slice_stays_outside():
    """The mediastinum of a chest whose lungs touch before and behind it, over its whole height."""
    labels = lungs()
    for rows in (slice(10, 12), slice(28, 30)):
        labels[:, rows, 22:25], labels[:, rows, 25:28] = (
            labels[:, 15:16, 21:22],
            labels[:, 15:16, 28:29],
        )
    assert (labels[10, 11, 8:42] > 0).all()
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), labels)


def test_nodules_and_vessels_inside_are_filled():
    nodule = (0, slice(10, 18), slice(14, 26), slice(10, 20))
    np.testing.assert_array_equal(postprocess_volume(lungs(nodule=nodule), SPACING), lungs())
    # A vessel that comes up from below, 3 x 4 voxels wide: 108 mm2.
    vessel = (0, slice(0, 18), slice(14, 17), slice(12, 16))
    np.testing.assert_array_equal(postprocess_volume(lungs(vessel=vessel), SPACING), lungs())


def test_the_dome_of_the_diaphragm_is_not_filled():
    """It comes up from below too, but is larger."""
    labels = lungs(dome=(0, slice(0, 10), slice(15, 25), slice(11, 19)))
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), labels)


def test_an_island_in_a_hole_goes_with_it():
    labels = lungs(
        hole=(0, slice(10, 18), slice(14, 26), slice(10, 20)),
        island=(2, slice(12, 14), slice(18, 20), slice(14, 16)),
    )
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), lungs())


def test_no_lung_is_invented():
    nothing = np.zeros((4, 40, 50), np.uint8)
    assert not postprocess_volume(nothing, SPACING).any()
    only = np.where(lungs() == 2, 2, 0).astype(np.uint8)
    np.testing.assert_array_equal(postprocess_volume(only, SPACING), only)
    speck = nothing.copy()
    speck[1, 10:13, 10:13] = 1  # 81 mm2
    assert not postprocess_volume(speck, SPACING).any()


def test_lungs_at_every_border_of_the_volume():
    labels = np.zeros((6, 40, 50), np.uint8)
    labels[:, :, :20], labels[:, :, 30:] = 1, 2
    np.testing.assert_array_equal(postprocess_volume(labels, SPACING), labels)


@pytest.mark.parametrize("spacing", [(5.0, 2.0, 2.0), None])
def test_a_single_slice(spacing):
    ground_truth = ct_phantom((1, 200, 200)).ground_truth.labels
    labels = ground_truth.copy()
    labels[0, 5:8, 5:8] = 1  # 36 mm2 of air outside
    holes = np.zeros(ground_truth.shape, np.uint8)
    y, x = (
        int(c)
        for c in np.argwhere(cv2.erode((ground_truth[0] == 2).astype(np.uint8), np.ones((25, 25))))[
            0
        ]
    )
    labels[0, y - 2 : y + 3, x - 2 : x + 3] = 0
    holes[0, y - 2 : y + 3, x - 2 : x + 3] = 2
    cleaned = postprocess_volume(labels, spacing)
    np.testing.assert_array_equal(cleaned[holes > 0], 2)
    assert not cleaned[0, 5:8, 5:8].any()
    assert (cleaned != ground_truth).mean() < 0.0005


def test_a_lung_in_two_parts_of_a_single_slice():
    labels = np.zeros((1, 100, 100), np.uint8)
    (
        labels[0, 10:40, 10:40],
        labels[0, 60:80, 10:30],
        labels[0, 10:80, 60:90],
        labels[0, 90:95, 60:70],
    ) = 1, 1, 2, 2
    expected = labels.copy()
    expected[0, 90:95, 60:70] = 0  # less than a tenth of the lung
    np.testing.assert_array_equal(postprocess_volume(labels), expected)


def test_any_memory_order_will_do():
    labels = lungs(gas=(2, slice(0, 3), slice(12, 20), slice(30, 40)))
    turned = np.asfortranarray(labels[::-1])[::-1]
    cleaned = postprocess_volume(turned, SPACING)
    np.testing.assert_array_equal(cleaned, lungs())
    assert cleaned.flags.c_contiguous


def test_noise_is_no_lung(monkeypatch):
    monkeypatch.setattr(runs, "MAX_RUNS", 1000)
    noise = np.random.default_rng(0).integers(0, 3, (8, 40, 40)).astype(np.uint8)
    assert not postprocess_volume(noise, SPACING).any()


@pytest.mark.parametrize("seed", range(4))
def test_pieces_and_holes_agree_with_scipy(seed):
    """On blobs of every shape, where all that counts is what is joined to what."""
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.standard_normal((20, 30, 40)), 1.2) > 0.02
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    kept = np.isin(
        pieces, 1 + np.flatnonzero(sizes >= max(module.MIN_COMPONENT_FRACTION * sizes.max(), 1))
    )
    huge = (1.0, 1000.0, 1000.0)  # so no hole in a slice is small, and no piece is too small
    expected = ndimage.binary_fill_holes(kept)
    np.testing.assert_array_equal(postprocess_volume(mask.astype(np.uint8), huge) > 0, expected)


@pytest.mark.slow
@pytest.mark.data
def test_hand_drawn_lungs_come_through(data_folder):
    nibabel = pytest.importorskip("nibabel")
    paths = sorted((data_folder / "ct" / "lctsc").glob("*_lung.nii.gz"))
    assert len(paths) == 5
    for path in paths:
        image = nibabel.load(path)
        mask = np.ascontiguousarray(np.asarray(image.dataobj).T > 0)
        cleaned = (
            postprocess_volume(
                mask.astype(np.uint8), tuple(float(s) for s in image.header.get_zooms()[::-1])
            )
            > 0
        )
        overlap = 2 * (mask & cleaned).sum() / (mask.sum() + cleaned.sum())
        assert overlap > 0.998
        assert not (mask & ~cleaned).any()


def _thorax() -> tuple[np.ndarray, np.ndarray]:
    """Labels and voxels of two lungs, slices 2 to 11 of 12, of which the labels lack the lowest
    three of the right one."""
    voxels = np.full((12, 60, 60), 40, np.int16)
    voxels[2:, 15:45, 5:25] = -850
    voxels[2:, 15:45, 35:55] = -850
    labels = np.zeros(voxels.shape, np.uint8)
    labels[5:, 15:45, 5:25] = 1
    labels[2:, 15:45, 35:55] = 2
    return labels, voxels


def test_a_base_that_the_network_left_out_is_completed() -> None:
    labels, voxels = _thorax()
    complete_bases(labels, voxels, (3.0, 1.0, 1.0))
    assert_array_equal(labels > 0, voxels == -850)
    assert set(np.unique(labels[2:, :, :30])) == {0, 1}


@pytest.mark.parametrize(
    "spacing", [None, (5.1, 1.0, 1.0)], ids=["unknown spacing", "slices far apart"]
)
def test_bases_are_left_alone_where_slices_say_little_of_each_other(spacing) -> None:
    labels, voxels = _thorax()
    before = labels.copy()
    complete_bases(labels, voxels, spacing)
    assert_array_equal(labels, before)


@pytest.mark.parametrize(
    ("place", "density"),
    [(np.s_[4, 18:40, 8:20], -990), (np.s_[4, 5:55, 0:30], -800)],
    ids=["gas", "much broader than the lung above"],
)
def test_what_is_no_base_stays_outside(place, density) -> None:
    labels, voxels = _thorax()
    voxels[2:5, :, :30] = 40
    voxels[place] = density
    before = labels.copy()
    complete_bases(labels, voxels, (3.0, 1.0, 1.0))
    assert_array_equal(labels, before)


def test_bases_of_lungs_that_touch_keep_their_sides() -> None:
    """One piece of light voxels lies below both lungs."""
    labels, voxels = _thorax()
    voxels[2:, 15:18, 25:35] = -850
    labels[5:, 15:18, 25:30], labels[5:, 15:18, 30:35] = 1, 2
    labels[:5] = 0
    complete_bases(labels, voxels, (3.0, 1.0, 1.0))
    assert_array_equal(labels > 0, voxels == -850)
    assert (labels[:, :, :30] != 2).all()
    assert (labels[:, :, 30:] != 1).all()


def _abdomen() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ground truth, and voxels, 40 x 60 x 60 of 3 mm, of two lungs, the left one over a stomach
    full of gas; and a mask that joins these."""
    ground_truth = np.zeros((40, 60, 60), np.uint8)
    ground_truth[8:36, 15:45, 8:26], ground_truth[8:36, 15:45, 34:52] = 1, 2
    ground_truth[8:16, 20:40, 34:50] = 0
    voxels = np.where(ground_truth > 0, -850, 40).astype(np.int16)
    voxels[6:13, 24:36, 36:44] = -990
    labels = ground_truth.copy()
    labels[5:16, 23:37, 35:45] = 2
    return ground_truth, voxels, labels


def _without_stomach(
    labels: np.ndarray,
    voxels: np.ndarray,
    spacing: tuple[float, float, float] | None = (3.0, 3.0, 3.0),
) -> np.ndarray:
    left = labels.copy()
    remove_bowel_gas(left, voxels, spacing)
    return left


def test_gas_below_the_diaphragm_goes_with_its_wall() -> None:
    ground_truth, voxels, labels = _abdomen()
    left = _without_stomach(labels, voxels)
    assert not left[voxels == -990].any()
    assert_array_equal(left[ground_truth > 0], ground_truth[ground_truth > 0])
    # What remains of the wrong piece is the tissue further from the gas than one voxel.
    assert ((left > 0) & (ground_truth == 0)).sum() < 0.4 * (
        (labels > 0) & (ground_truth == 0)
    ).sum()


def test_finer_voxels_show_the_same_gas() -> None:
    ground_truth, voxels, labels = (
        np.repeat(np.repeat(np.repeat(array, 3, 0), 2, 1), 2, 2) for array in _abdomen()
    )
    left = _without_stomach(labels, voxels, (1.0, 1.5, 1.5))
    assert_array_equal(left[::3, ::2, ::2], _without_stomach(*_abdomen()[:0:-1]))
    assert_array_equal(left[ground_truth > 0], ground_truth[ground_truth > 0])


@pytest.mark.parametrize(
    "place",
    [
        np.s_[9:15, 20:28, 10:18],
        np.s_[8:13, 15:25, 8:18],
        np.s_[16:22, 22:38, 36:48],
        np.s_[17:30, 15:45, 34:52],
    ],
    ids=["in the lung", "in a corner above the diaphragm", "on the dome", "half a lung"],
)
def test_a_bulla_stays(place) -> None:
    ground_truth, voxels, _ = _abdomen()
    voxels[voxels == -990] = 40
    voxels[place] = -990
    assert_array_equal(_without_stomach(ground_truth, voxels), ground_truth)


@pytest.mark.parametrize(
    "spacing", [None, (5.1, 3.0, 3.0)], ids=["unknown spacing", "slices far apart"]
)
def test_gas_is_left_alone_where_slices_say_little_of_each_other(spacing) -> None:
    _, voxels, labels = _abdomen()
    assert_array_equal(_without_stomach(labels, voxels, spacing), labels)


def test_gas_that_goes_on_outside_or_that_nobody_called_lung_is_left_alone() -> None:
    ground_truth, voxels, labels = _abdomen()
    assert_array_equal(_without_stomach(ground_truth, voxels), ground_truth)
    voxels[8:10, 30, 44:] = -990
    assert_array_equal(_without_stomach(labels, voxels), labels)
    nothing = np.zeros_like(labels)
    assert_array_equal(_without_stomach(nothing, voxels), nothing)


def test_pieces_are_numbered_by_size():
    lung = np.zeros((6, 8, 10), bool)
    lung[0:2, 0:2, 0:2] = lung[3:6, 4:8, 4:9] = lung[1, 7, 9] = True
    expected = np.zeros(lung.shape, np.int32)
    expected[3:6, 4:8, 4:9], expected[0:2, 0:2, 0:2], expected[1, 7, 9] = 1, 2, 3
    assert_array_equal(components(lung), expected)
    assert not components(np.zeros((2, 3, 4), bool)).any()
    assert component_sizes(lung).tolist() == [60, 8, 1]
    assert component_sizes(np.zeros((2, 3, 4), bool)).size == 0


def test_noise_is_one_piece(monkeypatch):
    monkeypatch.setattr("lungseg.morphology.runs.MAX_RUNS", 3)
    noise = np.indices((3, 4, 5)).sum(axis=0) % 2 == 1
    assert component_sizes(noise).tolist() == [30]
    assert_array_equal(components(noise), noise)


def test_holes_are_filled_by_their_size_in_a_slice_or_where_they_are_enclosed():
    vessel, dome, cave = (
        np.s_[5:25, 12:14, 10:12],
        np.s_[5:25, 20:24, 10:14],
        np.s_[10:15, 15:25, 32:38],
    )
    labels = lungs(vessel=(0, *vessel), dome=(0, *dome), cave=(0, *cave))
    assert_array_equal(fill_holes(labels, 4.0), lungs(dome=(0, *dome)))
    assert_array_equal(fill_holes(np.zeros((2, 3, 4), np.uint8), 4.0), np.zeros((2, 3, 4)))


def _bowel(
    slices: slice, *, lungs: slice | None = None, height: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """A mask, and voxels of 3 mm: gas in the bowel that is called lung, and perhaps lungs."""
    labels = np.zeros((height, 60, 60), np.uint8)
    voxels = np.full(labels.shape, 40, np.int16)
    labels[slices, 24:34, 36:44], voxels[slices, 24:34, 36:44] = 1, -985
    if lungs is not None:
        for number, columns in ((1, slice(6, 24)), (2, slice(47, 56))):
            labels[lungs, 15:45, columns], voxels[lungs, 15:45, columns] = number, -800
    return labels, voxels


@pytest.mark.parametrize("slices", [slice(0, 25), slice(5, 25), slice(10, 40), slice(0, 40)])
def test_where_all_is_gas_there_are_no_lungs(slices) -> None:
    """Whether the scan ends within the bowel, above or below, or not."""
    assert not _without_stomach(*_bowel(slices)).any()


@pytest.mark.parametrize("slices", [slice(0, 25), slice(12, 36)])
def test_gas_beside_the_bases_of_lungs_that_were_cut_off_is_no_lung(slices) -> None:
    labels, voxels = _bowel(slices, lungs=slice(30, 40))
    left = _without_stomach(labels, voxels)
    assert not left[voxels == -985].any()
    assert_array_equal(left[voxels == -800], labels[voxels == -800])


def test_air_beside_the_upper_half_of_whole_lungs_is_left_to_the_verdict() -> None:
    labels, voxels = _bowel(slice(20, 36), lungs=slice(5, 38))
    assert_array_equal(_without_stomach(labels, voxels), labels)


def test_lungs_that_are_gas_all_over_are_lungs() -> None:
    labels = np.zeros((60, 70, 70), np.uint8)
    labels[2:58, 8:62, 6:32], labels[2:58, 8:62, 38:64] = 1, 2
    voxels = np.where(labels > 0, -975, 40).astype(np.int16)
    assert_array_equal(_without_stomach(labels, voxels), labels)
