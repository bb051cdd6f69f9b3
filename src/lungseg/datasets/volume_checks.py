"""What a person should look at in a volume and its labels; `lungseg.datasets.checks` does so for
pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import BOTH_LUNGS, Case
from lungseg.datasets.ground_truth import (
    LUNA16,
    VolumeGroundTruth,
    lungs_only,
    read_volume_labels,
)
from lungseg.datasets.mask_meaning import MAX_LABEL
from lungseg.errors import LungsegError, UnknownLabelsError
from lungseg.morphology.runs import component_sizes
from lungseg.readers import read_label_volume, read_volume
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.volume import Volume

UNKNOWN_LABELS: Final = "labels not known"
"""Kind of the problem that nobody says which structures the values of a mask are."""

KNOWN: Final = (
    {0, 1},
    {0, RIGHT_LUNG.number, LEFT_LUNG.number},
    {0, 255},
    {0},
    {0, *LUNA16},
    {0, *LUNA16} - {5},
)
"""The values of label volumes that leave no question; of labels up to `MAX_LABEL` reading says what
is wrong with them."""

MIN_LUNGS_ML: Final = 50.0
"""Millilitres that the lungs of a newborn have at least, both together; what has less is hardly a
mask of lungs."""

MAX_COVERED_FRACTION: Final = 0.5
"""Fraction of a volume that no lungs have. The most in five volumes of LCTSC is 0.04."""

MAX_BORDER_FRACTION: Final = 0.3
"""Fraction of the four sides of a volume that lungs take up at most."""

MAX_MEAN_HU: Final = -300.0
"""Hounsfield units; lungs, diseased ones too, are less dense on average. Those of LCTSC have -767
to -659 (of values cut at `MAX_HU`)."""

MIN_MIRRORED_GAIN_HU: Final = 50.0
"""Hounsfield units by which a mask lies on lighter voxels when it is turned over, if it was turned
over before. Right masks of LCTSC then lie on voxels that are denser by 166 at least."""

MAX_HU: Final = 100
"""Hounsfield units above which everything counts as this much, so that bones weigh no more than
other tissue."""

AXES: Final = ("head to foot", "front to back", "right to left")
"""What is swapped by flipping the axes of axial slices over."""

MAX_THIRD_COMPONENT_FRACTION, MIN_SMALLER_LUNG_FRACTION = 0.05, 0.02
"""Fraction of all lung that the third largest component has at most, and that the smaller lung has
at least."""


def volume_problems(case: Case) -> Iterator[tuple[Path, str]]:
    """Which file of a volume has what problem; what follows from another is not told.

    Found are images and labels that cannot be read, labels on another grid, labels of unknown
    meaning, masks that are empty, full, of more than two components, mirrored, beside the lungs or
    at the border, one lung only, and right and left swapped.
    """
    volume: Volume | None = None
    try:
        volume = read_volume(case.image)
    except LungsegError as error:
        yield case.image, f"image cannot be used: {error.what}"
    if case.mask is None:
        return
    strange: list[tuple[Path, str]] = []
    for path in case.mask_files:
        try:
            values = np.unique(read_label_volume(path)[0])
        except LungsegError as error:
            yield path, f"mask cannot be used: {error.what}"
            return
        told = case.labels or set(values.tolist()) in KNOWN
        if not told and (values[-1] > MAX_LABEL or len(values) <= 2):
            strange.append(
                (path, f"{UNKNOWN_LABELS}: there are {len(values)} values, {listed(values)}")
            )
    if volume is None:
        yield from strange
        return
    try:
        ground_truth = read_volume_labels(case, volume.geometry)
    except UnknownLabelsError as error:
        yield case.mask, f"{UNKNOWN_LABELS}: {error.what}; {error.cure}"
        return
    except LungsegError as error:
        yield from strange
        yield case.mask, f"masks do not fit: {error.what}"
        return
    yield from strange
    problem = (
        _problem(volume, ground_truth)
        if set(BOTH_LUNGS) <= set(case.decides)
        else empty_mask(ground_truth.labels, case.decides)
    )
    if problem:
        yield case.mask, problem
    if ground_truth.swapped:
        yield (
            case.mask,
            "right and left swapped: the lung of label 1 lies further to the patient's left, "
            "and is read as the left one",
        )


def empty_mask(labels: NDArray[np.uint8], decides: Sequence[str]) -> str | None:
    """That there is nothing in a label map of these structures; None where there is."""
    return None if labels.any() else f"mask empty: there is no {' or '.join(decides)} in it"


def listed(values: NDArray[Any]) -> str:
    """The first four of them, for a sentence."""
    return ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")


def _problem(volume: Volume, ground_truth: VolumeGroundTruth) -> str | None:
    """What is wrong with the lungs as they are labelled, the gravest first; None where nothing
    is.
    """
    lung = lungs_only(ground_truth.labels) > 0
    count = int(np.count_nonzero(lung))
    if not count:
        return "mask empty: there is no lung in it"
    cell = volume.geometry.voxel_volume
    if cell is not None and lung.shape[0] > 1 and count * cell / 1000.0 < MIN_LUNGS_ML:
        return f"mask nearly empty: it holds {count * cell / 1000.0:.1f} mL"
    if count > MAX_COVERED_FRACTION * lung.size:
        return f"mask full, or nearly: it covers {count / lung.size:.0%} of the volume"
    border = float(
        np.concatenate(
            [lung[:, side].ravel() for side in (0, -1)]
            + [lung[:, 1:-1, side].ravel() for side in (0, -1)]
        ).mean()
    )
    if border > MAX_BORDER_FRACTION:
        return f"outside labelled as lung: the mask takes up {border:.0%} of the volume's sides"
    if volume.hounsfield and (
        problem := _density_problem(volume.geometry.to_axial().apply(volume.array), lung)
    ):
        return problem
    sizes = component_sizes(lung)
    if sizes.size > 2 and sizes[2] > MAX_THIRD_COMPONENT_FRACTION * count:
        return (
            "mask of more than two components: beside the two largest there is one with "
            f"{sizes[2] / count:.0%} of it"
        )
    if ground_truth.sides:
        each = [
            int(np.count_nonzero(ground_truth.labels == label.number))
            for label in (RIGHT_LUNG, LEFT_LUNG)
        ]
        if min(each) < MIN_SMALLER_LUNG_FRACTION * count:
            return (
                f"one lung only: the {('right', 'left')[int(np.argmin(each))]} one has "
                f"{min(each) / count:.0%} of the mask"
            )
    return None


def _density_problem(voxels: NDArray[np.int16], lung: NDArray[np.bool_]) -> str | None:
    """Whether lungs lie on what is no lung, because the file was turned over or for another
    reason.
    """
    own = _density(voxels, lung)
    turned = {AXES[axis]: _density(voxels, np.flip(lung, axis)) for axis in range(3)}
    lightest = min(turned, key=turned.__getitem__)
    if own - turned[lightest] > MIN_MIRRORED_GAIN_HU:
        return (
            f"mask mirrored: turned over {lightest} it lies on voxels of "
            f"{turned[lightest]:.0f} HU, as it is of {own:.0f}"
        )
    return (
        f"mask beside the lungs: its voxels have {own:.0f} HU on average"
        if own > MAX_MEAN_HU
        else None
    )


def _density(voxels: NDArray[np.int16], mask: NDArray[np.bool_]) -> float:
    """Mean Hounsfield units of what is inside, where more than `MAX_HU` counts as that."""
    return float(np.minimum(voxels[mask], MAX_HU).mean())
