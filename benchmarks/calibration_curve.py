"""The calibration curve of an expected Dice, as a picture for the pages on verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

Row = Mapping[str, Any]

NAMES = ("expected", "low", "high", "dice")


def draw_calibration(
    panels: Mapping[str, Sequence[Row]], steps: Sequence[float], path: Path
) -> None:
    """Draws a panel each: a dot for each mask, and for each step the means of what was expected, of
    its interval, and of what was true.

    Args:
        panels: by title, rows with `NAMES`.
        steps: ends of the steps of expected Dice.
        path: PNG to be written.
    """
    figure = Figure(figsize=(5.2 * len(panels), 4.6), layout="constrained")
    for place, (title, rows) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), place)
        values = {name: np.array([row[name] for row in rows]) for name in NAMES}
        axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--")
        axes.plot(
            values["expected"], values["dice"], ".", color="0.7", markersize=4, label="each mask"
        )
        for first, last in pairwise(steps):
            here = (values["expected"] >= first) & (values["expected"] < last)
            if here.any():
                expected, low, high, dice = (values[name][here].mean() for name in NAMES)
                axes.plot(
                    (expected, expected), (low, high), color="#0b63b0", linewidth=5, alpha=0.35
                )
                axes.plot(expected, dice, "o", color="#0b63b0")
        axes.plot([], [], "o", color="#0b63b0", label="mean of a step, and the mean interval")
        axes.set(
            title=title, xlabel="expected Dice", ylabel="Dice", xlim=(0.2, 1), ylim=(-0.02, 1.02)
        )
        axes.legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
