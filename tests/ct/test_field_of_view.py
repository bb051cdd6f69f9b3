"""A round field of view: what the network sees of it, and what it cuts off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ellipsoids import ellipsoids
from lungseg.ct.field_of_view import (
    AIR,
    TISSUE,
    beside_padding,
    in_greys,
    padding_of,
    without_padding,
)
from lungseg.ct.judge import MAX_FACE_FRACTION

PADDING = -3024


def rounded(voxels: NDArray[Any], radius: float, value: int = PADDING) -> NDArray[Any]:
    """Slices of which only what lies in a circle was reconstructed."""
    rows, columns = np.indices(voxels.shape[1:])
    middle = (np.array(voxels.shape[1:]) - 1) / 2
    outside = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 > radius**2
    return np.where(outside, np.int16(value), voxels)


def test_only_what_has_the_value_of_a_corner_is_padding() -> None:
    plane = np.full((80, 80), -1000, np.int16)
    assert padding_of(plane) is None
    assert padding_of(rounded(plane[np.newaxis], 30)[0]).mean() == pytest.approx(0.56, abs=0.02)
    assert padding_of(rounded(plane[np.newaxis], 30, -1024)[0]) is None  # as air may have
    noise = np.random.default_rng(0).normal(-1000, 100, plane.shape).astype(np.int16)
    noise[0, 0] = -1300
    assert padding_of(noise) is None
    assert without_padding(noise, (1.0, 1.0, 1.0)) is noise


def test_beside_the_body_padding_is_a_wall_of_tissue_and_else_air() -> None:
    plane = np.full((100, 100), -1000, np.int16)
    plane[30:70] = 40  # a body that reaches beyond the circle
    filled = without_padding(rounded(plane[np.newaxis], 40)[0], (5.0, 2.0, 4.0))
    assert set(np.unique(filled)) == {AIR, TISSUE}
    assert (filled[50] == [*[AIR] * 8, *[TISSUE] * 84, *[AIR] * 8]).all()  # 8 mm are 2 columns
    apart = without_padding(rounded(plane[np.newaxis], 40)[0], None)
    assert (apart[50, :10] == AIR).all()


def test_what_the_network_sees_of_a_whole_body_stays_as_it_is() -> None:
    volume, _ = ellipsoids()
    middle = volume.array[len(volume.array) // 2]
    assert (in_greys(volume, middle) == np.clip(middle, -1000, None)).all()


def test_a_lung_beside_padding_is_cut_off() -> None:
    volume, labels = ellipsoids((20, 80, 96), spacing=(5.0, 3.0, 3.0))
    assert beside_padding(labels, volume.array) == 0
    wide, narrow = (rounded(volume.array, radius) for radius in (60, 20))
    inside = np.where(narrow == PADDING, 0, labels)
    assert beside_padding(labels, wide) == 0
    assert beside_padding(inside, narrow) > MAX_FACE_FRACTION
