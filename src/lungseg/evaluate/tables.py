"""Scores of many cases as tables: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from lungseg.evaluate.cases import NAN, REGIONS, CaseScore, SliceScores
from lungseg.evaluate.summary import Summary, group
from lungseg.writers import write_file

Row = dict[str, object]

COLUMNS = (
    "cases",
    "n",
    "Dice",
    "5th percentile",
    "worst",
    "under 0.90",
    "right",
    "left",
    "HD95 (of 1024)",
    "worst HD95",
    "most components",
    "to review",
)


OF_VOLUMES = (
    "volumes",
    "n",
    "Dice",
    "right",
    "left",
    "IoU",
    "HD95",
    "ASSD",
    "NSD at 1",
    "NSD at 2",
    "volume error, mL",
    "Dice of slices",
    "worst slice",
    "slices missed",
    "slices claimed",
    "most components",
    "to review",
)
OF_CT = ("kind", "has_lung", "slices")
"""What only CT has in a CSV."""


def write_table(rows: Iterable[Row], path: Path) -> None:
    """Writes a CSV of at least one row; the first names the columns. Real numbers get four digits
    after the point, or are "nan".
    """
    lines = list(rows)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(lines[0]))
    writer.writeheader()
    writer.writerows(
        {name: f"{v:.4f}" if isinstance(v, float) else v for name, v in line.items()}
        for line in lines
    )
    write_file(path, stream.getvalue().encode())


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
    """Writes one line for each case, the lowest Dice first: what it is, then the scores of both
    lungs, of each, and uncleaned, and of its slices. What no case has is left out.
    """
    rows: list[Row] = []
    for score in sorted(scores, key=lambda score: score.lungs.dice):
        row: Row = {
            f.name: getattr(score, f.name)
            for f in fields(CaseScore)
            if f.name not in (*REGIONS, *OF_CT)
        }
        for region in REGIONS:
            ending = "" if region == "lungs" else f"_{region}"
            row |= {
                f"{name}{ending}": value for name, value in asdict(getattr(score, region)).items()
            }
        if any(other.kind != "radiograph" for other in scores):
            row |= {"kind": score.kind, "has_lung": int(score.has_lung)}
        if any(other.slices for other in scores):
            row |= (
                asdict(score.slices) if score.slices else {f.name: "" for f in fields(SliceScores)}
            )
        rows.append(row)
    write_table(_known(rows), path)


def _known(rows: Sequence[Row]) -> list[Row]:
    """The rows without the columns in which every one has NaN."""
    unknown = {
        name
        for name in rows[0]
        if all(isinstance(v := row[name], float) and math.isnan(v) for row in rows)
    }
    return [{name: value for name, value in row.items() if name not in unknown} for row in rows]


def write_patients(scores: Sequence[CaseScore], path: Path) -> None:
    """Writes for each patient the number of images and the means over them, the lowest Dice
    first.
    """
    patients: dict[tuple[str, str], list[CaseScore]] = {}
    for score in scores:
        patients.setdefault((score.source, score.patient), []).append(score)
    rows: list[tuple[float, Row]] = []
    for (source, patient), mine in patients.items():
        dice = float(np.mean([score.lungs.dice for score in mine]))
        row: Row = {
            "source": source,
            "patient": patient,
            "images": len(mine),
            "dice": dice,
            "lowest_dice": min(score.lungs.dice for score in mine),
            "hd95_of_1024": float(np.mean([score.hd95_of_1024 for score in mine])),
            "hd95_of_volumes": float(
                np.mean([score.lungs.hd95 if score.kind == "volume" else NAN for score in mine])
            ),
            "to_review": sum(score.verdict != "ok" for score in mine),
        }
        rows.append((dice, row))
    write_table(_known([row for _, row in sorted(rows, key=lambda entry: entry[0])]), path)


def summarise(scores: Sequence[CaseScore]) -> Table:
    """Of pictures: for each source, with questionable masks apart, the mean, the 5th percentile and
    the worst.
    """
    rows = []
    for name, members in group(scores).items():
        dice = np.array([score.lungs.dice for score in members])
        hd95 = np.array([score.hd95_of_1024 for score in members])
        rows.append(
            [
                name,
                str(len(members)),
                f"{dice.mean():.4f}",
                f"{np.percentile(dice, 5):.4f}",
                f"{dice.min():.4f}",
                str(int((dice < 0.9).sum())),
                _mean(np.array([score.right.dice for score in members]), 4),
                _mean(np.array([score.left.dice for score in members]), 4),
                _mean(hd95, 1),
                "-" if np.isnan(hd95).all() else f"{np.nanmax(hd95):.1f}",
                str(max(max(score.right.components, score.left.components) for score in members)),
                str(sum(score.verdict != "ok" for score in members)),
            ]
        )
    return Table(COLUMNS, rows)


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], digits: int) -> str:
    return "-" if np.isnan(values).all() else f"{np.nanmean(values):.{digits}f}"


def summarise_volumes(groups: Mapping[str, Sequence[CaseScore]]) -> Table:
    """Of volumes: for each group, or each volume as a group of its own, the means, and the worst
    slice.
    """
    rows = []
    for name, members in groups.items():
        slices = [(score.case, score.slices) for score in members if score.slices]
        with_lung, missed, without, claimed = (
            sum(getattr(each, what) for _, each in slices)
            for what in (
                "slices_with_lung",
                "slices_missed",
                "slices_without_lung",
                "slices_claimed",
            )
        )
        case, worst = min(
            slices, key=lambda entry: np.nan_to_num(entry[1].worst_slice_dice, nan=2.0)
        )
        rows.append(
            [
                name,
                str(len(members)),
                *(
                    _mean(np.array([getattr(score, region).dice for score in members]), 4)
                    for region in ("lungs", "right", "left")
                ),
                *(
                    _mean(np.array([getattr(score.lungs, metric) for score in members]), digits)
                    for metric, digits in (
                        ("iou", 4),
                        ("hd95", 2),
                        ("assd", 2),
                        ("nsd_1", 3),
                        ("nsd_2", 3),
                        ("volume_error", 0),
                    )
                ),
                _mean(np.array([each.slice_dice for _, each in slices]), 4),
                f"{worst.worst_slice_dice:.3f} ({case}, {worst.worst_slice})"
                if worst.worst_slice
                else "-",
                f"{missed} of {with_lung}",
                f"{claimed} of {without}",
                str(max(max(score.right.components, score.left.components) for score in members)),
                str(sum(score.verdict != "ok" for score in members)),
            ]
        )
    unit = " or ".join(sorted({score.unit for members in groups.values() for score in members}))
    return Table(
        [f"{name}, {unit}" if name in ("HD95", "ASSD") else name for name in OF_VOLUMES], rows
    )


SURE = (
    "cases",
    "n",
    "patients",
    "Dice (95 % interval)",
    "median",
    "HD95 (95 % interval)",
    "HD95, pooled",
    "NSD at 2",
)
UNCLEANED = ("Dice, not cleaned", "HD95, not cleaned", "pieces", "pieces, not cleaned")


def summarise_surely(found: Sequence[Summary]) -> Table:
    """Of `lungseg.evaluate.summary.summaries`: how sure the means are, and what the masks would be
    without cleaning.
    """
    by = {(s.cases, s.region, s.metric): s for s in found}
    rows = []
    for name in dict.fromkeys(s.cases for s in found):
        dice, raw = by[name, "lungs", "dice"], by[name, "uncleaned", "dice"]
        hd95, pooled, nsd = (
            by.get((name, "lungs", metric)) for metric in ("hd95", "hd95_pooled", "nsd_2")
        )
        raw_hd95 = by.get((name, "uncleaned", "hd95"))
        rows.append(
            [
                name,
                str(dice.n),
                str(dice.patients),
                spread(dice, 4),
                f"{dice.median:.4f}",
                spread(hd95, 1),
                _with_unit(pooled, 1),
                f"{nsd.mean:.3f}" if nsd else "-",
                f"{raw.mean:.4f}",
                _with_unit(raw_hd95, 1),
                f"{by[name, 'lungs', 'components'].mean:.2f}",
                f"{by[name, 'uncleaned', 'components'].mean:.2f}",
            ]
        )
    return Table((*SURE, *UNCLEANED), rows)


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


STEADY = 0.97
"""Dice between the plain and the changed picture's mask above which the mask counts as
unchanged."""


def summarise_changes(found: dict[str, list[float]]) -> Table:
    """Of `lungseg.evaluate.robustness.steadiness`."""
    header = (
        "change",
        "n",
        "mean Dice to the plain mask",
        "5th percentile",
        f"share at {STEADY} or more",
    )
    rows = []
    for name, values in found.items():
        dice = np.array(values)
        figures = (
            [
                f"{dice.mean():.4f}",
                f"{np.percentile(dice, 5):.4f}",
                f"{(dice >= STEADY).mean():.3f}",
            ]
            if values
            else ["-"] * 3
        )
        rows.append([name, str(len(values)), *figures])
    return Table(header, rows)
