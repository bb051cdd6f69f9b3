"""Lungs that were cut out of a volume before: all but them is blank, and there is nothing left that
a network could tell them from.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.postprocess import postprocess_volume
from lungseg.morphology.runs import components
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.volume import Volume

Labels = NDArray[np.uint8]

MIN_PART: Final = 0.1
"""Of the larger component, from which another one is a lung too."""

VALLEY: Final = 0.7
"""Of the lower one of two peaks, below which what lies between them parts two lungs."""

AT_EDGES: Final = 0.25
"""Of the width of what was cut out, on either side, where the border of two lungs cannot be."""


def cut_out_lungs(volume: Volume, blank: int) -> Labels:
    """The label map, (slices, rows, columns) in axial order, of what is not blank, parted by side:
    the component nearer to the patient's right is the right lung; of one component the halves
    before and after the narrowest place between two wide ones.

    Args:
        volume: in Hounsfield units.
        blank: the value of all that was cut away.
    """
    turn = volume.geometry.to_axial()
    found = components(turn.apply(volume.array) != blank)
    sizes = np.bincount(found.ravel())[1:]
    labels = np.zeros(found.shape, np.uint8)
    if not sizes.size:
        return labels
    if sizes.size > 1 and sizes[1] >= MIN_PART * sizes[0]:
        columns = [_middle(found == number) for number in (1, 2)]
        right = 1 if columns[0] <= columns[1] else 2
        labels[found == right] = RIGHT_LUNG.number
        labels[found == 3 - right] = LEFT_LUNG.number
    else:
        border = _border(np.count_nonzero(found == 1, axis=(0, 1)))
        whole = found == 1
        labels[:, :, :border][whole[:, :, :border]] = RIGHT_LUNG.number
        labels[:, :, border:][whole[:, :, border:]] = LEFT_LUNG.number
    return postprocess_volume(labels, turn.geometry(volume.geometry).spacing)


def _middle(mask: NDArray[np.bool_]) -> float:
    across = np.count_nonzero(mask, axis=(0, 1))
    return float(np.average(np.arange(across.size), weights=across))


def _border(across: NDArray[Any]) -> int:
    """The column from which on it is the left lung; where there is one lung alone, all is on the
    side of the volume where its middle is.
    """
    inside = np.flatnonzero(across)
    first, last = int(inside[0]), int(inside[-1])
    edge = int(AT_EDGES * (last - first))
    middle = across[first + edge : last + 1 - edge]
    at = first + edge + int(middle.argmin())
    peaks = across[first : at + 1].max(), across[at : last + 1].max()
    if middle.min() <= VALLEY * min(peaks):
        return at
    return 0 if (first + last) / 2 > across.size / 2 else across.size
