"""How sure a network is of a mask, from its own probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.segmentation import Segmentation
from lungseg.structures import LEFT_LUNG, LUNGS, PLURAL, RIGHT_LUNG


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the network is of each mask, 0 to 1; see `lungseg.quality.confidence.confidence`."""

    right: float
    left: float
    lungs: float


def confidence(
    labels: NDArray[np.uint8], right: NDArray[np.float32], left: NDArray[np.float32]
) -> Confidence:
    """Soft Dice between probabilities and the mask made of them: 2 sum(p m) / (sum(p) + sum(m)).

    It falls where the mask holds improbable pixels and where probable ones were left out; for
    calibrated probabilities it is close to the Dice to be expected (B. L. C. Borges et al., "Soft
    Dice Confidence", arXiv:2402.10665). A mask without a pixel has 0.

    Args:
        labels: (rows, columns): 0 background, 1 right lung, 2 left lung.
        right: (rows, columns), probability of the right lung.
        left: (rows, columns), probability of the left lung.
    """
    masks = labels == RIGHT_LUNG.number, labels == LEFT_LUNG.number
    overlaps = tuple(
        float(p.sum(where=m, dtype=np.float64)) for p, m in zip((right, left), masks, strict=True)
    )
    totals = tuple(
        float(p.sum(dtype=np.float64)) + np.count_nonzero(m)
        for p, m in zip((right, left), masks, strict=True)
    )
    # For both lungs together the side does not matter: what the other lung's channel holds inside a
    # mask counts too.
    across = float(right.sum(where=masks[1], dtype=np.float64)) + float(
        left.sum(where=masks[0], dtype=np.float64)
    )
    return Confidence(
        _soft_dice(overlaps[0], totals[0]),
        _soft_dice(overlaps[1], totals[1]),
        _soft_dice(sum(overlaps) + across, sum(totals)),
    )


def _soft_dice(overlap: float, total: float) -> float:
    return 2.0 * overlap / total if total else 0.0


def confidences(
    segmentation: Segmentation[Any], probabilities: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """The confidence of each structure, and of the lungs together, by name.

    Args:
        segmentation: what was made of the probabilities.
        probabilities: of each structure, by its name, on the segmentation's grid.
    """
    found: dict[str, float] = {}
    for labels, structures in zip(segmentation.layers, segmentation.structures, strict=True):
        for structure in structures:
            found[structure.name] = of_mask(
                labels == structure.number, probabilities[structure.name]
            )
        if set(LUNGS) <= set(structures):
            sure = confidence(labels, *(probabilities[lung.name] for lung in LUNGS))
            found |= {RIGHT_LUNG.name: sure.right, LEFT_LUNG.name: sure.left, PLURAL: sure.lungs}
    return found


def of_mask(mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> float:
    """The soft Dice of one mask and the probability of it."""
    total = float(probability.sum(dtype=np.float64)) + np.count_nonzero(mask)
    return _soft_dice(float(probability.sum(where=mask, dtype=np.float64)), total)
