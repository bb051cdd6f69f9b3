"""From an image to the network's input, and from the network's output back to the image's grid. Training and inference share it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Float = NDArray[np.float32]


def stretch(pixels: Array, size: tuple[int, int]) -> Float:
    """Pixels (rows, columns) of any real type, resampled to `size` (rows, columns), float32.

    Shrinking averages over the area of each new pixel, so that noise and fine lines do not alias; enlarging interpolates linearly.
    Where one axis shrinks and the other grows, each gets its own. The grids share their outer edges, as in `restore`.
    """
    rows, columns = size
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        pixels = pixels.astype(np.float32)
    for shape, method in (((min(rows, pixels.shape[0]), min(columns, pixels.shape[1])), cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if pixels.shape != shape:
            pixels = cv2.resize(pixels, shape[::-1], interpolation=method)
    return pixels.astype(np.float32)


def window(pixels: Array, clip: tuple[float, float]) -> Float:
    """Pixels with the two `clip` percentiles mapped to 0 and 1 and what lies beyond cut off, float32.

    Where the percentiles coincide, the lowest and highest value take their place; a flat image gives zeros.
    """
    low, high = np.percentile(pixels, clip)
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.zeros(pixels.shape, np.float32)
    scaled: Float = np.clip((pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return scaled


def standardise(pixels: Array, clip: tuple[float, float]) -> Float:
    """The "percentile" rule: the two `clip` percentiles become 0 and 1, what lies beyond is cut off, then mean 0 and deviation 1.

    So any linear change of contrast and brightness leaves the network's input as it was. A flat image gives zeros.
    """
    return centred(window(pixels, clip))


def centred(pixels: Float) -> Float:
    """Pixels with mean 0 and deviation 1; zeros where all are equal."""
    result: Float = (pixels - pixels.mean()) / (pixels.std() + np.float32(1e-6))
    return result


def to_network(pixels: Array, size: tuple[int, int], clip: tuple[float, float]) -> Float:
    """Pixels (rows, columns) -> network input (1, rows, columns) of `size`, float32, mean 0 and deviation 1."""
    return standardise(stretch(pixels, size), clip)[np.newaxis]


HOUNSFIELD = (-1024, 600)
"""Hounsfield units beyond which values say nothing of the lungs: paddings, metal, dense bone. They are cut off before all else."""


def clip_hounsfield(voxels: Array) -> Array:
    """Voxels in Hounsfield units, cut off at `HOUNSFIELD`, as CT goes into `to_network`."""
    return np.clip(voxels, *HOUNSFIELD)


def shrink_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map (rows, columns) on the network's grid of `size`: of each of its pixels the label at the centre."""
    return np.asarray(cv2.resize(np.ascontiguousarray(labels), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)


SURROUNDINGS = 10
"""Pixels of the network around the lungs that tell a negative."""

BRIGHTER = 0.06
"""In a negative the lungs are brighter than their surroundings by more than this, in standard deviations of the picture. In 1061 films
(Montgomery, Shenzhen, V7 Labs) the difference is 0.047 at most, in their negatives more than 0.07 but for three."""


def is_negative(picture: Float, lungs: NDArray[np.bool_]) -> bool:
    """Whether the lungs are brighter than what surrounds them: a film with bone black. Both on the network's grid (rows, columns)."""
    if not lungs.any():
        return False
    around = cv2.dilate(lungs.astype(np.uint8), np.ones((2 * SURROUNDINGS + 1, 2 * SURROUNDINGS + 1), np.uint8)).astype(bool) & ~lungs
    return bool(around.any() and picture[lungs].mean() - picture[around].mean() > BRIGHTER)


SMALLEST_LUNG = 0.01
"""Share of the picture; the place of a smaller lung says nothing about how the thorax lies."""

LARGEST_TILT = 30.0
"""Degrees; beyond it the lungs are too round, or too wrong, to say how the thorax lies."""

USUAL_TILT = -1.5
"""Degrees; the mean of what `tilt` finds in upright films: the right lung is broader below, and its centre lies lower."""


def tilt(right: NDArray[np.bool_], left: NDArray[np.bool_], shape: tuple[int, int]) -> float:
    """By how many degrees a thorax lies turned clockwise in the picture.

    It is the mean of two angles, of the line from lung to lung against the horizontal, and of the lungs' long axes (of inertia) against
    the vertical, in the image's true proportions; 0 where one lung is missing, or an angle is above `LARGEST_TILT`.

    Args:
        right: (rows, columns) of the network's grid.
        left: the same.
        shape: rows, columns of the image.
    """
    lungs = [cv2.moments(lung.view(np.uint8), binaryImage=True) for lung in (right, left)]
    if min(moments["m00"] for moments in lungs) < SMALLEST_LUNG * right.size:
        return 0.0
    height, width = shape[0] / right.shape[0], shape[1] / right.shape[1]
    (right_x, right_y), (left_x, left_y) = ((m["m10"] / m["m00"] * width, m["m01"] / m["m00"] * height) for m in lungs)
    line = np.rad2deg(np.arctan2(left_y - right_y, left_x - right_x))
    # Of a symmetric matrix ((a, b), (b, c)) the long axis lies at atan2(2 b, a - c) / 2 from x; from the vertical the signs turn.
    axes = [np.arctan2(-2 * m["mu11"] * width * height, m["mu02"] * height**2 - m["mu20"] * width**2) / 2 for m in lungs]
    axis = np.rad2deg(np.mean(axes))
    if max(abs(line), abs(axis)) > LARGEST_TILT:
        return 0.0
    return float((line + axis) / 2) - USUAL_TILT


def turn(plane: Float, degrees: float, shape: tuple[int, int], fill: float) -> Float:
    """A plane (rows, columns) of the network's grid, turned clockwise about its centre in the image's true proportions.

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
    return np.asarray(cv2.warpAffine(plane, matrix, (columns, rows), borderMode=cv2.BORDER_CONSTANT, borderValue=fill), np.float32)


WHITE_SHARE = 0.3
"""Of the border of a slice; from here on, white is what the slice was set in, and no tissue that reaches the edge."""


def blacken_surround(pixels: Array) -> Array:
    """A slice (rows, columns) whose surroundings are white, as in some collections of pictures, with black ones; any other as it is."""
    white = pixels == pixels.max()
    if np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]]).mean() < WHITE_SHARE:
        return pixels
    _, pieces = cv2.connectedComponents(white.view(np.uint8), connectivity=4)
    outside = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    return np.where(np.isin(pieces, outside[outside > 0]), pixels.min(), pixels)


def restore(plane: Float, shape: tuple[int, int]) -> Float:
    """The inverse of `stretch` for one plane of probabilities: (rows, columns) of the network -> `shape`, linearly interpolated."""
    rows, columns = shape
    return np.asarray(cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
