"""Connected components of volumes.

A volume has a hundred million voxels, but few borders. So it is taken as runs: stretches of equal
label along the array, which touch each other at a distance of one voxel, one row and one slice.
Components, holes and contacts are then found on some hundred thousand runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.boxes import enclosing_box

Labels = NDArray[np.uint8]

Indices = NDArray[np.intp]


Pairs = tuple[Indices, Indices]
"""Runs that touch: the first of each pair, and the second."""


MAX_RUNS = 3_000_000
"""Two lungs have some 120 000 runs in 300 slices of 512 x 512. What has this many is noise, and
would take minutes and gigabytes."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A box of labels, with a border of background all around, as runs in the order of the array; a
    run may go on in the next row.

    Attributes:
        label: of each run.
        length: of each run, in voxels.
        within: runs that touch in one slice.
        across: runs that touch from slice to slice.
    """

    label: Labels
    length: Indices
    within: Pairs
    across: Pairs

    @property
    def touching(self) -> Pairs:
        """All runs that touch."""
        return np.concatenate([self.within[0], self.across[0]]), np.concatenate(
            [self.within[1], self.across[1]]
        )


def components(lung: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Of each voxel, (slices, rows, columns), the number of its component, from 1, larger ones
    first; 0 where there is no lung.

    Voxels that share faces are of one component. Where there are more than `MAX_RUNS` runs all is
    one component.
    """
    numbers = lung.astype(np.int32)
    box = enclosing_box(lung)
    if (runs := runs_of(lung[box])) is not None:
        component, size = _sized_components(runs)
        rank = np.empty(size.size, np.int32)
        rank[np.argsort(-size, kind="stable")] = np.arange(1, size.size + 1)
        numbers[box] = painted_runs(
            np.where(runs.label > 0, rank[component], np.int32(0)), runs, box
        )
    return numbers


def component_sizes(lung: NDArray[np.bool_]) -> Indices:
    """Voxels of each of the `components`, the largest first, without the memory that their numbers
    take.
    """
    runs = runs_of(lung[enclosing_box(lung)])
    size = np.array([np.count_nonzero(lung)]) if runs is None else _sized_components(runs)[1]
    return np.sort(size[size > 0])[::-1]


def _sized_components(runs: Runs) -> tuple[Indices, Indices]:
    """The number of its component for each run, and how many voxels of lung each component has:
    none, where it is background.
    """
    component = run_components(runs.label, runs.touching)
    return component, np.bincount(component, weights=runs.length * runs.label).astype(np.intp)


def painted_runs(values: NDArray[Any], runs: Runs, box: tuple[slice, ...]) -> NDArray[Any]:
    """One value for each run as voxels of the box."""
    padded = np.repeat(values, runs.length).reshape([side.stop - side.start + 2 for side in box])
    return padded[1:-1, 1:-1, 1:-1]


def runs_of(labels: NDArray[Any]) -> Runs | None:
    """The runs of a box; None where there are more than `MAX_RUNS`."""
    slices, rows, columns = (side + 2 for side in labels.shape)
    padded = np.zeros((rows, columns), np.uint8)
    flat = padded.reshape(-1)
    starts, values = [np.zeros(1, np.intp)], [np.zeros(1, np.uint8)]
    count = 1
    for number, plane in enumerate(labels, start=1):
        padded[1:-1, 1:-1] = plane
        found = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        count += found.size
        if count > MAX_RUNS:
            return None
        starts.append(found + number * flat.size)
        values.append(flat[found])
    start = np.concatenate(starts)
    beside = np.arange(start.size - 1), np.arange(1, start.size)
    below = _touching(start, columns)
    within = np.concatenate([beside[0], below[0]]), np.concatenate([beside[1], below[1]])
    return Runs(
        np.concatenate(values),
        np.diff(start, append=slices * flat.size),
        within,
        _touching(start, flat.size),
    )


def _touching(start: Indices, distance: int) -> Pairs:
    """Runs with voxels that lie `distance` apart in the array. That rows are not told apart does no
    harm: there is border between them.
    """
    # Wherever a run starts here or there another pair begins; a stable sort merges what is sorted
    # already.
    points = np.sort(np.concatenate([start[start >= distance], start + distance]), kind="stable")
    return np.searchsorted(start, points - distance, side="right") - 1, np.searchsorted(
        start, points, side="right"
    ) - 1


def run_components(label: Labels, pairs: Pairs) -> Indices:
    """The number of its component for each run, from 0; runs of one label that touch are of one
    component.

    Every root takes the lowest root that it touches, and paths are shortened, until nothing changes
    (Y. Shiloach, U. Vishkin, "An O(log n) parallel connectivity algorithm", J. Algorithms 3, 1982).
    """
    alike = label[pairs[0]] == label[pairs[1]]
    a, b = pairs[0][alike], pairs[1][alike]
    root = np.arange(label.size)
    while a.size:
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(shorter := root[root], root):
            root = shorter
        a, b = root[a], root[b]
        apart = a != b
        a, b = a[apart], b[apart]
    numbers: Indices = np.unique(root, return_inverse=True)[1]
    return numbers
