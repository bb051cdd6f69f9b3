"""From an image to the network's input, and from the network's output back to the image's grid.
Training and inference share it.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.card import Intensity, ModelCard
from lungseg.ends import ENDS
from lungseg.modality import Modality

Array = NDArray[Any]
Float = NDArray[np.float32]


def resize(pixels: Array, size: tuple[int, int]) -> Float:
    """Pixels (rows, columns) of any real type, resampled to `size` (rows, columns), float32.

    Shrinking averages over the area of each new pixel, so that noise and fine lines do not alias;
    enlarging interpolates linearly. Where one axis shrinks and the other grows, each gets its own.
    The grids share their outer edges, as in `resize_back`.
    """
    rows, columns = size
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        pixels = pixels.astype(np.float32)
    for shape, method in (
        ((min(rows, pixels.shape[0]), min(columns, pixels.shape[1])), cv2.INTER_AREA),
        (size, cv2.INTER_LINEAR),
    ):
        if pixels.shape != shape:
            pixels = cv2.resize(pixels, shape[::-1], interpolation=method)
    return pixels.astype(np.float32)


def window(pixels: Array, clip: tuple[float, float]) -> Float:
    """Pixels with the two `clip` percentiles mapped to 0 and 1 and what lies beyond cut off,
    float32.

    Where the percentiles coincide, the lowest and highest value take their place; a flat image
    gives zeros.
    """
    low, high = np.percentile(pixels, clip)
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max())
    return _between(pixels, low, high)


def _between(pixels: Array, low: float, high: float) -> Float:
    """Pixels with `low` and `high` mapped to 0 and 1 and what lies beyond cut off; zeros where the
    two coincide.
    """
    if high <= low:
        return np.zeros(pixels.shape, np.float32)
    scaled: Float = np.clip(
        (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0.0, 1.0
    )
    return scaled


HOUNSFIELD = (-1024, 600)
"""Hounsfield units beyond which values say nothing of the lungs: paddings, metal, dense bone. They
are cut off before all else."""


def clip_hounsfield(voxels: Array) -> Array:
    """Voxels in Hounsfield units, cut off at `HOUNSFIELD`, as CT goes into `to_network`."""
    return np.clip(voxels, *HOUNSFIELD)


def standardise(pixels: Array, clip: tuple[float, float]) -> Float:
    """The "percentile" rule: the two `clip` percentiles become 0 and 1, what lies beyond is cut
    off, then mean 0 and standard deviation 1.

    So any linear change of contrast and brightness leaves the network's input as it was. A flat
    image gives zeros.
    """
    return zero_mean(window(pixels, clip))


def zero_mean(pixels: Float) -> Float:
    """Pixels with mean 0 and standard deviation 1; zeros where all are equal."""
    result: Float = (pixels - pixels.mean()) / (pixels.std() + np.float32(1e-6))
    return result


def to_network(
    pixels: Array,
    size: tuple[int, int],
    clip: tuple[float, float],
    intensity: Intensity = "percentile",
) -> Float:
    """Pixels (rows, columns) -> network input (1, rows, columns) of `size`, float32: by the
    "percentile" rule of mean 0 and standard deviation 1, see `standardise`.

    By the rule "255" it is 0 to 1: pixels of 8 bits (uint8) are divided by 255, of any others the
    lowest becomes 0 and the highest 1; all equal they give zeros.
    """
    small = resize(pixels, size)
    if intensity == "percentile":
        return standardise(small, clip)[np.newaxis]
    of_8_bits = pixels.dtype == np.uint8
    low, high = (0, 255) if of_8_bits else (float(pixels.min()), float(pixels.max()))
    return _between(small, low, high)[np.newaxis]


def picture_of(pixels: Array, card: ModelCard) -> Float:
    """Pixels (rows, columns) -> (1, rows, columns), as the model of a card takes them."""
    return to_network(pixels, card.input_size, card.clip, card.intensity)


def standardised(picture: Float, card: ModelCard) -> Float:
    """A picture (rows, columns) of `picture_of` with mean 0 and standard deviation 1, by the
    "percentile" rule whatever the model's: what pictures and masks are judged by.
    """
    return picture if card.intensity == "percentile" else standardise(picture, card.clip)


def negative(picture: Float, card: ModelCard) -> Float:
    """A picture (rows, columns) of `picture_of` with its greys turned round."""
    return -picture if card.intensity == "percentile" else 1 - picture


def shrink_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map (rows, columns) on the network's grid of `size`: of each of its pixels the label
    at the centre.
    """
    return np.asarray(
        cv2.resize(np.ascontiguousarray(labels), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT),
        dtype=np.uint8,
    )


def resize_back(plane: Float, shape: tuple[int, int]) -> Float:
    """The inverse of `resize` for one plane of probabilities: (rows, columns) of the network ->
    `shape`, linearly interpolated.
    """
    rows, columns = shape
    return np.asarray(
        cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32
    )


SMOOTHING = 0.5
"""Standard deviation of the smoothing of an enlarged probability, in pixels of the network. Linear
interpolation leaves a corner wherever the outline crosses a pixel border of the network; this
rounds it off, and moves the outline of a disc of ten such pixels across by 0.03 of one. Hand-drawn
masks of 512 pixels, shrunk to a quarter and enlarged again, come back with Dice 0.9979 without it,
0.9985 with it, and less with 0.3 or 1.0."""


def smooth(plane: Float, enlargement: tuple[float, float]) -> Float:
    """A probability without the corners that enlarging it has left.

    Args:
        plane: (rows, columns) on the image's grid.
        enlargement: image pixels to one pixel of the network, along rows and columns; where neither
            is above 1 nothing is done.
    """
    sigma = tuple(SMOOTHING * e if e > 1 else 0.0 for e in enlargement)
    rows, columns = (2 * math.ceil(2.5 * s) + 1 for s in sigma)
    if rows == columns == 1:
        return plane
    # A kernel of one pixel does nothing, but OpenCV wants its standard deviation to be above 0.
    down, across = (s or 1.0 for s in sigma)
    blurred = cv2.GaussianBlur(
        plane, (columns, rows), sigmaX=across, sigmaY=down, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred, dtype=np.float32)


def to_image_grid(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """One channel (rows, columns) of the network's grid on an image's, without the corners that
    enlarging leaves.
    """
    enlargement = shape[0] / plane.shape[0], shape[1] / plane.shape[1]
    return smooth(resize_back(plane, shape), enlargement)


def steps(modality: Modality) -> dict[str, Any]:
    """What `to_network` and `to_image_grid` do beside what a card has fields for, with OpenCV's
    names of methods, for those who run a model without lungseg: `docs/onnx.md` does it by them.
    """
    return {
        **({"hounsfield": list(HOUNSFIELD)} if modality == "ct" else {}),
        "shrink": "INTER_AREA",
        "enlarge": "INTER_LINEAR",
        "clipped": "the percentiles `clip` of the resized image become 0 and 1, the rest is cut "
        "off",
        "mean": 0.0,
        "std": 1.0,
        "resize_back": "INTER_LINEAR",
        "smoothing": SMOOTHING,
        "labels": "lung is where the probabilities of both lungs reach `threshold` together; of "
        "each side the largest component stays, and its holes are filled",
    }


def steps_elsewhere(card: ModelCard) -> dict[str, Any]:
    """The same for a model that was made elsewhere, with what its ends take and give."""
    found = steps(card.modality)
    if card.intensity == "255":
        del found["clipped"], found["mean"], found["std"]
        found["greys"] = (
            "of 8 bits divided by 255; of any others the lowest of the image, before it is "
            "resized, becomes 0 and the highest 1"
        )
    if not card.tells_sides:
        found["labels"] = (
            "lung is where its probability reaches `threshold`; sides are told by where the "
            "components lie, of each side the largest stays, and its holes are filled"
        )
    ends = card.ends
    found["input"], found["output"] = ends.written(
        card.input_size, card.input_channels, len(card.outputs)
    )
    if (ends.mean, ends.std) != (ENDS.mean, ENDS.std):
        mean, std = (", ".join(f"{one:g}" for one in numbers) for numbers in (ends.mean, ends.std))
        found["input"] += f"; of the greys {mean} is taken off, then they are divided by {std}"
    if card.input_channels > 1:
        found["input"] += ", the same picture in each channel"
    if ends.activation != "none":
        over = " over the channels of each layer" * (ends.activation == "softmax")
        found["output"] += f"; {ends.activation}{over} makes probabilities of it"
    return found
