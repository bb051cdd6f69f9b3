"""How a chest lies in a radiograph: from which side it is seen, which end is up, negatives, and the
tilt of the thorax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """How a picture is brought to how a chest is looked at: upright, the patient's right on the
    left.

    Attributes:
        quarter_turns: by how many it is turned, anticlockwise; 0 to 3.
        mirrored: whether right and left are then exchanged.
    """

    quarter_turns: int = 0
    mirrored: bool = False

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The picture (..., rows, columns) as a chest is looked at."""
        turned = np.rot90(plane, self.quarter_turns, axes=(-2, -1))
        return turned[..., ::-1] if self.mirrored else turned

    def undone(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `of`."""
        straight = plane[..., ::-1] if self.mirrored else plane
        return np.rot90(straight, -self.quarter_turns, axes=(-2, -1))

    def turned(self, quarter_turns: int) -> View:
        """The view of what was brought to this one and is then turned anticlockwise."""
        turns = -quarter_turns if self.mirrored else quarter_turns
        return View((self.quarter_turns + turns) % 4, self.mirrored)


AS_USUAL: Final = View()
"""A film that hangs as films do."""

MIRRORED: Final = View(mirrored=True)
"""A film that is seen from behind."""

OPPOSITE: Final = {"R": "L", "L": "R", "H": "F", "F": "H", "A": "P", "P": "A", "": ""}
"""Of each direction in the patient, in the letters of DICOM."""


def stated_view(patient_orientation: str) -> View | None:
    r"""The view that DICOM's PatientOrientation (PS3.3 C.7.6.1.1.1) asks for; None where it does
    not say on which side of the picture the patient's right is.

    Args:
        patient_orientation: towards what rows run to the right, and columns down, with a backslash
            between: "L\F" hangs as usual, "R\F" is seen from behind, "F\R" lies on its side. Of
            several letters the first is the main direction. Where only the first is there, the
            head is taken to be up.
    """
    letters = [part.strip()[:1] for part in patient_orientation.upper().split("\\")]
    right, down = (*letters, "", "")[:2]
    if down == "" and right in ("L", "R"):
        down = "F"
    for turns in range(4):
        if down == "F" and right in ("L", "R"):
            return View(turns, mirrored=right == "R")
        # Turned anticlockwise, what pointed down points to the right, and the right points up.
        right, down = down, OPPOSITE.get(right, "")
    return None


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
    lungs' long axes (of inertia) against the vertical, as the image's pixels lie; 0 where one
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
    """A plane (rows, columns) of the network's grid, turned clockwise about its centre as the
    image's pixels lie.

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


LOWER_PART: Final = 0.5, 0.9
"""Of the rows that both lungs share; there the heart is beside them."""

MIN_ROWS: Final = 20
"""Rows of the network's grid that both lungs share; fewer say nothing of the heart."""

HEART_WEIGHTS: Final = 68.8, 11.6, -18.9
"""Of a logistic regression without a constant, fitted to 394 films (300 of Montgomery and Shenzhen,
91 of RSNA, 3 others) against their mirror images: of the gap's place, of the widths and of the
areas, see `heart_log_odds`."""

WRONG_SIDE: Final = -3.0
"""Where the logarithm of the odds is below it, the heart is taken to lie on the other side: in 1 of
the 394 films, and in 341 of their mirror images."""


def heart_log_odds(labels: NDArray[np.uint8]) -> float:
    """The logarithm of the odds that the heart lies towards the left lung, as it does in all but
    one of ten thousand people; 0 where a lung is missing or too small to say.

    The heart widens the gap between the lungs to its side and makes the lung there narrower below,
    and smaller.

    Args:
        labels: (rows, columns) of the network's grid, upright, the right lung on the left.
    """
    right, left = labels == RIGHT_LUNG.number, labels == LEFT_LUNG.number
    rows = np.flatnonzero(right.any(axis=1) & left.any(axis=1))
    if len(rows) < MIN_ROWS:
        return 0.0
    within = (rows - rows[0]) / (rows[-1] - rows[0] + 1)
    rows = rows[(within > LOWER_PART[0]) & (within < LOWER_PART[1])]
    if not rows.size:
        return 0.0
    last = labels.shape[1] - 1
    outer_right, outer_left = right[rows].argmax(axis=1), last - left[rows, ::-1].argmax(axis=1)
    inner_right, inner_left = last - right[rows, ::-1].argmax(axis=1), left[rows].argmax(axis=1)
    widths = np.maximum(inner_right - outer_right, 1), np.maximum(outer_left - inner_left, 1)
    gap = np.median((inner_right + inner_left - outer_right - outer_left) / 2)
    found = (
        gap / (outer_left - outer_right).max(),
        np.log(np.median(widths[0]) / np.median(widths[1])),
        np.log(right.sum() / left.sum()),
    )
    return float(np.dot(HEART_WEIGHTS, found))
