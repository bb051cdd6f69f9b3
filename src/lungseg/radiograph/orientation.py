"""How a chest lies in a radiograph: negatives, and the tilt of the thorax."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

SURROUNDINGS = 10
"""Pixels of the network around the lungs that tell a negative."""


BRIGHTER = 0.06
"""In a negative the lungs are brighter than their surroundings by more than this, in standard
deviations of the picture. In 1061 films (Montgomery, Shenzhen, V7 Labs) the difference is 0.047 at
most, in their negatives more than 0.07 but for three."""


def is_negative(picture: Float, lungs: NDArray[np.bool_]) -> bool:
    """Whether the lungs are brighter than what surrounds them: a film with bone black. Both on the
    network's grid (rows, columns).
    """
    if not lungs.any():
        return False
    around = (
        cv2.dilate(
            lungs.astype(np.uint8), np.ones((2 * SURROUNDINGS + 1, 2 * SURROUNDINGS + 1), np.uint8)
        ).astype(bool)
        & ~lungs
    )
    return bool(around.any() and picture[lungs].mean() - picture[around].mean() > BRIGHTER)


MIN_FRACTION_FOR_ROTATION = 0.01
"""Fraction of the picture; the place of a smaller lung says nothing about how the thorax lies."""


MAX_MEASURED_TILT_DEGREES = 30.0
"""Degrees; beyond it the lungs are too round, or too wrong, to say how the thorax lies."""


USUAL_TILT = -1.5
"""Degrees; the mean of what `tilt` finds in upright films: the right lung is broader below, and its
centre lies lower."""


def tilt(right: NDArray[np.bool_], left: NDArray[np.bool_], shape: tuple[int, int]) -> float:
    """By how many degrees a thorax lies turned clockwise in the picture.

    It is the mean of two angles, of the line from lung to lung against the horizontal, and of the
    lungs' long axes (of inertia) against the vertical, in the image's true proportions; 0 where one
    lung is missing, or an angle is above `MAX_MEASURED_TILT_DEGREES`.

    Args:
        right: (rows, columns) of the network's grid.
        left: the same.
        shape: rows, columns of the image.
    """
    lungs = [cv2.moments(lung.view(np.uint8), binaryImage=True) for lung in (right, left)]
    if min(moments["m00"] for moments in lungs) < MIN_FRACTION_FOR_ROTATION * right.size:
        return 0.0
    height, width = shape[0] / right.shape[0], shape[1] / right.shape[1]
    (right_x, right_y), (left_x, left_y) = (
        (m["m10"] / m["m00"] * width, m["m01"] / m["m00"] * height) for m in lungs
    )
    line = np.rad2deg(np.arctan2(left_y - right_y, left_x - right_x))
    # Of a symmetric matrix ((a, b), (b, c)) the long axis lies at atan2(2 b, a - c) / 2 from x;
    # from the vertical the signs turn.
    axes = [
        np.arctan2(-2 * m["mu11"] * width * height, m["mu02"] * height**2 - m["mu20"] * width**2)
        / 2
        for m in lungs
    ]
    axis = np.rad2deg(np.mean(axes))
    if max(abs(line), abs(axis)) > MAX_MEASURED_TILT_DEGREES:
        return 0.0
    return float((line + axis) / 2) - USUAL_TILT


def turn(plane: Float, degrees: float, shape: tuple[int, int], fill: float) -> Float:
    """A plane (rows, columns) of the network's grid, turned clockwise about its centre in the
    image's true proportions.

    Args:
        plane: (rows, columns).
        degrees: of the turn; the negative of it is the way back.
        shape: rows, columns of the image.
        fill: what comes in from outside.
    """
    rows, columns = plane.shape
    ratio = (shape[1] / columns) / (shape[0] / rows)
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    linear = np.array([[cosine, -sine / ratio], [sine * ratio, cosine]])
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    matrix = np.column_stack([linear, centre - linear @ centre])
    return np.asarray(
        cv2.warpAffine(
            plane, matrix, (columns, rows), borderMode=cv2.BORDER_CONSTANT, borderValue=fill
        ),
        np.float32,
    )
