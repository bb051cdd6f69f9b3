"""The ground truth of a phantom, in the layers of structures that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.structures import BY_NAME, LEFT_LUNG, RIGHT_LUNG, Structure

Layers = Sequence[Sequence[str]]
"""Names of the structures of each layer."""

LUNG_LAYER: Final = ((RIGHT_LUNG.name, LEFT_LUNG.name),)
"""What is asked for where nothing is said: one layer of the two lungs."""


def label_maps(
    masks: Mapping[str, NDArray[np.bool_]], layers: Layers
) -> tuple[list[NDArray[Any]], list[list[Structure]]]:
    """A label map of each layer, and the structures in it.

    Args:
        masks: where each structure is, by its name; all of one shape.
        layers: names of structures; of two that overlap in a layer the later one counts.

    Raises:
        UsageError: a name is none of `masks`.
    """
    maps, structures = [], []
    for layer in layers:
        labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
        for name in layer:
            if name not in masks:
                raise UsageError(
                    f"a phantom has no {name!r}", cure=f"ask for some of {', '.join(masks)}"
                )
            labels[masks[name]] = BY_NAME[name].number
        maps.append(labels)
        structures.append([BY_NAME[name] for name in layer])
    return maps, structures
