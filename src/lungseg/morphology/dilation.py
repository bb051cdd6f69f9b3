"""Label maps with some of their labels widened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.options import check_radius

Labels = NDArray[np.uint8]

ROUNDING = 1e-4
"""Pixels; OpenCV's distances are off by up to 2e-6, which must not decide whether a pixel at
exactly the radius belongs to it."""


MAX_SPACING_RATIO = 4.0
"""Of the two spacings, up to which a mask is widened; square pixels are made first, and more
of them than memory holds otherwise."""


def dilate(
    labels: Labels,
    radius: float,
    numbers: Sequence[int],
    spacing: tuple[float, float] | None = None,
) -> Labels:
    """The label map with some of its labels widened into the background; a pixel that two of them
    reach goes to the nearer one, or to the one that is named first.

    Args:
        labels: (rows, columns), 0 background.
        radius: how far, between pixel centres: in millimetres where `spacing` is given, else in
            pixels.
        numbers: the labels to widen; all others stay as they are.
        spacing: millimetres between rows, between columns. Where the two differ, distances are
            right to half a pixel.

    Returns:
        (rows, columns), uint8. Where none of those labels is, nothing is added.

    Raises:
        UsageError: the radius is negative or not finite, or one spacing is more than
            `MAX_SPACING_RATIO` times the other.
    """
    check_radius(radius)
    rows, columns = spacing or (1.0, 1.0)
    finest, coarsest = sorted((rows, columns))
    if radius and coarsest > MAX_SPACING_RATIO * finest:
        raise UsageError(
            f"a mask with {rows:g} mm between rows and {columns:g} mm between columns cannot be "
            "widened",
            cure="state the right spacing",
        )
    radius = min(radius, math.hypot(labels.shape[0] * rows, labels.shape[1] * columns))
    x, y, width, height = cv2.boundingRect(np.isin(labels, numbers).view(np.uint8))
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
    square = inside
    if rows != columns:
        square = _resample(
            inside, (round(shape[0] * rows / finest), round(shape[1] * columns / finest))
        )
    nearest, distance = nearest_of(square, numbers)
    nearest[distance > radius / finest + ROUNDING] = 0
    grown = nearest if rows == columns else _resample(nearest, shape)
    widened = labels.copy()
    widened[box] = np.where(inside > 0, inside, grown)
    return widened


def nearest_of(labels: Labels, numbers: Sequence[int]) -> tuple[Labels, NDArray[Any]]:
    """For each pixel which of these labels is nearest, the one named first where two are, and how
    far it is, in pixels; infinite where there is none.
    """
    distances = np.stack([_distance_to(labels, number) for number in numbers])
    return np.array(numbers, np.uint8)[distances.argmin(axis=0)], distances.min(axis=0)


def _distance_to(labels: Labels, number: int) -> NDArray[Any]:
    """From each pixel to the nearest with that label, in pixels; infinite where there is none."""
    away = (labels != number).view(np.uint8)
    if away.all():
        return np.full(labels.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _resample(labels: Labels, shape: tuple[int, int]) -> Labels:
    return np.asarray(
        cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8
    )
