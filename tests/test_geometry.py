"""Shape and spacing: what they may be."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lungseg.errors import UsageError
from lungseg.geometry import Geometry


def test_area_of_a_pixel() -> None:
    assert Geometry((4, 5), (0.5, 0.25)).pixel_area == 0.125
    assert Geometry((4, 5)).pixel_area is None


@pytest.mark.parametrize("given", [[0.5, 1], np.array([0.5, 1.0]), (np.float32(0.5), np.int64(1))])
def test_spacing_becomes_two_plain_numbers(given: Any) -> None:
    spacing = Geometry((4, 5), given).spacing
    assert spacing == (0.5, 1.0)
    assert json.dumps(spacing) == "[0.5, 1.0]"


@pytest.mark.parametrize(
    "given", [(1.0,), (1.0, 1.0, 1.0), 1.0, (0.0, 1.0), (1.0, -1.0), (1.0, float("nan")), (float("inf"), 1.0), "ab", (None, 1.0)]
)
def test_what_is_no_spacing_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match=r"spacing is \(between rows, between columns\) in millimetres, both above 0, not "):
        Geometry((4, 5), given)


@pytest.mark.parametrize("shape", [(4,), (4, 5, 6), (0, 5)])
def test_what_is_no_shape_is_refused(shape: Any) -> None:
    with pytest.raises(UsageError, match=r"the shape of an image is \(rows, columns\), both at least 1, not "):
        Geometry(shape)
