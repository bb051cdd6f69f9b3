"""From the probabilities of structures to label maps of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.ct.slices import Planes
from lungseg.geometry import VolumeGeometry
from lungseg.morphology.runs import components
from lungseg.morphology.sides import sides
from lungseg.preprocess import shrink_labels, to_image_grid
from lungseg.segmentation import Layers, Segmentation, as_fraction
from lungseg.structures import ANATOMICAL, LUNGS, PLURAL, Structure
from lungseg.volume import Volume

Labels = NDArray[np.uint8]


def thresholded(
    planes: Planes, shape: tuple[int, int, int], card: ModelCard, pool: Executor
) -> dict[str, Labels]:
    """Label maps of `shape`, in axial order, before any postprocessing: of the lungs together under
    their plural, of each other structure under its name.

    Args:
        planes: what was seen, of all structures of the card in the order of its layers.
        shape: slices, rows, columns.
        card: of the model that saw it.
        pool: the slices are done side by side in it.
    """
    names = [name for layer in card.layers for name in layer]
    threshold = card.threshold
    found: dict[str, Labels] = {}
    if card.has_lungs:
        lungs = [names.index(lung.name) for lung in LUNGS]
        found[PLURAL] = np.zeros(shape, np.uint8)
        make = partial(_lung_labels, planes=planes, lungs=lungs, threshold=threshold)
        _fill(found[PLURAL], make, pool)
    for number, name in enumerate(names):
        if not card.has_lungs or name not in [lung.name for lung in LUNGS]:
            found[name] = np.zeros(shape, np.uint8)
            make = partial(_mask_of, planes=planes, channel=number, threshold=threshold)
            _fill(found[name], make, pool)
    return found


def _fill(
    slices: Labels, make: Callable[[int, tuple[int, int]], Labels | None], pool: Executor
) -> None:
    """Sets each slice to what `make` gives for its number and shape, side by side; None leaves it
    as it is.
    """

    def enter(number: int) -> None:
        made = make(number, slices.shape[1:])
        if made is not None:
            slices[number] = made

    list(pool.map(enter, range(len(slices))))


def _lung_labels(
    number: int, shape: tuple[int, int], *, planes: Planes, lungs: list[int], threshold: float
) -> Labels | None:
    """Labels (rows, columns) of one slice, as `lungseg.radiograph.postprocess` begins; None where
    the network saw no lung.
    """
    both = planes[number][lungs]
    if int(both[0].max()) + int(both[1].max()) < 255 * threshold:
        return None
    right, left = (to_image_grid(as_fraction(plane), shape) for plane in both)
    return sides(right, left, threshold)


def _mask_of(
    number: int, shape: tuple[int, int], *, planes: Planes, channel: int, threshold: float
) -> Labels | None:
    """Where one structure is in one slice (rows, columns); None where the network saw none."""
    plane = planes[number, channel]
    if int(plane.max()) < 255 * threshold:
        return None
    return (to_image_grid(as_fraction(plane), shape) >= threshold).view(np.uint8)


def layer_of(
    structures: Sequence[Structure], lungs: Labels | None, found: dict[str, Labels]
) -> Labels:
    """The label map of a layer, in axial order: the lungs as they were cleaned; where they are not,
    of what is anatomical the largest component, of what is abnormal all.
    """
    if lungs is not None and set(LUNGS) <= set(structures):
        labels = lungs if set(structures) <= set(LUNGS) else lungs.copy()
    else:
        labels = np.zeros_like(next(iter(found.values())) if found else lungs)
    for structure in structures:
        if structure.name in found:
            mask = (found[structure.name] > 0) & (labels == 0)
            if structure.category is ANATOMICAL:
                mask = components(mask) == 1
            labels[mask] = structure.number
    return labels


def as_segmentation(
    volume: Volume, layers: Sequence[Labels], structures: Layers
) -> Segmentation[VolumeGeometry]:
    """Label maps in axial order on the grid of a volume."""
    turn = volume.geometry.to_axial()
    return volume.with_layers([turn.invert(labels) for labels in layers], structures)


def certain_planes(labels: Labels, names: Sequence[str], size: tuple[int, int]) -> Planes:
    """What a network that is sure would have seen: planes of these structures on its grid, of lungs
    whose labels (slices, rows, columns) in axial order are known.
    """
    planes = np.zeros((len(labels), len(names), *size), np.uint8)
    for number, plane in enumerate(labels):
        small = shrink_labels(plane, size)
        for lung in LUNGS:
            planes[number, names.index(lung.name)] = 255 * (small == lung.number).astype(np.uint8)
    return planes
