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

from lungseg.errors import InputError
from lungseg.provenance import Format, Patient
from lungseg.readers import patient_of
from lungseg.writers import input_path

FIELDS: Final = {
    "name": "Patient's name",
    "id": "Patient ID",
    "birth_date": "Birth date",
    "accession_number": "Accession number",
    "study_id": "Study ID",
    "study_date": "Study date",
}
"""Fields of `Patient`, and what a report calls them."""

SHORTEST: Final = 3
"""Letters of a part of a name that is looked for in other words; shorter ones are in too many of
them."""


def patient_of_record(entry: Mapping[str, Any]) -> Patient | None:
    """Who was imaged, asked of a record's input again; an empty `Patient` where it is no DICOM, and
    None where it may be and cannot be read.
    """
    stated = entry.get("format", "")
    is_dicom = stated in (Format.DICOM.value, Format.DICOM_SERIES.value)
    if stated and not is_dicom:
        return Patient()
    try:
        return patient_of(Path(input_path(entry)), is_dicom=is_dicom) or Patient()
    except InputError:
        return None


def identity(patient: Patient) -> dict[str, str]:
    """What a report says of a patient, by what it calls it; nothing of what is not known."""
    return {name: value for field, name in FIELDS.items() if (value := getattr(patient, field))}


def secrets(patient: Patient) -> tuple[str, ...]:
    """The words that must not be read in a report, longest first: those of the patient's name, and
    the numbers by which a person is known, each as they stand.
    """
    words = {patient.name, patient.id, patient.accession_number}
    words |= set(re.split(r"[\^=\s,]+", patient.name))
    return tuple(
        sorted((word for word in words if len(_bare(word)) >= SHORTEST), key=len, reverse=True)
    )


def tells(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text holds one of the words, whatever the case, and whatever stands between letters
    and digits.
    """
    return any(_bare(word) in _bare(text) for word in words)


def blanked(
    text: str, entry: Mapping[str, Any], words: tuple[str, ...], results: Path | None = None
) -> str:
    """A text of a record without the path of the input and of the folder of results, and without
    the words.
    """
    source = str(entry.get("input", ""))
    folder = str(Path(source).parent)
    # What has no separator in it is no path, and may be a word like any other.
    paths = [path for path in (source, folder, folder + os.sep) if os.sep in path and len(path) > 1]
    paths += [entry["relative_to"]] if "relative_to" in entry else []
    paths += [] if results is None else [os.path.abspath(results)]  # noqa: PTH100 (as it was named)
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
