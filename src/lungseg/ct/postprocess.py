"""From what a network labelled, slice by slice, to one right and one left lung in three
dimensions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.boxes import enclosing_box
from lungseg.morphology.runs import Indices, Pairs, Runs, painted_runs, run_components, runs_of
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

Labels = NDArray[np.uint8]

FIELD = 350.0
"""Millimetres across the slice that are assumed where the spacing is not known: what a chest CT
shows."""

MIN_AREA_MM2, MIN_HEIGHT_MM = 100.0, 100.0
"""Square millimetres, and millimetres: a component with less than this section in every slice, or
over this height where there are more slices, is no lung. That is a disc of 11 mm in a single slice,
and 10 mL in a volume."""

MIN_COMPONENT_FRACTION = 0.1
"""Fraction of a lung's largest component from which a further component, that touches nothing,
stays: in a single slice a lung may come in several. In volumes lungs are whole: all of those drawn
for LCTSC are, even where only every fifth slice, 15 mm, is left."""

MIN_NEIGHBOUR_FRACTION = 0.05
"""Fraction of the other lung from which a lung that touches it is one: below that it is a mistake
about the side."""

MAX_HOLE_MM2 = 150.0
"""Square millimetres of a hole in a slice that is filled although it is open above or below: a
vessel, cut across. What is larger may be the dome of the diaphragm, which in axial slices has lung
all around: in the masks of LCTSC up to 6400 mm2."""


def postprocess_volume(labels: Labels, spacing: tuple[float, float, float] | None = None) -> Labels:
    """At most one right and one left lung of what was labelled; none where that is mere noise.

    The largest component of each label is that lung. A component that touches the other lung and
    not its own is a mistake about the side and goes to the lung that it touches. What touches
    neither is dropped, unless it is large enough to be a part of the lung that was cut off. What a
    lung encloses belongs to it, vessels and nodules; also a small hole in an axial slice that
    touches one lung only. So two lungs that touch are parted where the labels change, what lies
    between them stays outside, and no lung is ever invented.

    Args:
        labels: (slices, rows, columns) in axial order, see `lungseg.geometry.AXIAL`: 0 background,
            1 right lung, 2 left lung.
        spacing: millimetres between slices, rows and columns; where it is None a slice is taken to
            show `FIELD` millimetres.

    Returns:
        A new label map of the same shape, in C order. Each lung is in one component of voxels that
        share faces, or in few large ones.
    """
    cleaned = np.zeros(labels.shape, np.uint8)
    box = enclosing_box(labels)
    thickness, down, across = spacing or (
        math.nan,
        FIELD / labels.shape[2],
        FIELD / labels.shape[2],
    )
    height = (
        labels.shape[0]
        if spacing is None
        else min(labels.shape[0], math.ceil(MIN_HEIGHT_MM / thickness))
    )
    runs = runs_of(labels[box])
    if runs is None:
        return cleaned
    label = _sides(runs, smallest=math.ceil(MIN_AREA_MM2 / (down * across)) * height)
    label = _without_holes(runs, label, largest=MAX_HOLE_MM2 / (down * across))
    cleaned[box] = painted_runs(label, runs, box)
    return cleaned


def fill_holes(labels: Labels, largest: float) -> Labels:
    """A new label map with holes filled: in axial slices those that touch one lung only, then, in
    space, what the lungs enclose.

    Args:
        labels: as for `postprocess_volume`.
        largest: so many pixels a hole in a slice may have.
    """
    filled = np.array(labels)
    box = enclosing_box(labels)
    if (runs := runs_of(labels[box])) is not None:
        filled[box] = painted_runs(_without_holes(runs, runs.label, largest=largest), runs, box)
    return filled


def _sides(runs: Runs, smallest: int) -> Labels:
    """The label of each run when every component has found its lung or was dropped; a lung has at
    least `smallest` voxels.
    """
    touching = runs.touching
    component = run_components(runs.label, touching)
    size = np.bincount(component, weights=runs.length)
    label = np.zeros(size.size, np.uint8)
    label[component] = runs.label
    neighbours = _between_lungs(runs.label, component, touching, size)
    largest = {lung: int(np.argmax(np.where(label == lung.number, size, 0))) for lung in LUNGS}
    assigned = np.zeros(size.size, np.uint8)
    for lung, main in largest.items():
        other = largest[RIGHT_LUNG if lung is LEFT_LUNG else LEFT_LUNG]
        beside = ((neighbours[0] == main) & (neighbours[1] == other)).any() and size[
            main
        ] < MIN_NEIGHBOUR_FRACTION * size[other]
        if label[main] == lung.number and size[main] >= smallest and not beside:
            assigned[main] = lung.number
    _spread(assigned, neighbours)
    for lung, main in largest.items():
        if assigned[main] == lung.number:
            assigned[
                (assigned == 0)
                & (label == lung.number)
                & (size >= max(smallest, MIN_COMPONENT_FRACTION * size[main]))
            ] = lung.number
    _spread(assigned, neighbours)
    sides: Labels = assigned[component]
    return sides


def _between_lungs(label: Labels, component: Indices, touching: Pairs, size: NDArray[Any]) -> Pairs:
    """Components of one lung that touch components of the other, in both orders, larger ones
    last.
    """
    differ = label[touching[0]] ^ label[touching[1]] == RIGHT_LUNG.number ^ LEFT_LUNG.number
    a, b = (component[side[differ]] for side in touching)
    a, b = np.unique(np.stack([np.append(a, b), np.append(b, a)]), axis=1)
    order = np.argsort(size[a], kind="stable")
    return a[order], b[order]


def _spread(assigned: Labels, neighbours: Pairs) -> None:
    """Gives components that are not assigned, in place, the label of what they touch, until none is
    left that touches a assigned one.
    """
    while (open_ends := (assigned[neighbours[0]] > 0) & (assigned[neighbours[1]] == 0)).any():
        assigned[neighbours[1][open_ends]] = assigned[neighbours[0][open_ends]]


def _without_holes(runs: Runs, label: Labels, largest: float) -> Labels:
    """The labels of runs with holes filled: first those of up to `largest` pixels in a slice, then
    what the lungs enclose.
    """
    for pairs in (runs.within, runs.touching):
        hole = run_components(label, pairs)
        size = np.bincount(hole, weights=runs.length)
        contacts = np.stack([_contacts(label, hole, pairs, lung.number) for lung in LUNGS])
        touches = (contacts > 0).sum(axis=0)
        fill = (touches == 1) & (size <= largest) if pairs is runs.within else touches > 0
        fill[hole[0]] = False  # the first run is the border
        winner = np.where(
            contacts[0] >= contacts[1], np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number)
        )
        label = np.where((label == 0) & fill[hole], winner[hole], label)
    return label


def _contacts(label: Labels, hole: Indices, pairs: Pairs, number: int) -> Indices:
    """For each component of background, how often its runs touch runs of a label."""
    counts = np.zeros(int(hole.max()) + 1, np.intp)
    for inside, outside in (pairs, pairs[::-1]):
        touch = (label[inside] == 0) & (label[outside] == number)
        counts += np.bincount(hole[inside[touch]], minlength=counts.size)
    return counts
