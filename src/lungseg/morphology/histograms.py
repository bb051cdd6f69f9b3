"""How often each value occurs in each part of an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

LOWEST, VALUES = -(1 << 15), 1 << 16
"""Those of int16: the lowest, and how many there are."""

Histogram = NDArray[np.int64]
"""How many voxels have each Hounsfield unit from -32768 to 32767."""


def histograms(
    values: NDArray[np.int16], labels: NDArray[np.uint8], groups: Mapping[str, Sequence[int]]
) -> dict[str, Histogram]:
    """The histogram of the values below each group of labels; one pass, plane by plane, and no copy
    of the array.

    Args:
        values: of any shape with at least two axes.
        labels: the same shape.
        groups: by its name, the labels of each group.
    """
    counts = {
        number: np.zeros(VALUES, np.int64) for numbers in groups.values() for number in numbers
    }
    for plane, marked in zip(values, labels, strict=True):
        for number in counts:
            inside = plane[marked == number]
            if inside.size:
                counts[number] += np.bincount(inside.astype(np.int32) - LOWEST, minlength=VALUES)
    return {
        name: np.sum([counts[number] for number in numbers], axis=0)
        for name, numbers in groups.items()
    }
