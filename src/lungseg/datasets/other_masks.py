"""Masks of further structures of a case, each in a file of its own, so that they may overlap the
lungs.
"""

from __future__ import annotations

from pathlib import Path

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
    return {
        name: np.zeros(shape, bool) if path is None else read_other_mask(name, path, shape)
        for name, path in case.other_masks
    }


def read_other_mask(name: str, path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a structure is, by a mask of its own: (rows, columns).

    Args:
        name: of the structure.
        path: of its mask.
        shape: rows and columns of the image.

    Raises:
        InputError: the mask cannot be read, or has another shape than the image.
    """
    mask = inside_of(path)
    if mask.shape != shape:
        raise InputError(
            f"the mask of the {name} has shape {mask.shape}, its image {shape}",
            where=path,
            cure="correct the pair",
        )
    return mask
