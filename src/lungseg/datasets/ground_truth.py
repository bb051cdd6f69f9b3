"""The masks of a case as one label map, of a picture or of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import BOTH_LUNGS, Case
from lungseg.datasets.declared_labels import Declared, declared_of
from lungseg.datasets.label_sets import assign_sides
from lungseg.datasets.mask_meaning import (
    EITHER,
    are_lungs,
    is_inside,
    meaning_of,
    meaning_of_volume,
    refuse_lossy,
)
from lungseg.errors import InputError, UnknownLabelsError
from lungseg.geometry import VolumeGeometry
from lungseg.readers import read_label_volume, read_mask_pixels
from lungseg.readers.mask_pixels import as_one_mask
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
    a mask of that. Of greys and colours the labels of the case say what they mean. Pixels that only
    interpolation makes get the label that is nearest (`read_labels_and_notes` tells of them).

    Args:
        case: with a mask.
        shape: rows and columns of its image, where they are known; then a mask of another size is
            refused.

    Raises:
        InputError: there is no mask, or it cannot be read, or has a label that no structure has
            which the case decides, or does not tell these apart, or the masks of the two lungs
            differ in shape, or the mask and the image do.
    """
    return read_labels_and_notes(case, shape)[0]


def read_labels_and_notes(
    case: Case, shape: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """As `read_labels`, and what was done about pixels that are no label, for a person."""
    if case.mask is None:
        raise InputError(
            "the case has no mask", where=case.image, cure="leave it out, or give it one"
        )
    notes: tuple[str, ...] = ()
    if case.mask_left is None:
        labels, notes = _labels(case.mask, case.decides, declared_of(case))
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
    return labels, notes


def _labels(
    path: Path, decides: Sequence[str], declared: Declared
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    meaning = meaning_of(read_mask_pixels(path), decides, declared, path)
    return _with_sides(meaning.labels), meaning.notes


def _with_sides(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels (rows, columns) with what is lung of `EITHER` side given to one."""
    either = labels == EITHER
    return np.where(either, assign_sides(either), labels) if either.any() else labels


def _labels_of_two(right: Path, left: Path, decides: Sequence[str]) -> NDArray[np.uint8]:
    _refuse_two_masks(left, decides)
    lungs = [inside_of(path) for path in (right, left)]
    if lungs[0].shape != lungs[1].shape:
        raise InputError(
            f"the mask of the left lung has shape {lungs[1].shape}, that of the right "
            f"{lungs[0].shape}",
            where=left,
        )
    labels = np.where(lungs[0], RIGHT_LUNG.number, 0).astype(np.uint8)
    labels[lungs[1]] = LEFT_LUNG.number
    return labels


def inside_of(path: Path) -> NDArray[np.bool_]:
    """Where a mask of one thing has it: (rows, columns).

    Raises:
        InputError: it cannot be read.
    """
    pixels = read_mask_pixels(path)
    refuse_lossy(pixels, path)
    return is_inside(as_one_mask(pixels))


def _refuse_two_masks(left: Path, decides: Sequence[str]) -> None:
    if not are_lungs(decides):
        raise InputError(
            f"a mask for each lung does not decide {', '.join(decides)}",
            where=left,
            cure="decide the lungs alone, or give one label map",
        )


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
    if case.mask_left is not None:
        _refuse_two_masks(case.mask_left, case.decides)
        mask = _axial(case.mask, *read_label_volume(case.mask), grid)
        labels = np.where(is_inside(mask), np.uint8(RIGHT_LUNG.number), np.uint8(0))
        left = _axial(case.mask_left, *read_label_volume(case.mask_left), grid)
        labels[is_inside(left)] = LEFT_LUNG.number
    else:
        labels = _labels_in_space(case.mask, case.decides, declared_of(case), grid)
        if (either := labels == EITHER).any():
            _refuse_sides_untold(labels, either, case.mask)
            return VolumeGroundTruth(either.view(np.uint8), sides=False)
        if are_lungs(case.decides) and not labels.any():
            return VolumeGroundTruth(labels, sides=False)
    sizes, centres = sizes_and_centres(labels)
    one, other = RIGHT_LUNG.number - 1, LEFT_LUNG.number - 1
    swapped = bool(sizes.size > other and sizes[one] and centres[one] > centres[other])
    if swapped:
        mirrored = np.arange(256, dtype=np.uint8)
        for structure in STRUCTURES:
            mirrored[structure.number] = partner(structure).number
        labels = mirrored[labels]
    return VolumeGroundTruth(labels, sides=True, swapped=swapped)


def read_other_volumes(case: Case, grid: VolumeGeometry) -> dict[str, NDArray[np.bool_]]:
    """Where each of `Case.other_masks` has its structure, turned to axial slices: (slices, rows,
    columns), by the structure's name.

    Args:
        case: of a CT volume or slice.
        grid: of its image.

    Raises:
        InputError: a mask cannot be read, or lies elsewhere than its image or has another shape.
    """
    shape = grid.to_axial().geometry(grid).shape
    return {
        name: np.zeros(shape, bool) if path is None else _inside_in_space(path, grid)
        for name, path in case.other_masks
    }


def _inside_in_space(path: Path, grid: VolumeGeometry) -> NDArray[np.bool_]:
    if identify(path).is_picture:
        plane = inside_of(path)[np.newaxis]
        return _axial(path, plane, VolumeGeometry((1, *plane.shape[1:])), grid)
    voxels, own = read_label_volume(path)
    return is_inside(_axial(path, voxels, own, grid))


def _labels_in_space(
    path: Path, decides: Sequence[str], declared: Declared, grid: VolumeGeometry
) -> NDArray[np.uint8]:
    """What a volume or slice of labels says, turned to axial slices; lung of either side is
    `EITHER`.
    """
    if identify(path).is_picture:
        plane = meaning_of(read_mask_pixels(path), decides, declared, path).labels
        return _axial(path, plane[np.newaxis], VolumeGeometry((1, *plane.shape)), grid)
    voxels, own = read_label_volume(path)
    values = set(np.unique(voxels).tolist())
    if not declared and _is_luna16(values, decides):
        declared = {value: BY_NUMBER[number].name for value, number in LUNA16.items()}
    voxels = _axial(path, voxels, own, grid)
    return meaning_of_volume(voxels, values, decides, declared, path)


def _refuse_sides_untold(labels: NDArray[np.uint8], either: NDArray[np.bool_], path: Path) -> None:
    """That a volume of lung of either side has nothing else."""
    if np.any(labels[~either]):
        raise UnknownLabelsError(
            "the labels tell other structures, but not right from left lung",
            where=path,
            cure="give a label for each lung, or decide the lungs alone",
        )


def _is_luna16(values: set[float], decides: Sequence[str]) -> bool:
    """Whether these are values of LUNA16, and not the numbers of what is decided."""
    lungs = {value for value, number in LUNA16.items() if number != TRACHEA.number}
    return (
        set(BOTH_LUNGS) <= set(decides) <= {*BOTH_LUNGS, TRACHEA.name}
        and lungs <= values <= {0, *LUNA16}
        and not values <= {0} | {BY_NAME[name].number for name in decides}
    )


def _axial(
    path: Path, voxels: NDArray[Any], own: VolumeGeometry, grid: VolumeGeometry
) -> NDArray[Any]:
    """The voxels of a label file, turned by its own affine, or as the image is where it states
    none; `grid` is the image's own.
    """
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
