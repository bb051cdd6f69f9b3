from __future__ import annotations

import numpy as np
import pytest

from lungseg.phantom.ct import ct_phantom
from lungseg.segmenter import Segmenter


@pytest.fixture(scope="session")
def find() -> Segmenter:
    return Segmenter(modality="ct")


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """A slice in a window for lungs, of 8 bits."""
    plane = ct_phantom((24, 256, 256)).volume.array[12]
    return np.clip((plane + 1350) / 1500 * 255, 0, 255).astype(np.uint8)
