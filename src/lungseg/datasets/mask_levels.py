"""The few greys or colours that a mask is flat in, and the edges between them that only
interpolation or compression makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.readers import MaskPixels

Labels = NDArray[np.uint8]

MAX_LEVELS: Final = 12
"""Greys or colours that labels may have; what is flat in more is a picture."""

MIN_LEVEL_FRACTION: Final = 0.0005
"""Of the pixels of a mask that one grey or colour covers flatly; less is an edge or a speck."""

NOISE, COLOUR_NOISE = 24, 48
"""Of 255, by which compression moves a grey, and a channel of a colour; two levels that are nearer
are one."""

RIM_FRACTION: Final = 0.025
"""Of the shorter side of a mask: no label that lines another is as thin, but for interpolation."""

MIN_LINED_FRACTION: Final = 0.5
"""Of the outline of a label that a thin label in between must line to be a rim of it. Of label maps
enlarged 2.7 times with bilinear interpolation it is over 0.9."""


@dataclass(frozen=True, slots=True)
class Level:
    """A grey or colour that a part of a mask is flat in.

    Attributes:
        value: as in `MaskPixels.values`.
        pixels: how many have it.
    """

    value: float
    pixels: int


@dataclass(frozen=True, slots=True)
class Rim:
    """A label around another that only interpolation makes.

    Attributes:
        label: that of the rim, which lies between two others.
        around: the label that it lines.
        fraction: pixels of the rim, of those of the other.
    """

    label: int
    around: int
    fraction: float

    def __str__(self) -> str:
        """For a person."""
        return (
            f"label {self.label} forms a rim round label {self.around}, {self.fraction:.1%} of its "
            "size: resized with interpolation"
        )


def levels(mask: MaskPixels) -> list[Level]:
    """What a mask is flat in, ascending; nothing where it is a picture."""
    values = mask.values
    flat = _flat(mask, values)
    found, counts = counted(values[flat])
    if mask.lossy:
        found, counts = _merged(found, counts, mask)
    else:
        common = counts >= MIN_LEVEL_FRACTION * values.size
        found, counts = found[common], counts[common]
    if found.size > MAX_LEVELS:
        return []
    nearest = _nearest_level(mask, found)
    pixels = np.bincount(nearest[nearest >= 0], minlength=found.size)
    return [Level(float(v), int(n)) for v, n in zip(found, pixels, strict=True)]


def _channels(mask: MaskPixels, values: NDArray[Any]) -> NDArray[np.int32]:
    """Each value as numbers that can be compared: (..., 3) of colours, (..., 1) of others."""
    if mask.kind == "colours":
        return np.stack([values.astype(np.int32) >> shift & 255 for shift in (16, 8, 0)], axis=-1)
    return np.asarray(values)[..., np.newaxis].astype(np.int32)


def counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The values that there are, ascending, and how often."""
    if values.dtype not in (np.uint8, np.uint16):
        return np.unique(values, return_counts=True)
    counts = np.bincount(values.ravel())
    found = np.flatnonzero(counts)
    return found.astype(values.dtype), counts[found]


def distance(mask: MaskPixels, one: float, other: float) -> int:
    """By how much two values of a mask differ, in the channel in which they do most."""
    both = (_channels(mask, np.array(value)) for value in (one, other))
    return int(np.abs(next(both) - next(both)).max())


def tolerance(mask: MaskPixels) -> int:
    """By how much the file's compression moves a value of a mask."""
    return (COLOUR_NOISE if mask.kind == "colours" else NOISE) if mask.lossy else 0


def _flat(mask: MaskPixels, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels that are like the ones to the right, below, and below to the right."""
    flat = np.zeros(values.shape, bool)
    if not mask.lossy:
        first = values[..., :-1, :-1]
        flat[..., :-1, :-1] = (
            (first == values[..., 1:, :-1])
            & (first == values[..., :-1, 1:])
            & (first == values[..., 1:, 1:])
        )
        return flat
    channels = _channels(mask, values)
    first = channels[..., :-1, :-1, :]
    alike = np.ones(first.shape[:-1], bool)
    for other in (channels[..., 1:, :-1, :], channels[..., :-1, 1:, :], channels[..., 1:, 1:, :]):
        alike &= (np.abs(first - other) <= tolerance(mask) // 2).all(axis=-1)
    flat[..., :-1, :-1] = alike
    return flat


def _merged(
    found: NDArray[Any], counts: NDArray[Any], mask: MaskPixels
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The most frequent values that are no compression of a more frequent one."""
    channels = _channels(mask, found)
    kept: list[int] = []
    total = np.zeros(len(found), np.int64)
    for i in np.argsort(-counts, kind="stable"):
        near = [k for k in kept if np.abs(channels[i] - channels[k]).max() <= tolerance(mask)]
        if near:
            total[near[0]] += counts[i]
        elif len(kept) <= 4 * MAX_LEVELS:
            kept.append(int(i))
            total[i] += counts[i]
    chosen = sorted(k for k in kept if total[k] >= MIN_LEVEL_FRACTION * mask.values.size)
    return found[chosen], total[chosen]


def _nearest_level(mask: MaskPixels, found: NDArray[Any]) -> NDArray[np.int8]:
    """The number of the level that each pixel has; -1 of one that has none."""
    nearest = np.full(mask.values.shape, -1, np.int8)
    limit = tolerance(mask)
    channels = _channels(mask, mask.values) if limit else None
    for number, value in enumerate(found):
        if channels is None:
            nearest[mask.values == value] = number
        else:
            away = np.abs(channels - _channels(mask, np.array(value))).max(axis=-1)
            nearest[(away <= limit) & (nearest < 0)] = number
    return nearest


def labelled(mask: MaskPixels, numbers: dict[float, int]) -> tuple[Labels, int]:
    """The labels of a mask whose values are known, and how many pixels had none of these: they are
    edges, and get the label that is nearest.

    Args:
        mask: of greys or colours.
        numbers: the label of each value.
    """
    values = np.array(sorted(numbers), np.float64)
    nearest = _nearest_level(mask, values)
    known = nearest
    edges = int(np.count_nonzero(nearest < 0))
    if edges:
        inner = np.any([_two_wide(nearest == number) for number in range(values.size)], axis=0)
        known = np.where(inner, nearest, -1)
        edges = int(np.count_nonzero(known < 0))
        if inner.any():
            known = filled(known, inner)
    order = np.array([numbers[value] for value in values.tolist()], np.uint8)
    return np.where(known >= 0, order[np.maximum(known, 0)], 0).astype(np.uint8), edges


def _two_wide(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is two pixels wide in a mask (rows, columns). The rest of a level's pixels, where there
    are others, are on edges that happen to have its value.
    """
    square = np.ones((2, 2), np.uint8)
    blocks = cv2.erode(mask.view(np.uint8), square, anchor=(0, 0))
    return cv2.dilate(blocks, square, anchor=(1, 1)).astype(bool)


def filled(labels: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """The labels (rows, columns), where they are not known that of the nearest pixel where they
    are; there is one.
    """
    _, place = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    value = np.zeros(int(place.max()) + 1, labels.dtype)
    value[place[known]] = labels[known]
    return np.where(known, labels, value[place])


def without_rims(labels: Labels) -> tuple[Labels, list[Rim]]:
    """A label map (rows, columns) without the rims that interpolation between two labels makes of a
    third: each pixel of a rim gets the label that is nearest.
    """
    present = np.unique(labels)
    rims: list[Rim] = []
    rim = np.zeros(labels.shape, bool)
    side = 2 * max(2, round(RIM_FRACTION * min(labels.shape) / 2)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side + 2, side + 2))
    for label in present[1:-1] if present.size > 2 else ():
        own = (labels == label).view(np.uint8)
        thin = (own > 0) & (cv2.morphologyEx(own, cv2.MORPH_OPEN, disc) == 0)
        thin &= cv2.dilate((labels < label).view(np.uint8), wide) > 0
        for other in present[present > label]:
            body = (labels == other).view(np.uint8)
            outline = (cv2.dilate(body, np.ones((3, 3), np.uint8)) > 0) & (body == 0)
            if np.mean(thin[outline]) < MIN_LINED_FRACTION:
                continue
            lining = thin & (cv2.dilate(body, wide) > 0)
            rims.append(Rim(int(label), int(other), float(lining.sum() / body.sum())))
            rim |= lining
    return (filled(labels, ~rim) if rims else labels), rims


def surrounds(inner: NDArray[np.bool_], outer: NDArray[np.bool_]) -> bool:
    """Whether most of what lies just outside `inner` is `outer`, as a body is around lungs."""
    body = inner.astype(np.uint8)
    # Between the two there may be an edge that is neither.
    outline = (cv2.dilate(body, np.ones((7, 7), np.uint8)) > 0) & (
        cv2.dilate(body, np.ones((5, 5), np.uint8)) == 0
    )
    return bool(outline.any() and outer[outline].mean() > MIN_SURROUNDED)


MIN_SURROUNDED: Final = 0.75
"""Fraction of the outline of lungs along which a label that is the body lies."""


def told(mask: MaskPixels, found: Sequence[Level]) -> str:
    """The levels with their counts, for a sentence."""
    each = [f"{mask.name(level.value)} ({level.pixels} pixels)" for level in found]
    return " and ".join([", ".join(each[:-1]), each[-1]]) if len(each) > 1 else "".join(each)
