"""Degraded stacks of CT slices and the lungs in them."""

from __future__ import annotations

import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.augment.degradations import DEGRADATIONS
from lungseg.augment.degradations_ct import (
    CT_DEGRADATIONS,
    KEEP_HOUNSFIELD,
    LabelledStack,
    degrade,
    from_grey,
    from_hounsfield,
)


def lungs() -> LabelledStack:
    volume, labels = ellipsoids((6, 80, 96))
    return from_hounsfield(volume.array, labels > 0, (5.0, 3.0, 3.0))


def test_a_stack_becomes_a_volume_again() -> None:
    voxels = np.full((3, 64, 64), -800, np.int16)
    voxels[1, 5] = 30
    volume = from_hounsfield(voxels, voxels < -500, (5.0, 3.0, 2.0)).volume
    np.testing.assert_array_equal(volume.array, voxels)
    assert volume.hounsfield
    assert volume.geometry.spacing == pytest.approx((5.0, 3.0, 2.0))


def test_a_slice_of_unknown_scale_has_neither_hounsfield_units_nor_spacing() -> None:
    stack = from_grey(np.arange(64 * 64).reshape(1, 64, 64), np.zeros((1, 64, 64), bool))
    assert stack.grey.shape == stack.lungs.shape == (1, 64, 64)
    assert (stack.grey.min(), stack.grey.max()) == (0.0, 1.0)
    assert not stack.volume.hounsfield
    assert stack.volume.geometry.spacing is None


@pytest.mark.parametrize("name", CT_DEGRADATIONS)
def test_each_keeps_shape_and_lungs(name: str) -> None:
    stack = lungs()
    degraded = CT_DEGRADATIONS[name](stack, np.random.default_rng(1))
    assert degraded.grey.shape == degraded.lungs.shape
    assert not np.array_equal(degraded.grey, stack.grey)
    assert degraded.hounsfield == (name != "apply_window")
    assert degraded.lungs.sum() == stack.lungs.sum()
    np.testing.assert_array_equal(stack.grey, lungs().grey)


def test_a_rotated_stack_has_its_lungs_rotated() -> None:
    stack = lungs()
    degraded = CT_DEGRADATIONS["rotate_180"](stack, np.random.default_rng(0))
    np.testing.assert_array_equal(degraded.lungs, np.rot90(stack.lungs, 2, (1, 2)))
    np.testing.assert_array_equal(degraded.grey, np.rot90(stack.grey, 2, (1, 2)))


def test_each_slice_is_degraded_alike() -> None:
    stack = lungs()
    same = LabelledStack(
        np.repeat(stack.grey[3:4], 3, axis=0),
        np.repeat(stack.lungs[3:4], 3, axis=0),
        hounsfield=True,
    )
    for seed in range(20):
        found = degrade(same, np.random.default_rng(seed))
        if found is not None and not set(found[1].split("+")) & set(CT_DEGRADATIONS):
            np.testing.assert_array_equal(found[0].grey[0], found[0].grey[2])
            np.testing.assert_array_equal(found[0].lungs[0], found[0].lungs[2])
            assert found[0].hounsfield == (set(found[1].split("+")) <= KEEP_HOUNSFIELD)
            break
    else:
        pytest.fail("no stack was degraded as radiographs are")


def test_where_most_of_the_lungs_is_gone_there_is_none() -> None:
    stack = lungs()
    found = [degrade(stack, np.random.default_rng(seed)) for seed in range(30)]
    done = [entry for entry in found if entry is not None]
    assert 0 < len(done) < 30
    for degraded, names in done:
        assert set(names.split("+")) <= {*DEGRADATIONS, *CT_DEGRADATIONS}
        scale = min(1.0, stack.lungs[0].size / degraded.lungs[0].size)
        assert degraded.lungs.mean() / scale >= 0.3 * stack.lungs.mean()
        assert min(degraded.grey.shape[1:]) >= 64
