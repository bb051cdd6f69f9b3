"""A slice of CT in a picture may be a negative, with air white: the network has not learnt it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lungseg.segmentation import Array
from lungseg.volume import Volume

NOTE = "seems to be a negative: its greys were turned round for the network"


def negative(volume: Volume) -> Volume:
    """The same with its greys turned round."""
    greys = volume.array
    return replace(volume, array=greys.max() - (greys - greys.min()))


def is_light_outside(greys: Array) -> bool:
    """Whether a picture (rows, columns) is brighter at its edges, where there is air, than in its
    middle.
    """
    rows, columns = (slice(size // 4, size - size // 4) for size in greys.shape)
    edges = np.concatenate([greys[0], greys[-1], greys[:, 0], greys[:, -1]])
    return bool(edges.mean() > greys[rows, columns].mean())
