"""The masks of a case as one label map."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import Case
from lungseg.datasets.convention import label_sides
from lungseg.errors import InputError
from lungseg.labels import LEFT_LUNG, RIGHT_LUNG
from lungseg.read import read_label_map, read_mask

MOST_LABELS: Final = 10
"""A mask with values up to here holds labels, all of them lung; above, it holds greys, and lung is what is nearer to white."""

HALVED: Final = ".img"
"""Ending of JSRT's raw films of 2048 x 2048 pixels. The masks that were drawn of them (SCR) have 1024 x 1024."""


def read_labels(case: Case, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """What the masks of a case say: (rows, columns), 0, 1 right lung, 2 left lung.

    A mask of each lung says which is which, and so does a label map that this package wrote, and any mask whose values are 0, 1 and 2;
    in others the sides are told by `lungseg.datasets.convention.label_sides`.

    Args:
        case: with a mask.
        shape: rows and columns of its image, where they are known; then a mask of another size is refused.

    Raises:
        InputError: there is no mask, or it cannot be read, or the masks of the two lungs differ in shape, or the mask and the image do.
    """
    if case.mask is None:
        raise InputError("the case has no mask", where=case.image, cure="leave it out, or give it one")
    labels = _labels(case, read_mask(case.mask))
    if case.image.suffix.lower() == HALVED and labels.shape == (1024, 1024):
        labels = labels.repeat(2, axis=0).repeat(2, axis=1)
    if shape is not None and labels.shape != shape:
        raise InputError(f"the mask has shape {labels.shape}, its image {shape}", where=case.mask, cure="correct the pair")
    return labels


def _labels(case: Case, mask: NDArray[Any]) -> NDArray[np.uint8]:
    if case.mask_left is None:
        if case.mask is not None and read_label_map(case.mask) is not None:  # says which is which even where one lung is all there is
            return np.asarray(mask, np.uint8)
        if set(np.unique(mask)) == {0, RIGHT_LUNG.number, LEFT_LUNG.number}:
            return np.asarray(mask, np.uint8)
        return label_sides(is_lung(mask))
    left = read_mask(case.mask_left)
    if left.shape != mask.shape:
        raise InputError(f"the mask of the left lung has shape {left.shape}, that of the right {mask.shape}", where=case.mask_left)
    labels = np.where(is_lung(mask), RIGHT_LUNG.number, 0).astype(np.uint8)
    labels[is_lung(left)] = LEFT_LUNG.number
    return labels


def is_lung(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a mask, of any shape, says lung: not 0 in labels; more than half of its highest value in greys (see `MOST_LABELS`)."""
    highest = mask.max()
    return np.asarray(mask > (highest / 2 if highest > MOST_LABELS else 0))
