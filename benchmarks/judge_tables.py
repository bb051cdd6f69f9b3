"""What the judge of radiographs found, as Markdown tables. For `benchmarks/judge.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from calibration import draw_calibration
from lungseg.verdict import REASONS

Array = NDArray[Any]
Row = dict[str, Any]

GOOD, BAD = 0.95, 0.90
"""Masks from the first Dice on are good; below the second they are bad."""

ALARMS = 0.1
"""Share of masks that are not bad, of which an alarm may be false."""

STEPS = (0.0, 0.8, 0.9, 0.93, 0.95, 0.965, 0.975, 1.0)
"""Of expected Dice, in the table of calibration."""


def show(rows: list[Row], curve: Path | None) -> None:
    """Prints all tables, and draws the calibration curve where `curve` says so."""
    _strangers(rows)
    _films(rows)
    _why(rows)
    _turned(rows)
    _bad_masks(rows)
    films = [row for row in rows if row["kind"] in ("plain", "hard") and "expected_dice" in row]
    _calibration(films)
    if curve is not None:
        names = {
            "expected": "expected_dice",
            "low": "expected_dice_low",
            "high": "expected_dice_high",
            "dice": "dice",
        }
        panels = {
            "films as they are and made hard": [
                {short: row[name] for short, name in names.items()} for row in films
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


def _strangers(rows: list[Row]) -> None:
    strangers = [row for row in rows if row["kind"] == "stranger"]
    lines = [
        [group, *_counts(some), _share(row["verdict"] != "ok" for row in some)]
        for group, some in _groups(strangers).items()
    ]
    lines.append(
        ["**all**", *_counts(strangers), _share(row["verdict"] != "ok" for row in strangers)]
    )
    print("### No frontal chest radiographs: the half that was not learned from\n")
    _table(["what", "n", "ok", "review", "refused", "refused or to review"], lines)


def _films(rows: list[Row]) -> None:
    plain = [row for row in rows if row["kind"] == "plain"]
    lines = []
    for group, some in _groups(plain).items():
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
            "films",
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
        "films as they are": ("plain", "frontal"),
        "films made hard": ("hard",),
        "films turned": ("turned",),
        "strangers": ("stranger",),
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


def _turned(rows: list[Row]) -> None:
    lines = []
    for group, some in _groups([row for row in rows if row["kind"] == "turned"]).items():
        right = [row for row in some if row["quarters"] == row["back"]]
        dice = f"{np.mean([row['dice'] for row in right]):.3f}" if right else "-"
        lines.append([group, *_counts(some), len(right), dice])
    print("### Films on their side or upside down\n")
    _table(["films", "n", "ok", "review", "refused", "turned back rightly", "Dice of these"], lines)


def auroc(scores: Array, bad: Array) -> float:
    """The chance that a bad mask has a lower score than another one; equal scores count half."""
    return float(
        mannwhitneyu(scores[~bad], scores[bad]).statistic
        / (np.count_nonzero(bad) * np.count_nonzero(~bad))
    )


def caught(scores: Array, bad: Array) -> float:
    """Share of the bad masks below the score that `ALARMS` of the others lie below."""
    return float((scores[bad] < np.quantile(scores[~bad], ALARMS)).mean())


def _bad_masks(rows: list[Row]) -> None:
    films = [row for row in rows if row["kind"] in ("plain", "hard") and "expected_dice" in row]
    by: dict[str, Callable[[Row], float]] = {
        "expected Dice": lambda row: row["expected_dice"],
        "confidence alone": lambda row: row["signs"]["confidence"],
    }
    hard = [row for row in films if row["kind"] == "hard"]
    sets = {"films made hard": (hard, by), "films as they are and made hard": (films, by)}
    sets |= {
        f"made hard, {group}": (some, {"expected Dice": by["expected Dice"]})
        for group, some in _groups(hard).items()
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
    _table(["pictures", "n", "bad", "by", "AUROC", f"recall at {ALARMS:.0%} false alarms"], lines)


def _calibration(films: list[Row]) -> None:
    lines = []
    for low, high in pairwise(STEPS):
        some = [row for row in films if low <= row["expected_dice"] < high]
        if some:
            lines.append([f"{low:g} to {high:g}", *_calibrated(some)])
    lines.append(["**all**", *_calibrated(films)])
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
    within = _share(a <= d <= b for a, d, b in zip(low, dice, high, strict=True))
    return [
        str(len(rows)),
        f"{np.mean(expected):.3f}",
        f"{np.mean(dice):.3f}",
        f"{np.mean(low):.3f} to {np.mean(high):.3f}",
        within,
    ]


def _share(holds: Iterable[bool]) -> str:
    found = list(holds)
    return f"{np.mean(found):.3f}" if found else "-"
