"""A manifest is a CSV of cases that a person can read and edit."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, get_args

from lungseg.datasets.cases import (
    BOTH_LUNGS,
    SPLITS,
    Case,
    LungExtent,
    patients_in_several_splits,
)
from lungseg.datasets.spreadsheets import CsvRow, is_there, located, read_rows
from lungseg.errors import InputError, UsageError
from lungseg.structures import BACKGROUND, STRUCTURES, read_names, write_names
from lungseg.writers import write_file
from lungseg.writers.cells import harmless

COLUMNS: Final = tuple(field.name for field in fields(Case) if field.name != "other_masks")
NEEDED: Final = COLUMNS[:5]
"""The columns that every manifest has; the others may be left out."""

OTHER_MASKS: Final = {
    f"mask_{structure.name.replace(' ', '_')}": structure.name
    for structure in STRUCTURES
    if structure is not BACKGROUND and structure.side is None
}
"""Columns of the masks of further structures, and these; only those that a case has are written."""

NONE_THERE: Final = "none"
"""In such a column: the case is known to have none of the structure."""


def write_manifest(cases: Sequence[Case], path: Path, *, comment: str = "") -> None:
    """Writes the cases as CSV, one a line; paths are relative to the CSV's folder.

    Args:
        cases: of any number of sources.
        path: of the CSV; what is there is replaced as a whole.
        comment: one line for people, such as how the split was drawn; it comes first, after a "#".

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    if comment:
        text.write(f"# {comment}\n")
    writer = csv.writer(text, lineterminator="\n")
    named = {name for case in cases for name, _ in case.other_masks}
    others = [column for column, name in OTHER_MASKS.items() if name in named]
    writer.writerow((*COLUMNS, *others))
    for case in cases:
        masks = {name: mask or NONE_THERE for name, mask in case.other_masks}
        values = [getattr(case, name) for name in COLUMNS]
        values += [masks.get(OTHER_MASKS[column]) for column in others]
        writer.writerow(harmless(_cell(value, path)) for value in values)
    write_file(path, text.getvalue().encode())


def _cell(value: Any, path: Path) -> str:
    if isinstance(value, Path):
        # The folder's own place, since ".." leads out of that, whatever link it was named by.
        return os.path.relpath(os.path.abspath(value), path.parent.resolve())  # noqa: PTH100
    return write_names(value) if isinstance(value, tuple) else value or ""


def read_manifest(path: Path, *, resplit: bool = False) -> list[Case]:
    """The cases in a CSV. Lines before the names of the columns that begin with "#" are comments.

    Args:
        path: of the CSV.
        resplit: forget the splits that it gives.

    Raises:
        InputError: the file cannot be read, or lacks a column or a name, or has an unknown
            structure, lung extent or split, or names a missing file, or a case twice, or has images
            of one patient in different splits.
    """
    rows = read_rows(path)
    missing = [name for name in NEEDED if name not in rows[0]]
    if missing:
        cure = "fill them in, or let `lungseg dataset` do it"
        raise InputError(
            f"the list of cases lacks the columns {', '.join(missing)}", where=path, cure=cure
        )
    cases = [_case(row, path) for row in rows]
    if resplit:
        cases = [replace(case, split="") for case in cases]
    check_cases_are_apart(cases, path)
    return cases


def check_cases_are_apart(cases: Sequence[Case], where: Path) -> None:
    """That no case is there twice, and no patient in two splits.

    Raises:
        InputError: a case or a patient is.
    """
    seen: set[tuple[str, str]] = set()
    for case in cases:
        if (case.source, case.case) in seen:
            cure = "leave one out, or give it another name or source"
            raise InputError(
                f"case {case.case} of source {case.source} is there twice", where=where, cure=cure
            )
        seen.add((case.source, case.case))
    for source, patient, splits in patients_in_several_splits(cases):
        problem = (
            f"images of patient {patient} of source {source} are in different splits: "
            f"{' and '.join(splits)}"
        )
        raise InputError(problem, where=where, cure="give all images of a patient the same split")


def read_decides(cell: str, case: str, path: Path) -> tuple[str, ...]:
    """The structures that the mask of a case decides, as its cell says (see `read_names`).

    Raises:
        InputError: it names something else.
    """
    try:
        return read_names(cell)
    except UsageError as error:
        raise InputError(
            f"case {case} decides what cannot be decided: {error.what}", where=path, cure=error.cure
        ) from error


def _case(row: CsvRow, path: Path) -> Case:
    entries: dict[str, Any] = {name: row[name] for name in COLUMNS if row.get(name)}
    called = row["case"] or row["image"]
    for name in ("case", "patient", "image", "source"):
        if name not in entries:
            raise InputError(
                f"a case ({called}) has no {name}", where=path, cure=f"fill in its {name}"
            )
    if "split" in entries:
        entries["split"] = entries["split"].lower()
    for name, known in (("lung_extent", get_args(LungExtent)), ("split", SPLITS)):
        if name in entries and entries[name] not in known:
            problem = f"case {called} has the unknown {name} {entries[name]!r}"
            raise InputError(problem, where=path, cure=f"known are {', '.join(known)}")
    if "decides" in entries:
        entries["decides"] = read_decides(entries["decides"], called, path)
    entries.setdefault("mask", None)
    for name in ("image", "mask", "mask_left"):
        if entries.get(name):
            entries[name] = _file(entries[name], name, called, path)
    entries["other_masks"] = tuple(
        (name, None if cell == NONE_THERE else _file(cell, column, called, path))
        for column, name in OTHER_MASKS.items()
        if (cell := row.get(column, "").strip())
    )
    if twice := {name for name, _ in entries["other_masks"]} & set(
        entries.get("decides", BOTH_LUNGS)
    ):
        raise InputError(
            f"case {called} has a mask of its own for {min(twice)}, which its mask decides too",
            where=path,
            cure="take it out of one of the two columns",
        )
    if entries["mask"] is None and "mask_left" in entries:
        raise InputError(
            f"case {called} has a mask of the left lung only",
            where=path,
            cure="give the right lung's as mask, or none",
        )
    return Case(**entries)


def _file(entry: str, column: str, case: str, path: Path) -> Path:
    file = located(path.parent, entry)
    if not is_there(file):
        raise InputError(
            f"case {case} names a missing {column}, {file}",
            where=path,
            cure="correct the path",
        )
    return file.resolve()
