"""Pictures of which all but the lungs was blanked before, so that nothing is left that a network
could tell them from.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from lungseg.errors import InputError
from lungseg.image import Image
from lungseg.segmentation import Array
from lungseg.volume import Volume

MIN_BLANK: Final = 0.4
"""Fraction of the pixels that are exactly, or by the noise of JPEG, the darkest."""
NOISE: Final = 0.02
"""Of the range of greys, within which a pixel is as blank as the darkest."""
MIN_PART: Final = 0.03
"""Fraction of the picture that either of two parts has at least; a lung has 0.05 to 0.2."""
MAX_REST: Final = 0.1
"""Of the smaller part, what further parts may have together."""
MAX_FILLED: Final = 0.9
"""Fraction of its box that a lung fills at most; a picture beside a picture fills all of it."""
SIDE: Final = 512
"""Pixels of the longer side on which it is looked for."""


def refuse_cut_out(picture: Image | Volume) -> None:
    """Refuses a picture, or a slice without Hounsfield units, in which two parts beside each other
    stand in nothing but blank.

    Raises:
        InputError: it is one.
    """
    if isinstance(picture, Volume) and picture.hounsfield:
        return
    if is_cut_out(picture.array[0] if isinstance(picture, Volume) else picture.array):
        raise InputError(
            "all but a part of it is blank, as where lungs were cut out before",
            where=picture.source,
            cure="give the picture that they were cut from",
        )


def is_cut_out(pixels: Array) -> bool:
    """Whether all but two parts beside each other, of the size and shape of lungs, is blank."""
    step = max(1, max(pixels.shape) // SIDE)
    small = pixels[::step, ::step].astype(np.float32)
    low, high = float(small.min()), float(small.max())
    seen = small > low + NOISE * (high - low)
    if seen.mean() > 1 - MIN_BLANK:
        return False
    seen = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=4)
    parts = stats[1:][np.argsort(-stats[1:, cv2.CC_STAT_AREA])]
    areas = parts[:, cv2.CC_STAT_AREA]
    if len(parts) < 2 or areas[1] < MIN_PART * seen.size or (areas[2:].sum() > MAX_REST * areas[1]):
        return False
    left, top, wide, tall, area = parts[:2].T
    beside = left[0] + wide[0] <= left[1] + wide[1] // 4 or (
        left[1] + wide[1] <= left[0] + wide[0] // 4
    )
    overlap = min(top + tall) - max(top)
    lying = overlap >= 0.5 * min(tall)
    through = ((top == 0) & (top + tall == seen.shape[0])).any()
    filled = (area > MAX_FILLED * wide * tall).any()
    return bool(beside and lying and not through and not filled)
