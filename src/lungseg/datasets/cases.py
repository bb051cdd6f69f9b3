"""One case is an image with its mask; a manifest is a CSV of cases that a person can read and edit."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from lungseg.errors import InputError

Convention = Literal["lung", "lung and heart", "partial"]
"""What a mask calls lung: "lung" leaves heart and mediastinum out; "lung and heart" draws through them; "partial" outlines only a part
of the lungs, so that nothing is known outside it."""

SPLITS: Final = ("train", "validation", "test")

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True, slots=True)
class Case:
    """One image and its mask.

    Attributes:
        case: name, unique within a source.
        patient: name of the patient, unique within a source; splits never part the images of one.
        image: path of the image.
        mask: path of the mask: not 0 where the lungs are, the right lung on the left of the picture; None where nobody drew one.
        source: where it comes from, such as "montgomery".
        split: one of `SPLITS`, or "" where it is still to be drawn.
        convention: what the mask calls lung.
        notes: for people.
        mask_left: where each lung has a mask of its own, the left lung's; `mask` is then the right lung's.
    """

    case: str
    patient: str
    image: Path
    mask: Path | None
    source: str
    split: str = ""
    convention: Convention = "lung"
    notes: str = ""
    mask_left: Path | None = None


def recognise(folder: Path) -> list[Case]:
    """The cases in a folder of known layout, or in its sub-folders, sorted by source and name.

    Known are "Chest Xray Masks and Labels" (`CXR_png`, `masks`) and pairs in `images` and `masks` named patient_image; a folder named
    after one of the V7 Labs sets has masks that draw through heart and mediastinum.

    Raises:
        InputError: there is no known layout, or two sources of one name.
    """
    if not folder.is_dir():
        raise InputError("no such folder", where=folder, cure="give the folder that holds the data sets, or a CSV of cases")
    cases: list[Case] = []
    for place in (folder, *sorted(p for p in folder.iterdir() if p.is_dir())):
        if (place / "CXR_png").is_dir() and (place / "masks").is_dir():
            cases += _masks_and_labels(place)
        elif (place / "images").is_dir() and (place / "masks").is_dir():
            cases += _pairs(place)
    if not cases:
        raise InputError(
            "no image with a mask was found",
            where=folder,
            cure="expected are folders with CXR_png and masks, or with images and masks, or a CSV of cases",
        )
    names = [(case.source, case.case) for case in cases]
    if len(set(names)) < len(names):
        raise InputError("two data sets have the same name", where=folder, cure="rename one folder")
    return sorted(cases, key=lambda case: (case.source, case.case))


def _masks_and_labels(folder: Path) -> list[Case]:
    flagged = folder / "questionable_masks.json"
    questionable: dict[str, list[str]] = json.loads(flagged.read_text(encoding="utf-8")) if flagged.is_file() else {}
    heart = set(questionable.get("heart_shadow_inside_mask", ()))
    partial = set(questionable.get("aerated_or_partial_lung_only", ()))
    cases: list[Case] = []
    for image in _images(folder / "CXR_png"):
        mask = _mask_of(image, folder / "masks")
        if mask is None:
            continue
        name = image.stem
        convention: Convention = "lung and heart" if name in heart else "partial" if name in partial else "lung"
        source = "montgomery" if name.startswith("MCUCXR") else "shenzhen" if name.startswith("CHNCXR") else folder.name
        cases.append(Case(name, name, image, mask, source, convention=convention, notes="" if convention == "lung" else "questionable"))
    return cases


HEART_INSIDE: Final = ("diseased_adults", "paediatric")
"""Folders of the V7 Labs sets, whose masks draw through heart and mediastinum."""


def _pairs(folder: Path) -> list[Case]:
    convention: Convention = "lung and heart" if folder.name in HEART_INSIDE else "lung"
    cases: list[Case] = []
    for image in _images(folder / "images"):
        mask = _mask_of(image, folder / "masks")
        if mask is not None:
            patient = image.stem.split("_")[0]
            cases.append(Case(image.stem, patient, image, mask, folder.name, convention=convention))
    return cases


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _mask_of(image: Path, folder: Path) -> Path | None:
    for ending in ("", "_mask"):
        for suffix in SUFFIXES:
            path = folder / f"{image.stem}{ending}{suffix}"
            if path.is_file():
                return path
    return None


def write_manifest(cases: Sequence[Case], path: Path) -> None:
    """Writes the cases as CSV, one a line; paths are relative to the CSV's folder."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(field.name for field in fields(Case))
        for case in cases:
            writer.writerow(os.path.relpath(v, path.parent) if isinstance(v, Path) else v for v in astuple(case))  # None becomes ""


def read_manifest(path: Path) -> list[Case]:
    """The cases in a CSV.

    Raises:
        InputError: the file cannot be read, or lacks a column or a name, or has an unknown convention or split, or names a missing file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError) as error:
        raise InputError(f"the list of cases cannot be read ({error})", where=path) from error
    if not rows:
        raise InputError("the list of cases is empty", where=path)
    names = [field.name for field in fields(Case)]
    missing = sorted(set(names[:5]) - set(rows[0]))
    if missing:
        raise InputError(f"the list of cases lacks the columns {', '.join(missing)}", where=path)
    return [_case(row, path) for row in rows]


def _case(row: dict[str, str], path: Path) -> Case:
    entries: dict[str, Any] = {name: row[name] for name in (field.name for field in fields(Case)) if row.get(name)}
    for name in ("case", "patient", "image", "source"):
        if name not in entries:
            raise InputError(f"a case ({row['case'] or row['image']}) has no {name}", where=path, cure=f"fill in its {name}")
    for name, known in (("convention", get_args(Convention)), ("split", SPLITS)):
        if name in entries and entries[name] not in known:
            problem = f"case {row['case']} has the unknown {name} {entries[name]!r}"
            raise InputError(problem, where=path, cure=f"known are {', '.join(known)}")
    entries.setdefault("mask", None)
    for name in ("image", "mask", "mask_left"):
        if not entries.get(name):
            continue
        entries[name] = (path.parent / entries[name]).resolve()
        if not entries[name].is_file():
            raise InputError(f"case {row['case']} names a missing {name}, {entries[name]}", where=path, cure="correct the path")
    return Case(**entries)
