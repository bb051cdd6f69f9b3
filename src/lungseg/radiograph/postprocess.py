"""From probabilities to at most one right and one left lung, whole and smooth. Functions on arrays
(rows, columns).
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.options import check_radius
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]

SMALLEST_LUNG = 0.005
"""Share of the image below which a piece is no lung. The lung of a newborn on a 35 x 43 cm film, 4
x 6 cm, has 0.016; the smallest of 2122 hand-drawn lungs (Montgomery, Shenzhen and V7 Labs) has
0.018."""

ONE_SIDED = 0.8
"""Where one side has at least this share of a connected region, all of it is that side's: the rest
is a mistake about the side, not another lung. In 99 of 100 of the same films the larger lung has at
most 0.69 of both."""

SHARED = 255
"""Stands, while sides are settled, for a region that both lungs share."""

ROUNDING = 1e-4
"""Pixels; OpenCV's distances are off by up to 2e-6, which must not decide whether a pixel at
exactly the radius belongs to it."""

MOST_OBLONG = 4.0
"""Ratio of the two spacings up to which a mask is widened; square pixels are made first, and more
of them than memory holds otherwise."""


def clean(right: Float, left: Float, threshold: float = 0.5) -> Labels:
    """The label map of two probabilities.

    A pixel is lung where both probabilities together reach the threshold. Of each connected region
    the side is settled as a whole, unless both lungs share it; then it is parted where the
    probabilities cross. The largest piece of each side stays if it is large enough to be a lung,
    its holes are filled, and so is a gap between the lungs that they enclose and that is smaller
    than any lung. Nothing else is added: no lung is ever invented.

    Args:
        right: (rows, columns), probability of the patient's right lung.
        left: (rows, columns), probability of the left lung.
        threshold: 0 to 1.

    Returns:
        (rows, columns), uint8: 0 background, 1 right lung, 2 left lung; each lung in one piece of
        pixels that share edges.
    """
    labels = np.zeros(right.shape, np.uint8)
    lung = (right + left >= threshold).view(np.uint8)
    x, y, width, height = cv2.boundingRect(lung)
    if width == 0:
        return labels
    box = slice(y, y + height), slice(x, x + width)
    smallest = max(1, math.ceil(SMALLEST_LUNG * lung.size))
    is_right = right[box] > left[box]
    settled = _settle_sides(lung[box], is_right, smallest)
    inside = labels[box]
    for lung_label in (RIGHT_LUNG, LEFT_LUNG):
        inside[_largest((settled == lung_label.number).view(np.uint8), smallest)] = (
            lung_label.number
        )
    for lung_label in (RIGHT_LUNG, LEFT_LUNG):
        # Whatever a lung encloses is that lung: no lung lies inside the other.
        inside[_holes(inside == lung_label.number)] = lung_label.number
    _close_gaps(inside, is_right, smallest)
    return labels


def _settle_sides(lung: Labels, is_right: NDArray[np.bool_], smallest: int) -> Labels:
    """Labels of all regions large enough: one side's where it is one-sided, else as the
    probabilities say.
    """
    regions, areas = _pieces(lung)
    rights = np.bincount(regions[is_right], minlength=areas.size) / np.maximum(areas, 1)
    sides = np.full(areas.size, SHARED, np.uint8)
    sides[rights >= ONE_SIDED] = RIGHT_LUNG.number
    sides[rights <= 1 - ONE_SIDED] = LEFT_LUNG.number
    sides[areas < smallest] = 0
    labels: Labels = sides[regions]
    shared = labels == SHARED
    labels[shared] = _sides(is_right[shared])
    return labels


def _sides(is_right: NDArray[np.bool_]) -> Labels:
    return np.where(is_right, np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number))


def _pieces(mask: Labels) -> tuple[NDArray[Any], NDArray[Any]]:
    """The number of its piece for each pixel, from 1, and the area of each piece; the background's
    is given as 0.
    """
    count, pieces = cv2.connectedComponents(mask, connectivity=4)
    areas = np.bincount(pieces.ravel(), minlength=count)
    areas[0] = 0
    return pieces, areas


def _largest(mask: Labels, smallest: int) -> NDArray[np.bool_]:
    """The largest piece of a mask, if it has at least `smallest` pixels; else nothing."""
    pieces, areas = _pieces(mask)
    if areas.max() < smallest:
        return np.zeros(mask.shape, np.bool_)
    return np.asarray(pieces == areas.argmax(), dtype=np.bool_)


def _holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a mask encloses: background from which no path over shared edges leads to the border of
    the image.
    """
    outside = np.pad(~mask, 1, constant_values=True).view(np.uint8)
    cv2.floodFill(outside, None, (0, 0), 0, flags=4)
    return outside[1:-1, 1:-1].view(np.bool_)


def _close_gaps(labels: Labels, is_right: NDArray[np.bool_], smallest: int) -> None:
    """Fills, in place, what both lungs enclose together, unless it is as large as a lung: the heart
    is no gap.
    """
    holes = _holes(labels > 0)
    if holes.any():
        gaps, areas = _pieces(holes.view(np.uint8))
        # A gap is filled from one side as a whole: it touches both lungs, so each stays in one
        # piece.
        sides = _sides(np.bincount(gaps[is_right], minlength=areas.size) > areas / 2)
        sides[(areas == 0) | (areas >= smallest)] = 0
        labels[holes] = sides[gaps[holes]]


def dilate(labels: Labels, radius: float, spacing: tuple[float, float] | None = None) -> Labels:
    """The label map with each lung widened; a pixel that both lungs reach goes to the nearer one,
    or to the right one.

    Args:
        labels: (rows, columns), 0 background, 1 right lung, 2 left lung.
        radius: how far, between pixel centres: in millimetres where `spacing` is given, else in
            pixels.
        spacing: millimetres between rows, between columns. Where the two differ, distances are
            right to half a pixel.

    Returns:
        (rows, columns), uint8. Without any lung nothing is added.

    Raises:
        UsageError: the radius is negative or not finite, or one spacing is more than `MOST_OBLONG`
            times the other.
    """
    check_radius(radius)
    rows, columns = spacing or (1.0, 1.0)
    finest, coarsest = sorted((rows, columns))
    if radius and coarsest > MOST_OBLONG * finest:
        raise UsageError(
            f"a mask with {rows:g} mm between rows and {columns:g} mm between columns cannot be "
            "widened",
            cure="state the right spacing",
        )
    radius = min(radius, math.hypot(labels.shape[0] * rows, labels.shape[1] * columns))
    x, y, width, height = cv2.boundingRect((labels > 0).view(np.uint8))
    if radius == 0 or width == 0:
        return labels.copy()
    margin_rows, margin_columns = math.ceil(radius / rows), math.ceil(radius / columns)
    box = (
        slice(max(0, y - margin_rows), y + height + margin_rows),
        slice(max(0, x - margin_columns), x + width + margin_columns),
    )
    inside = labels[box]
    shape = inside.shape
    # OpenCV measures distances on square pixels only, so the coarser axis is repeated to the finer
    # one's spacing first.
    square = (
        inside
        if rows == columns
        else _resample(
            inside, (round(shape[0] * rows / finest), round(shape[1] * columns / finest))
        )
    )
    to_right, to_left = (_distance(square, lung.number) for lung in (RIGHT_LUNG, LEFT_LUNG))
    nearest = _sides(to_right <= to_left)
    nearest[np.minimum(to_right, to_left) > radius / finest + ROUNDING] = 0
    grown = nearest if rows == columns else _resample(nearest, shape)
    widened = labels.copy()
    widened[box] = np.where(inside > 0, inside, grown)
    return widened


def hull(labels: Labels) -> Labels:
    """The label map with all that lies between the lungs: their common convex hull, heart and
    mediastinum within it.

    Args:
        labels: (rows, columns), 0 background, 1 right lung, 2 left lung.

    Returns:
        (rows, columns), uint8; what is added goes to the nearer lung, counted in pixels, or to the
        right one. Without any lung nothing is.
    """
    points = cv2.findNonZero((labels > 0).view(np.uint8))
    if points is None:
        return labels.copy()
    within = cv2.fillConvexPoly(np.zeros(labels.shape, np.uint8), cv2.convexHull(points), 1)
    nearest = _sides(_distance(labels, RIGHT_LUNG.number) <= _distance(labels, LEFT_LUNG.number))
    return np.where(labels > 0, labels, within * nearest)


def _distance(labels: Labels, number: int) -> NDArray[Any]:
    """From each pixel to the nearest with that label, in pixels; infinite where there is none."""
    away = (labels != number).view(np.uint8)
    if away.all():
        return np.full(labels.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _resample(labels: Labels, shape: tuple[int, int]) -> Labels:
    return np.asarray(
        cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8
    )
