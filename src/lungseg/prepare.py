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

    So any linear change of contrast and brightness leaves the network's input as it was. An image whose percentiles coincide gives
    zeros.
    """
    scaled = window(pixels, clip)
    standardised: Float = (scaled - scaled.mean()) / (scaled.std() + np.float32(1e-6))
    return standardised


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


def restore(plane: Float, shape: tuple[int, int]) -> Float:
    """The inverse of `stretch` for one plane of probabilities: (rows, columns) of the network -> `shape`, linearly interpolated."""
    rows, columns = shape
    return np.asarray(cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
