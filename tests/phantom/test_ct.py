"""The CT phantom: what its voxels and its known lungs promise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.errors import UsageError
from lungseg.geometry import AXIAL
from lungseg.phantom.ct import CtPhantom, ct_phantom

SMALL = (40, 96, 96)


def millilitres(phantom: CtPhantom, label: int) -> float:
    return (
        float((phantom.ground_truth.labels == label).sum())
        * phantom.ground_truth.geometry.voxel_volume
        / 1000
    )


def pieces(mask: np.ndarray) -> int:
    """How many pieces of voxels that share faces, from slice to slice by hand."""
    before, parent = np.zeros(mask.shape[1:], np.int32), [0]

    def root(n: int) -> int:
        while parent[n] != n:
            n = parent[n]
        return n

    for plane in mask:
        count, numbers = cv2.connectedComponents(plane.astype(np.uint8), connectivity=4)
        numbers = np.where(plane, numbers + len(parent) - 1, 0)
        parent += range(len(parent), len(parent) + count - 1)
        for a, b in np.unique(
            np.stack([before, numbers])[:, (before > 0) & (numbers > 0)], axis=1
        ).T:
            parent[root(int(a))] = root(int(b))
        before = numbers
    return sum(n == parent[n] for n in range(1, len(parent)))


def test_the_same_seed_gives_the_same_phantom():
    first, second = ct_phantom((12, 64, 64), seed=5), ct_phantom((12, 64, 64), seed=5)
    np.testing.assert_array_equal(first.volume.array, second.volume.array)
    np.testing.assert_array_equal(first.ground_truth.labels, second.ground_truth.labels)
    assert (
        first.ground_truth.labels != ct_phantom((12, 64, 64), seed=6).ground_truth.labels
    ).mean() > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_two_whole_lungs_of_a_plausible_size_on_their_sides(seed):
    phantom = ct_phantom(SMALL, seed=seed)
    labels = phantom.ground_truth.labels
    middles = []
    for label in (1, 2):
        assert pieces(labels == label) == 1
        assert 1500 < millilitres(phantom, label) < 4000
        middles.append(np.nonzero(labels == label)[2].mean())
    assert middles[0] < 95 / 2 < middles[1]  # the patient's right comes first
    assert pieces(labels > 0) == 2
    assert not labels[0].any()
    assert not labels[-1].any()


def test_touching_lungs_touch():
    assert pieces(ct_phantom(SMALL, touching=True).ground_truth.labels > 0) == 1


@pytest.mark.parametrize("seed", range(4))
def test_values_are_those_of_a_chest(seed):
    phantom = ct_phantom(SMALL, seed=seed)
    hu, labels = phantom.volume.array, phantom.ground_truth.labels
    assert hu.dtype == np.int16
    assert hu.min() >= -1024
    inside = hu[labels > 0]
    assert -900 < np.median(inside) < -800
    assert (inside > -200).mean() < 0.1  # vessels and nodules, and what the borders blur
    assert (hu[:, :3, :3] < -900).all()  # beside the patient
    top = hu[-1, :, 48]
    assert (top < -800).sum() > 40  # air around the neck, and the trachea in it
    assert hu.max() > 400  # bone
    below = hu[3]
    assert (below[(below > -300)] < 150).mean() > 0.9  # the abdomen
    assert (below < -900).sum() > 2000
    assert phantom.volume.hounsfield


def test_diseased_lung_is_lung_but_fluid_is_not():
    plain = ct_phantom(SMALL)
    for disease in ("consolidation", "ground glass"):
        ill = ct_phantom(SMALL, disease=disease)
        np.testing.assert_array_equal(ill.ground_truth.labels, plain.ground_truth.labels)
        dense = (ill.volume.array > -600) & (plain.ground_truth.labels > 0)
        assert (
            dense.sum() / ((plain.volume.array > -600) & (plain.ground_truth.labels > 0)).sum()
            > 1.4
        )
    wet = ct_phantom(SMALL, disease="effusion")
    fluid = (plain.ground_truth.labels > 0) & (wet.ground_truth.labels == 0)
    assert not ((wet.ground_truth.labels > 0) & (plain.ground_truth.labels == 0)).any()
    assert len(np.unique(plain.ground_truth.labels[fluid])) == 1  # on one side
    assert fluid.sum() * wet.ground_truth.geometry.voxel_volume / 1000 > 200
    assert -60 < np.median(wet.volume.array[fluid]) < 60


@pytest.mark.parametrize("seed", range(2))
def test_heart_and_trachea_are_known_too(seed):
    four = (("right lung", "left lung", "heart", "trachea"),)
    phantom = ct_phantom((60, 96, 96), seed=seed, layers=four)
    plain = ct_phantom((60, 96, 96), seed=seed)
    np.testing.assert_array_equal(phantom.volume.array, plain.volume.array)
    labels = phantom.ground_truth.labels
    np.testing.assert_array_equal(np.where(labels > 2, 0, labels), plain.ground_truth.labels)
    heart, trachea = labels == 3, labels == 4
    assert pieces(heart) == pieces(trachea) == 1
    assert 500 < millilitres(phantom, 3) < 900
    assert 20 < millilitres(phantom, 4) < 50
    assert 30 < np.median(phantom.volume.array[heart]) < 60
    assert np.median(phantom.volume.array[trachea]) < -750  # at voxels of 4 mm
    assert np.argwhere(heart)[:, 2].mean() > 47.5 + 1  # further to the patient's left
    assert np.argwhere(trachea)[:, 0].min() > np.argwhere(heart)[:, 0].mean()


def test_arms_are_added_beside_the_chest():
    spacing = (8.0, 6.0, 6.0)
    plain, arms = (
        ct_phantom((30, 64, 96), spacing=spacing, arms=both).volume.array for both in (False, True)
    )
    added = (arms > -300) & (plain < -700)
    assert added[:, :, :24].any()
    assert added[:, :, 72:].any()
    assert not added[:, :, 36:60].any()


def test_a_single_slice_is_the_middle_of_the_chest():
    phantom = ct_phantom((1, 128, 128))
    assert phantom.ground_truth.geometry.spacing == (5.0, 3.125, 3.125)
    assert set(np.unique(phantom.ground_truth.labels)) == {0, 1, 2}


def test_another_grid_shows_the_same_patient():
    whole = ct_phantom((40, 64, 64), spacing=(6.0, 6.0, 6.0))
    finer = ct_phantom((40, 128, 128), spacing=(6.0, 3.0, 3.0))
    assert millilitres(finer, 1) == pytest.approx(millilitres(whole, 1), rel=0.02)
    # The same voxels, stored as sagittal slices from left to right, with the head first.
    affine = np.array(whole.ground_truth.geometry.affine)
    affine[:, 3] += affine[:, 0] * 39 + affine[:, 2] * 63
    affine = np.stack([-affine[:, 2], -affine[:, 0], affine[:, 1], affine[:, 3]], axis=1)
    sagittal = ct_phantom((64, 40, 64), affine=affine)
    back = sagittal.ground_truth.geometry.to_axial().apply(sagittal.ground_truth.labels)
    np.testing.assert_array_equal(back, whole.ground_truth.labels)


def test_an_oblique_grid_shows_the_same_patient():
    straight = ct_phantom((40, 64, 64), spacing=(6.0, 6.0, 6.0))
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ AXIAL * 6.0
    affine[:3, 3] = -affine[:3, :3] @ ((np.array((40, 64, 64)) - 1) / 2)
    oblique = ct_phantom((40, 64, 64), affine=affine)
    for label in (1, 2):
        assert millilitres(oblique, label) == pytest.approx(millilitres(straight, label), rel=0.01)
        at = np.argwhere(oblique.ground_truth.labels == label) @ affine[:3, :3].T + affine[:3, 3]
        grid = straight.ground_truth.geometry
        there = np.rint((at - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T).astype(
            int
        )
        assert (straight.ground_truth.labels[tuple(there.T)] == label).mean() > 0.96


def test_an_abdomen_has_gas_but_no_lungs():
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * (4.0, 5.0, 5.0)
    affine[:3, 3] = -affine[:3, :3] @ np.array([0, 39.5, 39.5]) - (0, 0, 280.0)
    abdomen = ct_phantom((24, 80, 80), affine=affine)
    assert not abdomen.ground_truth.labels.any()
    assert (abdomen.volume.array[:, 30:50, 15:65] < -900).sum() > 100


def test_one_grid_only():
    with pytest.raises(UsageError, match="by its spacing or by its affine, not by both"):
        ct_phantom(SMALL, spacing=(1.0, 1.0, 1.0), affine=np.eye(4))


def test_air_and_fluid_in_place_of_lung_are_none_and_gas_fills_the_bowel():
    well = ct_phantom(SMALL, noise=0)
    lung = well.ground_truth.labels
    for disease, value in (("pneumothorax", -1000), ("pneumonectomy", 10)):
        ill = ct_phantom(SMALL, noise=0, disease=disease)
        gone = (lung > 0) & (ill.ground_truth.labels == 0)
        (number,) = np.unique(lung[gone])
        assert abs(float(np.median(ill.volume.array[gone])) - value) < 10
        assert (ill.ground_truth.labels == number).any() == (disease == "pneumothorax")
    bowel = ct_phantom(SMALL, noise=0, bowel=True)
    assert np.array_equal(bowel.ground_truth.labels, lung)
    assert ((bowel.volume.array < -800) & (well.volume.array > -200)).sum() > 50
