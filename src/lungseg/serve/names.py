"""Names that clients give to files, made harmless; and our own."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final

SENT: Final = Path("sent")
"""Folder, within that of a job, of what was sent."""
RESULTS: Final = Path("results")
"""The same of what is kept."""

FILE_TYPES: Final = {
    ".png": "image/png",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".json": "application/json",
}
OTHER_FILE: Final = "application/octet-stream"
"""Media types of results by their ending, and of all others."""

MAX_NAME_CHARACTERS: Final = 80
"""Characters of a name that are kept, and at most twice as many bytes."""

HARMLESS: Final = "-_. ()[]+,=@#&'~"


def safe_name(name: str) -> str:
    """The last part of a path of any system, short, not hidden, of letters, digits and `HARMLESS`:
    "b.png" for "../a/b.png".
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c if c.isalnum() or c in HARMLESS else "_" for c in last).strip(". ")
    plain = plain[-MAX_NAME_CHARACTERS:].lstrip(". ")  # the ending says more than the beginning
    while len(plain.encode()) > 2 * MAX_NAME_CHARACTERS:
        plain = plain[1:].lstrip(". ")
    return plain or "file"


def media_type(name: str) -> str:
    """Of a result, by the ending of its file."""
    return FILE_TYPES.get(Path(name).suffix, OTHER_FILE)
