"""What a person should look at before learning from it: pairs of image and mask that are probably
not what they should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import BOTH_LUNGS, Case
from lungseg.datasets.folders import is_volume
from lungseg.datasets.ground_truth import (
    lungs_only,
    read_labels,
    read_labels_and_notes,
    read_volume_labels,
)
from lungseg.datasets.mask_levels import counted
from lungseg.datasets.mask_meaning import MAX_LABEL
from lungseg.datasets.other_masks import read_other_mask
from lungseg.datasets.volume_checks import UNKNOWN_LABELS, empty_mask, listed, volume_problems
from lungseg.draw.picture import Picture, grey, montage, overlay, thumbnail
from lungseg.draw.volume import slice_picture
from lungseg.errors import LungsegError, UnknownLabelsError
from lungseg.image import Image
from lungseg.radiograph.postprocess import MIN_LUNG_FRACTION
from lungseg.readers import read_image, read_label_map, read_mask_pixels, read_volume
from lungseg.readers.frames import without_frame
from lungseg.readers.looks_like_ct import looks_like_ct
from lungseg.structures import HEART, LEFT_LUNG, RIGHT_LUNG

ARGUABLE: Final = (
    "mask not binary",
    "interpolated edges",
    "heart inside the mask",
    "right and left swapped",
)
"""Kinds of problems that leave a case usable: greys become lung or none, edges that only
interpolation makes are given to what is nearest, where the heart is drawn through can be said, and
sides are put straight when volumes are read."""

IN_FULL: Final = (UNKNOWN_LABELS, "interpolated edges", "masks do not fit", "mask cannot be used")
"""Kinds of problems of which the words of one say more than the kind."""

MAX_VOLUMES: Final = 2
"""Volumes that are held at the same time."""

MAX_COVERED_FRACTION: Final = 0.8
"""Fraction of the picture that no lungs cover. The most in 1247 masks (Montgomery, Shenzhen, V7
Labs, and CT slices) is 0.61."""

MAX_BORDER_FRACTION: Final = 0.3
"""Fraction of the picture's border that no lungs lie on. The most in the same masks is 0.20, in
children's films cut close."""

MAX_SURROUNDED_FRACTION: Final = 0.02
"""Fraction of the picture above which a component of the mask that lies within another is a lung in
a labelled outside. One of the same masks labels the outside, and its lungs have 0.19; the next has
0.011, letters that were left out and the spaces within them."""

MAX_THIRD_COMPONENT_FRACTION: Final = 0.15
"""Fraction of all lung that the third largest component of a mask has at most. In 1331 masks
(Montgomery, Shenzhen, V7 Labs, CT slices) two have more, 0.16 and 0.24, and both label the outside;
the next have 0.13, a lung that the frame of a mark cuts up, and 0.08."""

MIN_SMALLER_LUNG_FRACTION: Final = 0.05
"""Fraction of all lung that the smaller lung has at least. The least in 1061 radiographs is 0.09,
in a mask of aerated lung only."""

MIDDLE_FRACTIONS: Final = (0.3, 0.7)
"""Part of the height of the lungs where heart and mediastinum part them."""

MIN_GAP_FRACTION: Final = 0.27
"""Fraction of the width of both lungs that the widest gap between them has in `MIDDLE_FRACTIONS`
where the heart is left out. It finds 484 of 507 masks of V7 Labs, all drawn through the heart, and
31 of 38 Shenzhen masks known to be; and 6 of 509 others of Montgomery and Shenzhen, of which at
least three draw through the heart as well, and 2 of 185 CT slices."""

HEART_AT: Final = (0.25, 0.75)
"""Of the width of both lungs, from its first column, where the middle of the heart lies. In 168
radiographs of Wingspan it is 0.41 to 0.66; in one, where the masks of heart and left lung bear each
other's names, 0.83."""

TILE: Final = 320
"""Longer side of a tile of the sheet, in pixels."""


@dataclass(frozen=True, slots=True)
class DataProblem:
    """One thing that a person should look at.

    Attributes:
        case: name of the case.
        source: its source; the two together are unique.
        path: the file that it is about.
        message: what is suspicious, without a full stop; its first words name the kind.
    """

    case: str
    source: str
    path: Path
    message: str

    @property
    def kind(self) -> str:
        """Its first words."""
        return self.message.partition(":")[0]

    @property
    def severe(self) -> bool:
        """Whether nothing should be learnt from the case as it is."""
        return self.kind not in ARGUABLE


def check_cases(cases: Sequence[Case], *, whole_lungs: bool = True) -> list[DataProblem]:
    """What a person should look at, in the order of the cases.

    Found are images and masks that cannot be read or have one value everywhere, sizes that differ,
    labels of which nobody says what they are, edges that only interpolation makes, masks of greys,
    masks that are nearly empty, full, or of more than two components, a labelled outside, one lung
    only, lungs on the wrong sides, a heart inside a mask whose lung extent leaves it out, a mask of
    the heart that does not lie between the lungs, and masks of further structures that do not fit.
    Of cases without a mask only the image is checked. For volumes see
    `lungseg.datasets.volume_checks.volume_problems`.

    Args:
        cases: of any number of sources.
        whole_lungs: whether slices of CT whose masks this package wrote must have both lungs, as
            slices that were cut from a volume need not.
    """
    with (
        ThreadPoolExecutor() as pool,
        ThreadPoolExecutor(MAX_VOLUMES) as few,
    ):  # decoders release Python's lock
        checked = [
            (few if _in_space(case) else pool).submit(_check, case, whole_lungs=whole_lungs)
            for case in cases
        ]
        return [problem for future in checked for problem in future.result()]


def _in_space(case: Case) -> bool:
    return any(is_volume(path) for path in (case.image, *case.mask_files))


def _check(case: Case, *, whole_lungs: bool) -> list[DataProblem]:
    problems = (
        volume_problems(case) if _in_space(case) else _problems(case, whole_lungs=whole_lungs)
    )
    return [DataProblem(case.case, case.source, path, problem) for path, problem in problems]


def _problems(case: Case, *, whole_lungs: bool) -> Iterator[tuple[Path, str]]:
    """Which file has what problem; what follows from another is not told."""
    image: Image | None = None
    try:
        image = read_image(case.image)
    except LungsegError as error:
        yield case.image, f"image cannot be used: {error.what}"
    if case.mask is None:
        return
    labels, found = _reading(case)
    yield from found
    if labels is None:
        return
    if image is not None and labels.shape != image.array.shape:
        shapes = (" x ".join(map(str, shape)) for shape in (image.array.shape, labels.shape))
        yield case.mask, f"sizes differ: {next(shapes)} in the image, {next(shapes)} in the mask"
    # Where the heart is no question.
    is_slice = image is not None and looks_like_ct(without_frame(image))
    if not whole_lungs and is_slice and read_label_map(case.mask) is not None:
        return
    heart_outside = case.lung_extent == "field" and not is_slice
    if set(BOTH_LUNGS) <= set(case.decides):
        problem = _shape_problem(lungs_only(labels), heart_outside=heart_outside)
    else:
        problem = empty_mask(labels, case.decides)
    if problem:
        yield case.mask, problem
    yield from _problems_of_others(case, labels)


def _problems_of_others(case: Case, labels: NDArray[np.uint8]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the masks of further structures."""
    for name, path in case.other_masks:
        if path is None:
            continue
        try:
            mask = read_other_mask(name, path, labels.shape)
        except LungsegError as error:
            yield path, f"masks do not fit: {error.what}"
            continue
        if name != HEART.name or not mask.any():
            continue
        lungs = np.flatnonzero(lungs_only(labels).any(axis=0))
        if len(lungs) < 2:
            continue
        middle = float(np.nonzero(mask)[1].mean())
        at = (middle - lungs[0]) / (lungs[-1] - lungs[0])
        if not HEART_AT[0] <= at <= HEART_AT[1]:
            yield (
                path,
                f"masks may be exchanged: the middle of the heart lies at {at:.0%} of the width of "
                "the lungs, as where its mask is that of a lung",
            )


def _reading(case: Case) -> tuple[NDArray[np.uint8] | None, list[tuple[Path, str]]]:
    """The labels of a case, None where there are none, and what reading its masks tells."""
    grey: list[tuple[Path, str]] = []
    unusable: list[tuple[Path, str]] = []
    for path in case.mask_files:
        try:
            pixels = read_mask_pixels(path)
        except LungsegError as error:
            unusable.append((path, f"mask cannot be used: {error.what}"))
            continue
        values, _ = counted(pixels.values)
        # Of others reading says what is wrong with it.
        if pixels.kind == "greys" and len(values) > 2 and values[-1] > MAX_LABEL:
            grey.append((path, f"mask not binary: it has {len(values)} values, {listed(values)}"))
    if unusable or case.mask is None:
        return None, unusable
    try:
        labels, notes = read_labels_and_notes(case)
    except UnknownLabelsError as error:
        return None, [(case.mask, f"{UNKNOWN_LABELS}: {error.what}; {error.cure}")]
    except LungsegError as error:
        return None, [(case.mask, f"masks do not fit: {error.what}")]
    edges = [(case.mask, f"interpolated edges: {note}") for note in notes]
    return labels, edges if case.labels else grey + edges


def _shape_problem(labels: NDArray[np.uint8], *, heart_outside: bool) -> str | None:
    """What is wrong with the shape of the lungs, the gravest first; None where nothing is."""
    lung = labels > 0
    covered = float(lung.mean())
    if covered < MIN_LUNG_FRACTION:
        return f"mask empty, or nearly: it covers {covered:.2%} of the picture"
    if covered > MAX_COVERED_FRACTION:
        return f"mask full, or nearly: it covers {covered:.0%} of the picture"
    border = float(np.concatenate([lung[0], lung[-1], lung[1:-1, 0], lung[1:-1, -1]]).mean())
    if border > MAX_BORDER_FRACTION:
        return f"outside labelled as lung: the mask takes up {border:.0%} of the picture's border"
    if _surrounded(lung) > MAX_SURROUNDED_FRACTION:
        return "outside labelled as lung: one part of the mask surrounds the other"
    components = sorted(
        cv2.connectedComponentsWithStats(lung.view(np.uint8))[2][1:, cv2.CC_STAT_AREA], reverse=True
    )
    if len(components) > 2 and components[2] > MAX_THIRD_COMPONENT_FRACTION * lung.sum():
        return (
            "mask of more than two components: beside the two largest there is one with "
            f"{components[2] / lung.sum():.0%} of it, perhaps a labelled outside"
        )
    areas = [int((labels == label.number).sum()) for label in (RIGHT_LUNG, LEFT_LUNG)]
    if min(areas) < MIN_SMALLER_LUNG_FRACTION * sum(areas):
        return (
            f"one lung only: the {('right', 'left')[int(np.argmin(areas))]} one has "
            f"{min(areas) / sum(areas):.0%} of the mask"
        )
    right, left = (
        float(np.flatnonzero((labels == label.number).any(axis=0)).mean())
        for label in (RIGHT_LUNG, LEFT_LUNG)
    )
    if right > left:
        return "lungs on the wrong sides: the right one lies on the right of the picture"
    gap = _widest_gap(labels)
    if heart_outside and gap is not None and gap < MIN_GAP_FRACTION:
        return (
            f"heart inside the mask: the lungs are at most {max(gap, 0.0):.0%} of their width apart"
        )
    return None


def _surrounded(lung: NDArray[np.bool_]) -> float:
    """Fraction of the picture that the largest component has which lies within a hole of
    another.
    """
    outlines, tree = cv2.findContours(lung.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    parents = [-1] if tree is None else tree[0, :, 3].tolist()
    within = [
        outline
        for outline, parent in zip(outlines, parents, strict=False)
        if parent >= 0 and parents[parent] >= 0
    ]
    return max((float(cv2.contourArea(outline)) for outline in within), default=0.0) / lung.size


def _widest_gap(labels: NDArray[np.uint8]) -> float | None:
    """The widest gap between the lungs over the rows of `MIDDLE_FRACTIONS`, as a fraction of the
    width of both; None where no row has both.
    """
    right, left = labels == RIGHT_LUNG.number, labels == LEFT_LUNG.number
    rows = np.flatnonzero((labels > 0).any(axis=1))
    low, high = (rows[0] + round(fraction * (rows[-1] - rows[0])) for fraction in MIDDLE_FRACTIONS)
    both = np.arange(low, high + 1)
    both = both[right[both].any(axis=1) & left[both].any(axis=1)]
    if not len(both):
        return None
    width = labels.shape[1]
    inner_right, outer_left = (
        width - 1 - lung[both, ::-1].argmax(axis=1) for lung in (right, left)
    )
    outer_right, inner_left = (lung[both].argmax(axis=1) for lung in (right, left))
    return float(((inner_left - inner_right - 1) / (outer_left - outer_right + 1)).max())


def suspicious_sheet(
    cases: Sequence[Case], problems: Sequence[DataProblem], *, most: int = 100
) -> Picture:
    """Red, green, blue: a sheet of the cases that have problems, lungs tinted, with the kind of
    each one's first problem below.

    Args:
        cases: those that were checked.
        problems: of them.
        most: so many cases at most, the first ones.

    Raises:
        UsageError: there are no problems.
    """
    first: dict[tuple[str, str], str] = {}
    for problem in problems:
        first.setdefault((problem.source, problem.case), problem.kind)
    shown = [case for case in cases if (case.source, case.case) in first][:most]
    captions = [f"{case.case}: {first[case.source, case.case]}" for case in shown]
    return montage([_tile(case) for case in shown], 5, captions)


def _tile(case: Case) -> Picture:
    """A case as far as it can be used: black without an image, grey without a mask that fits. Of a
    volume a coronal plane.
    """
    if _in_space(case):
        return _coronal(case)
    try:
        image = read_image(case.image)
    except LungsegError:
        return np.zeros((TILE, TILE, 3), np.uint8)
    try:
        picture = overlay(image, image.with_labels(read_labels(case, image.geometry.shape)))
    except LungsegError:
        picture = grey(image)
    return thumbnail(picture, TILE)


def _coronal(case: Case) -> Picture:
    """The coronal plane of a volume with the most lung."""
    try:
        volume = read_volume(case.image)
    except LungsegError:
        return np.zeros((TILE, TILE, 3), np.uint8)
    try:
        labels = read_volume_labels(case, volume.geometry).labels
    except LungsegError:
        labels = np.zeros(volume.geometry.to_axial().geometry(volume.geometry).shape, np.uint8)
    number = (
        int(np.count_nonzero(labels, axis=(0, 2)).argmax())
        if labels.any()
        else labels.shape[1] // 2
    )
    return slice_picture(volume, labels, 1, number, TILE)
