"""Whether a picture, of which the file tells nothing, is a slice of CT or a radiograph."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.segmentation import Array

Float = NDArray[np.float32]

WEIGHTS: Final = Path(__file__).with_name("film_or_slice.json")
"""What `benchmarks/film_or_slice.py` fitted."""

DOUBT: Final = 2.5
"""Log odds between this and its negative are not plain: then the networks are asked."""

_SIDE: Final = 256
_DARK: Final = 12
"""Of 255; margins without anything brighter are cut off."""
_STEEP: Final = (6.0, 12.0, 20.0)
"""Of 255 a pixel, at 256 x 256 pixels; outlines of bodies, lungs and bones in a slice are as steep
as the last, shadows of a radiograph seldom."""
_GREYS: Final = 64
_MIN_FRACTION: Final = 0.002
"""Added to a fraction before its logarithm is taken, because there may be none."""
_SMALL: Final = 64
_CELL: Final = 8
"""Pixels of the small picture, each way, over which directions are counted."""
_DIRECTIONS: Final = 6


def looks_like_ct(pixels: Array) -> bool:
    """Whether a picture is a CT slice, axial or other, and not a radiograph.

    Args:
        pixels: (rows, columns), of any real type, without what frames it.
    """
    return ct_log_odds(pixels) > 0


def ct_log_odds(pixels: Array) -> float:
    """The logarithm of the odds that a picture is a CT slice and not a radiograph.

    A slice has few greys, because an organ has one density throughout, and steep edges, because
    nothing lies before or behind them; a radiograph has many and few. Where edges run which way
    counts as well, whichever is bright. How often it is right stands in `docs/frames.md`.

    Args:
        pixels: (rows, columns), of any real type, without what frames it.
    """
    weights, offset = _weights()
    return float(features(pixels) @ weights + offset)


@cache
def _weights() -> tuple[NDArray[np.float64], float]:
    """Of the features as they are, and what is added."""
    entry: dict[str, Any] = json.loads(WEIGHTS.read_text("utf-8"))
    mean, std, weights = (np.array(entry[name]) for name in ("mean", "std", "weights"))
    return weights / std, float(entry["offset"] - (mean / std) @ weights)


def features(pixels: Array) -> NDArray[np.float64]:
    """What tells a slice from a radiograph: entropy of the greys, fraction of steep pixels, and
    where edges run which way.

    Args:
        pixels: (rows, columns), of any real type, without what frames it.
    """
    whole = _without_dark_margins(pixels)
    smooth = cv2.GaussianBlur(whole, (0, 0), 1.0)
    steepness = _steepness(smooth)[0] / 8
    steep = [np.log((steepness > limit).mean() + _MIN_FRACTION) for limit in _STEEP]
    ranks = _ranks(whole)
    small = cv2.resize(ranks, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    of_ranks = _steepness(cv2.GaussianBlur(ranks, (0, 0), 1.0))[0]
    flat = [np.log((of_ranks < limit).mean() + _MIN_FRACTION) for limit in (0.05, 0.2, 0.5)]
    return np.concatenate([[_entropy(smooth)], steep, flat, _directions(small)])


def _without_dark_margins(pixels: Array) -> Float:
    """(256, 256), 0 to 255."""
    small = _stretched(
        cv2.resize(pixels.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    )
    bright = cv2.GaussianBlur(small, (0, 0), 1.0) > _DARK
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.1) for axis in (1, 0))
    if min(len(rows), len(columns)) > _SIDE // 12:
        small = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _stretched(cv2.resize(small, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR))


def _stretched(pixels: Float) -> Float:
    """To 0 to 255, a hundredth at both ends cut off."""
    low, high = np.percentile(pixels, (1, 99))
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max()) + 1e-6
    return np.clip((pixels - low) * np.float32(255 / (high - low)), 0, 255).astype(np.float32)


def _entropy(pixels: Float) -> float:
    """Of the greys, in bits."""
    counts = np.bincount((pixels * (_GREYS / 256)).astype(np.intp).ravel(), minlength=_GREYS)
    part = counts[counts > 0] / counts.sum()
    return float(-(part * np.log2(part)).sum())


def _ranks(pixels: Float) -> Float:
    """0 to 1: how much of the picture is darker; blind to whatever keeps the order of greys."""
    greys = np.rint(pixels).astype(np.uint8)
    counts = np.bincount(greys.ravel(), minlength=256) / greys.size
    return np.asarray((np.cumsum(counts) - counts / 2)[greys], np.float32)


def _steepness(pixels: Float) -> tuple[Float, Float]:
    """Of the gradient, length and direction; the direction is the same in a negative."""
    across = cv2.Sobel(pixels, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(pixels, cv2.CV_32F, 0, 1)
    return np.hypot(across, down), np.arctan2(down, across) % np.float32(np.pi)


def _directions(small: Float) -> NDArray[np.float64]:
    """How steep a small picture is in each direction, in each of 8 x 8 cells, by square roots."""
    length, direction = _steepness(small)
    bins = np.minimum((direction * (_DIRECTIONS / np.pi)).astype(np.intp), _DIRECTIONS - 1)
    cells = np.arange(_SMALL) // _CELL
    count = _SMALL // _CELL
    number = (cells[:, np.newaxis] * count + cells) * _DIRECTIONS + bins
    found = np.bincount(number.ravel(), length.ravel(), minlength=count * count * _DIRECTIONS)
    return np.asarray(np.sqrt(found / (found.sum() + 1e-9)))
