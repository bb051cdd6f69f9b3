"""Lungs that are drawn through heart and mediastinum, of a model whose card names that extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.morphology.dilation import nearest_of
from lungseg.morphology.sides import is_undecided
from lungseg.radiograph.postprocess import postprocess_lungs
from lungseg.segmentation import Layers
from lungseg.structures import LUNGS, MEDIASTINUM

NOTE = "lungs drawn through heart and mediastinum"
"""Of such a mask, since whoever reads the record must know."""


def through_heart(channels: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """The probabilities with that of the mediastinum added to those of the lungs, at each pixel to
    that of the nearer one; half of it to each where their sides are undecided, and none where no
    lung is.

    Args:
        channels: (channels, rows, columns), 0 to 1, as the card names them.
        card: of the model, with the extent "through-heart".

    Returns:
        Of the same shape.
    """
    right, left = (channels[card.channel(lung)] for lung in LUNGS)
    labels = postprocess_lungs(right, left, card.threshold)
    mediastinum = channels[card.outputs.index(MEDIASTINUM)]
    drawn = channels.copy()
    if labels.any():
        undecided = is_undecided(right, left, card.threshold).any()
        nearest, _ = nearest_of(labels, [lung.number for lung in LUNGS])
        for lung in LUNGS:
            part = np.float32(1 / 2) if undecided else nearest == lung.number
            drawn[card.channel(lung)] += mediastinum * part
    return drawn


def lungs_apart(structures: Layers) -> Layers:
    """The same structures, the lungs in a layer of their own: drawn through the heart they overlap
    what excludes them otherwise.
    """
    apart = (
        (
            tuple(structure for structure in layer if structure in LUNGS),
            tuple(structure for structure in layer if structure not in LUNGS),
        )
        for layer in structures
    )
    return tuple(part for parts in apart for part in parts if part)
