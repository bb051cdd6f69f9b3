"""The folder of everything that was sent and found: private, and gone with the server, however it
ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lungseg.errors import OutputError, UsageError
from lungseg.writers.lock import CAN_LOCK, Lock

NAME: Final = "lungseg-serve-"
LOCK: Final = ".lock"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder among the temporary ones, which only its owner may enter; those of servers that
    were ended by force are removed.
    """
    _remove_leftovers(temporary_folder())
    with tempfile.TemporaryDirectory(prefix=NAME, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with Lock(folder / LOCK):
            yield folder


def temporary_folder() -> Path:
    """The folder for temporary files.

    Raises:
        UsageError: there is none that can be written to.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise UsageError(
            "there is no folder for temporary files that can be written to",
            cure="make one, and name it in the environment variable TMPDIR",
        ) from error


def _remove_leftovers(place: Path) -> None:
    if not CAN_LOCK:  # what a server leaves that was ended by force, stays
        return
    for folder in place.glob(f"{NAME}*"):
        # Another's, a link, one that is in use, or one that is just being made: left alone.
        with suppress(OSError, OutputError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            if (folder / LOCK).exists():
                with Lock(folder / LOCK):
                    shutil.rmtree(folder)
