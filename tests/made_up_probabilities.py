"""Probabilities that nobody predicted, on the grid of an image or volume."""

from __future__ import annotations

import numpy as np

from lungseg.image import Image
from lungseg.segmentation import Probabilities
from lungseg.structures import LUNGS, Structure
from lungseg.volume import Volume


def probabilities_of(
    image: Image | Volume,
    labels: np.ndarray,
    inside: int = 255,
    outside: int = 0,
    *,
    structures: tuple[Structure, ...] = LUNGS,
) -> Probabilities:
    """In 255ths: `inside` where the labels have a structure, `outside` elsewhere."""
    channels = np.stack(
        [np.where(labels == one.number, inside, outside).astype(np.uint8) for one in structures]
    )
    if isinstance(image, Volume):
        turn = image.geometry.to_axial()
        channels = np.stack([turn.apply(channel) for channel in channels])
    else:
        channels = (channels / 255).astype(np.float32)
    return Probabilities(tuple(one.name for one in structures), channels, image.geometry)
