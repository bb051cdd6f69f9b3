"""What the scores of many cases come to: by source, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.evaluate.cases import METRICS, NAN, CaseScore
from lungseg.evaluate.intervals import mean_intervals, percentile

ALL_FIELDS: Final = "all lung fields"

WITH_UNIT: Final = ("hd", "hd95", "hd95_pooled", "assd", "nsd_1", "nsd_2", "nsd_3")
"""Metrics that are in the unit of a case, or at a tolerance in it."""

LOWER_IS_BETTER: Final = (
    "hd",
    "hd95",
    "hd95_pooled",
    "assd",
    "hd95_at_1024",
    "components",
    "relative_area_error",
    "volume_error",
)
"""And of the last two their size counts, whatever their sign."""

UNITS: Final = {"hd95_at_1024": "pixels of 1024", "volume_error": "mL"}

SLICE_DICE: Final = "slice_dice"
"""The metric of what is scored first that `MaskScore` does not have."""

Stage = Literal["final", "raw"]
"""Of a mask: as users get it, or had the probabilities only been thresholded."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one metric of one structure comes to in a group of cases.

    Attributes:
        cases: name of the group.
        structure: name of a structure, or the plural of a pair.
        stage: of the masks.
        metric: its name in `MaskScore`, or `SLICE_DICE`.
        unit: "mm", "pixels", "voxels" or one of `UNITS`, or "" where it has none.
        n, patients: cases that have a value, and their patients.
        mean: of the cases.
        low, high: 95 % interval of the mean (`mean_intervals`).
        median: of the cases.
        p05: the value that the worst 5 % of the cases fall behind: the 5th percentile where
            more is better, else the 95th.
        worst: the worst case's.
    """

    cases: str
    structure: str
    stage: Stage
    metric: str
    unit: str
    n: int
    patients: int
    mean: float
    low: float
    high: float
    median: float
    p05: float
    worst: float


def group(scores: Sequence[CaseScore]) -> dict[str, list[CaseScore]]:
    """The groups of every table, by name: each source, with questionable masks and CT without what
    is scored first apart, and slices where it has volumes too; and all radiographs whose lungs are
    the field, but for the questionable ones.
    """
    groups: dict[str, list[CaseScore]] = {}
    with_volumes = {score.source for score in scores if score.kind == "volume"}
    for score in scores:
        apart = {
            "slices": score.kind == "slice" and score.source in with_volumes,
            "questionable masks": score.notes == "questionable",
            # There Dice is 1 where nothing was found, else 0.
            f"without {score.name}": score.kind != "radiograph" and score.is_empty,
        }
        groups.setdefault(
            ", ".join([score.source, *(name for name, is_so in apart.items() if is_so)]), []
        ).append(score)
    fields = [
        s
        for s in scores
        if s.lung_extent == "field" and s.kind == "radiograph" and s.notes != "questionable"
    ]
    if len({score.source for score in fields}) > 1:
        groups[ALL_FIELDS] = fields
    return dict(sorted(groups.items()))


def structures_of(scores: Sequence[CaseScore]) -> list[str]:
    """The pairs, by their plural, and the structures of none that any of them has, lungs first."""
    return list(dict.fromkeys(name for score in scores for name in score.raw))


def summaries(scores: Sequence[CaseScore]) -> list[Summary]:
    """Every metric of every structure of every group that has a value."""
    return [
        summary for name, members in group(scores).items() for summary in _summaries(name, members)
    ]


def _summaries(name: str, members: Sequence[CaseScore]) -> list[Summary]:
    patients = [(score.source, score.patient) for score in members]
    units = {score.unit for score in members}
    names = dict.fromkeys(name for score in members for name in score.scores)
    columns: list[tuple[str, Stage, str]] = [
        (members[0].name, "final", SLICE_DICE),
        *((one, "final", metric) for one in names for metric in METRICS),
        *((one, "raw", metric) for one in structures_of(members) for metric in METRICS),
    ]
    values = np.array([[_value(score, *column) for column in columns] for score in members])
    if len(units) > 1:  # millimetres and pixels have no mean
        values[:, [metric in WITH_UNIT for _, _, metric in columns]] = np.nan
    low, high = mean_intervals(values, patients)
    found = []
    for i, (structure, stage, metric) in enumerate(columns):
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
                    structure,
                    stage,
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


def _value(score: CaseScore, structure: str, stage: Stage, metric: str) -> float:
    if metric == SLICE_DICE:
        return score.slices.slice_dice if score.slices else NAN
    scores = score.scores if stage == "final" else score.raw
    return float(getattr(scores[structure], metric)) if structure in scores else NAN


def _bad_end(values: NDArray[Any], metric: str) -> tuple[float, float]:
    """The value that the worst 5 % fall behind, and the worst one."""
    if metric not in LOWER_IS_BETTER:
        return percentile(values, 5), float(values.min())
    badness = np.abs(values)
    return percentile(badness, 95), float(values[badness.argmax()])
