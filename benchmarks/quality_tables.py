"""What was found of the quality of radiographs' masks, as Markdown tables, for
`benchmarks/quality.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from calibration_curve import draw_calibration
from lungseg.verdict import REASONS

Array = NDArray[Any]
Row = dict[str, Any]

GOOD, BAD = 0.95, 0.90
"""Masks from the first Dice on are good; below the second they are bad."""

ALARMS = 0.1
"""Fraction of the masks that are not bad, of which an alarm may be false."""

MASKS = ("as_is", "degraded")
"""Kinds of rows with masks that are judged."""

STEPS = (0.0, 0.8, 0.9, 0.93, 0.95, 0.965, 0.975, 1.0)
"""Of expected Dice, in the table of calibration."""


def show(rows: list[Row], curve: Path | None) -> None:
    """Prints all tables, and draws the calibration curve where `curve` says so."""
    kinds = {row["kind"] for row in rows}
    if "out_of_distribution" in kinds:
        _others(rows)
    _as_they_are(rows)
    _why(rows)
    if "rotated" in kinds:
        _rotated(rows)
    _bad_masks(rows)
    masks = [row for row in rows if row["kind"] in MASKS and "expected_dice" in row]
    _calibration(masks)
    if curve is not None:
        names = {
            "expected": "expected_dice",
            "low": "expected_dice_low",
            "high": "expected_dice_high",
            "dice": "dice",
        }
        panels = {
            "radiographs as they are and degraded": [
                {short: row[name] for short, name in names.items()} for row in masks
            ]
        }
        draw_calibration(panels, STEPS, curve)


def _table(head: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    head = list(head)
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for line in lines:
        print("| " + " | ".join(str(cell) for cell in line) + " |")
    print()


def _counts(rows: list[Row]) -> list[str]:
    verdicts = [row["verdict"] for row in rows]
    return [
        str(len(rows)),
        *(str(verdicts.count(verdict)) for verdict in ("ok", "review", "refused")),
    ]


def _groups(rows: list[Row]) -> dict[str, list[Row]]:
    return {
        group: [row for row in rows if row["group"] == group]
        for group in sorted({row["group"] for row in rows})
    }


def _others(rows: list[Row]) -> None:
    others = [row for row in rows if row["kind"] == "out_of_distribution"]
    lines = [
        [group, *_counts(some), _fraction(row["verdict"] != "ok" for row in some)]
        for group, some in _groups(others).items()
    ]
    lines.append(["**all**", *_counts(others), _fraction(row["verdict"] != "ok" for row in others)])
    print("### No frontal chest radiographs: those that nothing was fitted to\n")
    _table(["what", "n", "ok", "review", "refused", "refused or to review"], lines)


def _as_they_are(rows: list[Row]) -> None:
    as_is = [row for row in rows if row["kind"] == "as_is"]
    lines = []
    for group, some in _groups(as_is).items():
        good = [row for row in some if row["dice"] >= GOOD]
        bad = [row for row in some if row["dice"] < BAD]
        lines.append(
            [
                group,
                *_counts(some),
                len(good),
                sum(r["verdict"] != "ok" for r in good),
                len(bad),
                sum(r["verdict"] != "ok" for r in bad),
            ]
        )
    for group, some in _groups([row for row in rows if row["kind"] == "frontal"]).items():
        lines.append([group, *_counts(some), "-", "-", "-", "-"])
    print("### Frontal chest radiographs as they are\n")
    _table(
        [
            "radiographs",
            "n",
            "ok",
            "review",
            "refused",
            f"Dice >= {GOOD}",
            "of these not ok",
            f"Dice < {BAD}",
            "of these not ok",
        ],
        lines,
    )


def _why(rows: list[Row]) -> None:
    kinds = {
        "radiographs as they are": ("as_is", "frontal"),
        "degraded": ("degraded",),
        "rotated": ("rotated",),
        "out of distribution": ("out_of_distribution",),
    }
    groups = {head: [row for row in rows if row["kind"] in of] for head, of in kinds.items()}
    lines = [
        [
            reason.code,
            *(sum(reason.code in row["codes"] for row in some) for some in groups.values()),
        ]
        for reason in REASONS["radiograph"]
    ]
    print("### How often each reason was given\n")
    _table(["reason", *(f"{head}, n={len(some)}" for head, some in groups.items())], lines)


def _rotated(rows: list[Row]) -> None:
    lines = []
    for group, some in _groups([row for row in rows if row["kind"] == "rotated"]).items():
        right = [row for row in some if _angle(group) + 90 * row["quarter_turns"] == 360]
        dice = f"{np.mean([row['dice'] for row in right]):.3f}" if right else "-"
        lines.append([group, *_counts(some), len(right), dice])
    print("### Radiographs on their side or upside down\n")
    _table(
        ["radiographs", "n", "ok", "review", "refused", "rotated back rightly", "Dice of these"],
        lines,
    )


def _angle(group: str) -> int:
    """Degrees, in the name of a group."""
    return int("".join(filter(str.isdigit, group)))


def auroc(scores: Array, bad: Array) -> float:
    """The chance that a bad mask has a lower score than another one; equal scores count half."""
    return float(
        mannwhitneyu(scores[~bad], scores[bad]).statistic
        / (np.count_nonzero(bad) * np.count_nonzero(~bad))
    )


def caught(scores: Array, bad: Array) -> float:
    """Fraction of the bad masks below the score that `ALARMS` of the others lie below."""
    return float((scores[bad] < np.quantile(scores[~bad], ALARMS)).mean())


def _bad_masks(rows: list[Row]) -> None:
    masks = [row for row in rows if row["kind"] in MASKS and "expected_dice" in row]
    by: dict[str, Callable[[Row], float]] = {
        "expected Dice": lambda row: row["expected_dice"],
        "confidence alone": lambda row: row["features"]["confidence"],
    }
    degraded = [row for row in masks if row["kind"] == "degraded"]
    as_is = [row for row in masks if row["kind"] == "as_is"]
    sets = {"as they are": (as_is, by)}
    if degraded:
        sets |= {"degraded": (degraded, by), "as they are and degraded": (masks, by)}
    sets |= {
        f"{what}, {group}": (some, {"expected Dice": by["expected Dice"]})
        for what, those in (("as they are", as_is), ("degraded", degraded))
        for group, some in _groups(those).items()
    }
    lines = []
    for head, (some, ways) in sets.items():
        bad = np.array([row["dice"] < BAD for row in some])
        if not bad.any() or bad.all():
            continue
        for name, of in ways.items():
            scores = np.array([of(row) for row in some])
            lines.append(
                [
                    head,
                    len(some),
                    int(bad.sum()),
                    name,
                    f"{auroc(scores, bad):.3f}",
                    f"{caught(scores, bad):.2f}",
                ]
            )
    print(f"### Telling masks under Dice {BAD}\n")
    _table(
        ["radiographs", "n", "bad", "by", "AUROC", f"recall at {ALARMS:.0%} false alarms"], lines
    )


def _calibration(masks: list[Row]) -> None:
    lines = []
    for low, high in pairwise(STEPS):
        some = [row for row in masks if low <= row["expected_dice"] < high]
        if some:
            lines.append([f"{low:g} to {high:g}", *_calibrated(some)])
    for group, some in _groups([row for row in masks if row["kind"] == "as_is"]).items():
        lines.append([f"as they are, {group}", *_calibrated(some)])
    lines.append(["**all**", *_calibrated(masks)])
    print("### Is the expected Dice right?\n")
    _table(
        [
            "expected Dice",
            "n",
            "its mean",
            "mean Dice",
            "mean interval",
            "Dice within the interval",
        ],
        lines,
    )


def _calibrated(rows: list[Row]) -> list[str]:
    expected, dice = ([row[name] for row in rows] for name in ("expected_dice", "dice"))
    low, high = (
        [row[name] for row in rows] for name in ("expected_dice_low", "expected_dice_high")
    )
    within = _fraction(a <= d <= b for a, d, b in zip(low, dice, high, strict=True))
    return [
        str(len(rows)),
        f"{np.mean(expected):.3f}",
        f"{np.mean(dice):.3f}",
        f"{np.mean(low):.3f} to {np.mean(high):.3f}",
        within,
    ]


def _fraction(holds: Iterable[bool]) -> str:
    found = list(holds)
    return f"{np.mean(found):.3f}" if found else "-"
