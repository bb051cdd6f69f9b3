"""The lowest slices of lungs, which a network with one slice before its eyes cuts off."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.ct.bowel_gas import MAX_SLICE_DISTANCE_MM

Labels = NDArray[np.uint8]

LUNG_BELOW, GAS_BELOW = -600, -940
"""Hounsfield units. Normally aerated lung lies between -900 and -500 (L. Gattinoni et al., American
Journal of Respiratory and Critical Care Medicine 164, 2001); the gas of bowel and stomach is near
-1000."""


MIN_FRACTION_BELOW_LUNG = 0.5
"""Fraction of a component of lung that must lie straight below lung."""


MARGIN = 8
"""Voxels around the lung of one slice, in which the next one is searched."""


def complete_bases(
    labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None
) -> None:
    """Adds lung, slice by slice downwards, that a network with one slice before its eyes takes for
    something else at the bases.

    From the slice with the most lung downwards, what is as light as lung and lies for the most part
    below lung is lung too, unless it is as light as gas. Each pixel of it goes to the lung that is
    nearest, in its slice or straight above. Slices more than `MAX_SLICE_DISTANCE_MM` apart, and
    unknown spacing, are left alone.

    Args:
        labels: (slices, rows, columns) in axial order, changed in place.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
    """
    if spacing is None or spacing[0] > MAX_SLICE_DISTANCE_MM or not labels.any():
        return
    most = int(np.count_nonzero(labels, axis=(1, 2)).argmax())
    for number in range(most - 1, -1, -1):
        rows, columns = (np.flatnonzero(labels[number + 1].any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return
        box = tuple(
            slice(max(0, int(at[0]) - MARGIN), int(at[-1]) + 1 + MARGIN) for at in (rows, columns)
        )
        above, here, density = labels[number + 1][box], labels[number][box], voxels[number][box]
        light = ((density < LUNG_BELOW) | (here > 0)).astype(np.uint8)
        count, components, stats, _ = cv2.connectedComponentsWithStats(light, connectivity=4)
        below = np.bincount(components[above > 0], minlength=count)
        new = np.zeros(here.shape, bool)
        for component in (
            np.flatnonzero(below[1:] >= MIN_FRACTION_BELOW_LUNG * stats[1:, cv2.CC_STAT_AREA]) + 1
        ):
            inside = (components == component) & (here == 0)
            if inside.any() and np.median(density[inside]) >= GAS_BELOW:
                new |= inside
        if new.any():
            here[new] = nearest_label(np.where(here > 0, here, above))[new]


def nearest_label(labels: Labels) -> Labels:
    """The label that lies nearest to each pixel of (rows, columns), of which one has a label."""
    _, place = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    value = np.zeros(int(place.max()) + 1, np.uint8)
    value[place[labels > 0]] = labels[labels > 0]
    return value[place]
