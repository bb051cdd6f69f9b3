"""CT for training, which learns from pictures: volumes and slices of 16 bits become axial slices of
8 bits, each with its label map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.ct.postprocess import FIELD, fill_holes
from lungseg.datasets.cases import Case
from lungseg.datasets.checks import DataProblem
from lungseg.datasets.folders import is_volume
from lungseg.datasets.ground_truth import (
    lungs_only,
    read_other_volumes,
    read_volume_labels,
    sizes_and_centres,
)
from lungseg.errors import InputError, UsageError
from lungseg.morphology.boxes import enclosing_box
from lungseg.morphology.runs import components
from lungseg.preprocess import HOUNSFIELD, clip_hounsfield, window
from lungseg.readers import read_image, read_volume
from lungseg.readers.frames import without_frame
from lungseg.readers.looks_like_ct import looks_like_ct
from lungseg.readers.probe import probe
from lungseg.structures import BY_NAME, LEFT_LUNG, RIGHT_LUNG
from lungseg.writers import image_png, make_folder, write_file
from lungseg.writers.png import label_png, mask_png

SLICES_BELOW: Final = 40
SLICES_ABOVE: Final = 25
"""So many slices without lung are kept below and above the lungs: belly and neck, where a network
must learn to find nothing."""

MAX_HOLE_MM2: Final = 300.0
"""Square millimetres of a hole in a slice of one lung that is filled: vessels, which some masks of
LCTSC leave out and others do not."""

GREYS: Final = (0.1, 99.9)
"""Percentiles that become black and white where values are no Hounsfield units."""

MIN_SMALLER_FRACTION: Final = 0.1
"""Fraction of the larger of two components that the other has at least where they are the two
lungs."""

MAX_EROSIONS: Final = 40
"""Pixels, after which lungs that still do not part are one."""

Labels = NDArray[np.uint8]
_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True, slots=True)
class SliceExport:
    """What became of cases.

    Attributes:
        cases: those that stayed what they were, and slices.
        of_volumes: source and name of those that were cut from a volume; some have one lung only,
            or none.
        problems: what was left out, and why.
    """

    cases: tuple[Case, ...]
    of_volumes: frozenset[tuple[str, str]]
    problems: tuple[DataProblem, ...]


def slice_cases(cases: Sequence[Case], folder: Path, *, every: int = 1) -> SliceExport:
    """Writes volumes that have labels, and CT slices of more than 8 bits that have a mask, as
    slices; other cases stay as they are.

    Slices are in axial order, numbered from the feet, in `folder`/source/images and, under the same
    name, `folder`/source/masks. In Hounsfield units, `lungseg.preprocess.HOUNSFIELD` becomes 0 to
    255; of other values the percentiles `GREYS` do. Right and left are told in space (see
    `split_lungs`), and small holes within one lung are filled. Slices of one grey are left out, as
    they cannot be read.

    Args:
        cases: of any number of sources. Patient, source, split, lung extent and notes go over to
            the slices.
        folder: is made where it is missing; files of the same name are replaced.
        every: 1 keeps every slice of a volume, 2 every second one, and so on.

    Raises:
        UsageError: `every` is below 1.
        OutputError: a slice cannot be written.
    """
    if every < 1:
        raise UsageError(f"every {every}th slice cannot be kept", cure="give 1 or more")
    kept: list[Case] = []
    of_volumes: set[tuple[str, str]] = set()
    problems: list[DataProblem] = []
    for case in cases:
        if case.mask is None or not _is_to_be_cut(case.image):
            kept.append(case)
            continue
        try:
            slices = list(_written(case, folder, every=every))
        except InputError as error:
            problems.append(
                DataProblem(
                    case.case,
                    case.source,
                    Path(error.where or case.image),
                    f"left out: {error.what}",
                )
            )
            continue
        kept += slices
        if len(slices) > 1 or is_volume(case.image):
            of_volumes |= {(made.source, made.case) for made in slices}
    return SliceExport(tuple(kept), frozenset(of_volumes), tuple(problems))


def _is_to_be_cut(image: Path) -> bool:
    if is_volume(image):
        return True
    try:
        return _is_ct(image) and read_volume(image).array.dtype != np.uint8
    except InputError:
        return False  # stays in the list, where the checks say what is wrong with it


def _is_ct(image: Path) -> bool:
    probed = probe(image)
    if probed.is_picture:
        return looks_like_ct(without_frame(read_image(probed, frame=1)))
    return probed.modality == "ct"


def _written(case: Case, folder: Path, *, every: int) -> Iterator[Case]:
    volume = read_volume(case.image)
    turn = volume.geometry.to_axial()
    grid = turn.geometry(volume.geometry)
    ground_truth = read_volume_labels(case, volume.geometry)
    voxels, labels = (
        turn.apply(volume.array),
        ground_truth.labels if ground_truth.sides else split_lungs(ground_truth.labels > 0),
    )
    spacing = grid.spacing or (1.0, FIELD / grid.shape[2], FIELD / grid.shape[2])
    others = lungs_only(labels) != labels
    lungs = fill_holes(lungs_only(labels), MAX_HOLE_MM2 / (spacing[1] * spacing[2]))
    labels = np.where(others, labels, lungs)
    heights = np.flatnonzero(labels.any(axis=(1, 2)))
    if not heights.size:
        raise InputError(
            "there is nothing in the labels", where=case.mask, cure="leave the case out"
        )
    structures = [BY_NAME[name] for name in case.decides]
    in_space = len(voxels) > 1 or is_volume(case.image)
    images, masks = (folder / _file_name(case.source) / kind for kind in ("images", "masks"))
    of_others = read_other_volumes(case, volume.geometry)
    places = {name: masks.with_name(f"masks_{name}") for name, path in case.other_masks if path}
    for place in (images, masks, *places.values()):
        make_folder(place)
    for number in range(
        max(0, heights[0] - SLICES_BELOW), min(len(voxels), heights[-1] + SLICES_ABOVE + 1), every
    ):
        pixels = _greys(voxels[number], hounsfield=volume.hounsfield)
        if pixels.min() == pixels.max():
            continue
        name = f"{case.case}_{number:03d}" if in_space else case.case
        image, file = read_image(pixels), f"{_file_name(name)}.png"
        write_file(images / file, image_png(image.array, of=image))
        write_file(masks / file, mask_png(image.with_labels(labels[number], structures)))
        for other, place in places.items():
            inside = of_others[other][number].astype(np.uint8)
            write_file(place / file, label_png(inside))
        further = tuple(
            (other, places[other] / file if path else None) for other, path in case.other_masks
        )
        cut = replace(case, case=name, image=images / file, mask=masks / file, other_masks=further)
        yield replace(cut, mask_left=None, labels="")  # the mask has the numbers of structures


def _file_name(name: str) -> str:
    return re.sub(r"[/\\]", "-", name)


def _greys(pixels: NDArray[Any], *, hounsfield: bool) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    low, high = HOUNSFIELD
    scaled = (
        (clip_hounsfield(pixels).astype(np.float32) - low) / (high - low)
        if hounsfield
        else window(pixels, GREYS)
    )
    return np.rint(scaled * 255).astype(np.uint8)


def split_lungs(lung: NDArray[np.bool_]) -> Labels:
    """Tells right from left in space: labels (slices, rows, columns), 0, 1 right, 2 left.

    The two largest components that lie on both sides of the middle column are the lungs. Where
    there are none, because the lungs touch, they are eroded in each slice, pixel by pixel, until
    there are, and grow back, each as far as it is nearer. What neither reaches goes by the side on
    which it lies, and so does everything where nothing parts: a single slice may well have one lung
    only.

    Args:
        lung: (slices, rows, columns) in axial order, see `lungseg.geometry.AXIAL`.
    """
    labels = np.zeros(lung.shape, np.uint8)
    box = enclosing_box(lung)
    labels[box] = _split(lung[box], (lung.shape[2] - 1) / 2 - box[2].start)
    return labels


def _split(lung: NDArray[np.bool_], middle: float) -> Labels:
    """The same of the box that holds all lung; `middle` is the column that was the middle one."""
    labels = np.zeros(lung.shape, np.uint8)
    core = lung
    for _ in range(MAX_EROSIONS):
        numbers = components(core)
        sizes, centres = sizes_and_centres(numbers)
        if not sizes.size:
            break
        if (
            sizes.size > 1
            and sizes[1] >= MIN_SMALLER_FRACTION * sizes[0]
            and centres[:2].min() < middle < centres[:2].max()
        ):
            right, left = np.argsort(centres[:2]) + 1
            labels[numbers == right], labels[numbers == left] = RIGHT_LUNG.number, LEFT_LUNG.number
            middle = centres[:2].mean()
            _grow(labels, lung)
            break
        core = (
            np.stack(
                [
                    cv2.erode(
                        plane.view(np.uint8), _CROSS, borderValue=0, borderType=cv2.BORDER_CONSTANT
                    )
                    for plane in core
                ]
            )
            > 0
        )
    rest = components(lung & (labels == 0))
    of_component = np.where(
        sizes_and_centres(rest)[1] < middle, np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number)
    )
    return labels | np.append(np.uint8(0), of_component)[rest]


def _grow(labels: Labels, lung: NDArray[np.bool_]) -> None:
    """Lets both labels spread, in place, by one voxel at a time through what is lung, until nothing
    changes.
    """
    free = lung & (labels == 0)
    while free.any():
        grown = np.zeros_like(labels)
        for number in (LEFT_LUNG.number, RIGHT_LUNG.number):
            own = (labels == number).view(np.uint8)
            reached = np.stack([cv2.dilate(plane, _CROSS) for plane in own])
            reached[1:] |= own[:-1]
            reached[:-1] |= own[1:]
            grown[free & (reached > 0)] = number
        if not grown.any():
            return
        labels |= grown
        free &= grown == 0
