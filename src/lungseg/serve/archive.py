"""Archives: looked at before anything is unpacked, and then unpacked into one folder under names of
our own.
"""

from __future__ import annotations

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers.signatures import HEAD_BYTES, OtherContent, sniff
from lungseg.serve.names import safe_name
from lungseg.writers.names import unused

MAX_RATIO: Final = 200
"""How many times smaller than its content an entry may be: CT slices shrink 2 to 4 times, and a
mask that is nearly empty 100 times."""
MIN_SUSPECT_BYTES: Final = 2**20
"""Bytes of an entry below which the ratio is not looked at."""
MAX_DIRECTORY_BYTES: Final = 4 * 2**20
"""Bytes of the archive's list of contents, which is held in memory."""
CHUNK_BYTES: Final = 2**20
_ENCRYPTED: Final = 1
_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Archive(io.FileIO):
    """A file of which nobody reads more than `MAX_DIRECTORY_BYTES` at once: zipfile takes the size
    of that list from the archive itself.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile
        return super().read(size) or b""


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is found damaged meanwhile becomes one sentence."""
    try:
        with _Archive(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ValueError,
        OverflowError,
        RuntimeError,
        OSError,
    ) as error:
        if (
            isinstance(error, OSError) and error.errno != errno.EINVAL
        ):  # no place in a file is below 0; all else is about the disk
            raise
        raise UnreadableError(
            "the archive is damaged", where=path.name, cure="pack it again"
        ) from error


def check_zip(path: Path, *, max_bytes: int, max_entries: int) -> list[zipfile.ZipInfo]:
    """The entries of an archive that may be unpacked: all but folders, hidden files and archives in
    it.

    Raises:
        InputError: it is broken, or a name, a size, a link or an encryption speaks against
            unpacking any of it.
    """
    name = path.name
    with _opened(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > max_entries:
        raise TooLargeError(
            f"it holds {len(entries)} files, and at most {max_entries} are taken",
            where=name,
            cure="send one series",
        )
    total = 0
    for entry in entries:
        _check_entry(entry, name)
        total += entry.file_size
    if total > max_bytes:
        what = (
            f"it would unpack to {total / 1e6:.0f} MB, and at most {max_bytes / 1e6:.0f} are taken"
        )
        raise TooLargeError(what, where=name, cure="send one series")
    wanted = [
        entry
        for entry in entries
        if not any(
            part.startswith((".", "__MACOSX")) for part in PurePosixPath(entry.filename).parts
        )
    ]
    if not wanted:
        raise UnsupportedError(
            "the archive holds no file", where=name, cure="pack the files of one series"
        )
    return wanted


def _check_entry(entry: zipfile.ZipInfo, where: str) -> None:
    name = entry.orig_filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0] or "\0" in name:
        raise InputError(
            "a name in the archive leads out of it, and nothing was unpacked",
            where=where,
            cure="pack it again",
        )
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise InputError(
            "the archive holds a link or a device, and nothing was unpacked",
            where=where,
            cure="pack the files themselves",
        )
    if entry.flag_bits & _ENCRYPTED:
        raise UnsupportedError(
            "the archive is encrypted", where=where, cure="pack it without a password"
        )
    if entry.compress_type not in _PACKINGS:
        raise UnsupportedError(
            "the archive is packed in an unusual way",
            where=where,
            cure="pack it as an ordinary zip",
        )
    if entry.file_size > max(MIN_SUSPECT_BYTES, MAX_RATIO * entry.compress_size):
        what = (
            f"a file in the archive would unpack to more than {MAX_RATIO} times its size, "
            "and nothing was unpacked"
        )
        raise TooLargeError(what, where=where, cure="leave it out")


def unzip(path: Path, folder: Path, *, max_bytes: int, max_entries: int) -> None:
    """Unpacks all files into one new folder, whatever folders they were in; archives among them are
    left out.

    Raises:
        InputError: as `check_zip`, or where what is unpacked is not what the archive says.
    """
    entries = check_zip(path, max_bytes=max_bytes, max_entries=max_entries)
    folder.mkdir()
    total = 0
    taken: set[str] = set()
    with _opened(path) as archive:
        for entry in entries:
            with archive.open(entry) as packed:
                chunk = packed.read(CHUNK_BYTES)
                if sniff(chunk[:HEAD_BYTES]) is OtherContent.ZIP:
                    continue
                with (folder / unused(safe_name(entry.filename), taken)).open("xb") as whole:
                    while chunk:
                        total += len(chunk)
                        if total > max_bytes:
                            raise TooLargeError(
                                "it unpacks to more than it says",
                                where=path.name,
                                cure="pack it again",
                            )
                        whole.write(chunk)
                        chunk = packed.read(CHUNK_BYTES)
