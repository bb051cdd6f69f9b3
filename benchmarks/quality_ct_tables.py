"""The tables of docs/verdicts_ct.md, for `benchmarks/quality_ct.py`."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration_curve import draw_calibration
from quality_tables import ALARMS, auroc, caught

Row = dict[str, Any]
Array = NDArray[Any]

BAD = 0.9
"""Dice; a mask below it has failed."""

STEPS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 1.0)
"""Of the expected Dice, in the table of its calibration."""


def show(rows: list[Row], uncertain: float, curve: Path | None) -> None:
    """Prints all tables, and draws the calibration curves where `curve` says so.

    Args:
        rows: of `benchmarks/quality_ct.py`.
        uncertain: expected Dice below which a reader should look.
        curve: PNG to be written.
    """
    of_scope = {
        plural: [row for row in rows if row["scope"] == scope] for plural, scope in SCOPES.items()
    }
    chosen = {
        f"{plural}, {group}": [row for row in some if row["group"] == group]
        for plural, some in of_scope.items()
        for group in sorted({row["group"] for row in some})
    }
    chosen |= {f"all {plural}": some for plural, some in of_scope.items()}
    show_failures(chosen, uncertain)
    for plural, some in of_scope.items():
        show_calibration(plural, some)
    show_alarms(rows)
    if curve is not None:
        draw_calibration(of_scope, STEPS, curve)


SCOPES = {"slices": "slice", "volumes": "volume"}


def show_failures(chosen: dict[str, list[Row]], uncertain: float) -> None:
    """How well masks that failed are told from others; an alarm is an expected Dice below
    `uncertain`.
    """
    recall = f"recall at {ALARMS:.0%} false alarms"
    print(
        f"| masks | number | Dice below {BAD} | AUROC | {recall} | alarms, of these | of the "
        "others | AUROC of the confidence alone |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, rows in chosen.items():
        bad = np.array([row["dice"] < BAD for row in rows])
        scores, confidence = (
            np.array([row["expected"] for row in rows]),
            np.array([row["features"]["confidence"] for row in rows]),
        )
        found = caught(scores, bad)
        alarms = " | ".join(f"{np.mean(scores[which] < uncertain):.2f}" for which in (bad, ~bad))
        print(
            f"| {name} | {len(rows)} | {bad.sum()} | {auroc(scores, bad):.3f} | {found:.2f} | "
            f"{alarms} | {auroc(confidence, bad):.3f} |"
        )


def show_calibration(kind: str, rows: list[Row]) -> None:
    """What an expected Dice was worth, and how often the Dice lay within its interval."""
    print(
        f"\n| expected Dice of {kind} | number | its mean | mean Dice | fraction within the "
        "interval |\n|---|---|---|---|---|"
    )
    values = {
        name: np.array([row[name] for row in rows]) for name in ("expected", "low", "high", "dice")
    }
    inside = (values["dice"] >= values["low"]) & (values["dice"] <= values["high"])
    for low, high in pairwise(STEPS):
        here = (values["expected"] >= low) & (values["expected"] < high)
        if here.any():
            means = " | ".join(f"{values[name][here].mean():.3f}" for name in ("expected", "dice"))
            print(f"| {low} to {high} | {here.sum()} | {means} | {inside[here].mean():.2f} |")
    print(
        f"| all | {len(rows)} | {values['expected'].mean():.3f} | {values['dice'].mean():.3f} | "
        f"{inside.mean():.2f} |"
    )


def show_alarms(rows: list[Row]) -> None:
    """How many good masks of inputs as they are were not ok, and why."""
    print("\n| inputs as they are | good masks | not ok | because |\n|---|---|---|---|")
    plain = [
        row for row in rows if row["kind"] == "as_is" and "verdict" in row and row["dice"] >= BAD
    ]
    for group in sorted({row["group"] for row in plain}):
        here = [row for row in plain if row["group"] == group]
        others = [row for row in here if row["verdict"] != "ok"]
        codes = Counter(code for row in others for code in row["codes"])
        print(
            f"| {group} | {len(here)} | {len(others)} | "
            f"{'; '.join(f'{code} ({n})' for code, n in codes.most_common())} |"
        )
