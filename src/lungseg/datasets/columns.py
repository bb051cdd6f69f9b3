"""Any CSV with a column of images and one of masks: what its other columns mean is told by their
names, what is missing is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from lungseg.datasets.cases import BOTH_LUNGS, SPLITS, Case, LungExtent
from lungseg.datasets.folders import name_of, patient_of
from lungseg.datasets.manifest import (
    NEEDED,
    check_cases_are_apart,
    read_decides,
    read_manifest,
)
from lungseg.datasets.spreadsheets import CsvRow, is_there, located, read_rows
from lungseg.errors import InputError

NAMES: Final = {
    "image": (
        "image",
        "img",
        "image_path",
        "img_path",
        "images",
        "filename",
        "file_name",
        "file",
        "path",
        "filepath",
        "dicom",
        "volume",
    ),
    "mask": (
        "mask",
        "mask_path",
        "masks",
        "lung_mask",
        "mask_right",
        "right_mask",
        "segmentation",
        "seg",
        "label_path",
        "label",
        "labels",
    ),
    "mask_left": ("mask_left", "left_mask"),
    "case": ("case", "case_id", "id", "name"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id"),
    "source": ("source", "dataset", "data_set", "site", "hospital"),
    "split": ("split", "subset", "set", "partition", "phase"),
    "lung_extent": ("lung_extent",),
    "decides": ("decides", "structures"),
    "notes": ("notes", "remarks", "comment"),
}
"""What each column may be called, the likeliest first, in any mixture of small and capital
letters."""

_SPLITS: Final = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "testing": "test",
    **{name: name for name in SPLITS},
}


def has_columns(path: Path) -> bool:
    """Whether the CSV has a column of images and one of masks."""
    try:
        columns = _columns(read_rows(path)[0])
    except InputError:
        return False
    return {"image", "mask"} <= set(columns)


def read_any(path: Path, *, resplit: bool = False) -> list[Case]:
    """The cases in a CSV: a manifest, or any with a column of images and one of masks; to
    `resplit`, the splits that it gives are forgotten.

    Paths are relative to the CSV, or to a folder beside it that has the name of the column, or that
    name in the plural. An empty mask is none. A case without a name has that of its image, a
    patient that of `patient_of`, and a source that of the CSV's folder.

    Raises:
        InputError: the CSV cannot be read or lacks a column, or names a missing file, or has an
            unknown split, lung extent or structure.
    """
    rows = read_rows(path)
    if set(NEEDED) <= set(rows[0]):
        return read_manifest(path, resplit=resplit)
    columns = _columns(rows[0])
    for wanted in ("image", "mask"):
        if wanted not in columns:
            cure = f"name it {wanted}; there are {', '.join(filter(None, rows[0]))}"
            raise InputError(
                f"the list of cases lacks a column of {wanted}s", where=path, cure=cure
            )
    cases = [
        _case({name: row[column].strip() for name, column in columns.items()}, path, columns)
        for row in rows
    ]
    if resplit:
        cases = [replace(case, split="") for case in cases]
    check_cases_are_apart(cases, path)
    return cases


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The pairs of a CSV with the columns file_a and file_b, as names of cases (`name_of`).

    Raises:
        InputError: the CSV cannot be read, or lacks one of them.
    """
    rows = read_rows(path)
    if not {"file_a", "file_b"} <= set(rows[0]):
        raise InputError(
            "the list of pairs lacks the columns file_a and file_b",
            where=path,
            cure="name the two images of each pair in them",
        )
    return [(name_of(Path(row["file_a"])), name_of(Path(row["file_b"]))) for row in rows]


def _columns(row: CsvRow) -> dict[str, str]:
    """The columns by what they mean."""
    own = {re.sub(r"[ -]+", "_", name.strip().lower()): name for name in row if name}
    found: dict[str, str] = {}
    for meaning, names in NAMES.items():
        column = next((own[name] for name in names if name in own), None)
        if column is not None:
            found[meaning] = column
    if found.get("mask") and not re.search(r"[./\\]", row[found["mask"]]) and row[found["mask"]]:
        del found["mask"]  # a column of labels may as well hold diagnoses
    return found


def _case(row: CsvRow, path: Path, columns: dict[str, str]) -> Case:
    image = _file(row["image"], "image", path, columns)
    if image is None:
        raise InputError(
            f"a case ({row.get('case', '')}) has no image", where=path, cure="fill in its image"
        )
    name = row.get("case") or name_of(image)
    split, lung_extent = row.get("split", "").lower(), row.get("lung_extent") or "field"
    _refuse_unknown(name, "split", split, ("", *_SPLITS), path)
    _refuse_unknown(name, "lung_extent", lung_extent, get_args(LungExtent), path)
    return Case(
        name,
        row.get("patient") or patient_of(name_of(image)),
        image,
        _file(row["mask"], "mask", path, columns),
        row.get("source") or path.resolve().parent.name,
        _SPLITS.get(split, ""),
        next(known for known in get_args(LungExtent) if known == lung_extent),
        row.get("notes", ""),
        _file(row.get("mask_left", ""), "mask_left", path, columns),
        read_decides(row["decides"], name, path) if row.get("decides") else BOTH_LUNGS,
    )


def _refuse_unknown(case: str, column: str, entry: str, known: Sequence[str], path: Path) -> None:
    if entry not in known:
        cure = f"known are {', '.join(filter(None, known))}"
        raise InputError(f"case {case} has the unknown {column} {entry!r}", where=path, cure=cure)


def _file(entry: str, column: str, path: Path, columns: dict[str, str]) -> Path | None:
    if not entry:
        return None
    own = columns[column].strip().lower()
    for folder in (
        path.parent,
        *(path.parent / name for name in (own, f"{own}s", column, f"{column}s")),
    ):
        if is_there(found := located(folder, entry)):
            return found.resolve()
    raise InputError(
        f"the list of cases names a missing {column}, {path.parent / entry}",
        where=path,
        cure="correct the path",
    )
