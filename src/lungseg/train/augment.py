"""Random changes of a training sample: all numbers are drawn first, then applied, so that a sample can be replayed from its numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.convention import BACKGROUND, LEFT, RIGHT
from lungseg.train import obscure

Array = NDArray[Any]
Float = Array
"""float32, but OpenCV's types do not tell."""


@dataclass(frozen=True, slots=True)
class Draw:
    """All that was drawn for one sample. Chances are decided already: what does not happen is None or its neutral value.

    Attributes:
        mirror: left and right exchanged, labels too.
        matrix: (2, 3), from output to input pixel coordinates, both as shares of the side, centred.
        bend: (2, 4, 4), shifts of a coarse grid, as shares of the side.
        fill: grey of the padding, 0 to 1.
        obscured: opacities, gas, tubes, letters and the like, to be drawn onto the picture.
        gamma, contrast, brightness: of the grey curve.
        shade: (3, 3) coarse field that brightens and darkens parts of the picture, None for none.
        equalise: strength of local contrast equalisation, None for none.
        blur: Gaussian sigma in pixels.
        coarse: factor of a resampling down and up again, 1 for none.
        noise: standard deviation, in units of the full grey range; `seed` is of its generator.
        jpeg: quality, None for none.
        window: lower and upper share of the grey range that is cut off.
        negative: bone black.
    """

    mirror: bool
    matrix: Float
    bend: Float
    fill: float
    obscured: tuple[obscure.Obscured, ...]
    gamma: float
    contrast: float
    brightness: float
    shade: Float | None
    equalise: float | None
    blur: float
    coarse: float
    noise: float
    seed: int
    jpeg: int | None
    window: tuple[float, float]
    negative: bool


PLAIN_MOVES = 0.3
"""How far, of what was drawn, a plain sample is moved."""


def draw(rng: np.random.Generator, *, plain: float = 0.0) -> Draw:
    """Draws all numbers for one sample from `rng`; with the chance `plain` a sample that is moved little and shows what was taken."""

    def happens(chance: float) -> bool:
        return bool(rng.random() < chance)

    drawn = Draw(
        mirror=happens(0.5),
        matrix=_draw_matrix(rng),
        bend=(rng.normal(0, 0.012, (2, 4, 4)) if happens(0.4) else np.zeros((2, 4, 4))).astype(np.float32),
        fill=float(rng.choice([0.0, 0.0, 0.0, 1.0, 0.5])),
        obscured=obscure.draw(rng),
        gamma=float(np.exp(rng.normal(0, 0.3))) if happens(0.7) else 1.0,
        contrast=float(np.exp(rng.normal(0, 0.2))),
        brightness=float(rng.normal(0, 0.08)),
        shade=rng.normal(0, 0.12, (3, 3)).astype(np.float32) if happens(0.3) else None,
        equalise=float(rng.uniform(1, 4)) if happens(0.15) else None,
        blur=float(rng.uniform(0.3, 1.5)) if happens(0.2) else 0.0,
        coarse=float(rng.uniform(1.3, 3)) if happens(0.15) else 1.0,
        noise=float(rng.exponential(0.03)) if happens(0.4) else 0.0,
        seed=int(rng.integers(2**31)),
        jpeg=int(rng.integers(25, 90)) if happens(0.15) else None,
        window=(float(rng.uniform(0, 0.15)), float(rng.uniform(0, 0.15))) if happens(0.25) else (0.0, 0.0),
        negative=happens(0.15),
    )
    return _tame(drawn) if happens(plain) else drawn


def _tame(drawn: Draw) -> Draw:
    still = np.eye(2, 3, dtype=np.float32)
    return replace(
        drawn,
        matrix=still + PLAIN_MOVES * (drawn.matrix - still),
        bend=PLAIN_MOVES * drawn.bend,
        obscured=(),
        gamma=drawn.gamma**PLAIN_MOVES,
        shade=None,
        equalise=None,
        blur=0.0,
        coarse=1.0,
        noise=0.0,
        jpeg=None,
        window=(0.0, 0.0),
        negative=False,
    )


def _draw_matrix(rng: np.random.Generator) -> Float:
    """Rotation, zoom, stretch, shear, shift; one sample in eight is set in a broad frame, one in eight barely changed."""
    kind = rng.random()
    calm = 0.25 if kind < 0.125 else 1.0
    angle = np.deg2rad(rng.normal(0, 8) * calm)
    zoom = np.exp(rng.normal(0, 0.12) * calm)
    stretch = np.exp(rng.normal(0, 0.09) * calm)
    frame = np.array([rng.uniform(1.1, 1.6), rng.uniform(1.0, 1.15)]) if kind > 0.875 else np.ones(2)
    if rng.random() < 0.5:
        frame = frame[::-1]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.normal(0, 0.04) * calm], [0, 1]])
    linear = rotation @ shear @ np.diag([zoom * stretch, zoom / stretch]) @ np.diag(frame)
    shift = rng.normal(0, 0.05, 2) * calm
    return np.column_stack([linear, shift]).astype(np.float32)


def apply(picture: NDArray[np.uint8], allowed: NDArray[np.uint8], drawn: Draw, size: tuple[int, int]) -> tuple[Float, NDArray[np.uint8]]:
    """Carries out what was drawn.

    Args:
        picture: (rows, columns), grey.
        allowed: the same shape, sets of allowed classes.
        drawn: from `draw`.
        size: rows and columns of the result.

    Returns:
        The changed picture, float32, of any range, before standardisation, and the sets of allowed classes, both of `size`.
    """
    grey, sets = _move(picture, allowed, drawn, size)
    if drawn.mirror:
        grey, sets = grey[:, ::-1].copy(), swap_sides(sets[:, ::-1])
    rng = np.random.default_rng(drawn.seed)
    for thing in drawn.obscured:
        grey = thing.onto(grey, sets, rng)
    return _recolour(grey, drawn, rng), sets


def swap_sides(allowed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Right lung becomes left lung and the reverse."""
    others = allowed & ~np.uint8(RIGHT | LEFT)
    return np.asarray(others | ((allowed & RIGHT) << 1) | ((allowed & LEFT) >> 1), np.uint8)


def _move(picture: Array, allowed: Array, drawn: Draw, size: tuple[int, int]) -> tuple[Float, NDArray[np.uint8]]:
    rows, columns = size
    y, x = np.meshgrid((np.arange(rows) + 0.5) / rows - 0.5, (np.arange(columns) + 0.5) / columns - 0.5, indexing="ij")
    m = drawn.matrix
    bend = [cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC) for field in drawn.bend]
    height, width = picture.shape
    at_x = ((m[0, 0] * x + m[0, 1] * y + m[0, 2] + bend[0] + 0.5) * width - 0.5).astype(np.float32)
    at_y = ((m[1, 0] * x + m[1, 1] * y + m[1, 2] + bend[1] + 0.5) * height - 0.5).astype(np.float32)
    fill = drawn.fill * 255
    grey = cv2.remap(picture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    sets = cv2.remap(allowed, at_x, at_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=BACKGROUND)
    return grey.astype(np.float32) / 255, sets.astype(np.uint8)


def _recolour(grey: Float, drawn: Draw, rng: np.random.Generator) -> Float:
    rows, columns = grey.shape
    if drawn.equalise is not None:
        grey = cv2.createCLAHE(drawn.equalise, (8, 8)).apply((np.clip(grey, 0, 1) * 255).astype(np.uint8)).astype(np.float32) / 255
    grey = np.clip(grey, 0, 1) ** drawn.gamma
    grey = (grey - 0.5) * drawn.contrast + 0.5 + drawn.brightness
    if drawn.shade is not None:
        grey = grey + cv2.resize(drawn.shade, (columns, rows), interpolation=cv2.INTER_CUBIC)
    if drawn.blur:
        grey = cv2.GaussianBlur(grey, (0, 0), drawn.blur)
    if drawn.noise:
        grey = grey + rng.normal(0, drawn.noise, grey.shape).astype(np.float32)
    if drawn.coarse > 1:
        small = (max(int(columns / drawn.coarse), 8), max(int(rows / drawn.coarse), 8))
        grey = cv2.resize(cv2.resize(grey, small, interpolation=cv2.INTER_AREA), (columns, rows), interpolation=cv2.INTER_LINEAR)
    low, high = drawn.window
    grey = np.clip((grey - low) / (1 - low - high), 0, 1)
    if drawn.jpeg is not None:
        _, code = cv2.imencode(".jpg", (grey * 255).astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, drawn.jpeg))
        grey = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)).astype(np.float32) / 255
    return 1 - grey if drawn.negative else grey
