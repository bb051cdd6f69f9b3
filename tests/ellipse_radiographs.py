"""A small set of radiographs for the network of `tiny_model`, with their masks, for the tests of
calibration."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lungseg.datasets import Case
from tiny_model import dark_ellipses


def write_ellipse_radiographs(folder: Path) -> list[Case]:
    """Twelve radiographs with grain in `folder`, two of each patient p0 to p5: of three patients
    for validation, of two for testing, of the last for training."""
    cases = []
    for i in range(12):
        grain = np.random.default_rng(i).integers(-20, 20, (96, 120))
        pixels = dark_ellipses((96, 120))
        image, mask = folder / f"{i}.png", folder / f"{i}_mask.png"
        cv2.imwrite(str(image), (pixels + grain).astype(np.uint8))
        cv2.imwrite(str(mask), np.where(pixels < 100, 255, 0).astype(np.uint8))
        split = ("validation", "validation", "validation", "test", "test", "train")[i // 2]
        cases.append(Case(str(i), f"p{i // 2}", image, mask, "north", split))
    return cases
