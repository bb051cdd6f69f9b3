"""What a mask (rows, columns) encloses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a mask encloses: background from which no path over shared edges leads to the border of
    the image.
    """
    outside = np.pad(~mask, 1, constant_values=True).view(np.uint8)
    cv2.floodFill(outside, None, (0, 0), 0, flags=4)
    return outside[1:-1, 1:-1].view(np.bool_)
