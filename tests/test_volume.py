"""The segmentation of a volume takes labels only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.provenance import Provenance
from lungseg.segmentation import as_labels
from lungseg.volume import Volume

GREYS = np.arange(2 * 40 * 50, dtype=np.uint16).reshape(2, 40, 50)
VOLUME = Volume(
    GREYS, VolumeGeometry(GREYS.shape), hounsfield=False, provenance=Provenance("chest.nii")
)


@pytest.mark.parametrize("value", [257, -255, 1.7])
def test_labels_are_not_bent_to_fit(value: float) -> None:
    with pytest.raises(UsageError, match=r"chest.nii: labels are whole numbers from 0 to 255\."):
        VOLUME.with_labels(np.full(GREYS.shape, value))


def test_labels_that_are_no_numbers_are_refused_and_lists_are_taken() -> None:
    with pytest.raises(UsageError, match="labels are whole numbers from 0 to 255"):
        as_labels(np.array([[np.nan, 1.0]]), source="chest.nii")
    assert_array_equal(as_labels([[0, 2]], source="chest.nii"), [[0, 2]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_labels_of_any_type_become_bytes(dtype: type) -> None:
    labels = VOLUME.with_labels((GREYS % 3).astype(dtype)).labels
    assert labels.dtype == np.uint8
    assert_array_equal(labels, GREYS % 3)


def test_a_segmentation_is_on_the_grid_of_its_volume_and_holds_labels_only() -> None:
    with pytest.raises(
        UsageError,
        match=r"labels of shape \(2, 40, 49\) do not fit a volume of shape \(2, 40, 50\)",
    ):
        VOLUME.with_labels(np.zeros((2, 40, 49), np.uint8))
    with pytest.raises(
        UsageError, match="3 is not a label; labels are 0 background, 1 right lung, 2 left lung"
    ):
        VOLUME.with_labels(np.full(GREYS.shape, 3, np.uint8))
