"""Files written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from lungseg.errors import OutputError

_TEMPORARY = re.compile(r"\.lungseg-[0-9a-f]{16}\.tmp")


def write_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes one file; see `write_files`."""
    write_files([(path, data)], durable=durable)


def write_files(
    files: Iterable[tuple[Path, bytes | Iterable[bytes]]], *, durable: bool = True
) -> None:
    """Writes each file's bytes, whole or piece by piece, to a temporary file beside it, and once
    all are written renames them, replacing what was there.

    Whatever happens, each path holds either what it held before or all of its bytes, and no
    temporary file is left by what does not end the program. Where the disk gets full, or the bytes
    of a file cannot be made, none is replaced.

    Args:
        files: path of each, and its bytes.
        durable: hold that where the power fails, too; what is checked when it is read, and can be
            made again, need not wait for the disk.

    Raises:
        OutputError: a folder cannot be written to, or the disk is full.
    """
    temporaries: dict[Path, Path] = {}
    try:
        for path, data in files:
            # Not tempfile.mkstemp, whose files only their owner may read: results are shared.
            temporaries[path] = path.with_name(f".lungseg-{secrets.token_hex(8)}.tmp")
            with _told(path), temporaries[path].open("xb") as stream:
                stream.writelines([data] if isinstance(data, bytes) else data)
                if durable:  # or a power cut could leave the name without the content
                    stream.flush()
                    os.fsync(stream.fileno())
        for path, temporary in temporaries.items():
            with _told(path):
                temporary.replace(path)
    finally:
        for path, temporary in temporaries.items():
            with _told(path):
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of a run that was killed. Only for a folder that nobody else
    writes to at the time.

    Raises:
        OutputError: one cannot be removed.
    """
    with _told(folder):
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)


def is_name(name: str) -> bool:
    """Whether it is one of a file, in no other folder."""
    return name not in ("", "..") and PurePath(name).name == name and "\0" not in name


def is_there(path: Path) -> bool:
    """Whether there is such a file; where that cannot be told, no: writing it will say why."""
    try:
        return path.exists()
    except OSError:
        return False


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error


def make_folder(folder: Path) -> None:
    """Creates `folder` and the folders above it, where they do not exist.

    Raises:
        OutputError: it cannot be created.
    """
    if is_there(folder) and not folder.is_dir():
        raise OutputError(
            "is a file, and results need a folder", where=folder, cure="name another output folder"
        )
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)


def not_written(path: Path, error: OSError) -> OutputError:
    """The OutputError for an operating-system error at `path`."""
    reason = (error.strerror or str(error)).lower()
    return OutputError(
        f"cannot be written ({reason})",
        where=path,
        cure="make room or choose an output folder that can be written to",
    )
