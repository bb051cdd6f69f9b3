"""Layers of structures of a phantom."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.errors import UsageError
from lungseg.phantom.ground_truth import label_maps
from lungseg.structures import HEART, LEFT_LUNG, RIGHT_LUNG

MASKS = {
    "right lung": np.array([[True, False, False]]),
    "left lung": np.array([[False, True, False]]),
    "heart": np.array([[False, True, True]]),
}


def test_each_layer_has_a_label_map_and_later_structures_cover_earlier_ones() -> None:
    maps, structures = label_maps(MASKS, (("left lung", "heart"), ("right lung",)))
    assert [labels.tolist() for labels in maps] == [[[0, 3, 3]], [[1, 0, 0]]]
    assert structures == [[LEFT_LUNG, HEART], [RIGHT_LUNG]]


def test_what_a_phantom_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        label_maps(MASKS, (("right lung", "opacity"),))
    assert str(refused.value) == (
        "a phantom has no 'opacity'; ask for some of right lung, left lung, heart."
    )
