"""What tests let other processes do; functions of a module that a new process can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lungseg.errors import UnreadableError
from lungseg.runner.executors import report_progress

OPENED: list[str] = []


def prepare() -> None:
    """Called first in each process."""
    OPENED.append("prepared")


def prepared() -> list[str]:
    """What was done first."""
    return OPENED


def process_id() -> int:
    """Of the process that does it."""
    return os.getpid()


def add(first: int, *, second: int) -> int:
    """A sum."""
    return first + second


def wait_for(file: Path) -> str:
    """Says that it waits until there is such a file."""
    report_progress(0.5, "waiting for it")
    while not file.exists():
        time.sleep(0.005)
    return "it came"


def end_at_once() -> None:
    """As the system ends a process that takes too much memory."""
    os._exit(9)


def refuse(file: Path) -> None:
    """An error of the package."""
    raise UnreadableError("the file is empty", where=file, cure="copy it again")


def raise_what_does_not_pickle() -> None:
    """An exception that stays where it is."""
    problem = ValueError("odd")
    problem.held = lambda: None  # type: ignore[attr-defined]
    raise problem
