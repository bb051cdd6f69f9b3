"""A small set of phantom films with their masks, written in the layout of pairs, for the tests of
training and evaluation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lungseg.phantom.ground_truth import LUNG_LAYER
from lungseg.phantom.radiograph import radiograph_phantom


def write_films(
    folder: Path,
    *,
    count: int,
    side: int = 64,
    structures: tuple[str, ...] = (),
    first_seed: int = 0,
) -> Path:
    """Writes `count` phantoms of `side` x `side` pixels into `folder`/images and their masks (0,
    255), or label maps of `structures`, into `folder`/masks.

    Two films are of one patient: p0_a, p0_b, p1_a and so on.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        layers = (structures,) if structures else LUNG_LAYER
        phantom = radiograph_phantom((side, side), seed=first_seed + i, layers=layers)
        labels = phantom.ground_truth.labels
        name = f"p{i // 2}_{'ab'[i % 2]}.png"
        cv2.imwrite(str(folder / "images" / name), phantom.image.array)
        mask = labels if structures else np.where(labels > 0, 255, 0).astype(np.uint8)
        cv2.imwrite(str(folder / "masks" / name), mask)
    return folder
