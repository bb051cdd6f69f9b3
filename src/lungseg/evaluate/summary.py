"""What the scores of many cases come to: by source, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.evaluate.cases import METRICS, NAN, REGIONS, CaseScore
from lungseg.evaluate.intervals import mean_intervals, percentile

HEART_OUTSIDE: Final = "all that leave the heart out"
WITHOUT_LUNG: Final = "without lung"
"""CT in whose truth there is none: Dice is 1 where nothing was found, else 0."""

WITH_UNIT: Final = ("hd", "hd95", "hd95_pooled", "assd", "nsd_1", "nsd_2", "nsd_3")
"""Metrics that are in the unit of a case, or at a tolerance in it."""

LOWER_IS_BETTER: Final = (
    "hd",
    "hd95",
    "hd95_pooled",
    "assd",
    "hd95_of_1024",
    "components",
    "area_error",
    "volume_error",
)
"""And of the last two their size counts, whatever their sign."""

UNITS: Final = {"hd95_of_1024": "pixels of 1024", "volume_error": "mL"}

OF_CASE: Final = ("hd95_of_1024", "slice_dice")
"""Figures of both lungs together that `MaskScore` does not have."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one metric of one region comes to in a group of cases.

    Attributes:
        cases: name of the group.
        region: one of `REGIONS`.
        metric: its name in `MaskScore`, or one of `OF_CASE`.
        unit: "mm", "pixels", "voxels" or one of `UNITS`, or "" where it has none.
        n, patients: cases that have a value, and their patients.
        mean: of the cases.
        low, high: 95 % interval of the mean (`mean_intervals`).
        median: of the cases.
        worst_twentieth: the value that the worst twentieth of the cases falls behind: the 5th
            percentile where more is better, else the 95th.
        worst: the worst case's.
    """

    cases: str
    region: str
    metric: str
    unit: str
    n: int
    patients: int
    mean: float
    low: float
    high: float
    median: float
    worst_twentieth: float
    worst: float


def group(scores: Sequence[CaseScore]) -> dict[str, list[CaseScore]]:
    """The groups of every table, by name: each source, with questionable masks and CT without lung
    apart, and slices where it has volumes too; and all radiographs that leave the heart out, but
    for the questionable ones.
    """
    groups: dict[str, list[CaseScore]] = {}
    with_volumes = {score.source for score in scores if score.kind == "volume"}
    for score in scores:
        apart = {
            "slices": score.kind == "slice" and score.source in with_volumes,
            "questionable masks": score.notes == "questionable",
            WITHOUT_LUNG: score.kind != "radiograph" and not score.has_lung,
        }
        groups.setdefault(
            ", ".join([score.source, *(name for name, is_so in apart.items() if is_so)]), []
        ).append(score)
    plain = [
        s
        for s in scores
        if s.lung_extent == "field" and s.kind == "radiograph" and s.notes != "questionable"
    ]
    if len({score.source for score in plain}) > 1:
        groups[HEART_OUTSIDE] = plain
    return dict(sorted(groups.items()))


def summaries(scores: Sequence[CaseScore]) -> list[Summary]:
    """Every metric of every region of every group that has a value."""
    return [
        summary for name, members in group(scores).items() for summary in _summaries(name, members)
    ]


def _summaries(name: str, members: Sequence[CaseScore]) -> list[Summary]:
    patients = [(score.source, score.patient) for score in members]
    units = {score.unit for score in members}
    columns = [
        *(("lungs", metric) for metric in OF_CASE),
        *((region, metric) for region in REGIONS for metric in METRICS),
    ]
    values = np.array([[_value(score, *column) for column in columns] for score in members])
    if len(units) > 1:  # millimetres and pixels have no mean
        values[:, [metric in WITH_UNIT for _, metric in columns]] = np.nan
    low, high = mean_intervals(values, patients)
    found = []
    for i, (region, metric) in enumerate(columns):
        known = values[~np.isnan(values[:, i]), i]
        whose = {
            patient
            for patient, value in zip(patients, values[:, i], strict=True)
            if not np.isnan(value)
        }
        if known.size:
            found.append(
                Summary(
                    name,
                    region,
                    metric,
                    min(units) if metric in WITH_UNIT else UNITS.get(metric, ""),
                    known.size,
                    len(whose),
                    float(known.mean()),
                    float(low[i]),
                    float(high[i]),
                    percentile(known, 50),
                    *_bad_end(known, metric),
                )
            )
    return found


def _value(score: CaseScore, region: str, metric: str) -> float:
    if metric == "slice_dice":
        return score.slices.slice_dice if score.slices else NAN
    return (
        score.hd95_of_1024
        if metric == "hd95_of_1024"
        else float(getattr(getattr(score, region), metric))
    )


def _bad_end(values: NDArray[Any], metric: str) -> tuple[float, float]:
    """The value that the worst twentieth falls behind, and the worst one."""
    if metric not in LOWER_IS_BETTER:
        return percentile(values, 5), float(values.min())
    badness = np.abs(values)
    return percentile(badness, 95), float(values[badness.argmax()])
