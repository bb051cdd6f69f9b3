"""Names that clients give to files, made harmless; and our own."""

from __future__ import annotations

import traceback
import unicodedata
from pathlib import Path
from typing import Final

SENT: Final = Path("sent")
"""Folder, within that of a job, of what was sent."""
RESULTS: Final = Path("results")
"""The same of what is kept."""

LONGEST: Final = 80
"""Characters of a name that are kept, and at most twice as many bytes."""

HARMLESS: Final = "-_. ()[]+,=@#&'~"


def safe_name(name: str) -> str:
    """The last part of a path of any system, short, not hidden, of letters, digits and `HARMLESS`:
    "b.png" for "../a/b.png".
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c if c.isalnum() or c in HARMLESS else "_" for c in last).strip(". ")
    plain = plain[-LONGEST:].lstrip(". ")  # the ending says more than the beginning
    while len(plain.encode()) > 2 * LONGEST:
        plain = plain[1:].lstrip(". ")
    return plain or "file"


def nameless(problem: Exception) -> str:
    """What is logged of a problem that nobody foresaw: where it arose in the program, and not its
    text, which may name a file.
    """
    trace = "".join(traceback.format_tb(problem.__traceback__))
    return f"unexpected {type(problem).__name__}\n{trace}"
