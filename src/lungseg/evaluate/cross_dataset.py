"""Generalisation: every model on every source, as a table of what it was trained on by what it was
tested on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from lungseg.datasets import Case
from lungseg.errors import InputError
from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.page import Section, page
from lungseg.evaluate.run import Evaluation
from lungseg.evaluate.scoring import Failure, score_cases
from lungseg.evaluate.summary import structures_of
from lungseg.evaluate.tables import Table, write_scores, write_table
from lungseg.segmenter import Segmenter
from lungseg.writers import make_folder, write_file, written_out

EXPLANATION = (
    "Rows: what the model was trained on; columns: what it was tested on. In bold: it was "
    "trained on patients of the same source, and only "
    "others, of its validation and test splits, are scored; elsewhere every case is. "
    "Questionable masks are left out."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one source.

    Attributes:
        trained: name of the model.
        tested: the source.
        own: whether the model was trained on patients of that source; then only others of it were
            scored.
        n, patients: cases that were scored, and their patients.
        structure: what was scored: a pair, or a structure of none.
        dice: mean.
        hd95_at_1024: mean; NaN where no mask of the source is judged everywhere.
    """

    trained: str
    tested: str
    own: bool
    n: int
    patients: int
    structure: str
    dice: float
    hd95_at_1024: float


def evaluate_cross_dataset(
    models: Mapping[str, str | Path],
    cases: Sequence[Case],
    folder: Path,
    *,
    runs: Mapping[str, Sequence[Case]],
    workers: int = 1,
) -> Evaluation:
    """Scores every model on every source.

    Leaves in `folder` cross_dataset.md, cross_dataset.csv, report.html, and scores.csv in a folder
    for each model.

    Args:
        models: names of embedded models or paths of .onnx files, by what they were trained on.
        cases: of all sources; those without a mask and with a questionable one are left out.
        folder: made here if need be.
        runs: for each model the cases of its run with their splits, if they are known; else a model
            is taken to have been trained on the source of its name, and the splits of `cases` say
            on which.
        workers: cases at a time.

    Raises:
        InputError: a model has no case to be scored on that shows what it predicts.
        ModelError: a model cannot be used.
        OutputError: the folder or a file in it cannot be written.
    """
    judged = [case for case in cases if case.mask is not None and case.notes != "questionable"]
    cells: list[Cell] = []
    failures: dict[str, None] = {}
    segmenters = {
        name: Segmenter(model, threads=None if workers == 1 else 1)
        for name, model in models.items()
    }
    for name, segmenter in segmenters.items():
        tested, own = choose(name, judged, runs.get(name))
        scores, failed = score_cases(segmenter, tested, workers=workers)
        _check_scores(name, scores, failed)
        failures |= dict.fromkeys(failure.why for failure in failed)
        make_folder(folder / name)
        write_scores(scores, folder / name / "scores.csv")
        cells += _cells(name, scores, own)
    write_table((asdict(cell) for cell in cells), folder / "cross_dataset.csv")
    tables = _tables(cells)
    paragraphs = [f"{title}\n\n{table.markdown()}" for title, table in tables.items()]
    paragraphs.append(EXPLANATION)
    if failures:
        paragraphs.append(
            f"{len(failures)} cases could not be scored and are left out: {' '.join(failures)}"
        )
    text = written_out("\n\n".join(paragraphs))
    write_file(folder / "cross_dataset.md", f"{text}\n".encode())
    sections = [Section(title, table=table, caption=EXPLANATION) for title, table in tables.items()]
    write_file(
        folder / "report.html", written_out(page("Train set by test set", sections)).encode()
    )
    return Evaluation(text, tuple(failures), sum(case.mask is None for case in cases))


def _check_scores(name: str, scores: Sequence[CaseScore], failed: Sequence[Failure]) -> None:
    if failed and not scores:
        first = failed[0].why.rstrip(".")
        raise InputError(f"none of {len(failed)} cases could be scored; the first: {first}")
    if all(score.is_empty for score in scores):
        raise InputError(
            f"there is no case that shows what the model of {name} predicts",
            cure="give cases of other sources, or with their splits",
        )


def choose(
    name: str, cases: Sequence[Case], run: Sequence[Case] | None
) -> tuple[list[Case], set[str]]:
    """Which cases a model may be scored on, and the sources that it was trained on.

    Args:
        name: what the model was trained on.
        cases: all there are.
        run: the cases of its run with their splits, or None where they are not known.

    Returns:
        Every case of a source that the run has no training case of; of the others those that the
        run kept for validation and testing.
    """
    own = (
        {case.source for case in run if case.split == "train" and case.mask is not None}
        if run is not None
        else {name}
    )
    kept = {
        (case.source, case.case)
        for case in (cases if run is None else run)
        if case.split in ("validation", "test")
    }
    return [
        case for case in cases if case.source not in own or (case.source, case.case) in kept
    ], own


def _cells(name: str, scores: Sequence[CaseScore], own: set[str]) -> list[Cell]:
    judged = [score for score in scores if not score.is_empty]
    cells = []
    for structure, source in product(
        structures_of(judged), sorted({score.source for score in judged})
    ):
        mine = [score for score in judged if score.source == source and structure in score.raw]
        if not mine:
            continue
        each = [score.scores[structure] for score in mine]
        hd95 = [one.hd95_at_1024 for one in each if not np.isnan(one.hd95_at_1024)]
        cells.append(
            Cell(
                name,
                source,
                source in own,
                len(mine),
                len({score.patient for score in mine}),
                structure,
                float(np.mean([one.dice for one in each])),
                float(np.mean(hd95)) if hd95 else float("nan"),
            )
        )
    return cells


def _tables(cells: Sequence[Cell]) -> dict[str, Table]:
    """By title: of each structure one of Dice and one of HD95."""
    names = list(dict.fromkeys(cell.structure for cell in cells))
    return {
        title if len(names) == 1 else f"{title} of {structure}": cross_dataset_table(
            [cell for cell in cells if cell.structure == structure], metric
        )
        for structure in names
        for title, metric in (("Dice", "dice"), ("HD95 (at 1024)", "hd95_at_1024"))
    }


def cross_dataset_table(cells: Sequence[Cell], metric: str) -> Table:
    """One row for each model, one column for each source; what was trained on the same source is
    bold.
    """
    sources = sorted({cell.tested for cell in cells})
    rows = []
    for name in dict.fromkeys(cell.trained for cell in cells):
        mine = {cell.tested: _shown(cell, metric) for cell in cells if cell.trained == name}
        rows.append([name, *(mine.get(source, "-") for source in sources)])
    return Table(("trained on", *sources), rows)


def _shown(cell: Cell, metric: str) -> str:
    value = getattr(cell, metric)
    if np.isnan(value):
        return "-"
    text = f"{value:.4f}" if metric == "dice" else f"{value:.1f}"
    return f"**{text}**, n={cell.n}" if cell.own else f"{text}, n={cell.n}"
