"""Stacks of CT slices degraded, with their ground truth: what happens to radiographs, and what
happens to CT alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.augment.degradations import DEGRADATIONS, LabelledImage
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.morphology.sides import lung_mask
from lungseg.preprocess import HOUNSFIELD
from lungseg.volume import Volume

Array = NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class LabelledStack:
    """Axial slices and the lungs in them.

    Attributes:
        grey: (slices, rows, columns), float32, 0 to 1 over `HOUNSFIELD` where `hounsfield`.
        lungs: of the same shape, bool.
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


def from_hounsfield(
    voxels: Array, lungs: Array, spacing: tuple[float, float, float] | None
) -> LabelledStack:
    """A stack of axial voxels in Hounsfield units; `spacing` in millimetres."""
    low, high = HOUNSFIELD
    return LabelledStack(
        (np.clip(voxels, low, high).astype(np.float32) - low) / (high - low),
        lungs,
        hounsfield=True,
        spacing=spacing,
    )


def from_grey(voxels: Array, lungs: Array) -> LabelledStack:
    """A stack of axial slices of unknown scale, and the lungs in them."""
    low, high = np.percentile(voxels, (0.5, 99.5))
    return LabelledStack(
        np.clip((voxels.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1), lungs
    )


def degrade(stack: LabelledStack, rng: Rng) -> tuple[LabelledStack, str] | None:
    """One to three of `DEGRADATIONS` and `CT_DEGRADATIONS` done to a stack, the same to each slice,
    and their names joined by "+"; None where most of the lungs is gone.
    """
    names = [
        str(name)
        for name in rng.choice(
            [*DEGRADATIONS, *CT_DEGRADATIONS],
            size=rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]),
            replace=False,
        )
    ]
    degraded, before = stack, stack.lungs.mean(axis=(1, 2)).sum()
    for name in names:
        degraded = (
            CT_DEGRADATIONS[name](degraded, rng)
            if name in CT_DEGRADATIONS
            else _each(degraded, name, int(rng.integers(1 << 30)))
        )
    flat = np.ptp(degraded.grey, axis=(1, 2)).min() == 0
    left = degraded.lungs.mean(axis=(1, 2)).sum() / min(
        1.0, stack.lungs[0].size / degraded.lungs[0].size
    )
    if flat or min(degraded.grey.shape[1:]) < 64 or left < 0.3 * before:
        return None
    return degraded, "+".join(names)


def _each(stack: LabelledStack, name: str, seed: int) -> LabelledStack:
    """What is done to radiographs, done to every slice alike."""
    ones = [
        LabelledImage(grey, lungs.astype(np.uint8), lungs)
        for grey, lungs in zip(stack.grey, stack.lungs, strict=True)
    ]
    degraded = [DEGRADATIONS[name](one, np.random.default_rng(seed)) for one in ones]
    kept = stack.hounsfield and name in KEEP_HOUNSFIELD
    # Millimetres are those of before: no measure of them is used here.
    grey = np.stack([np.clip(one.grey, 0, 1) for one in degraded]).astype(np.float32)
    return replace(
        stack,
        grey=grey,
        lungs=np.stack([lung_mask(one.labels) for one in degraded]),
        hounsfield=kept,
    )


KEEP_HOUNSFIELD = frozenset(
    {"rotate", "shear", "crop", "frame", "add_noise", "blur", "pixelate", "opacify"}
)
"""Of `DEGRADATIONS` those after which values are still Hounsfield units."""


def apply_window(stack: LabelledStack, rng: Rng) -> LabelledStack:
    """In 256 greys of a window for lungs, for soft tissue, or anything between."""
    low, high = rng.uniform(0, 0.55), rng.uniform(0.6, 1.0)
    return replace(
        stack,
        grey=np.rint(np.clip((stack.grey - low) / (high - low), 0, 1) * 255) / 255,
        hounsfield=False,
    )


def rotate_180(stack: LabelledStack, _: Rng) -> LabelledStack:
    """Face down."""
    return replace(
        stack, grey=stack.grey[:, ::-1, ::-1].copy(), lungs=stack.lungs[:, ::-1, ::-1].copy()
    )


def rotate_90(stack: LabelledStack, rng: Rng) -> LabelledStack:
    """On its side."""
    quarters = int(rng.choice([1, 3]))
    return replace(
        stack,
        grey=np.rot90(stack.grey, quarters, (1, 2)).copy(),
        lungs=np.rot90(stack.lungs, quarters, (1, 2)).copy(),
        spacing=stack.spacing and (stack.spacing[0], stack.spacing[2], stack.spacing[1]),
    )


def thicken_slices(stack: LabelledStack, rng: Rng) -> LabelledStack:
    """Neighbouring slices in one; of a single slice nothing happens."""
    weight = float(rng.uniform(0.1, 0.33))
    padded = np.pad(stack.grey, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return replace(stack, grey=(1 - 2 * weight) * stack.grey + weight * (padded[:-2] + padded[2:]))


def consolidate(stack: LabelledStack, rng: Rng) -> LabelledStack:
    """Balls of tissue, or of haze, within the lungs: 0.1 to 0.6 of their voxels."""
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
    return _fill(stack, filled, rng.uniform(0.25, 0.65), rng)


def opacify_lung(stack: LabelledStack, rng: Rng) -> LabelledStack:
    """One lung without air, whole or from a level backwards."""
    columns = np.nonzero(stack.lungs)[2]
    if not columns.size:
        return stack
    middle, rows = np.median(columns), np.nonzero(stack.lungs)[1]
    y, x = np.indices(stack.lungs.shape[1:])
    side = x < middle if rng.random() < 0.5 else x >= middle
    level = rng.choice([rows.min(), np.percentile(rows, rng.uniform(20, 80))])
    return _fill(stack, stack.lungs & side & (y >= level), rng.uniform(0.6, 0.66), rng)


def _fill(stack: LabelledStack, where: Array, value: float, rng: Rng) -> LabelledStack:
    grain = np.stack(
        [
            cv2.GaussianBlur(rng.standard_normal(plane.shape, np.float32), (0, 0), 1.0)
            for plane in stack.grey
        ]
    )
    return replace(stack, grey=np.where(where, np.float32(value) + 0.05 * grain, stack.grey))


CT_DEGRADATIONS: dict[str, Callable[[LabelledStack, Rng], LabelledStack]] = {
    f.__name__: f
    for f in (apply_window, rotate_180, rotate_90, thicken_slices, consolidate, opacify_lung)
}
