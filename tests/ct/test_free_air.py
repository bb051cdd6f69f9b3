"""Air beside the chest wall that counts as lung, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lungseg.ct.free_air import free_air
from lungseg.ct.judge import judge_volume
from lungseg.ct.measure import measure_volume
from lungseg.ct.segment import VolumeSegmenter
from lungseg.geometry import VolumeGeometry
from lungseg.phantom.ct import ct_phantom
from lungseg.verdict import Verdict
from lungseg.volume import Volume

SHAPE = (60, 128, 128)
HEALTHY = ct_phantom(SHAPE, seed=1)
ILL = ct_phantom(SHAPE, seed=1, disease="pneumothorax")
LUNGS = HEALTHY.ground_truth.labels
SPACING = HEALTHY.volume.geometry.spacing
assert SPACING is not None
GRID: VolumeGeometry = HEALTHY.volume.geometry
VOXEL = float(np.prod(SPACING))


def found(labels: np.ndarray, voxels: np.ndarray, spacing: Any = SPACING, air: float = -1000):
    return free_air(labels, voxels, spacing, open_air=air)


def verdict(volume: Volume, labels: np.ndarray) -> Verdict:
    segmentation = volume.with_labels(labels)
    sure = dict.fromkeys(("right lung", "left lung", "lungs"), 0.97)
    return judge_volume(volume, segmentation, measure_volume(volume, segmentation, sure))


def test_a_pneumothorax_that_counts_as_lung_is_said() -> None:
    air = (LUNGS > 0) & (ILL.ground_truth.labels == 0)
    assert 0.6 * air.sum() * VOXEL < found(LUNGS, ILL.volume.array) < 1.1 * air.sum() * VOXEL
    assert found(ILL.ground_truth.labels, ILL.volume.array) == 0
    assert verdict(HEALTHY.volume, LUNGS).status == "ok"
    with_air = verdict(ILL.volume, LUNGS)
    assert (with_air.status, with_air.codes) == ("review", ("pneumothorax",))
    assert "pneumothorax" not in verdict(ILL.volume, ILL.ground_truth.labels).codes


def test_it_is_found_in_a_slice_and_in_fine_voxels() -> None:
    middle = slice(30, 31)
    labels, voxels = LUNGS[middle], ILL.volume.array[middle]
    assert found(labels, voxels) > 3000  # square millimetres
    assert found(labels, HEALTHY.volume.array[middle]) == 0
    fine = [np.repeat(np.repeat(each, 2, 1), 2, 2) for each in (LUNGS, ILL.volume.array)]
    spacing = SPACING[0], SPACING[1] / 2, SPACING[2] / 2
    assert found(*fine, spacing) == pytest.approx(found(LUNGS, ILL.volume.array), rel=0.1)
    assert found(LUNGS, ILL.volume.array, None) == 0


def ball(radius: float) -> np.ndarray:
    """In the middle of the right lung."""
    centre = [float(np.median(at)) for at in np.nonzero(LUNGS == 1)]
    away = (np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1))) * np.reshape(
        SPACING, (3, 1, 1, 1)
    )
    return np.sqrt((away**2).sum(axis=0)) < radius


@pytest.mark.parametrize("what", ["bulla", "emphysema", "hyperinflated"])
def test_what_lies_within_the_lung_is_no_pneumothorax(what) -> None:
    voxels = HEALTHY.volume.array.copy()
    if what == "bulla":
        voxels[(LUNGS > 0) & ball(30)] = -995
    elif what == "emphysema":
        worn = np.random.default_rng(0).random(SHAPE) < 0.5
        voxels[(LUNGS > 0) & worn] = -985
    else:
        voxels[LUNGS > 0] -= 80
    assert found(LUNGS, voxels) == 0
    assert "pneumothorax" not in verdict(Volume(voxels, GRID, hounsfield=True), LUNGS).codes


def test_air_is_as_light_as_that_around_the_patient() -> None:
    higher, lower = (ILL.volume.array + np.int16(more) for more in (15, -20))
    assert found(LUNGS, higher, air=-985) == pytest.approx(found(LUNGS, ILL.volume.array), rel=0.1)
    assert found(LUNGS, lower, air=-1020) == pytest.approx(found(LUNGS, ILL.volume.array), rel=0.1)
    assert found(LUNGS, HEALTHY.volume.array, air=-700) == 0


def test_a_little_air_is_not_told() -> None:
    """A twentieth in each direction of the same."""
    assert found(LUNGS, ILL.volume.array, [side / 20 for side in SPACING]) == 0


@pytest.mark.slow
def test_bodies_with_one_lung_and_with_air_beside_one_go_to_review() -> None:
    segmenter = VolumeSegmenter(threads=1)
    air = segmenter(ILL.volume).verdict
    assert (air.status, "pneumothorax" in air.codes) == ("review", True)
    one = segmenter(ct_phantom(SHAPE, seed=1, disease="pneumonectomy").volume)
    assert one.measurements["volume", "left lung"].value == 0
    assert (one.verdict.status, "one_lung" in one.verdict.codes) == ("review", True)
