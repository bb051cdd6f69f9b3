"""What was labelled and holds no air: pieces of fat; and bodies with one lung: a second one that is
none, since it is fluid, or a part of what fills the place of a lung that was removed or has
collapsed; and the side of the one that is left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.orientation import BONE, MIN_BONE_VOXELS, spread
from lungseg.morphology.boxes import enclosing_box
from lungseg.morphology.runs import component_sizes, components
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG, Structure

Labels = NDArray[np.uint8]
Sizes = dict[Structure, int]

AIRLESS = -300
"""Hounsfield units above which next to nothing of a voxel is air: less than a third."""

FAT, MIN_FAT_FRACTION = (-190, -30), 0.5
"""Hounsfield units of fat (N. Mitsiopoulos et al., Journal of Applied Physiology 85, 1998), and the
fraction of a piece that it takes for it to be no lung."""

FLUID = -20, 25
"""Hounsfield units between which the median of fluid lies. Consolidated lung has those of tissue,
30 and more."""

MIN_AIRLESS_FRACTION, MAX_FRACTION = 0.9, 0.25
"""Of a lung's voxels how many are airless at least, and of the other lung's size how much it has at
most, unless it is fluid, where it is no lung. What was found in the fluid of LCTSC's volumes,
painted in place of one lung, has 0.97 to 1.00 and 0.02 to 0.07; the healthy lungs have 0.03 to 0.06
and 0.7 to 1.4."""

MIN_FRACTION = 0.015
"""Of the other lung's size: what has less is none, air or not, where both are whole. In volumes of
LCTSC with one lung painted over, 12 to 15 mL were found of it beside 1600 to 2700 mL."""

MAX_TORN, MIN_TOUCHING = 0.15, 0.15
"""Of the other lung's size what a part of it has at most that was taken for a second lung, and the
fraction of its surface at least that lies on the other one. In drawn chests with one lung such
parts have 0.08 to 0.10, and 0.29 to 0.55; in LCTSC's and drawn chests with two the smaller one has
0.6 or more, and no surface in common with the other."""

BESIDE_SPINE = 0.03
"""Fraction of the columns by which the middle of a lung lies beside the spine at least; else it
tells no side. Of lungs that are alone in volumes of LCTSC it is 0.12 to 0.19."""


def remove_fat(labels: Labels, voxels: NDArray[np.int16]) -> None:
    """Takes out, in place, pieces of a lung beside its largest that are fat for the most part, as
    in an abdomen, about bowel.

    Args:
        labels: (slices, rows, columns), at most one right and one left lung.
        voxels: the same shape, Hounsfield units.
    """
    for lung in (RIGHT_LUNG, LEFT_LUNG):
        inside = labels == lung.number
        pieces = component_sizes(inside).size
        if pieces < 2:
            continue
        box = enclosing_box(inside)
        numbers = components(inside[box])
        for piece in range(2, pieces + 1):
            density = voxels[box][numbers == piece]
            if np.mean((density > FAT[0]) & (density < FAT[1])) >= MIN_FAT_FRACTION:
                labels[box][numbers == piece] = 0


def settle_lung_alone(labels: Labels, voxels: NDArray[np.int16]) -> None:
    """Finds out, in place, whether one lung is alone, and if so which it is.

    Args:
        labels: (slices, rows, columns) in axial order, at most one right and one left lung.
        voxels: the same shape, Hounsfield units.
    """
    sizes = sizes_of(labels)
    if join_torn_lung(labels, sizes) or remove_opaque_remnant(labels, voxels, sizes):
        name_lung_alone(labels, voxels)


def sizes_of(labels: Labels) -> Sizes:
    """The voxels of either lung."""
    both = RIGHT_LUNG, LEFT_LUNG
    return {lung: int(np.count_nonzero(labels == lung.number)) for lung in both}


def join_torn_lung(labels: Labels, sizes: Sizes) -> bool:
    """Gives a small lung, in place, to the other one where it lies on that broadly: of a lung that
    is alone and reaches far across the middle, a network may take a part for the other one.

    Args:
        labels: (slices, rows, columns), at most one right and one left lung.
        sizes: as `sizes_of` counts them.

    Returns:
        Whether it was done, so that one lung is alone.
    """
    smaller, larger = sorted(sizes, key=sizes.__getitem__)
    if not 0 < sizes[smaller] <= MAX_TORN * sizes[larger]:
        return False
    box = enclosing_box(labels == smaller.number)
    about = labels[tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)]
    beyond = np.concatenate([_beyond(about, smaller.number, axis) for axis in range(3)])
    if np.mean(beyond == larger.number) < MIN_TOUCHING:
        return False
    labels[box][labels[box] == smaller.number] = larger.number
    return True


def _beyond(labels: Labels, number: int, axis: int) -> Labels:
    """The labels that lie next to those of one number along an axis, and are others."""
    lines = np.moveaxis(labels, axis, 0)
    pairs = (lines[:-1], lines[1:]), (lines[1:], lines[:-1])
    return np.concatenate([there[(here == number) & (there != number)] for here, there in pairs])


def remove_opaque_remnant(labels: Labels, voxels: NDArray[np.int16], sizes: Sizes) -> bool:
    """Takes out, in place, a lung that holds no air and is as dense as fluid, or small beside the
    other one; or that is next to nothing beside it, where neither reaches the first or last slice.

    After a lung was removed, or collapsed, fluid and mediastinum take its place, and a network may
    call them lung, or a part of them. A consolidated lung that was found for the most part stays.

    Args:
        labels: (slices, rows, columns), at most one right and one left lung.
        voxels: the same shape, Hounsfield units.
        sizes: as `sizes_of` counts them.

    Returns:
        Whether one lung is alone.
    """
    smaller, larger = sorted(sizes, key=sizes.__getitem__)
    if not sizes[smaller]:
        return bool(sizes[larger])
    inside = labels == smaller.number
    density = voxels[inside]
    small = sizes[smaller] <= MAX_FRACTION * sizes[larger]
    tiny = sizes[smaller] <= MIN_FRACTION * sizes[larger] and not labels[[0, -1]].any()
    if tiny or (
        np.mean(density > AIRLESS) >= MIN_AIRLESS_FRACTION
        and (small or FLUID[0] <= np.median(density) <= FLUID[1])
    ):
        labels[inside] = 0
        return True
    return False


def name_lung_alone(labels: Labels, voxels: NDArray[np.int16]) -> None:
    """Gives a lung that is alone, in place, the side of the spine that it lies on: it may reach far
    across the middle, where a network takes it for the other one.

    Args:
        labels: (slices, rows, columns) in axial order.
        voxels: the same shape, Hounsfield units.
    """
    alone = [lung for lung in (RIGHT_LUNG, LEFT_LUNG) if (labels == lung.number).any()]
    if len(alone) != 1:
        return
    inside = labels > 0
    rows = np.flatnonzero(inside.any(axis=(0, 2)))
    sampled = np.flatnonzero(inside.any(axis=(1, 2)))
    sampled = sampled[spread(sampled.size)]
    behind = (int(rows.min()) + int(rows.max()) + 1) // 2
    bone = np.count_nonzero(voxels[sampled, behind:] > BONE, axis=(0, 1))
    if bone.sum() < MIN_BONE_VOXELS:
        return
    width = labels.shape[2]
    about = np.ones(1 + 2 * round(BESIDE_SPINE * width))  # a rib has less bone in a few columns
    spine = int(np.convolve(bone, about, mode="same").argmax())
    middle = float(np.average(np.arange(width), weights=np.count_nonzero(inside, axis=(0, 1))))
    if abs(middle - spine) > BESIDE_SPINE * width:
        labels[inside] = (RIGHT_LUNG if middle < spine else LEFT_LUNG).number
