"""The masks of a case as one label map, of a picture or of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import Case
from lungseg.datasets.label_sets import assign_sides
from lungseg.errors import InputError
from lungseg.geometry import VolumeGeometry
from lungseg.readers import is_picture, read_label_map, read_label_volume, read_mask
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

MAX_LABEL: Final = 10
"""A mask with values up to here holds labels, all of them lung; above, it holds greys, and lung is
what is nearer to white."""

MAX_OFFSET_VOXELS: Final = 1.5
"""Voxels by which the corners of labels and image may differ."""

LUNA16: Final = {4: RIGHT_LUNG.number, 3: LEFT_LUNG.number, 5: 0}
"""Values of the lung masks of LUNA16 (A. Setio et al., Medical Image Analysis 42, 2017) and what
they are here; the last is the trachea."""

HALVED: Final = ".img"
"""Ending of JSRT's raw films of 2048 x 2048 pixels. The masks that were drawn of them (SCR) have
1024 x 1024."""


def read_labels(case: Case, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """What the masks of a case say: (rows, columns), 0, 1 right lung, 2 left lung.

    A mask of each lung says which is which, and so does a label map that this package wrote, and
    any mask whose values are 0, 1 and 2; in others the sides are told by
    `lungseg.datasets.label_sets.assign_sides`.

    Args:
        case: with a mask.
        shape: rows and columns of its image, where they are known; then a mask of another size is
            refused.

    Raises:
        InputError: there is no mask, or it cannot be read, or the masks of the two lungs differ in
            shape, or the mask and the image do.
    """
    if case.mask is None:
        raise InputError(
            "the case has no mask", where=case.image, cure="leave it out, or give it one"
        )
    labels = (
        _labels(case.mask) if case.mask_left is None else _labels_of_two(case.mask, case.mask_left)
    )
    if case.image.suffix.lower() == HALVED and labels.shape == (1024, 1024):
        labels = labels.repeat(2, axis=0).repeat(2, axis=1)
    if shape is not None and labels.shape != shape:
        raise InputError(
            f"the mask has shape {labels.shape}, its image {shape}",
            where=case.mask,
            cure="correct the pair",
        )
    return labels


def _labels(path: Path) -> NDArray[np.uint8]:
    labels = read_label_map(path)  # says which is which even where one lung is all there is
    if labels is not None:
        return labels
    mask = read_mask(path)
    if set(np.unique(mask)) == {0, RIGHT_LUNG.number, LEFT_LUNG.number}:
        return np.asarray(mask, np.uint8)
    return assign_sides(is_lung(mask))


def _labels_of_two(right: Path, left: Path) -> NDArray[np.uint8]:
    lungs = [read_mask(path) for path in (right, left)]
    if lungs[0].shape != lungs[1].shape:
        raise InputError(
            f"the mask of the left lung has shape {lungs[1].shape}, that of the right "
            f"{lungs[0].shape}",
            where=left,
        )
    labels = np.where(is_lung(lungs[0]), RIGHT_LUNG.number, 0).astype(np.uint8)
    labels[is_lung(lungs[1])] = LEFT_LUNG.number
    return labels


def is_lung(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a mask, of any shape, says lung: not 0 in labels; more than half of its highest value
    in greys (see `MAX_LABEL`).
    """
    highest = mask.max()
    return np.asarray(mask > (highest / 2 if highest > MAX_LABEL else 0))


@dataclass(frozen=True, slots=True, eq=False)
class VolumeGroundTruth:
    """What the masks of a CT volume or slice say.

    Attributes:
        labels: (slices, rows, columns) in axial order (`lungseg.geometry.AXIAL`): 0, 1 right lung,
            2 left lung; where `sides` is False, 0 and 1, which is lung of either side.
        sides: whether the masks tell right from left.
        swapped: whether the masks call right what is left, and that was put straight here.
    """

    labels: NDArray[np.uint8]
    sides: bool
    swapped: bool = False


def read_volume_labels(case: Case, grid: VolumeGeometry) -> VolumeGroundTruth:
    """What the masks of a CT volume or slice say, turned to axial slices.

    Right and left are told by a mask of each lung, by a label map that this package wrote, and by
    values of 0, 1 and 2, or those of `LUNA16`, whichever is which: the lung whose centre lies
    further to the patient's right is the right one. Of other masks all that `is_lung` is lung.

    Args:
        case: with a mask.
        grid: of its image.

    Raises:
        InputError: there is no mask, or it cannot be read, or lies elsewhere than its image or has
            another shape.
    """
    if case.mask is None:
        raise InputError(
            "the case has no mask", where=case.image, cure="leave it out, or give it one"
        )
    mask = _axial(case.mask, grid)
    if case.mask_left is not None:
        labels = np.where(is_lung(mask), np.uint8(RIGHT_LUNG.number), np.uint8(0))
        labels[is_lung(_axial(case.mask_left, grid))] = LEFT_LUNG.number
    elif _tells_sides(case.mask, values := set(np.unique(mask).tolist())):
        labels = mask.astype(np.uint8)
    elif set(LUNA16) - {5} <= values <= {0, *LUNA16}:
        labels = np.array([LUNA16.get(value, 0) for value in range(max(LUNA16) + 1)], np.uint8)[
            mask.astype(np.uint8)
        ]
    else:
        return VolumeGroundTruth(is_lung(mask).astype(np.uint8), sides=False)
    centres = sizes_and_centres(labels)[1]
    swapped = bool(centres.size == 2 and centres[0] > centres[1])
    if swapped:
        labels = np.where(
            labels > 0, np.uint8(RIGHT_LUNG.number + LEFT_LUNG.number) - labels, np.uint8(0)
        )
    return VolumeGroundTruth(labels, sides=True, swapped=swapped)


def _tells_sides(path: Path, values: set[float]) -> bool:
    if (
        is_picture(path) and read_label_map(path) is not None
    ):  # says which is which even where one lung is all there is
        return True
    return values == {0, RIGHT_LUNG.number, LEFT_LUNG.number}


def _axial(path: Path, grid: VolumeGeometry) -> NDArray[Any]:
    """The voxels of a label file, turned by its own affine, or as the image is where it states
    none; `grid` is the image's own.
    """
    voxels, own = read_label_volume(path)
    turn = grid.to_axial()
    grid = turn.geometry(grid)
    if own.affine is not None:
        turn = own.to_axial()
    axial = turn.geometry(own)
    if axial.shape != grid.shape:
        shapes = (" x ".join(map(str, shape)) for shape in (axial.shape, grid.shape))
        problem = (
            f"the labels have {next(shapes)} voxels in axial order, their image has {next(shapes)}"
        )
        raise InputError(problem, where=path, cure="give labels on the grid of the image")
    if axial.affine is not None and grid.affine is not None:
        corners = np.array([[0, 0, 0, 1], [*(side - 1 for side in grid.shape), 1]]).T
        away = np.linalg.inv(grid.affine) @ axial.affine @ corners - corners
        if np.abs(away).max() > MAX_OFFSET_VOXELS:
            problem = f"the labels lie up to {np.abs(away).max():.0f} voxels away from their image"
            raise InputError(problem, where=path, cure="give labels on the grid of the image")
    return turn.apply(voxels)


def sizes_and_centres(numbers: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Voxels and mean column of the pieces 1, 2 and so on of (slices, rows, columns); NaN of a
    piece without voxels.
    """
    count = int(numbers.max(initial=0)) + 1
    sizes, columns = np.zeros(count, np.intp), np.zeros(count)
    for plane in (
        numbers
    ):  # the places of all voxels at once would take eight times the memory of the labels
        at = np.nonzero(plane)
        sizes += np.bincount(plane[at], minlength=count)
        columns += np.bincount(plane[at], weights=at[1], minlength=count)
    with np.errstate(invalid="ignore"):
        return sizes[1:], columns[1:] / sizes[1:]
