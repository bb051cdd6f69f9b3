"""What is scored as one while a network is trained, and how its pixels are counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lungseg.datasets.label_sets import LayerClasses
from lungseg.structures import regions
from lungseg.train.losses import split_channels


@dataclass(frozen=True, slots=True)
class Region:
    """What is scored as one: a pair, or a structure of none.

    Attributes:
        name: the plural of the pair, or the structure's.
        layer: index of its layer.
        channels: of its structures within the layer, which are also the numbers of their bits.
    """

    name: str
    layer: int
    channels: tuple[int, ...]


@cache
def regions_of(layers: tuple[LayerClasses, ...]) -> tuple[Region, ...]:
    """The regions of each layer."""
    return tuple(
        Region(name, layer, tuple(1 + classes.structures.index(one) for one in those))
        for layer, classes in enumerate(layers)
        for name, those in regions(classes.structures).items()
    )


def certain_counts(logits: Tensor, allowed: Tensor, layers: tuple[LayerClasses, ...]) -> Tensor:
    """What `lungseg.scores.Counts` counts (tp, fp, fn, tn), of each region, over the pixels where
    it is certain whether they belong to it; -1 each where a mask leaves open whether the region is
    there at all.

    Args:
        logits: (N, all channels, H, W).
        allowed: (N, layers, H, W), sets of allowed classes.
        layers: their classes.

    Returns:
        (N, regions, 4), int64.
    """
    probabilities = [channels.float().softmax(dim=1) for channels in split_channels(logits, layers)]
    found_in = []
    for region in regions_of(layers):
        sets, channels = allowed[:, region.layer], probabilities[region.layer]
        bits = sum(1 << channel for channel in region.channels)
        inside = (sets & (255 - bits)) == 0
        certain = inside | ((sets & bits) == 0)
        found = sum(channels[:, channel] for channel in region.channels) >= 0.5
        counts = [
            (t & certain).sum(dim=(1, 2))
            for t in (found & inside, found & ~inside, ~found & inside, ~found & ~inside)
        ]
        known = inside.any(dim=2).any(dim=1) | certain.all(dim=2).all(dim=1)
        found_in.append(torch.stack(counts, dim=1).where(known.unsqueeze(1), -1))
    return torch.stack(found_in, dim=1)
