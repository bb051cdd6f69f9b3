"""Files that are found and are no input, nor a part of one: which, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lungseg.readers.dicom_ct import CtFile
from lungseg.readers.dicom_kind import DicomKind

_FEW: Final = 3
"""Names that are said one by one."""
_CODES: Final = {
    DicomKind.LOCALIZER: "localizer",
    DicomKind.OTHER: "other_modality",
    DicomKind.NO_PIXELS: "no_pixels",
    DicomKind.CAPTURE: "secondary_capture",
    DicomKind.PICTURE: "secondary_capture",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One file.

    Attributes:
        path: where it is.
        code: why, from `lungseg.verdict.WHY_LEFT_OUT`.
        what: it is, in words, such as "of modality MR".
        series: of DICOM, its series in words, such as 'series 4 "T2"'; else empty.
    """

    path: Path
    code: str
    what: str
    series: str = ""


def left_out_dicom(header: CtFile, path: Path) -> LeftOut:
    """A DICOM object that is no input."""
    series = f"series {header.number}" if header.number else "one series"
    series += f' "{header.description}"' if header.description else ""
    of_series = header.kind is DicomKind.OTHER
    what = header.other or "a slice"
    return LeftOut(path, _CODES[header.kind], what, series if of_series else "")


def in_words(files: Iterable[LeftOut]) -> list[str]:
    """A phrase for each kind and series of files, such as '35 of modality MR (series 4 "T2")'."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for file in files:
        groups[file.what, file.series].append(file.path)
    return [_phrase(what, series, paths) for (what, series), paths in groups.items()]


def _phrase(what: str, series: str, paths: list[Path]) -> str:
    names = [path.name for path in paths]
    shown = series or (", ".join(names) if len(names) <= _FEW else f"{names[0]} to {names[-1]}")
    return f"{len(paths)} {plural(what, len(paths))} ({shown})"


def plural(what: str, count: int) -> str:
    """The words without their article, of several with an s: "localizers" for "a localizer"."""
    if what.startswith(("of ", "not ")):
        return what
    article, _, noun = what.partition(" ")
    plain = noun if article in ("a", "an", "no") else what
    negated = f"no {plain}" if article == "no" else plain
    return negated + "s" * (count > 1)


def by_folder(files: Iterable[LeftOut]) -> dict[Path, list[LeftOut]]:
    """The files of each folder, in the order in which they come."""
    folders: dict[Path, list[LeftOut]] = defaultdict(list)
    for file in files:
        folders[file.path.parent].append(file)
    return folders
