"""One file, written whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from lungseg.errors import OutputError


def write_file(path: Path, data: bytes) -> None:
    """Writes `data` to a temporary file beside `path` and renames it, replacing what was there.

    Whatever happens, `path` holds either what it held before or all of `data`, and no temporary file is left.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    # Not tempfile.mkstemp, whose files only their owner may read: results are shared.
    temporary = path.with_name(f".lungseg-{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def make_folder(folder: Path) -> None:
    """Creates `folder` and the folders above it, where they do not exist.

    Raises:
        OutputError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error


def not_written(path: Path, error: OSError) -> OutputError:
    """The OutputError for an operating-system error at `path`."""
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"cannot be written ({reason})", where=path, cure="make room or choose an output folder that can be written to")
