"""What random volume files are made of, and how they are compared with what others read."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

Array = NDArray[Any]
EXAMPLES = int(os.environ.get("LUNGSEG_EXAMPLES", "60"))
"""Of each property; more of them where somebody looks for trouble."""
random_examples: Callable[[Any], Any] = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="LUNGSEG_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""The same ones in every run, unless a number is asked for."""

sides = st.integers(1, 5)
shapes = st.one_of(
    st.tuples(sides, sides, sides), st.tuples(sides, sides, sides, st.integers(1, 3))
)
"""Columns, rows, slices, and perhaps frames."""
finite = st.floats(-1, 1, width=32)


def random_affine(rng: np.random.Generator, *, tilt: float = 0.0) -> NDArray[np.float64]:
    """Of axes in any direction and order, mirrored or not, 0.3 to 5 mm long, skewed by up to
    `tilt`."""
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    skew = np.eye(3) + np.triu(rng.uniform(-tilt, tilt, (3, 3)), 1)
    affine = np.eye(4)
    affine[:3, :3] = axes @ skew @ np.diag(rng.uniform(0.3, 5, 3))
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    return affine


def random_voxels(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers over the whole range of a type, within what grey values are."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(0, 1000, shape).astype(kind)
    limits = np.iinfo(kind)
    low, high = max(limits.min, -(10**11)), min(limits.max, 10**11)
    voxels = rng.integers(low, high, shape, dtype=np.int64, endpoint=True)
    if rng.random() < 0.5:
        voxels = np.clip(voxels, -500, 500)
    return voxels.astype(kind)


def corners(affine: Array, shape: tuple[int, ...]) -> Array:
    """(8, 3): where the corners of a grid of (slice, row, column) lie."""
    ends = itertools.product(*((0, side - 1) for side in shape[:3]))
    return np.array([affine[:3, :3] @ end + affine[:3, 3] for end in ends])


def check_voxels(ours: Array, theirs: Array) -> None:
    """The same numbers, brought to begin at 0 where they are whole, below that and fit 16 bits."""
    values = np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    whole = np.abs(np.rint(values) - values).max() < 1e-3
    low, high = min(0.0, float(values.min())), float(values.max())
    if whole and low == 0 and high <= 255:
        assert ours.dtype == np.uint8
        assert_array_equal(ours, np.rint(values))
    elif whole and high - low <= 65535:
        assert ours.dtype == np.uint16
        assert_array_equal(ours, np.rint(values - np.float64(low)))
    else:
        assert ours.dtype == np.float32
        assert_allclose(ours, values, rtol=1e-6)
