"""One program at a time writes into a folder, and what it had begun when it was killed is known.

The file of the lock is locked by the operating system, which lets go of it when the program ends,
however it ends; who finds it unlocked may take it. So a lock that is left over holds nobody up. On
Windows, and where a file system cannot lock, nothing is locked.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final, Self

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from lungseg.errors import OutputError
from lungseg.json_file import parse_json
from lungseg.writers.atomic import (
    is_there,
    make_folder,
    not_written,
    remove_leftovers,
    write_file,
)

log = logging.getLogger(__name__)

LOCK: Final = ".lungseg.lock"
CAN_LOCK: Final = fcntl is not None


class Lock:
    """A lock that this program holds, as long as it is not released.

    Its file begins with who holds it. What is begun is noted in it, and struck off when it is done;
    whoever takes over a lock that was left behind by a program that was killed finds there what
    that one had not done. Where all is done, the file goes with the lock. Where it was removed
    meanwhile, and the folder is there still, all that this program had begun is noted in a new one:
    a folder that is being removed may keep what was written into it meanwhile.

    Args:
        path: of its file, in a folder that is there.

    Raises:
        OutputError: another program holds it, or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = _locked(path)
            self._unfinished = _unfinished(_lines(path))
            self._begun: dict[str, str] = {}
            self._folder = os.open(path.parent, os.O_RDONLY) if CAN_LOCK else None
            self._write({"process": os.getpid(), "host": platform.node(), "since": _now()})
        except BlockingIOError:
            raise OutputError(
                f"another program writes here ({_holder(path)})",
                where=path.parent,
                cure="wait until it has ended, or choose another output folder",
            ) from None
        except OSError as error:
            raise not_written(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def unfinished(self) -> dict[str, str]:
        """What was begun and not done, by this program or one before: what was noted, by key."""
        return dict(self._unfinished)

    def begin(self, key: str, note: str) -> None:
        """Notes that something is begun.

        Raises:
            OutputError: it cannot be written.
        """
        self._unfinished[key] = self._begun[key] = note
        self._note(_begun(key, note))

    def done(self, key: str) -> None:
        """Strikes off what was begun.

        Raises:
            OutputError: it cannot be written.
        """
        if self._unfinished.pop(key, None) is not None:
            self._note({"done": key})

    def check(self) -> None:
        """That the folder is still the one that was locked.

        Raises:
            OutputError: it, or the lock in it, was removed, moved or replaced.
        """
        if not _is_at(self._file.fileno(), self._path):
            raise OutputError(
                "was removed or moved while results were written into it",
                where=self._path.parent,
                cure="run the same command again",
            )

    def release(self) -> None:
        """Lets go of it."""
        with suppress(OSError, OutputError):
            if _is_at(self._file.fileno(), self._path):
                self._leave(self._unfinished)  # without what is done, or it would grow
            elif not is_there(self._path) and _is_at(self._folder, self._path.parent):
                self._leave(self._begun)
        self._file.close()
        if self._folder is not None:
            os.close(self._folder)

    def _leave(self, notes: Mapping[str, str]) -> None:
        if notes:
            begun = (_begun(key, note) for key, note in notes.items())
            write_file(self._path, b"".join(map(_line, begun)))
        else:
            self._path.unlink(missing_ok=True)

    def _note(self, entry: dict[str, Any]) -> None:
        try:
            self._write(entry)
        except OSError as error:
            raise not_written(self._path, error) from error

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(_line(entry))


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, and removes what a killed program left half written in it. The
    folder is created where it does not exist, and goes again where nothing was written.

    Raises:
        OutputError: another program holds the lock, or it cannot be written; or the folder was
            removed or moved meanwhile.
    """
    is_new = not is_there(folder)
    make_folder(folder)
    try:
        with Lock(folder / LOCK) as lock:
            remove_leftovers(folder)
            yield
            lock.check()
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _locked(path: Path) -> FileIO:
    """The file, locked.

    Raises:
        BlockingIOError: another program has locked it.
        OSError: it cannot be opened.
    """
    while True:
        file = path.open("a+b", buffering=0)
        try:
            if CAN_LOCK:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        except OSError as error:
            log.info("%s: cannot be locked (%s)", path, error)
        if _is_at(file.fileno(), path):
            return file
        file.close()  # whoever held it removed it meanwhile


def _is_at(descriptor: int | None, path: Path) -> bool:
    if descriptor is not None:
        with suppress(OSError):
            return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """What was noted; half a line, of a program that was killed, is none."""
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            if isinstance(entry := parse_json(line), dict):
                yield entry


def _line(entry: dict[str, Any]) -> bytes:
    return f"\n{json.dumps(entry)}".encode()  # never behind half a line


def _begun(key: str, note: str) -> dict[str, Any]:
    return {"begun": key, "note": note}


def _unfinished(lines: Iterator[dict[str, Any]]) -> dict[str, str]:
    noted: dict[str, str] = {}
    for entry in lines:
        if isinstance(key := entry.get("begun"), str):
            noted[key] = str(entry.get("note", ""))
        if isinstance(key := entry.get("done"), str):
            noted.pop(key, None)
    return noted


def _holder(path: Path) -> str:
    """Who holds a lock, in words."""
    with suppress(OSError):
        who = [entry for entry in _lines(path) if "process" in entry]
        if who:
            last = who[-1]
            return f"process {last['process']} on {last.get('host')}, since {last.get('since')}"
    return "it does not say who"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
