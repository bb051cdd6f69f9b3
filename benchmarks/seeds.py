"""Averages training runs that differ in their seed only: what is before the last hyphen of a run's
name is its group.

    python benchmarks/seeds.py runs/unet-0 runs/unet-1 runs/unetpp-0 runs/unetpp-1 > table.md

Prints one line of a Markdown table for each group: its runs, the epochs they took, and the mean
and, in brackets, the standard deviation over them of the validation Dice at the network's
resolution, in each run's best epoch by `val_dice`, of all sources and of each.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np


def best_epoch(run: Path) -> tuple[int, dict[str, float]]:
    """How many epochs a run took, and its figures in the best of them."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        lines = [
            {name: float(value) for name, value in line.items() if value}
            for line in csv.DictReader(stream)
        ]
    return len(lines), max(lines, key=lambda line: line["val_dice"])


def main(runs: list[Path]) -> None:
    """Prints the table."""
    groups: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for run in runs:
        groups.setdefault(run.name.rpartition("-")[0], []).append(best_epoch(run))
    names = sorted(
        {
            name
            for found in groups.values()
            for _, figures in found
            for name in figures
            if name.startswith("val_dice")
        }
    )
    print(
        "| "
        + " | ".join(["group", "runs", "epochs", *names])
        + " |\n"
        + "|---" * (3 + len(names))
        + "|"
    )
    for group, found in groups.items():
        epochs = "-".join(str(n) for n in sorted({taken for taken, _ in found}))
        values = {
            name: [figures[name] for _, figures in found if name in figures] for name in names
        }
        cells = [
            f"{np.mean(v):.4f} ({np.std(v, ddof=1) if len(v) > 1 else 0:.4f})" if v else "-"
            for v in values.values()
        ]
        print("| " + " | ".join([group, str(len(found)), epochs, *cells]) + " |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(name) for name in sys.argv[1:]])
