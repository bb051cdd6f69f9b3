"""Scores of many cases: a line for each in a CSV, and a table of what they come to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from lungseg.evaluate.cases import CaseScore
from lungseg.write import write_file

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


def write_scores(scores: Sequence[CaseScore], path: Path) -> None:
    """Writes one line for each case, the lowest Dice first."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [field.name for field in fields(CaseScore)])
    writer.writeheader()
    for score in sorted(scores, key=lambda score: score.dice):
        writer.writerow({name: f"{v:.4f}" if isinstance(v, float) else v for name, v in asdict(score).items()})
    write_file(path, stream.getvalue().encode())


def summarise(scores: Sequence[CaseScore]) -> str:
    """A Markdown table: for each source, with questionable masks apart, the mean, the 5th percentile and the worst."""
    groups: dict[str, list[CaseScore]] = {}
    for score in scores:
        groups.setdefault(f"{score.source}, questionable masks" if score.notes == "questionable" else score.source, []).append(score)
    plain = [score for score in scores if score.convention == "lung"]
    if len({score.source for score in plain}) > 1:
        groups["all that leave the heart out"] = plain
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for name, group in sorted(groups.items()):
        dice = np.array([score.dice for score in group])
        hd95 = np.array([score.hd95 for score in group])
        cells = [
            name,
            str(len(group)),
            f"{dice.mean():.4f}",
            f"{np.percentile(dice, 5):.4f}",
            f"{dice.min():.4f}",
            str(int((dice < 0.9).sum())),
            _mean(np.array([score.dice_right for score in group]), 4),
            _mean(np.array([score.dice_left for score in group]), 4),
            _mean(hd95, 1),
            "-" if np.isnan(hd95).all() else f"{np.nanmax(hd95):.1f}",
            str(max(score.components for score in group)),
            str(sum(score.verdict != "ok" for score in group)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], digits: int) -> str:
    return "-" if np.isnan(values).all() else f"{np.nanmean(values):.{digits}f}"


STEADY = 0.97
"""Dice between the plain and the changed picture's mask above which the mask counts as unchanged."""


def summarise_changes(found: dict[str, list[float]]) -> str:
    """A Markdown table of `lungseg.evaluate.changes.steadiness`."""
    lines = [f"| change | mean Dice to the plain mask | 5th percentile | share at {STEADY} or more |", "|---|---|---|---|"]
    for name, values in found.items():
        dice = np.array(values)
        lines.append(f"| {name} | {dice.mean():.4f} | {np.percentile(dice, 5):.4f} | {(dice >= STEADY).mean():.3f} |")
    return "\n".join(lines)
