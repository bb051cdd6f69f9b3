"""What commands wrote."""

from __future__ import annotations

import csv
from pathlib import Path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of its summary.csv."""
    return read_csv(folder / "summary.csv")


def pictures(folder: Path) -> list[str]:
    """Names of the PNG files in it."""
    return sorted(path.name for path in folder.glob("*.png"))
