"""The index of a medium, DICOMDIR (PS3.10 section 8): which files it lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lungseg.errors import InputError, LungsegError, UnreadableError
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.files import file_head
from lungseg.readers.signatures import OtherContent, sniff

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FEW: Final = 3
"""Names that are said one by one."""


def is_dicomdir(path: Path) -> bool:
    """By its bytes, or by its name, which the standard prescribes."""
    try:
        return sniff(file_head(path)[1]) is OtherContent.DICOMDIR or path.name.upper() == "DICOMDIR"
    except (OSError, InputError):
        return False


def listed_files(path: Path) -> tuple[list[Path], list[InputError]]:
    """The files that a DICOMDIR lists and that are there, none outside its folder; and what is
    wrong with others. Names are looked for in any case, since media lose it.
    """
    problems: list[InputError] = []
    try:
        with quiet_pydicom():
            dataset = DicomFile(str(path), path).parse(["DirectoryRecordSequence"])
            records = list(dataset.get("DirectoryRecordSequence") or [])
            names = [parts for record in records for parts in _file_id(record)]
    except LungsegError:
        raise
    except Exception:  # noqa: BLE001 (a parser throws what it likes at a damaged header)
        problem = UnreadableError(
            "the DICOMDIR is damaged, and its folder was looked through instead",
            where=path,
            cure="copy the medium again",
        )
        return [], [problem]
    root, names_of = path.parent.resolve(), cache(_names_of)
    files: list[Path] = []
    outside, missing = 0, list[str]()
    for parts in names:
        file = _inside(path.parent, root, parts, names_of)
        if file is None:
            outside += 1
        elif not file.is_file():
            missing.append("/".join(parts))
        else:
            files.append(file)
    if outside:
        problems.append(
            InputError(
                f"{outside} of its records lead out of its folder, and were not followed",
                where=path,
                cure="give the files themselves",
            )
        )
    if missing:
        shown = ", ".join(missing[:_FEW]) + (", ..." if len(missing) > _FEW else "")
        problems.append(
            UnreadableError(
                f"{len(missing)} of the files that it lists are missing ({shown})",
                where=path,
                cure="copy the whole medium",
            )
        )
    return files, problems


def _file_id(record: Dataset) -> Iterator[tuple[str, ...]]:
    """ReferencedFileID of a record that is in use, in its parts."""
    if record.get("RecordInUseFlag") == 0:
        return
    value = record.get("ReferencedFileID")
    if value:
        yield (value,) if isinstance(value, str) else tuple(str(part) for part in value)


def _inside(
    folder: Path,
    root: Path,
    parts: tuple[str, ...],
    names_of: Callable[[Path], Mapping[str, Path]],
) -> Path | None:
    """Where a file ID leads to, below the folder; None where it leads out of it."""
    place = folder
    for part in parts:
        if part in ("", ".", "..") or any(sign in part for sign in "/\\:\0"):
            return None
        exact = place / part
        place = exact if os.path.lexists(exact) else names_of(place).get(part.casefold(), exact)
    # Links on the medium count as what they lead to.
    return place if place.resolve().is_relative_to(root) else None


def _names_of(folder: Path) -> dict[str, Path]:
    """What is in a folder, by names in small letters and without version numbers; of several of
    one name the first.
    """
    try:
        others = sorted(folder.iterdir(), reverse=True)
    except OSError:
        return {}
    return {other.name.partition(";")[0].rstrip(".").casefold(): other for other in others}
