"""Lungs that were cut out of a volume before: all but them is blank, and there is nothing left that
a network could tell them from.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.postprocess import postprocess_volume
from lungseg.morphology.runs import component_sizes, components
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
    the components before the widest gap from the patient's right are the right lung; of one
    component the halves before and after the narrowest place between two wide ones.

    Args:
        volume: in Hounsfield units.
        blank: the value of all that was cut away.
    """
    turn = volume.geometry.to_axial()
    inside = turn.apply(volume.array) != blank
    sizes, found = component_sizes(inside), components(inside)
    labels = np.zeros(found.shape, np.uint8)
    if not sizes.size:
        return labels
    parts = 1 + np.flatnonzero(sizes >= MIN_PART * sizes[0])
    if parts.size > 1:
        middles = np.array([_middle(found == number) for number in parts])
        order = np.argsort(middles, kind="stable")
        right = int(np.diff(middles[order]).argmax()) + 1
        labels[np.isin(found, parts[order[:right]])] = RIGHT_LUNG.number
        labels[np.isin(found, parts[order[right:]])] = LEFT_LUNG.number
    else:
        whole = found == 1
        border = _border(np.count_nonzero(whole, axis=(0, 1)))
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
