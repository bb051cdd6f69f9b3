"""The masks of a case as one label map, of a picture or of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import BOTH_LUNGS, Case
from lungseg.datasets.label_sets import assign_sides
from lungseg.errors import InputError
from lungseg.geometry import VolumeGeometry
from lungseg.readers import read_label_map, read_label_volume, read_mask
from lungseg.readers.probe import identify
from lungseg.structures import (
    BY_NAME,
    BY_NUMBER,
    LEFT_LUNG,
    LUNGS,
    RIGHT_LUNG,
    STRUCTURES,
    TRACHEA,
    partner,
)

MAX_LABEL: Final = 10
"""A mask with values up to here holds labels; above, it holds greys, and what is nearer to white is
inside."""

MAX_OFFSET_VOXELS: Final = 1.5
"""Voxels by which the corners of labels and image may differ."""

LUNA16: Final = {4: RIGHT_LUNG.number, 3: LEFT_LUNG.number, 5: TRACHEA.number}
"""Values of the lung masks of LUNA16 (A. Setio et al., Medical Image Analysis 42, 2017) and what
they are here."""

HALVED: Final = ".img"
"""Ending of JSRT's raw films of 2048 x 2048 pixels. The masks that were drawn of them (SCR) have
1024 x 1024."""


def read_labels(case: Case, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """What the masks of a case say: (rows, columns), 0, or the number of a structure that the case
    decides.

    A mask may hold the numbers of the structures, as a label map that this package wrote does. If
    the case decides the two lungs, it may as well be one mask for both, whose sides
    `lungseg.datasets.label_sets.assign_sides` tells, or one for each; if it decides one structure,
    a mask of that.

    Args:
        case: with a mask.
        shape: rows and columns of its image, where they are known; then a mask of another size is
            refused.

    Raises:
        InputError: there is no mask, or it cannot be read, or has a label that no structure has
            which the case decides, or does not tell these apart, or the masks of the two lungs
            differ in shape, or the mask and the image do.
    """
    if case.mask is None:
        raise InputError(
            "the case has no mask", where=case.image, cure="leave it out, or give it one"
        )
    if case.mask_left is None:
        labels = _labels(case.mask, case.decides)
    else:
        labels = _labels_of_two(case.mask, case.mask_left, case.decides)
    if case.image.suffix.lower() == HALVED and labels.shape == (1024, 1024):
        labels = labels.repeat(2, axis=0).repeat(2, axis=1)
    if shape is not None and labels.shape != shape:
        raise InputError(
            f"the mask has shape {labels.shape}, its image {shape}",
            where=case.mask,
            cure="correct the pair",
        )
    return labels


def _labels(path: Path, decides: Sequence[str]) -> NDArray[np.uint8]:
    labels = read_label_map(path)  # says what is what even where one structure is all there is
    if labels is not None:
        _refuse_undecided(set(np.unique(labels).tolist()), decides, path)
        return labels
    mask = read_mask(path)
    if holds_numbers(set(np.unique(mask).tolist()), decides, path):
        return np.asarray(mask, np.uint8)
    inside = is_inside(mask)
    return assign_sides(inside) if _are_lungs(decides) else _of_one(inside, decides)


def _labels_of_two(right: Path, left: Path, decides: Sequence[str]) -> NDArray[np.uint8]:
    _refuse_two_masks(left, decides)
    lungs = [read_mask(path) for path in (right, left)]
    if lungs[0].shape != lungs[1].shape:
        raise InputError(
            f"the mask of the left lung has shape {lungs[1].shape}, that of the right "
            f"{lungs[0].shape}",
            where=left,
        )
    labels = np.where(is_inside(lungs[0]), RIGHT_LUNG.number, 0).astype(np.uint8)
    labels[is_inside(lungs[1])] = LEFT_LUNG.number
    return labels


def is_inside(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a mask of one thing, of any shape, has it: not 0 in labels; more than half of its
    highest value in greys (see `MAX_LABEL`).
    """
    highest = mask.max()
    return np.asarray(mask > (highest / 2 if highest > MAX_LABEL else 0))


def holds_numbers(values: set[float], decides: Sequence[str], path: Path) -> bool:
    """Whether the values of a mask are numbers of structures; else it is a mask of one thing, in
    two values or in greys.

    Two values other than 0, 1 and 2 together are no numbers where the lungs, or one structure, are
    all that is decided: then 0 and 1 are a mask of them.

    Raises:
        InputError: the values are labels, and one of them is of no structure that is decided; or
            several structures are decided, and the mask does not tell them apart.
    """
    several = len(decides) > 1 and not _are_lungs(decides)
    if max(values) <= MAX_LABEL and (len(values) > 2 or several):
        _refuse_undecided(values, decides, path)
        return True
    if several:
        raise InputError(
            f"the mask does not tell {', '.join(decides)} apart",
            where=path,
            cure=f"give a label map: {_numbered(decides)}",
        )
    return False


def _refuse_undecided(values: set[float], decides: Sequence[str], path: Path) -> None:
    strange = sorted(values - {0} - {BY_NAME[name].number for name in decides})
    if strange:
        raise InputError(
            f"the mask has the label {strange[0]:g}, which is none that the case decides "
            f"({_numbered(decides)})",
            where=path,
            cure="name its structure in the column decides, or take it out of the mask",
        )


def _numbered(names: Sequence[str]) -> str:
    return ", ".join(f"{BY_NAME[name].number} {name}" for name in names)


def _refuse_two_masks(left: Path, decides: Sequence[str]) -> None:
    if not _are_lungs(decides):
        raise InputError(
            f"a mask for each lung does not decide {', '.join(decides)}",
            where=left,
            cure="decide the lungs alone, or give one label map",
        )


def _are_lungs(decides: Sequence[str]) -> bool:
    return set(decides) == set(BOTH_LUNGS)


def _of_one(inside: NDArray[np.bool_], decides: Sequence[str]) -> NDArray[np.uint8]:
    return np.where(inside, np.uint8(BY_NAME[decides[0]].number), np.uint8(0))


@dataclass(frozen=True, slots=True, eq=False)
class VolumeGroundTruth:
    """What the masks of a CT volume or slice say.

    Attributes:
        labels: (slices, rows, columns) in axial order (`lungseg.geometry.AXIAL`): 0, or the number
            of a structure; where `sides` is False, 0 and 1, which is lung of either side.
        sides: whether the masks tell right from left lung.
        swapped: whether the masks call right what is left, and that was put straight here.
    """

    labels: NDArray[np.uint8]
    sides: bool
    swapped: bool = False


def read_volume_labels(case: Case, grid: VolumeGeometry) -> VolumeGroundTruth:
    """What the masks of a CT volume or slice say, turned to axial slices.

    Right and left are told by a mask of each lung, by a label map that this package wrote, by the
    numbers of the structures, or by the values of `LUNA16`, whichever is which: the lung whose
    centre lies further to the patient's right is the right one. Of other masks all that `is_inside`
    is lung, or the one structure that the case decides.

    Args:
        case: with a mask.
        grid: of its image.

    Raises:
        InputError: as `read_labels`, or the mask lies elsewhere than its image or has another
            shape.
    """
    if case.mask is None:
        raise InputError(
            "the case has no mask", where=case.image, cure="leave it out, or give it one"
        )
    mask = _axial(case.mask, grid)
    if case.mask_left is not None:
        _refuse_two_masks(case.mask_left, case.decides)
        labels = np.where(is_inside(mask), np.uint8(RIGHT_LUNG.number), np.uint8(0))
        labels[is_inside(_axial(case.mask_left, grid))] = LEFT_LUNG.number
    elif (known := _numbers(mask, case.decides, case.mask)) is not None:
        labels = known
    elif _are_lungs(case.decides):
        return VolumeGroundTruth(is_inside(mask).astype(np.uint8), sides=False)
    else:
        return VolumeGroundTruth(_of_one(is_inside(mask), case.decides), sides=True)
    sizes, centres = sizes_and_centres(labels)
    right, left = RIGHT_LUNG.number - 1, LEFT_LUNG.number - 1
    swapped = bool(sizes.size > left and sizes[right] and centres[right] > centres[left])
    if swapped:
        mirrored = np.arange(256, dtype=np.uint8)
        for structure in STRUCTURES:
            mirrored[structure.number] = partner(structure).number
        labels = mirrored[labels]
    return VolumeGroundTruth(labels, sides=True, swapped=swapped)


def _numbers(mask: NDArray[Any], decides: Sequence[str], path: Path) -> NDArray[np.uint8] | None:
    """The numbers of structures in a label volume; None where it is a mask of one thing."""
    values = set(np.unique(mask).tolist())
    if _is_luna16(values, decides):
        numbers = np.zeros(max(LUNA16) + 1, np.uint8)
        for value, number in LUNA16.items():
            if BY_NUMBER[number].name in decides:
                numbers[value] = number
        return numbers[mask.astype(np.uint8)]
    if identify(path).is_picture and read_label_map(path) is not None:
        _refuse_undecided(values, decides, path)  # says what is what even where one is all there is
        return mask.astype(np.uint8)
    return mask.astype(np.uint8) if holds_numbers(values, decides, path) else None


def _is_luna16(values: set[float], decides: Sequence[str]) -> bool:
    """Whether these are values of LUNA16, and not the numbers of what is decided."""
    lungs = {value for value, number in LUNA16.items() if number != TRACHEA.number}
    return (
        set(BOTH_LUNGS) <= set(decides) <= {*BOTH_LUNGS, TRACHEA.name}
        and lungs <= values <= {0, *LUNA16}
        and not values <= {0} | {BY_NAME[name].number for name in decides}
    )


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


def lungs_only(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label map, of any shape, without what is no lung."""
    return np.where(np.isin(labels, [lung.number for lung in LUNGS]), labels, np.uint8(0))


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
