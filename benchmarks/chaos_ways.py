"""What `chaos.py` and `chaos_serve.py` do to commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-m", "lungseg")
SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
WAYS: Final = (*SIGNALS, "full", "removed", "twice", "clock")
CLOCK: Final = """
import random, sys, time
real, moment = time.time, time.time() + float(sys.argv.pop(1))
time.time = lambda: real() - 86400 * (real() > moment)
time.time_ns = lambda: int(1e9 * time.time())
from lungseg.__main__ import main
main()
"""
"""A command whose clock goes back by a day after so many seconds, which are its first argument."""


def command(clock: float | None = None) -> tuple[str, ...]:
    """The beginning of one, whose clock goes back after so many seconds."""
    return COMMAND if clock is None else (sys.executable, "-c", CLOCK, str(clock))


def environment(temporary: Path) -> dict[str, str]:
    """Of a command, with its folder for temporary files."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}


@contextmanager
def small_disk(folder: Path, size: int | None) -> Iterator[Callable[[], object]]:
    """A disk in the folder that has room for so many bytes; it gets more when what is given is
    called. Without a size there is no such disk.
    """
    if size is None:
        yield lambda: None
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "chaos", str(folder)]
    subprocess.run(mount, check=True)
    grow = ["mount", "-o", "remount,size=1g", str(folder)]
    try:
        yield lambda: subprocess.run(grow, check=True)
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
