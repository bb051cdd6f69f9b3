"""Where the bytes of an input are, in a file or in memory, and what can go wrong with opening them,
in words.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lungseg.errors import UnreadableError
from lungseg.readers.signatures import HEAD_BYTES

Data = Path | bytes
"""A file, or the bytes of one."""

_CHUNK_BYTES = 2**20


@contextmanager
def read_errors(data: Data) -> Iterator[None]:
    """Where opening or reading a file or folder fails, the reason in words.

    Raises:
        UnreadableError: instead of any OSError.
    """
    try:
        yield
    except FileNotFoundError:
        what = (
            "it is a link to a file that does not exist"
            if isinstance(data, Path) and data.is_symlink()
            else "there is no such file"
        )
        raise UnreadableError(what, where=data, cure="check the name") from None
    except PermissionError:
        raise UnreadableError(
            "permission to read it was denied", where=data, cure="change its permissions"
        ) from None
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise UnreadableError(
            f"it could not be read ({reason})", where=data, cure="copy it to another place"
        ) from error
    except ValueError:  # a NUL character in the name
        raise UnreadableError(
            "this is not a valid file name", where=data, cure="check the name"
        ) from None


def file_head(data: Data) -> tuple[int, bytes]:
    """Size and first `HEAD_BYTES` bytes.

    Raises:
        UnreadableError: it is a folder or no regular file.
        OSError: it cannot be opened; see `read_errors`.
    """
    if isinstance(data, bytes):
        return len(data), data[:HEAD_BYTES]
    status = data.stat()
    if not stat.S_ISREG(status.st_mode):
        what = (
            "it is a folder, not a file"
            if stat.S_ISDIR(status.st_mode)
            else "it is not a regular file"
        )
        raise UnreadableError(what, where=data, cure="name the image file itself")
    with data.open("rb") as file:
        return status.st_size, file.read(HEAD_BYTES)


def open_data(data: Data) -> BinaryIO:
    """A stream of the bytes.

    Raises:
        OSError: the file cannot be opened; see `read_errors`.
    """
    return BytesIO(data) if isinstance(data, bytes) else data.open("rb")


def read_data(data: Data) -> bytes:
    """All bytes.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with read_errors(data):
        return data if isinstance(data, bytes) else data.read_bytes()


def size_of(data: Data) -> int:
    """How many bytes there are.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    if isinstance(data, bytes):
        return len(data)
    with read_errors(data):
        return data.stat().st_size


def sha256(*parts: Data) -> str:
    """Of the bytes of all parts, one after the other, in hexadecimal.

    Raises:
        UnreadableError: a file cannot be read.
    """
    total = hashlib.sha256()
    for data in parts:
        with read_errors(data), open_data(data) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total.update(chunk)
    return total.hexdigest()
