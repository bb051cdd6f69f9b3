"""Decoded cases kept on disk, so that the next run starts at once, and so that memory holds no more
of them than are in use.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case
from lungseg.errors import UnreadableError
from lungseg.writers import write_file

FORMAT: Final = 4
"""Goes up whenever what is made of the same files and settings changes."""

CHECK: Final = 4
"""Bytes of the checksum at the end of a file."""


def cache_file(folder: Path, case: Case, settings: dict[str, Any]) -> Path:
    """Where the arrays of a case belong: the name is a hash of all that they depend on, so what is
    out of date is never found.

    Args:
        folder: of the cache.
        case: whose files are known by path, size and time of change.
        settings: whatever else the arrays depend on, as JSON knows it.

    Raises:
        UnreadableError: a file is missing.
    """
    masks = [(name, path and _state(path)) for name, path in case.other_masks]
    files = [path and _state(path) for path in (case.image, case.mask, case.mask_left)] + masks
    everything = json.dumps(
        [FORMAT, files, case.lung_extent, sorted(case.decides), case.labels, settings],
        sort_keys=True,
    )
    return folder / f"{hashlib.sha256(everything.encode()).hexdigest()}.arrays"


def _state(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableError(
            f"it cannot be found ({error.strerror})", where=path, cure="check the name"
        ) from error
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def fetch(
    path: Path, shape: tuple[int, ...], make: Callable[[], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """The array in a file of the cache; made, and written there whole or not at all, where there is
    none or a damaged one.

    Args:
        path: of the file, from `cache_file`.
        shape: of the array.
        make: gives the array; called only where it is needed.

    Raises:
        OutputError: the folder cannot be written to.
    """
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    content = memoryview(data)[:-CHECK]
    if (
        len(content) == int(np.prod(shape))
        and zlib.crc32(content).to_bytes(CHECK, "big") == data[-CHECK:]
    ):
        return np.frombuffer(content, np.uint8).reshape(shape)
    array = make()
    made = array.tobytes()
    write_file(path, made + zlib.crc32(made).to_bytes(CHECK, "big"), durable=False)
    return array
