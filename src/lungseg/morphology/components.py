"""Connected components of masks (rows, columns): pixels that share edges are of one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def components(mask: Labels) -> tuple[NDArray[Any], NDArray[Any]]:
    """The number of its component for each pixel, from 1, and the area of each; the background's is
    given as 0.
    """
    count, numbered = cv2.connectedComponents(mask, connectivity=4)
    areas = np.bincount(numbered.ravel(), minlength=count)
    areas[0] = 0
    return numbered, areas


def largest_component(mask: Labels, min_area: int) -> NDArray[np.bool_]:
    """The largest component of a mask, if it has at least `min_area` pixels; else nothing."""
    numbered, areas = components(mask)
    if areas.max() < min_area:
        return np.zeros(mask.shape, np.bool_)
    return np.asarray(numbered == areas.argmax(), dtype=np.bool_)
