"""Masks of further structures of a case, each in a file of its own, so that they may overlap the
lungs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import Case
from lungseg.datasets.ground_truth import inside_of
from lungseg.errors import InputError


def read_other_masks(case: Case, shape: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """Where each of `Case.other_masks` has its structure: (rows, columns), by the structure's name.

    Args:
        case: of a radiograph or slice.
        shape: rows and columns of its image.

    Raises:
        InputError: a mask cannot be read, or has another shape than the image.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for name, path in case.other_masks:
        if path is None:
            found[name] = np.zeros(shape, bool)
            continue
        mask = inside_of(path)
        if mask.shape != shape:
            raise InputError(
                f"the mask of the {name} has shape {mask.shape}, its image {shape}",
                where=path,
                cure="correct the pair",
            )
        found[name] = mask
    return found
