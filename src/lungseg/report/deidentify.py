"""Whose image it is, read from the header again where that is asked for, and kept out of reports
where it is not.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lungseg.readers.dicom_pixels import Guarded, silence
from lungseg.readers.probe import HEAD, sniff

FIELDS: Final = {
    "PatientName": "Patient's name",
    "PatientID": "Patient ID",
    "PatientBirthDate": "Birth date",
    "AccessionNumber": "Accession number",
    "StudyID": "Study ID",
    "StudyDate": "Study date",
}
"""Elements of DICOM, and what a report calls them."""

NAMING: Final = ("PatientName", "PatientID", "AccessionNumber")
"""Those by which a person is known."""

SHORTEST: Final = 3
"""Letters of a part of a name that is looked for in other words; shorter ones are in too many of
them."""


def header_identity(entry: Mapping[str, Any]) -> dict[str, str] | None:
    """What the header of a record's input, or of the first file of its folder, says of `FIELDS`;
    nothing where it is no DICOM, and None where it may be and cannot be read.
    """
    known = "DICOM" in entry.get("format", "")
    if entry.get("format") and not known:
        return {}
    try:
        path = _first_dicom(Path(entry["input"]), known=known)
        if path is None:
            return {}
        import pydicom

        with silence(), path.open("rb") as file:
            dataset = pydicom.dcmread(
                Guarded(file, str(path)),
                stop_before_pixels=True,
                specific_tags=list(FIELDS),
                force=True,
            )
            found = {name: str(dataset.get(name, "") or "").strip() for name in FIELDS}
    except Exception:  # noqa: BLE001 (whatever a damaged header leads to)
        return None
    return {name: value for name, value in found.items() if value}


def _first_dicom(path: Path, *, known: bool) -> Path | None:
    files = [file for file in sorted(path.iterdir()) if file.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as stream:
            if sniff(stream.read(HEAD)) == "DICOM":
                return file
    return files[0] if known and files else None


def secrets(identity: Mapping[str, str]) -> tuple[str, ...]:
    """The words that must not be read in a report, longest first: those of the patient's name, and
    the numbers, each as they stand.
    """
    words = {identity.get(name, "") for name in NAMING} | set(
        re.split(r"[\^=\s,]+", identity.get("PatientName", ""))
    )
    return tuple(
        sorted((word for word in words if len(_bare(word)) >= SHORTEST), key=len, reverse=True)
    )


def tells(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text holds one of the words, whatever the case, and whatever stands between letters
    and digits.
    """
    return any(_bare(word) in _bare(text) for word in words)


def blanked(text: str, entry: Mapping[str, Any], words: tuple[str, ...]) -> str:
    """A text of a record without the path of the input, and without the words."""
    source = str(entry.get("input", ""))
    folder = str(Path(source).parent)
    # What has no separator in it is no path, and may be a word like any other.
    paths = [path for path in (source, folder, folder + os.sep) if os.sep in path and len(path) > 1]
    if source in paths and text.startswith(source):
        text = text[len(source) :].partition(": ")[2]
    for path in paths:
        text = text.replace(path, "…")
    return "(left out, as it names the patient)" if tells(text, words) else text


def shown_name(entry: Mapping[str, Any], words: tuple[str, ...] | None) -> str:
    """What a report calls an input: the name of its outputs; where that holds one of the words, or
    is no text, a code for it.

    The code follows from the image and the name together, so that it is each input's own and nobody
    can find the name by trying.

    Args:
        entry: the record.
        words: that must not be read; None where they are not known, which gives the code.
    """
    name = str(entry.get("name") or Path(str(entry.get("input", "image"))).name)
    try:
        name.encode()
    except UnicodeEncodeError:  # a file name of bytes that are no UTF-8
        return _code(entry, name)
    return _code(entry, name) if words is None or tells(name, words) else name


def _code(entry: Mapping[str, Any], name: str) -> str:
    told = f"{entry.get('sha256', '')} {name}".encode("utf-8", "surrogateescape")
    return f"image-{hashlib.sha256(told).hexdigest()[:12]}"


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
