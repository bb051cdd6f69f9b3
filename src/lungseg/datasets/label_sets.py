"""What a mask says about each pixel: the set of classes that it allows there.

Four classes are learned: background, right lung, left lung, and the shadow of heart and mediastinum
as far as masks of the extent "through-heart" call it lung. Masks of either extent then
never contradict each other; they only leave some pixels open, and the loss asks no more than that
the probabilities of the allowed classes add up to one (a marginal loss, see
`lungseg.train.losses`).
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import LungExtent
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

CLASSES: Final = ("background", "right lung", "left lung", "mediastinum")
BACKGROUND: Final = 1
RIGHT: Final = 2
LEFT: Final = 4
MEDIASTINUM: Final = 8
"""Bit of each class in a set of allowed ones, in the order of `CLASSES`."""
ANYTHING: Final = 15

SIDES: Final = {RIGHT: RIGHT_LUNG.number, LEFT: LEFT_LUNG.number}
"""The label of each lung's bit."""

CERTAIN_FRACTION: Final = 0.2
"""Of each row of a "through-heart" mask, the outer fraction that is certainly lung, whatever the
size of the heart."""

BAND_FRACTION: Final = {RIGHT: 0.5, LEFT: 2 / 3}
"""Of each row of a "through-heart" mask, the inner fraction where heart or mediastinum may lie; not
judged when such a mask is the ground truth."""

Array = NDArray[Any]


def allowed_classes(labels: Array, lung_extent: LungExtent) -> NDArray[np.uint8]:
    """The set of classes that a mask allows at each pixel, as a sum of class bits.

    Args:
        labels: (rows, columns), labels of the lungs, as `lungseg.datasets.read_labels` gives them.
        lung_extent: what the lungs of the mask follow.
    """
    if lung_extent == "field":
        outside = BACKGROUND | MEDIASTINUM
    elif lung_extent == "through-heart":
        outside = BACKGROUND
    else:
        outside = ANYTHING
    allowed = np.full(labels.shape, outside, np.uint8)
    for bit, label in SIDES.items():
        lung = labels == label
        allowed[lung] = bit
        if lung_extent == "through-heart":
            allowed[lung & (_depth_from_outside(lung, bit) > CERTAIN_FRACTION)] = bit | MEDIASTINUM
    return allowed


def mediastinal_band(labels: Array) -> NDArray[np.bool_]:
    """Pixels of a "through-heart" mask, as labels of the lungs, where heart or mediastinum may
    lie.
    """
    band = np.zeros(labels.shape, bool)
    for bit, fraction in BAND_FRACTION.items():
        lung = labels == SIDES[bit]
        band |= lung & (_depth_from_outside(lung, bit) > 1 - fraction)
    return band


def assign_sides(mask: Array) -> NDArray[np.uint8]:
    """Tells right from left lung in a mask: labels (rows, columns), 0, 1 right, 2 left.

    Of the two largest components the one further left in the picture is the right lung; smaller
    ones join the nearer of them. A single component is cut at the middle of the picture.
    """
    binary = (mask > 0).astype(np.uint8)
    count, components, stats, centres = cv2.connectedComponentsWithStats(binary)
    sides = np.zeros(binary.shape, np.uint8)
    if count < 2:
        return sides
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA]) + 1
    middle = binary.shape[1] / 2
    two = (
        len(order) > 1
        and stats[order[1], cv2.CC_STAT_AREA] > 0.1 * stats[order[0], cv2.CC_STAT_AREA]
    )
    if two:
        middle = float(centres[order[:2], 0].mean())
        for component in range(1, count):
            sides[components == component] = SIDES[
                RIGHT if centres[component, 0] < middle else LEFT
            ]
        return sides
    columns = np.arange(binary.shape[1])[np.newaxis]
    sides[(binary > 0) & (columns < middle)] = SIDES[RIGHT]
    sides[(binary > 0) & (columns >= middle)] = SIDES[LEFT]
    return sides


def _depth_from_outside(lung: NDArray[np.bool_], bit: int) -> Array:
    """How far inward each pixel of a lung lies in its row: 0 at the outer border, 1 at the
    inner.
    """
    present = lung.any(axis=1)
    first = np.where(present, lung.argmax(axis=1), 0)
    last = np.where(present, lung.shape[1] - 1 - lung[:, ::-1].argmax(axis=1), 0)
    width = np.maximum(last - first + 1, 1)[:, np.newaxis]
    columns = np.arange(lung.shape[1])[np.newaxis]
    depth: Array = columns - first[:, np.newaxis] if bit == RIGHT else last[:, np.newaxis] - columns
    return np.asarray((depth + 0.5) / width)
