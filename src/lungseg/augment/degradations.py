"""Radiographs degraded, with their ground truth: what happens to films on their way, and worse.

They show what masks look like that fail, so that `lungseg.calibrate` can fit what tells them from
others. Every function takes an image and a generator, and leaves the image it was given alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.sides import lung_mask
from lungseg.structures import LUNGS

Array = NDArray[Any]
Rng = np.random.Generator

MAX_SIDE = 512
"""Pixels; larger images are shrunk before anything is done to them, because twice the size of the
embedded network's input is enough."""

MIN_LUNG_FRACTION, MIN_REMAINING_FRACTION = 0.04, 0.4
"""Of the image that must still be lung, and of what was lung before: what shows less is no chest
radiograph."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its ground truth.

    Attributes:
        grey: (rows, columns), float32, 0 to 1.
        labels: of the same shape, uint8; only the lungs count.
        known: of the same shape, bool; where the ground truth is known.
    """

    grey: Array
    labels: Array
    known: Array


def shrink(pixels: Array, labels: Array, known: Array) -> LabelledImage:
    """An image of any real type with its labels and where they are known, all (rows, columns), at
    most `MAX_SIDE` long, its greys scaled to 0 to 1.
    """
    scale = min(1.0, MAX_SIDE / max(pixels.shape))
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[::-1])
    low, high = float(pixels.min()), float(pixels.max())
    grey = (cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA) - low) / max(
        high - low, 1e-6
    )
    maps = [
        cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        for m in (labels, known)
    ]
    return LabelledImage(grey.astype(np.float32), maps[0], maps[1].astype(bool))


def degrade(image: LabelledImage, rng: Rng) -> tuple[LabelledImage, str] | None:
    """One to three of `DEGRADATIONS` done to an image, and their names joined by "+"; None where
    too little of the lungs is left.
    """
    names = rng.choice(
        list(DEGRADATIONS), size=rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]), replace=False
    )
    degraded = image
    for name in names:
        degraded = DEGRADATIONS[str(name)](degraded, rng)
    before, left = (float(lung_mask(p.labels).mean()) for p in (image, degraded))
    if left < max(MIN_LUNG_FRACTION, MIN_REMAINING_FRACTION * before):
        return None
    return replace(degraded, grey=np.clip(degraded.grey, 0, 1).astype(np.float32)), "+".join(names)


def jpeg(grey: Array, quality: int) -> Array:
    """Greys (rows, columns) of 0 to 1 as JPEG of 8 bits keeps them."""
    _, code = cv2.imencode(
        ".jpg", (grey * 255).astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)).astype(np.float32) / 255


def _warp(p: LabelledImage, matrix: Array, fill: float) -> LabelledImage:
    to = p.grey.shape[::-1]
    grey = cv2.warpAffine(
        p.grey, matrix, to, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    labels = cv2.warpAffine(p.labels, matrix, to, flags=cv2.INTER_NEAREST)
    known = cv2.warpAffine(
        p.known.astype(np.uint8), matrix, to, flags=cv2.INTER_NEAREST, borderValue=1
    )
    return LabelledImage(np.asarray(grey), np.asarray(labels), np.asarray(known).astype(bool))


def rotate(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Rotated by 10 to 50 degrees."""
    rows, columns = p.grey.shape
    angle = rng.uniform(10, 50) * rng.choice([-1, 1])
    return _warp(
        p,
        cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, rng.uniform(0.75, 1.0)),
        float(rng.choice([0, 0, 0.5, 1])),
    )


def shear(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Sheared and stretched."""
    rows, columns = p.grey.shape
    shear, wide = rng.uniform(-0.5, 0.5), np.exp(rng.uniform(-0.5, 0.3))
    linear = np.array([[wide, shear], [rng.uniform(-0.2, 0.2), np.exp(rng.uniform(-0.5, 0.2))]])
    centre = np.array([columns / 2, rows / 2])
    return _warp(p, np.column_stack([linear, centre - linear @ centre]), float(rng.choice([0, 1])))


def crop(p: LabelledImage, rng: Rng) -> LabelledImage:
    """One to three sides cut off."""
    rows, columns = p.grey.shape
    top, bottom, first, last = (
        rng.uniform(0.05, 0.4) if rng.random() < 0.45 else 0.0 for _ in range(4)
    )
    box = np.s_[
        int(top * rows) : rows - int(bottom * rows * 0.8),
        int(first * columns * 0.8) : columns - int(last * columns * 0.8),
    ]
    return LabelledImage(p.grey[box].copy(), p.labels[box].copy(), p.known[box].copy())


def frame(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Small in a broad frame, as photographs of films are."""
    rows, columns = p.grey.shape
    zoom = rng.uniform(0.3, 0.75)
    shift = rng.uniform(0, 1 - zoom, 2) * (columns, rows)
    return _warp(
        p, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), float(rng.choice([0, 0.3, 1]))
    )


def add_noise(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Grain."""
    return replace(
        p,
        grey=np.clip(
            p.grey + rng.normal(0, np.exp(rng.uniform(np.log(0.05), np.log(0.7))), p.grey.shape),
            0,
            1,
        ),
    )


def blur(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Out of focus."""
    return replace(
        p, grey=cv2.GaussianBlur(p.grey, (0, 0), np.exp(rng.uniform(np.log(2), np.log(18))))
    )


def pixelate(p: LabelledImage, rng: Rng) -> LabelledImage:
    """A thumbnail, enlarged."""
    side = int(rng.uniform(12, 64))
    small = cv2.resize(p.grey, (side, side), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    return replace(p, grey=cv2.resize(small, p.grey.shape[::-1], interpolation=how))


def change_gamma(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Far too dark or far too bright."""
    return replace(
        p, grey=np.clip(p.grey, 0, 1) ** np.exp(rng.uniform(0.7, 2.0) * rng.choice([-1, 1]))
    )


def narrow_window(p: LabelledImage, rng: Rng) -> LabelledImage:
    """A narrow window."""
    low, high = np.quantile(p.grey, (rng.uniform(0, 0.45), 1 - rng.uniform(0, 0.45)))
    return replace(p, grey=np.clip((p.grey - low) / max(high - low, 1e-3), 0, 1))


def posterise(p: LabelledImage, rng: Rng) -> LabelledImage:
    """A few grey levels only, with grain."""
    levels = rng.uniform(3, 16)
    return replace(
        p,
        grey=np.rint(np.clip(p.grey + rng.normal(0, 0.3 / levels, p.grey.shape), 0, 1) * levels)
        / levels,
    )


def shade(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Light from one side, as on a viewing box."""
    field = cv2.resize(
        rng.normal(0, 1, (2, 2)).astype(np.float32),
        p.grey.shape[::-1],
        interpolation=cv2.INTER_LINEAR,
    )
    return replace(p, grey=np.clip(p.grey + rng.uniform(0.2, 0.9) * field, 0, 1))


def compress(p: LabelledImage, rng: Rng) -> LabelledImage:
    """JPEG of very low quality."""
    return replace(p, grey=jpeg(np.clip(p.grey, 0, 1), int(rng.uniform(1, 12))))


def invert(p: LabelledImage, _: Rng) -> LabelledImage:
    """A negative."""
    return replace(p, grey=1 - p.grey)


def cover(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Boxes laid over it: black, white, grey, or grain."""
    rows, columns = p.grey.shape
    grey = p.grey.copy()
    for _ in range(rng.integers(1, 5)):
        height, width = (rng.uniform(0.08, 0.5, 2) * (rows, columns)).astype(int)
        y, x = int(rng.uniform(0, rows - height)), int(rng.uniform(0, columns - width))
        grey[y : y + height, x : x + width] = (
            rng.random((height, width)) if rng.random() < 0.2 else rng.choice([0.0, 1.0, 0.5])
        )
    return replace(p, grey=grey)


def opacify(p: LabelledImage, rng: Rng) -> LabelledImage:
    """White lung: soft clouds, or fluid up to a level, in one lung or both."""
    rows, columns = p.grey.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    tissue = float(np.quantile(p.grey, rng.uniform(0.6, 0.95)))
    weight = np.zeros(p.grey.shape, np.float32)
    for number in rng.permutation([lung.number for lung in LUNGS])[: rng.integers(1, 3)]:
        lung = p.labels == number
        if not lung.any():
            continue
        where = np.flatnonzero(lung.any(axis=1))
        if rng.random() < 0.5:
            level = where[-1] - rng.uniform(0.2, 1.1) * (where[-1] - where[0])
            cloud = 1 / (1 + np.exp(-(y - level) / rng.uniform(3, 25)))
        else:
            at = np.argwhere(lung)[rng.integers(np.count_nonzero(lung))]
            size = rng.uniform(0.06, 0.25) * rows
            cloud = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * size**2)) * 1.3
        near = cv2.GaussianBlur(
            cv2.dilate(lung.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.float32),
            (0, 0),
            4,
        )
        weight = np.maximum(weight, np.clip(cloud, 0, 1) * near)
    weight *= rng.uniform(0.6, 1.0)
    return replace(p, grey=p.grey + weight * (np.maximum(tissue, p.grey) - p.grey))


def annotate(p: LabelledImage, rng: Rng) -> LabelledImage:
    """Large letters, lines and arrows all over it."""
    grey = np.ascontiguousarray(p.grey, dtype=np.float32).copy()
    rows, columns = grey.shape
    for _ in range(rng.integers(2, 9)):
        at = (int(rng.uniform(0, 0.8) * columns), int(rng.uniform(0.05, 1) * rows))
        grey_level = float(rng.choice([0, 1]))
        if rng.random() < 0.6:
            text = "".join(rng.choice(list("ABDLPRX0123456789"), rng.integers(1, 9)))
            cv2.putText(
                grey,
                text,
                at,
                cv2.FONT_HERSHEY_SIMPLEX,
                rng.uniform(0.8, 4),
                grey_level,
                int(rng.integers(2, 12)),
            )
        else:
            cv2.line(
                grey,
                at,
                (int(rng.uniform(0, columns)), int(rng.uniform(0, rows))),
                grey_level,
                int(rng.integers(3, 20)),
            )
    return replace(p, grey=grey)


DEGRADATIONS: dict[str, Callable[[LabelledImage, Rng], LabelledImage]] = {
    f.__name__: f
    for f in (
        rotate, shear, crop, frame, add_noise, blur, pixelate, change_gamma, narrow_window,
        posterise, shade, compress, invert, cover, opacify, annotate,
    )
}  # fmt: skip
