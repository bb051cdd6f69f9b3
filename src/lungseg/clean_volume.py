"""From what a network labelled, slice by slice, to one right and one left lung in three dimensions.

A volume has a hundred million voxels, but few borders. So it is taken as runs: stretches of equal label along the array, which touch
each other at a distance of one voxel, one row and one slice. Pieces, holes and contacts are then found on some hundred thousand runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.labels import LEFT_LUNG, LUNGS, RIGHT_LUNG
from lungseg.scores import enclosing_box

Labels = NDArray[np.uint8]
Indices = NDArray[np.intp]
Pairs = tuple[Indices, Indices]
"""Runs that touch: the first of each pair, and the second."""

FIELD = 350.0
"""Millimetres across the slice that are assumed where the spacing is not known: what a chest CT shows."""

SMALLEST_SECTION, SMALLEST_HEIGHT = 100.0, 100.0
"""Square millimetres, and millimetres: a piece with less than this section in every slice, or over this height where there are more
slices, is no lung. That is a disc of 11 mm in a single slice, and 10 mL in a volume."""

SMALLEST_PIECE = 0.1
"""Share of a lung's largest piece from which a further piece, that touches nothing, stays: in a single slice a lung may come in several.
In volumes lungs are whole: all of those drawn for LCTSC are, even where only every fifth slice, 15 mm, is left."""

SMALLEST_BESIDE = 0.05
"""Share of the other lung from which a lung that touches it is one: below that it is a mistake about the side."""

LARGEST_HOLE = 150.0
"""Square millimetres of a hole in a slice that is filled although it is open above or below: a vessel, cut across. What is larger may be
the dome of the diaphragm, which in axial slices has lung all around: in the masks of LCTSC up to 6400 mm2."""

MOST_RUNS = 3_000_000
"""Two lungs have some 120 000 runs in 300 slices of 512 x 512. What has this many is noise, and would take minutes and gigabytes."""


LUNG_BELOW, GAS_BELOW = -600, -940
"""Hounsfield units. Normally aerated lung lies between -900 and -500 (L. Gattinoni et al., American Journal of Respiratory and Critical
Care Medicine 164, 2001); the gas of bowel and stomach is near -1000."""

THICKEST = 5.0
"""Millimetres between slices; further apart, one slice says too little about the next."""

SHARED = 0.5
"""Share of a piece of lung that must lie straight below lung."""

MARGIN = 8
"""Voxels around the lung of one slice, in which the next one is searched."""

CELL = 3.0
"""Millimetres of the grid on which gas of stomach and bowel is looked for: averages over so much tell gas from lung in spite of noise."""

PURE_BELOW = -950
"""Hounsfield units of cells that hold nothing but gas, unless emphysema does; so what lies around them must decide."""

MOST_LUNG, LEAST_TISSUE, LEAST_ROOF, TISSUE_ABOVE = 0.32, 0.5, 0.55, -150
"""Of what lies 3 to 9 mm from the gas at most the first share may be labelled lung, and at least the second must be tissue, above so many
Hounsfield units; so must something within 12 mm above the third share of its top. On LCTSC and ct-64 of the Chest Imaging Platform gas of
stomach and bowel that was called lung has at most 0.06, and at least 0.55 and 0.72; bullae with walls of 2 mm, painted into these lungs,
have at most 0.49 of tissue above where the first two hold."""

ROOF = 4
"""Cells above the gas in which the diaphragm is looked for."""

LEAST_LABELLED = 5000.0
"""Cubic millimetres of gas called lung: less changes no volume by a measurable share."""


def remove_bowel_gas(labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None) -> None:
    """Takes gas of stomach and bowel, with its wall, out of what was labelled as lung.

    It is a piece of nearly pure gas that lies below the middle of the lungs, with tissue around it and above it: the diaphragm. A bulla
    has lung around it, or above it. Slices more than `THICKEST` apart, and unknown spacing, are left alone.

    Args:
        labels: (slices, rows, columns) in axial order, changed in place, as a network gave them, islands and all.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
    """
    heights = np.flatnonzero(labels.any(axis=(1, 2)))
    if spacing is None or spacing[0] > THICKEST or not heights.size:
        return
    steps = [max(1, round(CELL / side)) for side in spacing]
    rows, columns = (max(1, count // step) for count, step in zip(labels.shape[1:], steps[1:], strict=True))
    lower = slice(0, int(heights[0] + heights[-1]) // 2 + 1, steps[0])
    density = np.stack([cv2.resize(plane.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) for plane in voxels[lower]])
    lung = np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_NEAREST) for plane in labels[lower]]) > 0
    gas = pieces(density < PURE_BELOW)
    labelled = np.bincount(gas[lung], minlength=int(gas.max()) + 1) * math.prod(steps) * math.prod(spacing) >= LEAST_LABELLED
    # Air around the patient, and what goes on above, is no closed piece.
    for side in (gas[-1], gas[:, 0], gas[:, -1], gas[:, :, 0], gas[:, :, -1]):
        labelled[side] = False
    labelled[0] = False
    taken = np.zeros(gas.shape, bool)
    for piece in np.flatnonzero(labelled):
        box = tuple(slice(max(0, int(at.min()) - ROOF), int(at.max()) + ROOF + 1) for at in np.nonzero(gas == piece))
        wall = _bowel(gas[box] == piece, density[box], lung[box])
        if wall is not None:
            taken[box] |= wall
    for number in np.flatnonzero(taken.any(axis=(1, 2))):
        wide = cv2.resize(taken[number].astype(np.uint8), labels.shape[:0:-1], interpolation=cv2.INTER_NEAREST) > 0
        labels[number * steps[0] : (number + 1) * steps[0], wide] = 0


def _bowel(gas: NDArray[np.bool_], density: NDArray[np.float32], lung: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The cells of a piece of gas and its wall, where it is one of stomach or bowel; None where it may be lung."""
    wall = _grown(gas, 1)
    around = _grown(wall, 2) & ~wall
    top = np.nonzero(gas & ~np.pad(gas, ((0, 1), (0, 0), (0, 0)))[1:])
    roof = np.max([density[(np.minimum(top[0] + up, len(gas) - 1), *top[1:])] for up in range(1, ROOF + 1)], axis=0)
    tissue = float(np.mean(density[around] > TISSUE_ABOVE)), float(np.mean(roof > TISSUE_ABOVE))
    return wall if np.mean(lung[around]) <= MOST_LUNG and tissue[0] >= LEAST_TISSUE and tissue[1] >= LEAST_ROOF else None


def _grown(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """With all voxels that share a face with it, so many times."""
    for _ in range(times):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1, 1:-1] | wide[2:, 1:-1, 1:-1] | wide[:-2, 1:-1, 1:-1]
        mask |= wide[1:-1, 2:, 1:-1] | wide[1:-1, :-2, 1:-1] | wide[1:-1, 1:-1, 2:] | wide[1:-1, 1:-1, :-2]
    return mask


def complete_bases(labels: Labels, voxels: NDArray[np.int16], spacing: tuple[float, float, float] | None) -> None:
    """Adds lung, slice by slice downwards, that a network with one slice before its eyes takes for something else at the bases.

    From the slice with the most lung downwards, what is as light as lung and lies for the most part below lung is lung too, unless it is
    as light as gas. Each pixel of it goes to the lung that is nearest, in its slice or straight above. Slices more than `THICKEST` apart,
    and unknown spacing, are left alone.

    Args:
        labels: (slices, rows, columns) in axial order, changed in place.
        voxels: the same shape, Hounsfield units.
        spacing: millimetres between slices, rows and columns.
    """
    if spacing is None or spacing[0] > THICKEST or not labels.any():
        return
    most = int(np.count_nonzero(labels, axis=(1, 2)).argmax())
    for number in range(most - 1, -1, -1):
        rows, columns = (np.flatnonzero(labels[number + 1].any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return
        box = tuple(slice(max(0, int(at[0]) - MARGIN), int(at[-1]) + 1 + MARGIN) for at in (rows, columns))
        above, here, density = labels[number + 1][box], labels[number][box], voxels[number][box]
        light = ((density < LUNG_BELOW) | (here > 0)).astype(np.uint8)
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(light, connectivity=4)
        below = np.bincount(pieces[above > 0], minlength=count)
        new = np.zeros(here.shape, bool)
        for piece in np.flatnonzero(below[1:] >= SHARED * stats[1:, cv2.CC_STAT_AREA]) + 1:
            inside = (pieces == piece) & (here == 0)
            if inside.any() and np.median(density[inside]) >= GAS_BELOW:
                new |= inside
        if new.any():
            here[new] = _nearest(np.where(here > 0, here, above))[new]


def _nearest(labels: Labels) -> Labels:
    """The label that lies nearest to each pixel of (rows, columns), of which one has a label."""
    _, place = cv2.distanceTransformWithLabels((labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    value = np.zeros(int(place.max()) + 1, np.uint8)
    value[place[labels > 0]] = labels[labels > 0]
    return value[place]


@dataclass(frozen=True, slots=True)
class _Runs:
    """A box of labels, with a border of background all around, as runs in the order of the array; a run may go on in the next row.

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
        return np.concatenate([self.within[0], self.across[0]]), np.concatenate([self.within[1], self.across[1]])


def clean_volume(labels: Labels, spacing: tuple[float, float, float] | None = None) -> Labels:
    """At most one right and one left lung of what was labelled; none where that is mere noise.

    The largest piece of each label is that lung. A piece that touches the other lung and not its own is a mistake about the side and
    goes to the lung that it touches. What touches neither is dropped, unless it is large enough to be a part of the lung that was cut
    off. What a lung encloses belongs to it, vessels and nodules; also a small hole in an axial slice that touches one lung only. So two
    lungs that touch are parted where the labels change, what lies between them stays outside, and no lung is ever invented.

    Args:
        labels: (slices, rows, columns) in axial order, see `lungseg.geometry.AXIAL`: 0 background, 1 right lung, 2 left lung.
        spacing: millimetres between slices, rows and columns; where it is None a slice is taken to show `FIELD` millimetres.

    Returns:
        A new label map of the same shape, in C order. Each lung is in one piece of voxels that share faces, or in few large ones.
    """
    cleaned = np.zeros(labels.shape, np.uint8)
    box = enclosing_box(labels)
    thickness, down, across = spacing or (math.nan, FIELD / labels.shape[2], FIELD / labels.shape[2])
    height = labels.shape[0] if spacing is None else min(labels.shape[0], math.ceil(SMALLEST_HEIGHT / thickness))
    runs = _runs(labels[box])
    if runs is None:
        return cleaned
    label = _sides(runs, smallest=math.ceil(SMALLEST_SECTION / (down * across)) * height)
    label = _without_holes(runs, label, largest=LARGEST_HOLE / (down * across))
    cleaned[box] = _painted(label, runs, box)
    return cleaned


def fill_holes(labels: Labels, largest: float) -> Labels:
    """A new label map with holes filled: in axial slices those that touch one lung only, then, in space, what the lungs enclose.

    Args:
        labels: as for `clean_volume`.
        largest: so many pixels a hole in a slice may have.
    """
    filled = np.array(labels)
    box = enclosing_box(labels)
    if (runs := _runs(labels[box])) is not None:
        filled[box] = _painted(_without_holes(runs, runs.label, largest=largest), runs, box)
    return filled


def pieces(lung: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Of each voxel, (slices, rows, columns), the number of its piece, from 1, larger ones first; 0 where there is no lung.

    Voxels that share faces are of one piece. Where there are more than `MOST_RUNS` runs all is one piece.
    """
    numbers = lung.astype(np.int32)
    box = enclosing_box(lung)
    if (runs := _runs(lung[box])) is not None:
        piece, size = _sized_pieces(runs)
        rank = np.empty(size.size, np.int32)
        rank[np.argsort(-size, kind="stable")] = np.arange(1, size.size + 1)
        numbers[box] = _painted(np.where(runs.label > 0, rank[piece], np.int32(0)), runs, box)
    return numbers


def piece_sizes(lung: NDArray[np.bool_]) -> Indices:
    """Voxels of each of the `pieces`, the largest first, without the memory that their numbers take."""
    runs = _runs(lung[enclosing_box(lung)])
    size = np.array([np.count_nonzero(lung)]) if runs is None else _sized_pieces(runs)[1]
    return np.sort(size[size > 0])[::-1]


def _sized_pieces(runs: _Runs) -> tuple[Indices, Indices]:
    """The number of its piece for each run, and how many voxels of lung each piece has: none, where it is background."""
    piece = _pieces(runs.label, runs.touching)
    return piece, np.bincount(piece, weights=runs.length * runs.label).astype(np.intp)


def _painted(values: NDArray[Any], runs: _Runs, box: tuple[slice, ...]) -> NDArray[Any]:
    """One value for each run as voxels of the box."""
    padded = np.repeat(values, runs.length).reshape([side.stop - side.start + 2 for side in box])
    return padded[1:-1, 1:-1, 1:-1]


def _runs(labels: NDArray[Any]) -> _Runs | None:
    """The runs of a box; None where there are more than `MOST_RUNS`."""
    slices, rows, columns = (side + 2 for side in labels.shape)
    padded = np.zeros((rows, columns), np.uint8)
    flat = padded.reshape(-1)
    starts, values = [np.zeros(1, np.intp)], [np.zeros(1, np.uint8)]
    count = 1
    for number, plane in enumerate(labels, start=1):
        padded[1:-1, 1:-1] = plane
        found = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        count += found.size
        if count > MOST_RUNS:
            return None
        starts.append(found + number * flat.size)
        values.append(flat[found])
    start = np.concatenate(starts)
    beside = np.arange(start.size - 1), np.arange(1, start.size)
    below = _touching(start, columns)
    within = np.concatenate([beside[0], below[0]]), np.concatenate([beside[1], below[1]])
    return _Runs(np.concatenate(values), np.diff(start, append=slices * flat.size), within, _touching(start, flat.size))


def _touching(start: Indices, distance: int) -> Pairs:
    """Runs with voxels that lie `distance` apart in the array. That rows are not told apart does no harm: there is border between them."""
    # Wherever a run starts here or there another pair begins; a stable sort merges what is sorted already.
    points = np.sort(np.concatenate([start[start >= distance], start + distance]), kind="stable")
    return np.searchsorted(start, points - distance, side="right") - 1, np.searchsorted(start, points, side="right") - 1


def _pieces(label: Labels, pairs: Pairs) -> Indices:
    """The number of its piece for each run, from 0; runs of one label that touch are of one piece.

    Every root takes the lowest root that it touches, and paths are shortened, until nothing changes (Y. Shiloach, U. Vishkin, "An
    O(log n) parallel connectivity algorithm", J. Algorithms 3, 1982).
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


def _sides(runs: _Runs, smallest: int) -> Labels:
    """The label of each run when every piece has found its lung or was dropped; a lung has at least `smallest` voxels."""
    touching = runs.touching
    piece = _pieces(runs.label, touching)
    size = np.bincount(piece, weights=runs.length)
    label = np.zeros(size.size, np.uint8)
    label[piece] = runs.label
    neighbours = _between_lungs(runs.label, piece, touching, size)
    largest = {lung: int(np.argmax(np.where(label == lung.number, size, 0))) for lung in LUNGS}
    settled = np.zeros(size.size, np.uint8)
    for lung, main in largest.items():
        other = largest[RIGHT_LUNG if lung is LEFT_LUNG else LEFT_LUNG]
        beside = ((neighbours[0] == main) & (neighbours[1] == other)).any() and size[main] < SMALLEST_BESIDE * size[other]
        if label[main] == lung.number and size[main] >= smallest and not beside:
            settled[main] = lung.number
    _spread(settled, neighbours)
    for lung, main in largest.items():
        if settled[main] == lung.number:
            settled[(settled == 0) & (label == lung.number) & (size >= max(smallest, SMALLEST_PIECE * size[main]))] = lung.number
    _spread(settled, neighbours)
    sides: Labels = settled[piece]
    return sides


def _between_lungs(label: Labels, piece: Indices, touching: Pairs, size: NDArray[Any]) -> Pairs:
    """Pieces of one lung that touch pieces of the other, in both orders, larger ones last."""
    differ = label[touching[0]] ^ label[touching[1]] == RIGHT_LUNG.number ^ LEFT_LUNG.number
    a, b = (piece[side[differ]] for side in touching)
    a, b = np.unique(np.stack([np.append(a, b), np.append(b, a)]), axis=1)
    order = np.argsort(size[a], kind="stable")
    return a[order], b[order]


def _spread(settled: Labels, neighbours: Pairs) -> None:
    """Gives pieces that are not settled, in place, the label of what they touch, until none is left that touches a settled one."""
    while (open_ends := (settled[neighbours[0]] > 0) & (settled[neighbours[1]] == 0)).any():
        settled[neighbours[1][open_ends]] = settled[neighbours[0][open_ends]]


def _without_holes(runs: _Runs, label: Labels, largest: float) -> Labels:
    """The labels of runs with holes filled: first those of up to `largest` pixels in a slice, then what the lungs enclose."""
    for pairs in (runs.within, runs.touching):
        hole = _pieces(label, pairs)
        size = np.bincount(hole, weights=runs.length)
        contacts = np.stack([_contacts(label, hole, pairs, lung.number) for lung in LUNGS])
        touches = (contacts > 0).sum(axis=0)
        fill = (touches == 1) & (size <= largest) if pairs is runs.within else touches > 0
        fill[hole[0]] = False  # the first run is the border
        winner = np.where(contacts[0] >= contacts[1], np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number))
        label = np.where((label == 0) & fill[hole], winner[hole], label)
    return label


def _contacts(label: Labels, hole: Indices, pairs: Pairs, number: int) -> Indices:
    """For each piece of background, how often its runs touch runs of a label."""
    counts = np.zeros(int(hole.max()) + 1, np.intp)
    for inside, outside in (pairs, pairs[::-1]):
        touch = (label[inside] == 0) & (label[outside] == number)
        counts += np.bincount(hole[inside[touch]], minlength=counts.size)
    return counts
