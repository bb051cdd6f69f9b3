"""What tests of layouts draw and ask for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lungseg.datasets import Case, discover


def draw(path: Path, *columns: int) -> None:
    """A mask of 40 x 40 that is white in the given columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, list(columns)] = 255
    cv2.imwrite(str(path), mask)


def one(folder: Path) -> tuple[str, list[Case]]:
    """The layout and the cases of a folder that holds one data set."""
    (found,) = discover(folder)
    assert found.place == folder
    return found.layout, list(found.cases)


def rows(cases: list[Case]) -> list[tuple[str, str, str, str]]:
    """Case, patient, source and split of each."""
    return [(case.case, case.patient, case.source, case.split) for case in cases]
