"""Names that clients give to files, made harmless; and our own."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final

SENT: Final = Path("sent")
"""Folder, within that of a job, of what was sent."""
RESULTS: Final = Path("results")
"""The same of what is kept."""

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
