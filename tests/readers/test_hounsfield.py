"""Hounsfield units and label maps told by their numbers."""

from __future__ import annotations

import numpy as np

from lungseg.readers.hounsfield import is_hounsfield, is_label_map
from phantom_volumes import draw_chest


def test_hounsfield_units_are_told_by_air_and_soft_tissue():
    chest = draw_chest()
    assert is_hounsfield(chest)
    padded = chest.copy()
    padded[:, :10] = -2048
    assert is_hounsfield(padded)
    for other in (
        chest + 1024,
        chest // 2,
        np.clip(chest, -600, 400),
        np.full_like(chest, -2048),
        np.minimum(chest, -900),
    ):
        assert not is_hounsfield(other)
    assert is_label_map(np.clip(chest, -10, 10))
    assert not is_label_map(chest)
