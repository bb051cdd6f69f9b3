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

try:
    import fcntl
except ImportError:  # Windows: what a server leaves that was ended by force, stays
    fcntl = None  # type: ignore[assignment]

from lungseg.errors import UsageError

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
        with (folder / LOCK).open("w") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # held until this process ends
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
    if fcntl is None:
        return
    for folder in place.glob(f"{NAME}*"):
        # Another's, a link, one that is in use, or one that is just being made: left alone.
        with suppress(OSError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
