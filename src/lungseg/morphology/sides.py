"""Which of two lungs a pixel belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

Float = NDArray[np.float32]


def sides(right: Float, left: Float, threshold: float) -> NDArray[np.uint8]:
    """Labels without any cleaning, from the probabilities of both lungs, all (rows, columns)."""
    side = np.where(right > left, np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number))
    return np.where(right + left >= threshold, side, np.uint8(0))


def lung_mask(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a label map of any structures, of any shape, shows either lung."""
    return np.isin(labels, [lung.number for lung in LUNGS])
