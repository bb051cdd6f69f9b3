"""Zips that are sent: unpacked into one folder under names of our own."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from lungseg.readers.archive import Limits, entries_of, unpack
from lungseg.serve.names import safe_name

MAX_DIRECTORY_BYTES: Final = 4 * 2**20
"""Bytes of the list of contents of a zip."""


def check_zip(path: Path, *, max_bytes: int, max_entries: int) -> list[str]:
    """The names of the files in an archive that may be unpacked: all but folders, hidden files and
    archives in it.

    Raises:
        InputError: it is broken, or a name, a size, a link or an encryption speaks against
            unpacking any of it.
    """
    with entries_of(path, _limits(max_bytes, max_entries)) as entries:
        return [entry.name for entry in entries]


def unzip(path: Path, folder: Path, *, max_bytes: int, max_entries: int) -> None:
    """Unpacks all files into one new folder, whatever folders they were in; archives among them are
    left out.

    Raises:
        InputError: as `check_zip`, or where what is unpacked is not what the archive says.
    """
    limits = _limits(max_bytes, max_entries)
    unpack(path, folder, limits, _in_one_folder, with_archives=False)


def _limits(max_bytes: int, max_entries: int) -> Limits:
    return Limits(max_bytes, max_entries, MAX_DIRECTORY_BYTES, "send one series")


def _in_one_folder(name: str) -> PurePosixPath:
    return PurePosixPath(safe_name(name))
