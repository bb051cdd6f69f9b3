"""One model against another on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.evaluate.cases import NAN, CaseScore
from lungseg.evaluate.intervals import mean_intervals
from lungseg.evaluate.summary import group, structures_of
from lungseg.evaluate.tables import Table
from lungseg.installation import extra_error

COMPARED: Final = {"dice": 4, "hd95_at_1024": 1, "hd95": 2}
"""The compared metrics, and how many digits they are shown with; the last one is that of
volumes."""

TITLES: Final = {"dice": "Dice", "hd95_at_1024": "HD95 (at 1024)", "hd95": "HD95"}


@dataclass(frozen=True, slots=True)
class Difference:
    """What a second model gains or loses against a first one, on the cases that both were scored
    on.

    Attributes:
        cases: name of the group of cases.
        structure: what was scored: a pair, or a structure of none.
        metric: one of `COMPARED`.
        first, second: names of the models.
        n, patients: cases that have a value with both models, and their patients.
        mean_first, mean_second: of the cases.
        difference: mean of second less first; NaN where each model missed lungs that the other
            found, so that distances are infinite on both sides.
        low, high: 95 % interval of the difference, patients resampled; NaN likewise, or of fewer
            than two patients.
        p: of the two-sided Wilcoxon signed-rank test (F. Wilcoxon, Biometrics Bulletin 1, 1945) on
            the patients' mean differences; 1 where no patient differs.
    """

    cases: str
    structure: str
    metric: str
    first: str
    second: str
    n: int
    patients: int
    mean_first: float
    mean_second: float
    difference: float
    low: float
    high: float
    p: float


def need_scipy() -> None:
    """Raises UsageError where SciPy, which has the signed-rank test, is not installed; for those
    who want to know before the work.
    """
    try:
        import scipy.stats  # noqa: F401
    except ImportError as error:
        raise extra_error(error, "comparing models", "train") from error


def differences(models: Mapping[str, Sequence[CaseScore]]) -> list[Difference]:
    """Each model against each one named before it, for every group of cases.

    Raises:
        UsageError: there are several, and SciPy is not installed.
    """
    if len(models) > 1:
        need_scipy()
    found: list[Difference] = []
    for first, second in combinations(models, 2):
        others = {(score.source, score.case): score for score in models[second]}
        both = [score for score in models[first] if (score.source, score.case) in others]
        for name, members in group(both).items():
            pairs = [(score, others[score.source, score.case]) for score in members]
            mixed = len({score.unit for pair in pairs for score in pair}) > 1
            for structure, metric in product(structures_of(both), COMPARED):
                if metric == "hd95" and mixed:
                    continue  # millimetres and voxels have no mean
                values = np.array(
                    [[_value(score, structure, metric) for score in pair] for pair in pairs]
                )
                known = ~np.isnan(values).any(axis=1)
                if known.any():
                    patients = [
                        (score.source, score.patient)
                        for score, k in zip(members, known, strict=True)
                        if k
                    ]
                    found.append(
                        _difference(
                            (name, structure, metric), (first, second), values[known], patients
                        )
                    )
    return found


def _value(score: CaseScore, structure: str, metric: str) -> float:
    if structure not in score.raw or (metric == "hd95" and score.kind != "volume"):
        return NAN
    value: float = getattr(score.scores[structure], metric)
    return value


def _difference(
    what: tuple[str, str, str],
    names: tuple[str, str],
    values: NDArray[Any],
    patients: Sequence[tuple[str, str]],
) -> Difference:
    with np.errstate(invalid="ignore"):
        change = values[:, 1] - values[:, 0]
        change[np.isnan(change)] = 0.0  # both are infinitely far, so neither is better
        mean = float(change.mean())
    low, high = (
        (np.full(1, NAN),) * 2
        if np.isnan(mean)
        else mean_intervals(change[:, np.newaxis], patients)
    )
    return Difference(
        *what,
        *names,
        len(values),
        len(set(patients)),
        float(values[:, 0].mean()),
        float(values[:, 1].mean()),
        mean,
        float(low[0]),
        float(high[0]),
        _signed_rank(change, patients),
    )


def _signed_rank(change: NDArray[Any], patients: Sequence[tuple[str, str]]) -> float:
    from scipy.stats import wilcoxon

    by_patient: dict[tuple[str, str], list[float]] = {}
    for patient, value in zip(patients, change, strict=True):
        by_patient.setdefault(patient, []).append(value)
    with np.errstate(
        invalid="ignore"
    ):  # where both signs of infinity meet in a patient, neither model is better
        means = np.nan_to_num(
            [np.mean(values) for values in by_patient.values()]
        )  # an infinite difference is the largest one
    return float(wilcoxon(means).pvalue) if means.any() else 1.0


def compare_table(found: Sequence[Difference]) -> Table:
    """The differences for people."""
    header = (
        "cases",
        "metric",
        "n",
        "patients",
        "first",
        "second",
        "first's mean",
        "second's mean",
        "difference (95 % interval)",
        "p",
    )
    several = len({d.structure for d in found}) > 1
    rows = []
    for d in found:
        digits = COMPARED[d.metric]
        interval = "" if np.isnan(d.low) else f" ({d.low:+.{digits}f} to {d.high:+.{digits}f})"
        rows.append(
            [
                f"{d.cases}: {d.structure}" if several else d.cases,
                TITLES[d.metric],
                str(d.n),
                str(d.patients),
                d.first,
                d.second,
                f"{d.mean_first:.{digits}f}",
                f"{d.mean_second:.{digits}f}",
                "-" if np.isnan(d.difference) else f"{d.difference:+.{digits}f}{interval}",
                "< 0.0001" if d.p < 0.0001 else f"{d.p:.4f}",
            ]
        )
    return Table(header, rows)
