"""Pictures made hard, with their truth: what happens to films on their way, and worse. For
`benchmarks/judge.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

LONGEST_SIDE = 512
"""Pixels; larger pictures are shrunk before anything is done to them, because twice the size of the
network's input is enough."""

SMALLEST_TRUTH, SMALLEST_REST = 0.04, 0.4
"""Share of the picture that must still be lung, and how large that must be against what it was:
what shows less is no chest radiograph."""


@dataclass(frozen=True)
class Picture:
    """A picture (rows, columns), float32, 0 to 1; labels of its lungs; and where the truth can be
    judged.
    """

    grey: Array
    labels: Array
    judged: Array


def shrunk(pixels: Array, labels: Array, judged: Array) -> Picture:
    """A picture of at most `LONGEST_SIDE`, its greys between 0 and 1."""
    scale = min(1.0, LONGEST_SIDE / max(pixels.shape))
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[::-1])
    low, high = float(pixels.min()), float(pixels.max())
    grey = (cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA) - low) / max(
        high - low, 1e-6
    )
    maps = [
        cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        for m in (labels, judged)
    ]
    return Picture(grey.astype(np.float32), maps[0], maps[1].astype(bool))


def hardened(picture: Picture, rng: Rng) -> tuple[Picture, str] | None:
    """One to three things done to a picture, and their names; None where too little of the lungs is
    left.
    """
    names = rng.choice(
        list(HARDSHIPS), size=rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]), replace=False
    )
    hard = picture
    for name in names:
        hard = HARDSHIPS[str(name)](hard, rng)
    before, left = (float((p.labels > 0).mean()) for p in (picture, hard))
    if left < max(SMALLEST_TRUTH, SMALLEST_REST * before):
        return None
    return replace(hard, grey=np.clip(hard.grey, 0, 1).astype(np.float32)), "+".join(names)


def _warped(p: Picture, matrix: Array, fill: float) -> Picture:
    to = p.grey.shape[::-1]
    grey = cv2.warpAffine(
        p.grey, matrix, to, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    labels = cv2.warpAffine(p.labels, matrix, to, flags=cv2.INTER_NEAREST)
    judged = cv2.warpAffine(
        p.judged.astype(np.uint8), matrix, to, flags=cv2.INTER_NEAREST, borderValue=1
    )
    return Picture(np.asarray(grey), np.asarray(labels), np.asarray(judged).astype(bool))


def rotated(p: Picture, rng: Rng) -> Picture:
    """Turned by 10 to 50 degrees."""
    rows, columns = p.grey.shape
    angle = rng.uniform(10, 50) * rng.choice([-1, 1])
    return _warped(
        p,
        cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, rng.uniform(0.75, 1.0)),
        float(rng.choice([0, 0, 0.5, 1])),
    )


def sheared(p: Picture, rng: Rng) -> Picture:
    """Sheared and stretched."""
    rows, columns = p.grey.shape
    shear, wide = rng.uniform(-0.5, 0.5), np.exp(rng.uniform(-0.5, 0.3))
    linear = np.array([[wide, shear], [rng.uniform(-0.2, 0.2), np.exp(rng.uniform(-0.5, 0.2))]])
    centre = np.array([columns / 2, rows / 2])
    return _warped(
        p, np.column_stack([linear, centre - linear @ centre]), float(rng.choice([0, 1]))
    )


def cropped(p: Picture, rng: Rng) -> Picture:
    """One to three sides cut off."""
    rows, columns = p.grey.shape
    top, bottom, first, last = (
        rng.uniform(0.05, 0.4) if rng.random() < 0.45 else 0.0 for _ in range(4)
    )
    box = np.s_[
        int(top * rows) : rows - int(bottom * rows * 0.8),
        int(first * columns * 0.8) : columns - int(last * columns * 0.8),
    ]
    return Picture(p.grey[box].copy(), p.labels[box].copy(), p.judged[box].copy())


def framed(p: Picture, rng: Rng) -> Picture:
    """Small in a broad frame, as photographs of films are."""
    rows, columns = p.grey.shape
    zoom = rng.uniform(0.3, 0.75)
    shift = rng.uniform(0, 1 - zoom, 2) * (columns, rows)
    return _warped(
        p, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), float(rng.choice([0, 0.3, 1]))
    )


def noisy(p: Picture, rng: Rng) -> Picture:
    """Grain."""
    return replace(
        p,
        grey=np.clip(
            p.grey + rng.normal(0, np.exp(rng.uniform(np.log(0.05), np.log(0.7))), p.grey.shape),
            0,
            1,
        ),
    )


def blurred(p: Picture, rng: Rng) -> Picture:
    """Out of focus."""
    return replace(
        p, grey=cv2.GaussianBlur(p.grey, (0, 0), np.exp(rng.uniform(np.log(2), np.log(18))))
    )


def coarse(p: Picture, rng: Rng) -> Picture:
    """A thumbnail, enlarged."""
    side = int(rng.uniform(12, 64))
    small = cv2.resize(p.grey, (side, side), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    return replace(p, grey=cv2.resize(small, p.grey.shape[::-1], interpolation=how))


def bent_greys(p: Picture, rng: Rng) -> Picture:
    """Far too dark or far too bright."""
    return replace(
        p, grey=np.clip(p.grey, 0, 1) ** np.exp(rng.uniform(0.7, 2.0) * rng.choice([-1, 1]))
    )


def saturated(p: Picture, rng: Rng) -> Picture:
    """A narrow window."""
    low, high = np.quantile(p.grey, (rng.uniform(0, 0.45), 1 - rng.uniform(0, 0.45)))
    return replace(p, grey=np.clip((p.grey - low) / max(high - low, 1e-3), 0, 1))


def faint(p: Picture, rng: Rng) -> Picture:
    """A few grey levels only, with grain."""
    levels = rng.uniform(3, 16)
    return replace(
        p,
        grey=np.rint(np.clip(p.grey + rng.normal(0, 0.3 / levels, p.grey.shape), 0, 1) * levels)
        / levels,
    )


def shaded(p: Picture, rng: Rng) -> Picture:
    """Light from one side, as on a viewing box."""
    field = cv2.resize(
        rng.normal(0, 1, (2, 2)).astype(np.float32),
        p.grey.shape[::-1],
        interpolation=cv2.INTER_LINEAR,
    )
    return replace(p, grey=np.clip(p.grey + rng.uniform(0.2, 0.9) * field, 0, 1))


def compressed(p: Picture, rng: Rng) -> Picture:
    """JPEG of very low quality."""
    _, code = cv2.imencode(
        ".jpg",
        (np.clip(p.grey, 0, 1) * 255).astype(np.uint8),
        (cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(1, 12))),
    )
    return replace(
        p, grey=np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)).astype(np.float32) / 255
    )


def inverted(p: Picture, _: Rng) -> Picture:
    """A negative."""
    return replace(p, grey=1 - p.grey)


def hidden(p: Picture, rng: Rng) -> Picture:
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


def opaque(p: Picture, rng: Rng) -> Picture:
    """White lung: soft clouds, or fluid up to a level, in one lung or both."""
    rows, columns = p.grey.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    tissue = float(np.quantile(p.grey, rng.uniform(0.6, 0.95)))
    weight = np.zeros(p.grey.shape, np.float32)
    for number in rng.permutation([1, 2])[: rng.integers(1, 3)]:
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


def lettered(p: Picture, rng: Rng) -> Picture:
    """Large letters, lines and arrows all over it."""
    grey = np.ascontiguousarray(p.grey, dtype=np.float32).copy()
    rows, columns = grey.shape
    for _ in range(rng.integers(2, 9)):
        at = (int(rng.uniform(0, 0.8) * columns), int(rng.uniform(0.05, 1) * rows))
        shade = float(rng.choice([0, 1]))
        if rng.random() < 0.6:
            text = "".join(rng.choice(list("ABDLPRX0123456789"), rng.integers(1, 9)))
            cv2.putText(
                grey,
                text,
                at,
                cv2.FONT_HERSHEY_SIMPLEX,
                rng.uniform(0.8, 4),
                shade,
                int(rng.integers(2, 12)),
            )
        else:
            cv2.line(
                grey,
                at,
                (int(rng.uniform(0, columns)), int(rng.uniform(0, rows))),
                shade,
                int(rng.integers(3, 20)),
            )
    return replace(p, grey=grey)


HARDSHIPS: dict[str, Callable[[Picture, Rng], Picture]] = {
    f.__name__: f
    for f in (
        rotated, sheared, cropped, framed, noisy, blurred, coarse, bent_greys, saturated,
        faint, shaded, compressed, inverted, hidden, opaque, lettered,
    )
}  # fmt: skip
