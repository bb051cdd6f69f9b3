"""The trachea is taken out of lung, and nothing else is: on drawn discs and boxes, on a phantom,
and on patients."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.ct.trachea import find_trachea, remove_trachea
from lungseg.phantom.ct import ct_phantom

SPACING = (3.0, 2.0, 2.0)
TISSUE, LUNG, GAS = 40, -850, -1000


def disc(column: float, row: float = 50.0, radius: float = 4.0) -> np.ndarray:
    rows, columns = np.ogrid[:100, :120]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def chest() -> tuple[np.ndarray, np.ndarray]:
    """Labels and voxels, 40 x 100 x 120, of two lungs up to slice 34, a trachea one voxel beside
    the right one, and bronchi from 14."""
    labels = np.zeros((40, 100, 120), np.uint8)
    labels[2:35, 20:80, 10:55], labels[2:35, 20:80, 75:110] = 1, 2
    labels[4:12, 15:85] = np.where(
        labels[4:12, 50:51] > 0, labels[4:12, 50:51], 0
    )  # the largest slices
    voxels = np.where(labels > 0, LUNG, TISSUE).astype(np.int16)
    for number in range(14, 40):
        voxels[number][disc(60)] = GAS
    for step, number in enumerate(range(13, 7, -1), start=1):
        voxels[number][disc(60 - 0.3 * step, radius=2.5)] = GAS
        voxels[number][disc(60 + 1.5 * step, radius=2.5)] = GAS
    return labels, voxels


def called_lung(labels: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """As a network does that takes the trachea, in what it labels and above, for right lung."""
    return np.where(voxels == GAS, np.uint8(1), labels)


def taken(
    labels: np.ndarray, voxels: np.ndarray, spacing: tuple[float, float, float] | None = SPACING
) -> np.ndarray:
    left = labels.copy()
    remove_trachea(left, voxels, spacing)
    return (labels > 0) & (left == 0)


def test_trachea_and_bronchi_go_and_lungs_stay():
    labels, voxels = chest()
    wrong = called_lung(labels, voxels)
    remove_trachea(wrong, voxels, SPACING)
    assert_array_equal(wrong, labels)
    sections = find_trachea(labels, voxels, SPACING)
    assert [number for number, _ in sections] == list(range(39, 7, -1))
    assert_array_equal(np.stack([section for _, section in sections[::-1]]), voxels[8:] == GAS)


@pytest.mark.parametrize("first", [34, 30, 25])
def test_a_volume_that_begins_within_the_chest(first):
    labels, voxels = (array[:first] for array in chest())
    wrong = called_lung(labels, voxels)
    remove_trachea(wrong, voxels, SPACING)
    assert_array_equal(wrong, labels)


def test_a_prone_patient_and_any_memory_order():
    labels, voxels = (array[:, ::-1] for array in chest())
    wrong = np.asfortranarray(called_lung(labels, voxels))
    remove_trachea(wrong, voxels, SPACING)
    assert_array_equal(wrong, labels)


def test_a_wall_too_thin_for_the_voxels_still_parts_gas_and_lung():
    labels, voxels = chest()
    voxels[20:30, 44:57, 55] = LUNG
    wrong = called_lung(labels, voxels)
    remove_trachea(wrong, voxels, SPACING)
    assert_array_equal(wrong, labels)


def test_what_cannot_be_told_from_lung_is_left():
    """Emphysema without a wall between: followed down to it, and not beyond."""
    labels, voxels = chest()
    voxels[20:25, 44:57, 50:56] = GAS
    labels[20:25, 44:57, 50:56] = 1
    assert [number for number, _ in find_trachea(labels, voxels, SPACING)] == list(
        range(39, 24, -1)
    )
    assert not taken(labels, voxels).any()


def test_a_bulla_beside_the_trachea_stays():
    labels, voxels = chest()
    for number in range(18, 30):
        voxels[number][disc(51, radius=3.0)] = GAS - 20
    assert not taken(labels, voxels).any()
    # Where nothing but one bright voxel parts the two, a low level does.
    voxels[18:30, :, 54:56] = -860
    wrong = called_lung(labels, voxels)
    remove_trachea(wrong, voxels, SPACING)
    assert ((labels > 0) & (wrong == 0)).sum() == 0


def test_a_bulla_alone_is_no_trachea():
    labels, voxels = chest()
    voxels[voxels == GAS] = TISSUE
    for number in range(14, 35):
        voxels[number][disc(48)] = GAS
    assert find_trachea(labels, voxels, SPACING) == []
    assert not taken(labels, voxels).any()


def test_a_bronchus_inside_the_lung_belongs_to_it():
    labels, voxels = chest()
    for step, number in enumerate(range(13, 4, -1), start=1):
        voxels[number][:, 45:60] = np.where(
            disc(60 - 1.6 * step, radius=2.5)[:, 45:60], GAS, voxels[number][:, 45:60]
        )
    left = taken(np.where(voxels == GAS, np.uint8(1), labels), voxels)
    assert left[14:, 50, 60].all()
    assert not left[:8].any()


@pytest.mark.parametrize("lowest", [32, 25])
def test_gas_over_a_short_way_is_no_trachea(lowest):
    labels, voxels = chest()
    voxels[:lowest][voxels[:lowest] == GAS] = TISSUE
    assert bool(taken(called_lung(labels, voxels), voxels).any()) == (lowest == 25)


def test_nothing_is_done_where_spacing_or_a_lung_is_missing():
    labels, voxels = chest()
    wrong = called_lung(labels, voxels)
    assert not taken(wrong, voxels, None).any()
    assert not taken(np.where(wrong == 1, wrong, 0).astype(np.uint8), voxels).any()
    assert not taken(np.zeros_like(labels), voxels).any()


@pytest.mark.parametrize(("slices", "noise"), [(60, 15.0), (60, 60.0), (150, 15.0), (34, 15.0)])
def test_the_trachea_of_a_phantom(slices, noise):
    phantom = ct_phantom((slices, 128, 128), noise=noise)
    labels, voxels, spacing = (
        phantom.ground_truth.labels,
        phantom.volume.array,
        phantom.ground_truth.geometry.spacing,
    )
    assert spacing is not None
    # All gas but lung, above the carina and near the midline.
    gas = (voxels < -700) & (labels == 0)
    gas[: round(0.62 * slices)] = gas[:, :45] = gas[:, 85:] = gas[:, :, :54] = gas[:, :, 74:] = (
        False
    )
    wrong = np.where(gas, np.uint8(1), labels)
    remove_trachea(wrong, voxels, spacing)
    millilitre = 1000 / phantom.ground_truth.geometry.voxel_volume
    assert gas.sum() > 15 * millilitre
    assert (gas & (wrong > 0)).sum() < 0.03 * gas.sum()
    assert ((labels > 0) & (wrong == 0)).sum() < 1.0 * millilitre


@pytest.mark.slow
@pytest.mark.data
def test_tracheae_of_patients(data_folder):
    """Found down to the main bronchi; of the lungs that readers drew less than 1 mL goes, along the
    bronchi's walls."""
    nibabel = pytest.importorskip("nibabel")
    found = []
    for path in sorted((data_folder / "ct" / "lctsc").glob("*_lung.nii.gz")):
        image = nibabel.load(path)
        labels = (np.asarray(image.dataobj).T > 0).astype(np.uint8)
        labels[:, :, labels.shape[2] // 2 :] *= 2
        voxels = np.asarray(
            nibabel.load(path.with_name(path.name.replace("_lung", "_ct"))).dataobj
        ).T.astype(np.int16)
        spacing = tuple(float(side) for side in image.header.get_zooms()[::-1])
        sections = find_trachea(labels, voxels, spacing)
        found.append((sections[0][0] - sections[-1][0]) * spacing[0])
        assert taken(labels, voxels, spacing).sum() * np.prod(spacing) < 1000
    assert [length > 100 for length in found] == [True] * 5
