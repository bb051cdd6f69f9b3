"""How confident a network is of a mask, from its own probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS, Structure, groups


def confidence(
    labels: NDArray[np.uint8],
    probabilities: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    structures: Sequence[Structure] = LUNGS,
) -> dict[str, float]:
    """Soft Dice between probabilities and the mask made of them: 2 sum(p m) / (sum(p) + sum(m)).

    It falls where the mask holds improbable pixels and where probable ones were left out; for
    calibrated probabilities it is close to the Dice to be expected (B. L. C. Borges et al., "Soft
    Dice Confidence", arXiv:2402.10665). A mask without a pixel has 0.

    Args:
        labels: label map of any shape.
        probabilities: of each structure, each of the map's shape, 0 to 1.
        structures: those of the map, in the order of `probabilities`.

    Returns:
        0 to 1 for each structure, by name, then for each pair, by its plural.
    """
    numbers = [structure.number for structure in structures]
    planes = dict(zip(numbers, probabilities, strict=True))
    masks = {number: labels == number for number in numbers}
    overlaps = {number: _within(planes[number], masks[number]) for number in numbers}
    totals = {
        number: float(planes[number].sum(dtype=np.float64)) + np.count_nonzero(masks[number])
        for number in numbers
    }
    found: dict[str, float] = {}
    for name, members in groups(structures).items():
        # Of a pair the side does not matter: what the other one's channel holds inside a mask
        # counts too.
        across = sum(
            _within(planes[member], masks[other])
            for member in members
            for other in members
            if other != member
        )
        overlap = sum(overlaps[member] for member in members) + across
        total = sum(totals[member] for member in members)
        found[name] = 2.0 * overlap / total if total else 0.0
    return found


def confidences(
    segmentation: Segmentation[Any], probabilities: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """The confidence of each structure and each pair, by name, layer by layer.

    Args:
        segmentation: what was made of the probabilities.
        probabilities: of each structure, by its name, on the segmentation's grid.
    """
    found: dict[str, float] = {}
    for labels, structures in zip(segmentation.layers, segmentation.structures, strict=True):
        planes = [probabilities[structure.name] for structure in structures]
        found |= confidence(labels, planes, structures)
    return found


def _within(probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    return float(probability.sum(where=mask, dtype=np.float64))
