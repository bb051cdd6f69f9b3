"""Zip and tar archives: looked at before anything is unpacked, and unpacked into a folder that goes
when nobody needs it any more.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Final

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers.files import file_head
from lungseg.readers.signatures import HEAD_BYTES, OtherContent, sniff

MAX_RATIO: Final = 200
"""How many times smaller than its content an entry may be: CT slices shrink 2 to 4 times, and a
mask that is nearly empty 100 times."""
MIN_SUSPECT_BYTES: Final = 2**20
"""Bytes below which the ratio is not looked at."""
MAX_DIRECTORY_BYTES: Final = 128 * 2**20
"""Bytes of the list of contents of a zip that is named, which are held in memory."""
MAX_NAME_BYTES: Final = 4 * 2**20
"""Bytes of one name in a tar."""
MAX_UNPACKED_BYTES: Final = 32 * 2**30
"""Bytes of all files together, of an archive that is named: some 200 series."""
MAX_ENTRIES: Final = 200_000
"""Files of one archive that is named."""
CHUNK_BYTES: Final = 2**20
_DRIVE: Final = re.compile(r"[A-Za-z]:")
"""What a name begins with that leads to another disk of Windows."""
_ENCRYPTED: Final = 1
_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_Stream = BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_UNPACKERS: Final[tuple[tuple[bytes, Callable[[BinaryIO], _Stream]], ...]] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
"""What a packed tar begins with, and what reads it."""
_DAMAGES: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what an archive may hold.

    Attributes:
        max_bytes: of all files together, unpacked.
        max_entries: files.
        max_directory_bytes: of the list of contents of a zip.
        cure: for one that is above them.
    """

    max_bytes: int = MAX_UNPACKED_BYTES
    max_entries: int = MAX_ENTRIES
    max_directory_bytes: int = MAX_DIRECTORY_BYTES
    cure: str = "unpack it and name the folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive that is open.

    Attributes:
        name: its path within.
        open: reads it.
    """

    name: str
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, or a tar, packed or not."""
    try:
        head = file_head(path)[1]
    except (OSError, InputError):
        return False
    if sniff(head) in (OtherContent.ZIP, OtherContent.TAR):
        return True
    for signature, unpacker in _UNPACKERS:
        if head.startswith(signature):
            try:
                with path.open("rb") as file, unpacker(file) as inside:
                    return sniff(inside.read(HEAD_BYTES)) is OtherContent.TAR
            except _DAMAGES:
                return False
    return False


class Unpacked:
    """A temporary folder with the files of an archive; it is removed when this goes.

    Args:
        path: of the archive.
        limits: of what it may hold.

    Raises:
        InputError: as `unpack`.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        try:
            # Resolved, since a temporary folder may lie behind a link.
            made = Path(tempfile.mkdtemp(prefix="lungseg-")).resolve()
            self._remove = weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
            self.folder = made / "files"
            try:
                unpack(path, self.folder, limits or Limits())
            except BaseException:
                self._remove()  # at once: who keeps the error keeps this, too
                raise
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise UnreadableError(
                f"the archive could not be unpacked ({reason})",
                where=path,
                cure="unpack it yourself, or name a larger temporary folder in TMPDIR",
            ) from error

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # Another process uses the folder; this one goes on owning it.
        return type(None), ()


def _as_it_is(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def unpack(
    path: Path,
    folder: Path,
    limits: Limits,
    place: Callable[[str], PurePosixPath] = _as_it_is,
    *,
    with_archives: bool = True,
) -> None:
    """Unpacks an archive into a new folder; nothing of it where any part is not to be trusted.

    Args:
        path: of the archive.
        folder: that is made.
        limits: of what it may hold.
        place: from an entry's name to where it goes below the folder; where that is taken already,
            a number comes before its last part.
        with_archives: whether zips in it are files like others; else they are left where they are.

    Raises:
        InputError: it is broken, too large, encrypted, or a name or a link in it leads out of it.
        OSError: there is no room, or a name is too long for the disk.
    """
    with entries_of(path, limits) as entries:
        folder.mkdir()
        left = limits.max_bytes
        taken: set[str] = set()
        for entry in entries:
            with entry.open() as packed:
                chunk = packed.read(CHUNK_BYTES)
                if not with_archives and sniff(chunk[:HEAD_BYTES]) is OtherContent.ZIP:
                    continue
                target = folder / _free(place(entry.name), taken)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as whole:
                    while chunk:
                        left -= len(chunk)
                        if left < 0:
                            raise TooLargeError(
                                "it unpacks to more than it says",
                                where=path.name,
                                cure="pack it again",
                            )
                        whole.write(chunk)
                        chunk = packed.read(CHUNK_BYTES)


def _free(place: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The place, or one with a number before its name, letter case not counted; then taken too."""
    number, free = 1, place
    while str(free).casefold() in taken:
        number += 1
        free = place.with_name(f"{number}_{place.name}")
    taken.add(str(free).casefold())
    return free


@contextmanager
def entries_of(path: Path, limits: Limits) -> Iterator[list[Entry]]:
    """The files of an archive that may be unpacked: all but hidden ones; while it is open.

    Raises:
        InputError: as `unpack`.
    """
    try:
        with path.open("rb") as file:
            is_zip = sniff(file.read(HEAD_BYTES)) is OtherContent.ZIP
        with _zip_entries(path, limits) if is_zip else _tar_entries(path, limits) as entries:
            wanted = [
                entry
                for entry in entries
                if not any(
                    part.startswith((".", "__MACOSX")) for part in PurePosixPath(entry.name).parts
                )
            ]
            if not wanted:
                raise UnsupportedError(
                    "the archive holds no file", where=path.name, cure="pack the files of a series"
                )
            yield wanted
    except _DAMAGES as error:
        # No place in a file is below 0; all else that has a number is about the disk.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise UnreadableError(
            "the archive is damaged", where=path.name, cure="pack it again"
        ) from error


class _Archive(io.FileIO):
    """A file of which nobody reads more than its limits allow at once: zipfile takes the size of
    its list of contents from the archive itself.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        self._path, self._limits = path, limits

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._limits.max_directory_bytes
        if size is None or size > self._path.stat().st_size:
            raise zipfile.BadZipFile
        if size > most:
            raise TooLargeError(
                f"its list of contents has {size / 1e6:.0f} MB, and at most {most / 1e6:.0f} are "
                "read",
                where=self._path.name,
                cure=self._limits.cure,
            )
        return super().read(size) or b""


@contextmanager
def _zip_entries(path: Path, limits: Limits) -> Iterator[list[Entry]]:
    with _Archive(path, limits) as file, zipfile.ZipFile(file) as archive:
        # Of an entry without a name `is_dir` raises an IndexError.
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        _check_count(len(infos), limits, path.name)
        for info in infos:
            _check_zipped(info, path.name)
        _check_size(sum(info.file_size for info in infos), limits, path.name)
        yield [Entry(info.filename, partial(archive.open, info)) for info in infos]


def _check_zipped(entry: zipfile.ZipInfo, where: str) -> None:
    _check_name(entry.orig_filename, where)
    if not entry.filename:
        raise zipfile.BadZipFile
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _no_file(where)
    if entry.flag_bits & _ENCRYPTED:
        raise UnsupportedError(
            "the archive is encrypted", where=where, cure="pack it without a password"
        )
    if entry.compress_type not in _PACKINGS:
        raise _unusual(where)
    if entry.file_size > max(MIN_SUSPECT_BYTES, MAX_RATIO * entry.compress_size):
        raise _bomb("a file in the archive", where)


class _Inside:
    """What a packed tar holds, of which nobody reads more than a name may have at once."""

    def __init__(self, inside: _Stream) -> None:
        self._inside = inside
        self.seek, self.tell = inside.seek, inside.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_NAME_BYTES:
            raise tarfile.ReadError
        return self._inside.read(size)


@contextmanager
def _tar_entries(path: Path, limits: Limits) -> Iterator[list[Entry]]:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        inside: _Stream = file
        for signature, unpacker in _UNPACKERS:
            if head.startswith(signature):
                inside = unpacker(file)
        packed = path.stat().st_size
        with tarfile.open(fileobj=_Inside(inside), mode="r:") as archive:  # type: ignore[call-overload]
            members: list[tarfile.TarInfo] = []
            total = 0
            for member in archive:
                _check_name(member.name, path.name)
                if member.isdir():
                    continue
                if not member.isreg():
                    raise _no_file(path.name)
                if member.issparse():
                    raise _unusual(path.name)
                members.append(member)
                total += member.size
                # Before the next one is looked for, for which this one is unpacked.
                _check_count(len(members), limits, path.name)
                _check_size(total, limits, path.name)
                if total > max(MIN_SUSPECT_BYTES, MAX_RATIO * packed):
                    raise _bomb("the archive", path.name)
            yield [Entry(member.name, partial(_extracted, archive, member)) for member in members]


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(member)
    if stream is None:
        raise tarfile.ReadError
    return stream


def _check_name(stated: str, where: str) -> None:
    name = stated.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name) or "\0" in name:
        raise InputError(
            "a name in the archive leads out of it, and nothing was unpacked",
            where=where,
            cure="pack it again",
        )


def _check_count(count: int, limits: Limits, where: str) -> None:
    if count > limits.max_entries:
        raise TooLargeError(
            f"it holds {count} files, and at most {limits.max_entries} are taken",
            where=where,
            cure=limits.cure,
        )


def _check_size(total: int, limits: Limits, where: str) -> None:
    if total > limits.max_bytes:
        raise TooLargeError(
            f"it would unpack to {total / 1e6:.0f} MB, and at most {limits.max_bytes / 1e6:.0f} "
            "are taken",
            where=where,
            cure=limits.cure,
        )


def _no_file(where: str) -> InputError:
    return InputError(
        "the archive holds a link or a device, and nothing was unpacked",
        where=where,
        cure="pack the files themselves",
    )


def _unusual(where: str) -> InputError:
    return UnsupportedError(
        "the archive is packed in an unusual way", where=where, cure="pack it as an ordinary zip"
    )


def _bomb(what: str, where: str) -> InputError:
    return TooLargeError(
        f"{what} would unpack to more than {MAX_RATIO} times its size, and nothing was unpacked",
        where=where,
        cure="leave it out",
    )
