"""No table that is written gives a spreadsheet a formula, and lists are read back as they were."""

from __future__ import annotations

import ast
import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import lungseg
from lungseg.datasets import Case, read_manifest, write_manifest
from lungseg.datasets.checks import DataProblem
from lungseg.datasets.problems import problem_table
from lungseg.evaluate.tables import write_table
from lungseg.writers.cells import as_it_was, harmless

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "'=1", "''@x")


@pytest.mark.parametrize("text", [*FORMULAS, "", "'", "'tis", "a=1", "ann"])
def test_a_text_that_is_none_is_kept_and_comes_back(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert as_it_was(cell) == text
    assert (cell == text) == (text not in FORMULAS)


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    assert harmless(-1.5) == -1.5
    write_table([{"case": "=1+1", "dice": -0.5, "count": -3, "none": None}], tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "'=1+1,-0.5000,-3,"


def test_a_list_of_cases_comes_back(tmp_path: Path) -> None:
    image = tmp_path / "=1+1.png"
    cv2.imwrite(str(image), np.eye(64, dtype=np.uint8))
    cases = [Case(f"{text}x", text, image, None, "@source", notes="-") for text in FORMULAS[:4]] + [
        Case("'=1", "+ann", image, None, "s")
    ]
    write_manifest(cases, tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    assert read_manifest(tmp_path / "cases.csv") == [
        replace(case, image=image.resolve()) for case in cases
    ]


def test_the_list_of_problems_has_none(tmp_path: Path) -> None:
    problem = DataProblem("=1+1", "@s", tmp_path, "-is odd")
    assert problem_table([problem], []).decode().splitlines()[1] == "'@s,'=1+1,'-is odd"


@pytest.mark.slow
def test_whatever_writes_a_csv_is_on_the_list() -> None:
    """A writer of its own would have to be seen to here."""
    root = Path(lungseg.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("writer", "DictWriter")
    }
    assert found == {
        "datasets/manifest.py",
        "datasets/problems.py",
        "evaluate/opacities.py",
        "evaluate/tables.py",
        "train/logs.py",  # of TensorBoard
        "train/trainer.py",  # numbers under names of this package
        "writers/table.py",
    }
