"""What lies between the parts of a label map."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.dilation import nearest_of

Labels = NDArray[np.uint8]


def hull(labels: Labels, numbers: Sequence[int]) -> Labels:
    """The label map with all that lies between some of its labels: their common convex hull.

    Args:
        labels: (rows, columns), 0 background.
        numbers: the labels that are meant; all others stay as they are.

    Returns:
        (rows, columns), uint8; what is added goes to the nearest of those labels, counted in
        pixels, or to the one that is named first. Where none of them is, nothing is added.
    """
    points = cv2.findNonZero(np.isin(labels, numbers).view(np.uint8))
    if points is None:
        return labels.copy()
    within = cv2.fillConvexPoly(np.zeros(labels.shape, np.uint8), cv2.convexHull(points), 1)
    nearest, _ = nearest_of(labels, numbers)
    return np.where(labels > 0, labels, within * nearest)
