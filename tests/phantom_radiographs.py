"""A small set of phantom radiographs with their masks, written in the layout of pairs, for the
tests of training and evaluation."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from lungseg.phantom.ground_truth import LUNG_LAYER
from lungseg.phantom.radiograph import Phantom, radiograph_phantom


@cache  # a tenth of a second each, and many modules ask for the same ones
def _drawn(side: int, seed: int, layers: tuple[tuple[str, ...], ...]) -> Phantom:
    return radiograph_phantom((side, side), seed=seed, layers=layers)


def write_radiographs(
    folder: Path,
    *,
    count: int,
    side: int = 64,
    structures: tuple[str, ...] = (),
    first_seed: int = 0,
) -> Path:
    """Writes `count` phantoms of `side` x `side` pixels into `folder`/images and their masks (0,
    255), or label maps of `structures`, into `folder`/masks.

    Two are of one patient: p0_a, p0_b, p1_a and so on.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        layers = (structures,) if structures else LUNG_LAYER
        phantom = _drawn(side, first_seed + i, layers)
        labels = phantom.ground_truth.labels
        name = f"p{i // 2}_{'ab'[i % 2]}.png"
        cv2.imwrite(str(folder / "images" / name), phantom.image.array)
        mask = labels if structures else np.where(labels > 0, 255, 0).astype(np.uint8)
        cv2.imwrite(str(folder / "masks" / name), mask)
    return folder
