"""The masks of a case as one label map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import Case
from lungseg.datasets.convention import label_sides
from lungseg.errors import InputError
from lungseg.labels import LEFT_LUNG, RIGHT_LUNG
from lungseg.read import read


def read_labels(case: Case) -> NDArray[np.uint8]:
    """What the masks of a case say: (rows, columns), 0, 1 right lung, 2 left lung.

    A mask of each lung says which is which, and so does a mask whose values are 1 and 2; in any other the sides are told by
    `lungseg.datasets.convention.label_sides`.

    Raises:
        InputError: there is no mask, or it cannot be read, or the masks of the two lungs differ in shape.
    """
    if case.mask is None:
        raise InputError("the case has no mask", where=case.image, cure="leave it out, or give it one")
    mask = read(case.mask).pixels
    if case.mask_left is None:
        if set(np.unique(mask)) == {0, RIGHT_LUNG.number, LEFT_LUNG.number}:
            return np.asarray(mask, np.uint8)
        return label_sides(mask)
    left = read(case.mask_left).pixels
    if left.shape != mask.shape:
        raise InputError(f"the mask of the left lung has shape {left.shape}, that of the right {mask.shape}", where=case.mask_left)
    labels = np.where(mask > 0, RIGHT_LUNG.number, 0).astype(np.uint8)
    labels[left > 0] = LEFT_LUNG.number
    return labels
