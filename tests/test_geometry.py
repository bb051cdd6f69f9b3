"""Shape, spacing and affine: what they may be, and how a volume is turned and turned back."""

from __future__ import annotations

import json
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import UsageError
from lungseg.geometry import (
    AXIAL,
    ImageGeometry,
    Reorientation,
    VolumeGeometry,
    quaternion,
    rotation,
    to_ras,
)


def test_area_of_a_pixel() -> None:
    assert ImageGeometry((4, 5), (0.5, 0.25)).pixel_area == 0.125
    assert ImageGeometry((4, 5)).pixel_area is None


@pytest.mark.parametrize("given", [[0.5, 1], np.array([0.5, 1.0]), (np.float32(0.5), np.int64(1))])
def test_spacing_becomes_two_plain_numbers(given: Any) -> None:
    spacing = ImageGeometry((4, 5), given).spacing
    assert spacing == (0.5, 1.0)
    assert json.dumps(spacing) == "[0.5, 1.0]"


@pytest.mark.parametrize(
    "given",
    [
        (1.0,),
        (1.0, 1.0, 1.0),
        1.0,
        (0.0, 1.0),
        (1.0, -1.0),
        (1.0, float("nan")),
        (float("inf"), 1.0),
        "ab",
        (None, 1.0),
    ],
)
def test_what_is_no_spacing_is_refused(given: Any) -> None:
    with pytest.raises(
        UsageError,
        match=r"spacing is \(between rows, between columns\) in millimetres, both above 0, not ",
    ):
        ImageGeometry((4, 5), given)


@pytest.mark.parametrize("shape", [(4,), (4, 5, 6), (0, 5)])
def test_what_is_no_shape_is_refused(shape: Any) -> None:
    with pytest.raises(
        UsageError, match=r"the shape of an image is \(rows, columns\), both at least 1, not "
    ):
        ImageGeometry(shape)


TURNS = [
    Reorientation(order, flipped)
    for order in permutations((0, 1, 2))
    for flipped in product((False, True), repeat=3)
]


def axial(spacing: tuple[float, float, float] = (3.0, 0.75, 0.5)) -> VolumeGeometry:
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    affine[:3, 3] = (-20.0, 7.0, 130.0)
    return VolumeGeometry((3, 4, 5), affine)


def places(grid: VolumeGeometry) -> np.ndarray[Any, Any]:
    """(slices, rows, columns, 3): where each voxel is, in LPS millimetres."""
    assert grid.affine is not None
    return np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: f"{turn.order}{turn.flipped}")
def test_all_48_orders_and_directions_come_back(turn: Reorientation) -> None:
    voxels = np.arange(60).reshape(3, 4, 5)
    stored, grid = turn.apply(voxels), turn.geometry(axial())
    assert_array_equal(
        places(grid),
        np.stack([turn.apply(places(axial())[..., axis]) for axis in range(3)], axis=-1),
    )
    assert_array_equal(turn.invert(stored), voxels)
    found = grid.to_axial()
    assert_array_equal(found.apply(stored), voxels)
    assert_array_equal(found.invert(voxels), stored)
    assert_allclose(places(found.geometry(grid)), places(axial()))
    assert grid.voxel_volume == pytest.approx(3.0 * 0.75 * 0.5)


def test_oblique_grids_turn_to_the_nearest_axes() -> None:
    for angle in (-0.7, -0.2, 0.3, 0.7):
        rotation = np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        affine = np.eye(4)
        affine[:3, :3] = rotation @ AXIAL
        for turn in TURNS:
            grid = turn.geometry(VolumeGeometry((3, 4, 5), affine))
            assert_allclose(grid.to_axial().geometry(grid).affine, affine, atol=1e-12)


def test_without_affine_nothing_is_turned_and_nothing_measured() -> None:
    grid = VolumeGeometry((3, 4, 5))
    assert grid.to_axial() == Reorientation((0, 1, 2), (False, False, False))
    assert grid.to_axial().geometry(grid).shape == (3, 4, 5)
    assert (grid.spacing, grid.voxel_volume) == (None, None)


def test_to_ras_is_exact_and_its_own_inverse() -> None:
    affine = np.random.default_rng(3).normal(size=(4, 4))
    affine[3] = (0, 0, 0, 1)
    assert_array_equal(to_ras(to_ras(affine)), affine)
    ras = to_ras(axial().affine)  # type: ignore[arg-type]
    assert_array_equal(ras, [[-0.5, 0, 0, 20], [0, -0.75, 0, -7], [0, 0, 3, 130], [0, 0, 0, 1]])
    assert not np.signbit(ras[ras == 0]).any()


@pytest.mark.parametrize(
    "affine",
    [
        np.eye(3),
        np.diag([1.0, 1.0, np.nan, 1.0]),
        np.diag([1.0, 1.0, 0.0, 1.0]),
        np.diag([1.0, 1.0, 1.0, 2.0]),
        np.array([[1.0, 2, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    ],
)
def test_what_is_no_affine_is_refused(affine: Any) -> None:
    with pytest.raises(
        UsageError, match=r"the affine of a volume is a finite, invertible \(4, 4\) matrix"
    ):
        VolumeGeometry((3, 4, 5), affine)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 7), (0, 4, 5)])
def test_what_is_no_shape_of_a_volume_is_refused(shape: Any) -> None:
    with pytest.raises(
        UsageError,
        match=r"the shape of a volume is \(slices, rows, columns\), all at least 1, not ",
    ):
        VolumeGeometry(shape)


@pytest.mark.parametrize(
    "given",
    [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0.1, -0.2, 0.3),
        (-0.7, 0.1, 0.7),
        (0.5, -0.5, 0.5),
        (0.01, 0.99, -0.02),
    ],
)
def test_rotations_and_quaternions(given: tuple[float, float, float]) -> None:
    matrix = rotation(*given)
    assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    assert_allclose(np.linalg.det(matrix), 1)
    assert_allclose(quaternion(matrix), given, atol=1e-12)


def test_a_half_turn_has_two_quaternions_and_either_will_do() -> None:
    matrix = np.diag([-1.0, -1.0, 1.0])
    assert_allclose(np.abs(quaternion(matrix)), [0, 0, 1])
    assert_allclose(rotation(0, 0, 1), matrix)
