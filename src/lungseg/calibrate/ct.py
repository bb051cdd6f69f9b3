"""What a model for CT is calibrated on: slices and stacks of slices, as they are and degraded, and
volumes that are no chests; and the quality model that follows.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.augment.degradations_ct import (
    LabelledStack,
    degrade,
    from_grey,
    from_hounsfield,
)
from lungseg.calibrate.fit import (
    UNCERTAIN,
    Sample,
    SampleKind,
    calibration_curve,
    check_enough,
    fit_dice,
    fit_score,
    is_enough,
    of_cases,
)
from lungseg.ct.segment import VolumeSegmenter, pooled
from lungseg.ct.slices import Planes
from lungseg.datasets import Case
from lungseg.datasets.folders import is_volume
from lungseg.datasets.ground_truth import read_volume_labels
from lungseg.errors import InputError
from lungseg.geometry import VolumeGeometry
from lungseg.morphology.sides import lung_mask
from lungseg.quality.features import (
    AGREEMENT_FEATURES,
    CERTAINTY_FEATURES,
    SHAPE_FEATURES,
)
from lungseg.quality.model import CalibrationCurve, QualityModel, Scope
from lungseg.readers import read
from lungseg.readers.probe import identify
from lungseg.result import Result
from lungseg.scores import dice
from lungseg.volume import Volume

Array = NDArray[Any]

FEATURES: Final = CERTAINTY_FEATURES + AGREEMENT_FEATURES + SHAPE_FEATURES

STACK_SLICES: Final = 14
"""Of a volume that stand for it, evenly spread over the lungs and a little beyond."""

HALVES: Final = 4
"""Times that half of a stack's slices are drawn, as a volume of its own."""

SLICES_IN_BIN: Final = 30
VOLUMES_IN_BIN: Final = 15
"""Of the calibration curves."""

SEEN_WIDENING: Final = 1.5
"""How much intervals are widened where the network was trained on the cases: without it, 0.79 of
the masks of finding_lungs' validation slices and 0.86 of those of small_volumes lay within, with it
0.96 and 0.97 (`docs/verdicts_ct.md`)."""

MAX_TRIES: Final = 20
"""Degradations that are drawn for each stack; some leave too little of the lungs."""

_SLICE_NAME = re.compile(r"(.+)_\d+")
"""As `lungseg.datasets.slices` names the slices of a volume."""


@dataclass(frozen=True, slots=True)
class StackItem:
    """A stack of slices, or a single one, that the model is shown.

    Attributes:
        key: a name that no other item has.
        kind: what was done to it, or that it is no chest.
        group: the source of the case, or what the stack shows.
        patient: shared by the items of one patient, and by no others.
        stack: the slices and the lungs in them.
        degradations: what was done, for tables.
    """

    key: str
    kind: SampleKind
    group: str
    patient: str
    stack: LabelledStack
    degradations: str = ""

    @property
    def arrays(self) -> list[Array]:
        """All that is measured of it."""
        return [self.stack.grey, self.stack.lungs]


def group_slices(cases: Sequence[Case]) -> list[tuple[Case, ...]]:
    """Cases of one slice each that were cut from the same volume together, in order; each other
    case by itself.
    """
    groups: dict[tuple[str, str, str], list[Case]] = {}
    for case in cases:
        part = _SLICE_NAME.fullmatch(case.case) if identify(case.image).is_picture else None
        name = part[1] if part else f"{case.case} alone"
        groups.setdefault((case.source, case.patient, name), []).append(case)
    return [tuple(sorted(group, key=lambda case: case.case)) for group in groups.values()]


def is_stack(cases: Sequence[Case]) -> bool:
    """Whether a group of cases is a volume, and not a single slice."""
    return len(cases) > 1 or is_volume(cases[0].image)


def case_items(cases: Sequence[Case], *, as_is: int, degraded: int) -> Iterator[StackItem]:
    """Those of one volume or slice, or of the slices of one volume; see `volume_items`.

    Raises:
        InputError: an image or its mask cannot be used, or slices differ in shape.
    """
    first = cases[0]
    key, patient = f"{first.source}/{first.case}", f"{first.source}/{first.patient}"
    volume, lungs = _read(cases)
    yield from volume_items(
        key, first.source, patient, volume, lungs, as_is=as_is, degraded=degraded
    )


def volume_items(
    key: str,
    group: str,
    patient: str,
    volume: Volume,
    lungs: Array,
    *,
    as_is: int,
    degraded: int,
) -> Iterator[StackItem]:
    """Stacks of what a volume shows, so many as they are and so many degraded, of other slices each
    time; the same at every call.

    Args:
        key: a name that no other volume has.
        group: where it is from.
        patient: whose it is.
        volume: in whatever order it is stored.
        lungs: (slices, rows, columns) in axial order.
        as_is: stacks as they are.
        degraded: degraded ones.
    """
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    for number in range(as_is):
        stack = some_slices(volume, lungs, rng)
        yield StackItem(f"{key} {number}", "as_is", group, patient, stack)
    made = 0
    for _ in range(MAX_TRIES * degraded):
        if made == degraded:
            break
        if (found := degrade(some_slices(volume, lungs, rng), rng)) is None:
            continue
        yield StackItem(f"{key} degraded {made}", "degraded", group, patient, *found)
        made += 1


def _read(cases: Sequence[Case]) -> tuple[Volume, Array]:
    """A volume and its lungs (slices, rows, columns) in axial order."""
    volumes, lungs = [], []
    for case in cases:
        volumes.append(read(case.image, modality="ct"))
        known = read_volume_labels(case, volumes[-1].geometry)
        lungs.append(lung_mask(known.labels) if known.sides else known.labels > 0)
    if len(cases) == 1:
        return volumes[0], lungs[0]
    shapes = {volume.array.shape for volume in volumes}
    if len(shapes) > 1:
        raise InputError(
            "slices of one volume differ in shape",
            where=cases[0].image,
            cure="give slices of other volumes other names",
        )
    voxels = np.concatenate([volume.array for volume in volumes])
    grid = VolumeGeometry(voxels.shape, None)
    return Volume(voxels, grid, hounsfield=False), np.concatenate(lungs)


def some_slices(volume: Volume, lungs: Array, rng: np.random.Generator) -> LabelledStack:
    """`STACK_SLICES` of a volume, from somewhat below the lungs to somewhat above, beginning
    somewhere; all of a volume with no more.

    Args:
        volume: in whatever order it is stored.
        lungs: (slices, rows, columns) in axial order; where there are none, the whole volume
            counts.
        rng: tells where to begin.
    """
    turn = volume.geometry.to_axial()
    voxels, spacing = turn.apply(volume.array), turn.geometry(volume.geometry).spacing
    if len(voxels) > STACK_SLICES:
        at = np.flatnonzero(lungs.any(axis=(1, 2)) if lungs.any() else np.ones(len(voxels)))
        step = (at[-1] - at[0] + 1) / (STACK_SLICES - 2)
        places = at[0] + step * (np.arange(STACK_SLICES) - 1 + rng.uniform(0, 1))
        chosen = np.unique(np.clip(places, 0, len(voxels) - 1).astype(int))
        voxels, lungs = voxels[chosen], lungs[chosen]
        spacing = spacing and (spacing[0] * max(1.0, step), *spacing[1:])
    return (
        from_hounsfield(voxels, lungs, spacing) if volume.hounsfield else from_grey(voxels, lungs)
    )


def measure_stack(segmenter: VolumeSegmenter, item: StackItem) -> list[Sample]:
    """A sample of each slice with a mask, and where there are several slices one of the whole and
    some of halves of it.

    Args:
        segmenter: of a model whose quality model is left out.
        item: any.
    """
    volume = item.stack.volume
    planes = segmenter.infer(volume)
    return samples_of(segmenter, item, planes, segmenter.finish(volume, planes))


def samples_of(
    segmenter: VolumeSegmenter, item: StackItem, planes: Planes, result: Result[Volume]
) -> list[Sample]:
    """What was found of an item: a sample of each slice with a mask, in order; of several slices
    then one of all of them, and `HALVES` of halves.
    """
    stack, labels = item.stack, result.segmentation.labels
    mask = lung_mask(labels)

    def sample(scope: Scope, features: dict[str, float], taken: Array) -> Sample:
        worth = dice(stack.lungs[taken], mask[taken])
        return Sample(item.kind, item.group, item.patient, scope, features, worth)

    at = np.flatnonzero(mask.any(axis=(1, 2)))
    each: dict[int, dict[str, float]] = {}
    for i in at.tolist():
        one = replace(stack, grey=stack.grey[i : i + 1], lungs=stack.lungs[i : i + 1])
        each[i] = segmenter.features(one.volume, planes[i : i + 1], labels[i : i + 1])
    samples = [sample("slice", each[i], np.array([i])) for i in each]
    if len(planes) == 1 or not at.size:
        return samples
    rng = np.random.default_rng(len(at))
    sizes = np.count_nonzero(mask, axis=(1, 2))
    for draw in range(HALVES + 1):
        those = np.sort(rng.choice(at, -(-len(at) // 2), replace=False)) if draw else at
        features = pooled([each[i] for i in those.tolist()], sizes[those])
        samples.append(sample("volume", features, those if draw else np.arange(len(planes))))
    return samples


def fit_ct(samples: Sequence[Sample], sha256: str, *, widening: float = 1.0) -> QualityModel:
    """The quality model of the ONNX file with that hash: one score for slices and volumes, and what
    it is worth for each; of volumes where there are enough.

    Args:
        samples: of slices and of volumes.
        sha256: of the model's file.
        widening: see `SEEN_WIDENING`.

    Raises:
        InputError: there are too few masks of slices.
    """
    slices, volumes = (
        [sample for sample in samples if sample.scope == scope] for scope in ("slice", "volume")
    )
    check_enough(of_cases(slices), "CT")
    score, curve = fit_dice(slices, FEATURES, bin_size=SLICES_IN_BIN, widening=widening)
    curves: dict[Scope, CalibrationCurve] = {"slice": curve}
    if is_enough(of_cases(volumes)):
        scores, worth = np.array(_left_out(slices, volumes)).T
        curves["volume"] = calibration_curve(
            scores, worth, bin_size=VOLUMES_IN_BIN, widening=widening
        )
    return QualityModel(sha256, score, curves, UNCERTAIN)


def _left_out(slices: Sequence[Sample], volumes: Sequence[Sample]) -> list[tuple[float, float]]:
    """Score and Dice of each volume, by weights that have not seen its patient."""
    found = []
    for patient in sorted({sample.patient for sample in volumes}):
        score = fit_score([one for one in slices if one.patient != patient], FEATURES)
        found += [
            (score(sample.features), sample.dice or 0.0)
            for sample in volumes
            if sample.patient == patient
        ]
    return found
