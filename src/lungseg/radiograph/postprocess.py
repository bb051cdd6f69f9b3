"""From probabilities to label maps: at most one right and one left lung, whole and smooth, and each
other structure as it is. Functions on arrays (rows, columns).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.components import components, largest_component
from lungseg.morphology.holes import holes
from lungseg.structures import ANATOMICAL, LEFT_LUNG, LUNGS, RIGHT_LUNG, Structure, is_finding

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]

MIN_LUNG_FRACTION = 0.005
"""Of the image, below which a component is no lung. The lung of a newborn on a 35 x 43 cm film, 4
x 6 cm, has 0.016; the min_area of 2122 hand-drawn lungs (Montgomery, Shenzhen and V7 Labs) has
0.018."""

MIN_FRACTION_OF_ONE_SIDE = 0.8
"""Where one side has at least this fraction of a connected region, all of it is that side's: the
rest is a mistake about the side, not another lung. In 99 of 100 of the same films the larger lung
has at most 0.69 of both."""

SHARED = 255
"""Stands, while sides are assigned, for a region that both lungs share."""


def postprocess_layers(
    probabilities: Mapping[str, Float],
    layers: Sequence[Sequence[Structure]],
    threshold: float,
    *,
    least: float = 1.0,
) -> list[Labels]:
    """The label map of each layer, see `postprocess`. What is abnormal lies on the lungs: of it
    nothing stays outside of them, where they are among the layers.
    """
    found = [
        postprocess(probabilities, structures, threshold, least=least) for structures in layers
    ]
    lungs = [labels for labels, own in zip(found, layers, strict=True) if set(LUNGS) <= set(own)]
    for labels, structures in zip(found, layers, strict=True):
        if lungs and is_finding(structures):
            labels[~np.isin(lungs[0], [lung.number for lung in LUNGS])] = 0
    return found


def postprocess(
    probabilities: Mapping[str, Float],
    structures: Sequence[Structure],
    threshold: float,
    *,
    least: float = 1.0,
) -> Labels:
    """The label map of one layer.

    Both lungs are found together, see `postprocess_lungs`. Of any other structure a pixel is a
    part where its probability reaches the threshold and no lung is; of what is anatomical the
    largest component stays and its holes are filled, of what is abnormal all.

    Args:
        probabilities: of each structure, by its name, (rows, columns).
        structures: of the layer.
        threshold: 0 to 1.
        least: see `postprocess_lungs`.

    Returns:
        (rows, columns), uint8: 0 background, else a structure's number.
    """
    pair = set(LUNGS) <= set(structures)
    if pair:
        right, left = (probabilities[lung.name] for lung in LUNGS)
        labels = postprocess_lungs(right, left, threshold, least=least)
    else:
        labels = np.zeros(probabilities[structures[0].name].shape, np.uint8)
    for structure in structures:
        if not (pair and structure in LUNGS):
            found = (probabilities[structure.name] >= threshold) & (labels == 0)
            if structure.category is ANATOMICAL:
                found = largest_component(found.view(np.uint8), 1)
                found |= holes(found) & (labels == 0)
            labels[found] = structure.number
    return labels


def postprocess_lungs(
    right: Float, left: Float, threshold: float = 0.5, *, least: float = 1.0
) -> Labels:
    """The label map of two probabilities.

    A pixel is lung where both probabilities together reach the threshold. Of each connected region
    the side is assigned as a whole, unless both lungs share it; then it is parted where the
    probabilities cross. The largest component of each side stays if it is large enough to be a
    lung, its holes are filled, and so is a gap between the lungs that they enclose and that is
    smaller than any lung. Nothing else is added: no lung is ever invented.

    Args:
        right: (rows, columns), probability of the patient's right lung.
        left: (rows, columns), probability of the left lung.
        threshold: 0 to 1.
        least: of the size of the smallest lung, that a lung has at least.

    Returns:
        (rows, columns), uint8: 0 background, 1 right lung, 2 left lung; each lung in one component
        of pixels that share edges.
    """
    labels = np.zeros(right.shape, np.uint8)
    lung = (right + left >= threshold).view(np.uint8)
    x, y, width, height = cv2.boundingRect(lung)
    if width == 0:
        return labels
    box = slice(y, y + height), slice(x, x + width)
    min_area = max(1, math.ceil(least * MIN_LUNG_FRACTION * lung.size))
    is_right = right[box] > left[box]
    assigned = _assign_sides(lung[box], is_right, min_area)
    inside = labels[box]
    for lung_label in (RIGHT_LUNG, LEFT_LUNG):
        inside[largest_component((assigned == lung_label.number).view(np.uint8), min_area)] = (
            lung_label.number
        )
    for lung_label in (RIGHT_LUNG, LEFT_LUNG):
        # Whatever a lung encloses is that lung: no lung lies inside the other.
        inside[holes(inside == lung_label.number)] = lung_label.number
    _close_gaps(inside, is_right, min_area)
    return labels


def _assign_sides(lung: Labels, is_right: NDArray[np.bool_], min_area: int) -> Labels:
    """Labels of all regions large enough: one side's where it is one-sided, else as the
    probabilities say.
    """
    regions, areas = components(lung)
    rights = np.bincount(regions[is_right], minlength=areas.size) / np.maximum(areas, 1)
    sides = np.full(areas.size, SHARED, np.uint8)
    sides[rights >= MIN_FRACTION_OF_ONE_SIDE] = RIGHT_LUNG.number
    sides[rights <= 1 - MIN_FRACTION_OF_ONE_SIDE] = LEFT_LUNG.number
    sides[areas < min_area] = 0
    labels: Labels = sides[regions]
    shared = labels == SHARED
    labels[shared] = _sides(is_right[shared])
    return labels


def _sides(is_right: NDArray[np.bool_]) -> Labels:
    return np.where(is_right, np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number))


def _close_gaps(labels: Labels, is_right: NDArray[np.bool_], min_area: int) -> None:
    """Fills, in place, what both lungs enclose together, unless it is as large as a lung: the heart
    is no gap.
    """
    enclosed = holes(labels > 0)
    if enclosed.any():
        gaps, areas = components(enclosed.view(np.uint8))
        # A gap is filled from one side as a whole: it touches both lungs, so each stays in one
        # component.
        sides = _sides(np.bincount(gaps[is_right], minlength=areas.size) > areas / 2)
        sides[(areas == 0) | (areas >= min_area)] = 0
        labels[enclosed] = sides[gaps[enclosed]]
