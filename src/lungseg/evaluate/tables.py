"""Scores of many cases as tables: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.evaluate.cases import METRICS, NAN, CaseScore, MaskScore, SliceScores
from lungseg.evaluate.summary import WITH_UNIT, Summary, group, structures_of
from lungseg.structures import BY_NAME
from lungseg.writers import write_file, written_out
from lungseg.writers.cells import harmless

Cells = dict[str, object]
"""A line of a CSV by its columns."""

OF_CT = ("kind", "is_empty", "slices")
"""What only CT has in a CSV."""


def write_table(rows: Iterable[Cells], path: Path) -> None:
    """Writes a CSV of at least one row; the first names the columns. Real numbers get four digits
    after the point, or are "nan".
    """
    lines = list(rows)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(lines[0]))
    writer.writeheader()
    writer.writerows(
        {name: f"{v:.4f}" if isinstance(v, float) else harmless(v) for name, v in line.items()}
        for line in lines
    )
    write_file(path, written_out(stream.getvalue()).encode())


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people.

    Attributes:
        header: names of the columns.
        rows: cells as they are shown; one between two pairs of asterisks is set in bold.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As Markdown; bars within a cell are escaped."""
        lines = [
            " | ".join(cell.replace("|", r"\|") for cell in row)
            for row in (self.header, *self.rows)
        ]
        head, *body = (f"| {line} |" for line in lines)
        return "\n".join([head, "|---" * len(self.header) + "|", *body])


def write_scores(scores: Sequence[CaseScore], path: Path) -> None:
    """Writes one line for each case, the lowest Dice first: what it is, then the scores of each
    structure and pair, those before postprocessing (`raw`), and of its slices, in columns such as
    `lungs_dice`, `right_lung_hd95` and `lungs_raw_dice`. What no case has is left out.
    """
    names = dict.fromkeys(name for score in scores for name in score.scores)
    rows: list[Cells] = []
    for score in sorted(scores, key=lambda score: score.first.dice):
        row: Cells = {
            f.name: getattr(score, f.name)
            for f in fields(CaseScore)
            if f.name not in ("scores", "raw", *OF_CT)
        }
        for name in names:
            row |= _cells(name, score.scores.get(name))
        for name in structures_of(scores):
            row |= _cells(f"{name} raw", score.raw.get(name))
        if any(other.kind != "radiograph" for other in scores):
            row |= {"kind": score.kind, "is_empty": int(score.is_empty)}
        if any(other.slices for other in scores):
            row |= (
                asdict(score.slices) if score.slices else {f.name: "" for f in fields(SliceScores)}
            )
        rows.append(row)
    write_table(_known(rows), path)


def _cells(name: str, score: MaskScore | None) -> Cells:
    values = dict.fromkeys(METRICS, NAN) if score is None else asdict(score)
    return {f"{name.replace(' ', '_')}_{metric}": value for metric, value in values.items()}


def _known(rows: Sequence[Cells]) -> list[Cells]:
    """The rows without the columns in which every one has NaN."""
    unknown = {
        name
        for name in rows[0]
        if all(isinstance(v := row[name], float) and math.isnan(v) for row in rows)
    }
    return [{name: value for name, value in row.items() if name not in unknown} for row in rows]


def write_patients(scores: Sequence[CaseScore], path: Path) -> None:
    """Writes for each patient the number of images and, of each pair and structure of none, the
    means over them; the lowest Dice first.
    """
    patients: dict[tuple[str, str], list[CaseScore]] = {}
    for score in scores:
        patients.setdefault((score.source, score.patient), []).append(score)
    rows: list[tuple[float, Cells]] = []
    for (source, patient), mine in patients.items():
        row: Cells = {"source": source, "patient": patient, "images": len(mine)}
        for name in structures_of(scores):
            own = [(score, score.scores[name]) for score in mine if name in score.scores]
            row |= {
                f"{name.replace(' ', '_')}_{metric}": value
                for metric, value in {
                    "dice": _mean([each.dice for _, each in own]),
                    "lowest_dice": min((each.dice for _, each in own), default=NAN),
                    "hd95_at_1024": _mean([each.hd95_at_1024 for _, each in own]),
                    "hd95_of_volumes": _mean(
                        [each.hd95 if score.kind == "volume" else NAN for score, each in own]
                    ),
                }.items()
            }
        row["to_review"] = sum(score.verdict != "ok" for score in mine)
        rows.append((_mean([score.first.dice for score in mine]), row))
    write_table(_known([row for _, row in sorted(rows, key=lambda entry: entry[0])]), path)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NAN


def summarise(scores: Sequence[CaseScore], structure: str) -> Table:
    """Of pictures: for each source, with questionable masks apart, what one structure or pair comes
    to: the mean, the 5th percentile and the worst.
    """
    scores = [score for score in scores if structure in score.scores]
    halves = _halves(scores, structure)
    rows = []
    for name, members in group(scores).items():
        own = [score.scores[structure] for score in members]
        dice = np.array([each.dice for each in own])
        hd95 = np.array([each.hd95_at_1024 for each in own])
        rows.append(
            [
                name,
                str(len(members)),
                f"{dice.mean():.4f}",
                f"{np.percentile(dice, 5):.4f}",
                f"{dice.min():.4f}",
                str(int((dice < 0.9).sum())),
                *(_shown(_of(members, half, "dice"), 4) for half in halves),
                _shown(hd95, 1),
                "-" if np.isnan(hd95).all() else f"{np.nanmax(hd95):.1f}",
                _most_components(members, halves, structure),
                str(sum(score.verdict != "ok" for score in members)),
            ]
        )
    header = (
        "cases",
        "n",
        "Dice",
        "5th percentile",
        "worst",
        "under 0.90",
        *halves,
        "HD95 (at 1024)",
        "worst HD95",
        "most components",
        "to review",
    )
    return Table(header, rows)


def summarise_ratio(scores: Sequence[CaseScore]) -> Table:
    """Of pictures: how far the cardiothoracic ratio is from that of the masks, where both have one;
    empty where none has.
    """
    rows = []
    for name, members in group(scores).items():
        errors = np.array([score.ratio_error for score in members])
        errors = errors[~np.isnan(errors)]
        if len(errors):
            far = np.abs(errors)
            cells = (errors.mean(), far.mean(), np.percentile(far, 95), far.max())
            rows.append([name, str(len(errors)), *(f"{value:.3f}" for value in cells)])
    header = ("cases", "n", "bias", "mean absolute error", "95th percentile", "largest")
    return Table(header, rows)


def _halves(scores: Sequence[CaseScore], structure: str) -> list[str]:
    """The halves of a pair, which are scored by themselves; none of any other structure."""
    names = dict.fromkeys(name for score in scores for name in score.scores)
    plurals = set(structures_of(scores))
    return [name for name in names if name not in plurals and BY_NAME[name].plural == structure]


def _of(scores: Sequence[CaseScore], name: str, metric: str) -> NDArray[np.float64]:
    return np.array(
        [getattr(s.scores[name], metric) if name in s.scores else NAN for s in scores], np.float64
    )


def _shown(values: NDArray[np.float64], digits: int) -> str:
    return "-" if np.isnan(values).all() else f"{np.nanmean(values):.{digits}f}"


def _most_components(scores: Sequence[CaseScore], halves: Sequence[str], structure: str) -> str:
    """Of either half, where these are scored by themselves, else of the pair or structure."""
    names = [name for name in halves if any(name in score.scores for score in scores)]
    counts = np.concatenate([_of(scores, name, "components") for name in names or [structure]])
    return f"{np.nanmax(counts):.0f}"


def summarise_volumes(groups: Mapping[str, Sequence[CaseScore]], structure: str) -> Table:
    """Of volumes: for each group, or each volume as a group of its own, what one structure or pair
    comes to: the means, and of what is scored first the worst slice.
    """
    of_structure = {
        name: [score for score in members if structure in score.scores]
        for name, members in groups.items()
    }
    groups = {name: members for name, members in of_structure.items() if members}
    everyone = [score for members in groups.values() for score in members]
    halves = _halves(everyone, structure)
    first = all(score.name == structure for score in everyone)
    unit = " or ".join(sorted({score.unit for score in everyone}))
    header = [
        "volumes",
        "n",
        "Dice",
        *halves,
        "IoU",
        f"HD95, {unit}",
        f"ASSD, {unit}",
        "NSD at 1",
        "NSD at 2",
        "volume error, mL",
        *(("Dice of slices", "worst slice", "slices missed", "slices claimed") if first else ()),
        "most components",
        "to review",
    ]
    rows = [
        [
            name,
            str(len(members)),
            *(_shown(_of(members, one, "dice"), 4) for one in (structure, *halves)),
            *(
                _in_unit(members, structure, metric, digits, told=" or " not in unit)
                for metric, digits in (
                    ("iou", 4),
                    ("hd95", 2),
                    ("assd", 2),
                    ("nsd_1", 3),
                    ("nsd_2", 3),
                    ("volume_error", 0),
                )
            ),
            *(_of_slices(members) if first else ()),
            _most_components(members, halves, structure),
            str(sum(score.verdict != "ok" for score in members)),
        ]
        for name, members in groups.items()
    ]
    return Table(header, rows)


def _in_unit(
    members: Sequence[CaseScore], structure: str, metric: str, digits: int, *, told: bool
) -> str:
    """A mean, of a length with its unit where the heading has not `told` it; none of several."""
    shown = _shown(_of(members, structure, metric), digits)
    if metric not in WITH_UNIT:
        return shown
    if len({score.unit for score in members}) > 1:
        return "-"
    is_length = metric in ("hd95", "assd") and shown != "-"
    return f"{shown} {members[0].unit}" if is_length and not told else shown


def _of_slices(members: Sequence[CaseScore]) -> list[str]:
    """Mean Dice of slices, the worst slice, how many were missed and how many claimed."""
    slices = [(score.case, score.slices) for score in members if score.slices]
    present, missed, absent, claimed = (
        sum(getattr(each, f"slices_{what}") for _, each in slices)
        for what in ("present", "missed", "absent", "claimed")
    )
    case, worst = min(slices, key=lambda entry: np.nan_to_num(entry[1].worst_slice_dice, nan=2.0))
    return [
        _shown(np.array([each.slice_dice for _, each in slices]), 4),
        f"{worst.worst_slice_dice:.3f} ({case}, {worst.worst_slice})" if worst.worst_slice else "-",
        f"{missed} of {present}",
        f"{claimed} of {absent}",
    ]


CONFIDENCE = (
    "cases",
    "n",
    "patients",
    "Dice (95 % interval)",
    "median",
    "HD95 (95 % interval)",
    "HD95, pooled",
    "NSD at 2",
    "Dice, raw",
    "HD95, raw",
    "components",
    "components, raw",
)


def summarise_confidence(found: Sequence[Summary]) -> Table:
    """Of `lungseg.evaluate.summary.summaries`: 95 % intervals of the means, and what the masks
    would be without postprocessing.
    """
    by = {(s.cases, s.structure, s.stage, s.metric): s for s in found}
    names = list(dict.fromkeys(s.structure for s in found if s.stage == "raw"))
    rows = []
    for cases, name in dict.fromkeys((s.cases, s.structure) for s in found if s.stage == "raw"):
        dice, raw = by[cases, name, "final", "dice"], by[cases, name, "raw", "dice"]
        hd95, pooled, nsd = (
            by.get((cases, name, "final", metric)) for metric in ("hd95", "hd95_pooled", "nsd_2")
        )
        rows.append(
            [
                cases if len(names) == 1 else f"{cases}: {name}",
                str(dice.n),
                str(dice.patients),
                spread(dice, 4),
                f"{dice.median:.4f}",
                spread(hd95, 1),
                _with_unit(pooled, 1),
                f"{nsd.mean:.3f}" if nsd else "-",
                f"{raw.mean:.4f}",
                _with_unit(by.get((cases, name, "raw", "hd95")), 1),
                f"{by[cases, name, 'final', 'components'].mean:.2f}",
                f"{by[cases, name, 'raw', 'components'].mean:.2f}",
            ]
        )
    return Table(CONFIDENCE, rows)


def spread(summary: Summary | None, digits: int) -> str:
    """Mean, unit and interval in words."""
    interval = (
        ""
        if summary is None or np.isnan(summary.low)
        else f" ({summary.low:.{digits}f} to {summary.high:.{digits}f})"
    )
    return _with_unit(summary, digits) + interval


def _with_unit(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return "-"
    return f"{summary.mean:.{digits}f} {summary.unit}".rstrip()


MIN_UNCHANGED_DICE = 0.97
"""Dice between the masks of a picture and of its perturbed copy from which on the mask counts as
unchanged."""


def summarise_robustness(found: Mapping[str, Sequence[float]]) -> Table:
    """Of `lungseg.evaluate.robustness.robustness`."""
    header = (
        "perturbation",
        "n",
        "mean Dice to the mask of the picture as it is",
        "5th percentile",
        f"fraction at {MIN_UNCHANGED_DICE} or more",
    )
    rows = []
    for name, values in found.items():
        dice = np.array(values)
        metrics = (
            [
                f"{dice.mean():.4f}",
                f"{np.percentile(dice, 5):.4f}",
                f"{(dice >= MIN_UNCHANGED_DICE).mean():.3f}",
            ]
            if values
            else ["-"] * 3
        )
        rows.append([name, str(len(values)), *metrics])
    return Table(header, rows)
