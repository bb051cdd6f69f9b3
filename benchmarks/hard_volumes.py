"""Stacks of CT slices made hard, with their truth, for `benchmarks/judge_ct.py`: what befalls
films, and what befalls CT alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hard_pictures import HARDSHIPS, Picture
from lungseg.ct.slices import HOUNSFIELD
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.volume import Volume

Array = NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Stack:
    """Axial slices (slices, rows, columns) and the lungs in them.

    Attributes:
        grey: float32, 0 to 1 over `HOUNSFIELD` where `hounsfield`.
        lungs: bool.
        hounsfield: whether the greys are still Hounsfield units.
        spacing: millimetres between slices, rows and columns; None where it is not known.
    """

    grey: Array
    lungs: Array
    hounsfield: bool = False
    spacing: tuple[float, float, float] | None = None

    @property
    def volume(self) -> Volume:
        """As the segmenter takes it."""
        affine = None
        if self.spacing is not None:
            affine = np.eye(4)
            affine[:3, :3] = AXIAL * self.spacing
        low, high = HOUNSFIELD
        voxels = (
            np.rint(self.grey * (high - low) + low).astype(np.int16)
            if self.hounsfield
            else self.grey.astype(np.float32)
        )
        return Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=self.hounsfield)


def from_hounsfield(voxels: Array, lungs: Array, spacing: tuple[float, float, float]) -> Stack:
    """A stack of voxels in Hounsfield units."""
    low, high = HOUNSFIELD
    return Stack(
        (np.clip(voxels, low, high).astype(np.float32) - low) / (high - low),
        lungs,
        hounsfield=True,
        spacing=spacing,
    )


def from_greys(pixels: Array, lungs: Array) -> Stack:
    """One slice (rows, columns) of unknown scale."""
    low, high = np.percentile(pixels, (0.5, 99.5))
    return Stack(
        np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)[np.newaxis],
        lungs[np.newaxis],
    )


def hardened(stack: Stack, rng: Rng) -> tuple[Stack, str] | None:
    """One to three things done to a stack, the same to each slice, and their names; None where most
    of the lungs is gone.
    """
    names = [
        str(name)
        for name in rng.choice(
            [*HARDSHIPS, *OF_CT], size=rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]), replace=False
        )
    ]
    hard, before = stack, stack.lungs.mean(axis=(1, 2)).sum()
    for name in names:
        hard = (
            OF_CT[name](hard, rng)
            if name in OF_CT
            else _each(hard, name, int(rng.integers(1 << 30)))
        )
    flat = np.ptp(hard.grey, axis=(1, 2)).min() == 0
    left = hard.lungs.mean(axis=(1, 2)).sum() / min(1.0, stack.lungs[0].size / hard.lungs[0].size)
    if flat or min(hard.grey.shape[1:]) < 64 or left < 0.3 * before:
        return None
    return hard, "+".join(names)


def _each(stack: Stack, name: str, seed: int) -> Stack:
    """What is done to films, done to every slice alike."""
    ones = [
        Picture(grey, lungs.astype(np.uint8), lungs)
        for grey, lungs in zip(stack.grey, stack.lungs, strict=True)
    ]
    hard = [HARDSHIPS[name](one, np.random.default_rng(seed)) for one in ones]
    kept = stack.hounsfield and name in KEEP_HOUNSFIELD
    # Millimetres are those of before: no measure of them is used here.
    grey = np.stack([np.clip(one.grey, 0, 1) for one in hard]).astype(np.float32)
    return replace(
        stack, grey=grey, lungs=np.stack([one.labels > 0 for one in hard]), hounsfield=kept
    )


KEEP_HOUNSFIELD = frozenset(
    {"rotated", "sheared", "cropped", "framed", "noisy", "blurred", "coarse", "opaque"}
)
"""Of the films' hardships those after which values are still Hounsfield units."""


def windowed(stack: Stack, rng: Rng) -> Stack:
    """In 256 greys of a window for lungs, for soft tissue, or anything between."""
    low, high = rng.uniform(0, 0.55), rng.uniform(0.6, 1.0)
    return replace(
        stack,
        grey=np.rint(np.clip((stack.grey - low) / (high - low), 0, 1) * 255) / 255,
        hounsfield=False,
    )


def half_turned(stack: Stack, _: Rng) -> Stack:
    """Face down."""
    return replace(
        stack, grey=stack.grey[:, ::-1, ::-1].copy(), lungs=stack.lungs[:, ::-1, ::-1].copy()
    )


def quarter_turned(stack: Stack, rng: Rng) -> Stack:
    """On its side."""
    quarters = int(rng.choice([1, 3]))
    return replace(
        stack,
        grey=np.rot90(stack.grey, quarters, (1, 2)).copy(),
        lungs=np.rot90(stack.lungs, quarters, (1, 2)).copy(),
    )


def thickened(stack: Stack, rng: Rng) -> Stack:
    """Neighbouring slices in one; of a single slice nothing happens."""
    weight = float(rng.uniform(0.1, 0.33))
    padded = np.pad(stack.grey, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return replace(stack, grey=(1 - 2 * weight) * stack.grey + weight * (padded[:-2] + padded[2:]))


def consolidated(stack: Stack, rng: Rng) -> Stack:
    """Balls of tissue, or of haze, within the lungs: 0.1 to 0.6 of them."""
    at = np.argwhere(stack.lungs)
    if not at.size:
        return stack
    z, y, x = (np.arange(side, dtype=np.float32) for side in stack.grey.shape)
    filled, wanted = np.zeros(stack.lungs.shape, bool), rng.uniform(0.1, 0.6) * len(at)
    for centre in rng.permutation(at)[:12]:
        if filled.sum() >= wanted:
            break
        radius = rng.uniform(0.06, 0.2) * len(y)
        away = ((z - centre[0]) / 2)[:, None, None] ** 2 + ((y - centre[1]) / radius)[
            None, :, None
        ] ** 2
        filled |= (away + ((x - centre[2]) / radius)[None, None] ** 2 < 1) & stack.lungs
    return _filled(stack, filled, rng.uniform(0.25, 0.65), rng)


def whitened(stack: Stack, rng: Rng) -> Stack:
    """One lung without air, whole or from a level backwards."""
    columns = np.nonzero(stack.lungs)[2]
    if not columns.size:
        return stack
    middle, rows = np.median(columns), np.nonzero(stack.lungs)[1]
    y, x = np.indices(stack.lungs.shape[1:])
    side = x < middle if rng.random() < 0.5 else x >= middle
    level = rng.choice([rows.min(), np.percentile(rows, rng.uniform(20, 80))])
    return _filled(stack, stack.lungs & side & (y >= level), rng.uniform(0.6, 0.66), rng)


def _filled(stack: Stack, where: Array, value: float, rng: Rng) -> Stack:
    grain = np.stack(
        [
            cv2.GaussianBlur(rng.standard_normal(plane.shape, np.float32), (0, 0), 1.0)
            for plane in stack.grey
        ]
    )
    return replace(stack, grey=np.where(where, np.float32(value) + 0.05 * grain, stack.grey))


OF_CT: dict[str, Callable[[Stack, Rng], Stack]] = {
    f.__name__: f
    for f in (windowed, half_turned, quarter_turned, thickened, consolidated, whitened)
}
