"""Lists as spreadsheets save them: in whatever encoding, with whatever between the columns, and
paths of Windows in them.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from pathlib import Path
from typing import Final

from lungseg.errors import InputError
from lungseg.writers.cells import as_it_was

CsvRow = dict[str, str]

DELIMITERS: Final = ",;\t"
"""What may stand between columns."""


def read_rows(path: Path) -> list[CsvRow]:
    """The lines of a list by the names of their columns, without blanks around names and cells.

    Columns are separated by commas, semicolons or tabs: by what a first line such as "sep=;" says,
    else by what the line of names has most of. The text is UTF-8, UTF-16 or, where it is neither,
    Windows' code page 1252. Lines before the names that begin with "#" are comments.

    Raises:
        InputError: the file cannot be read, or has no line.
    """
    try:
        text = decoded(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            "there is no such list of cases",
            where=path,
            cure="check the name, or make the list with `lungseg dataset FOLDER -o CASES.csv`",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"the list of cases cannot be read ({error})", where=path) from error
    separator = ""
    while text.startswith(("#", '"#')) or re.match(r'"?sep=.', text, re.IGNORECASE):
        line, text = (*re.split(r"\r\n|\r|\n", text, maxsplit=1), "")[:2]
        stated = re.match(r'"?sep=(.)', line, re.IGNORECASE)
        separator = stated[1] if stated else separator
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = separator or max(DELIMITERS, key=header.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval=""))
    except csv.Error as error:
        raise InputError(f"the list of cases cannot be read ({error})", where=path) from error
    if not rows:
        raise InputError("the list of cases is empty", where=path)
    return [
        {
            name.strip() if name else name: as_it_was(cell.strip())
            if isinstance(cell, str)
            else cell
            for name, cell in row.items()
        }
        for row in rows
    ]


def decoded(content: bytes) -> str:
    """The text of a list, whatever program wrote it.

    Raises:
        ValueError: it is UTF-16 and damaged.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    even, odd = (content[:256][start::2].count(0) for start in (0, 1))
    if abs(even - odd) > 0.8 * len(content[:256][1::2]):
        # UTF-16 without its mark: of Latin letters every other byte is 0.
        return content.decode("utf-16-le" if odd > even else "utf-16-be")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def located(folder: Path, entry: str) -> Path:
    """Where a path in a list leads: as it is written, with slashes for the backslashes of Windows,
    or with the accents of its letters stored the other way; as it is written where there is none.
    """
    written = [entry, entry.replace("\\", "/")]
    forms = [unicodedata.normalize(form, text) for text in written for form in ("NFC", "NFD")]
    for text in dict.fromkeys([*written, *forms]):
        if is_there(folder / text):
            return folder / text
    return folder / entry


def is_there(path: Path) -> bool:
    """Whether there is such a file; no where its name is none, such as one that is too long."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
