"""What a second Ctrl-C does. The first one waits for what has begun, which may never end."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from typing import Final

from lungseg.cli.exit_status import INTERRUPTED

SOON_S: Final = 1.0
"""Seconds after which it is said what the program waits for."""


def end_at_the_second() -> None:
    """From here on the second Ctrl-C ends the program at once, with its processes, whatever they
    are doing; files are written whole or not at all, and what was begun is known to the next run.

    The signals are heard of by a thread, since Python hears of none while a library computes.
    """
    heard, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(heard,), name="lungseg-interrupt", daemon=True).start()


def _watch(heard: int) -> None:
    interrupts = 0
    while interrupts < 2:
        if interrupts and not select.select([heard], [], [], SOON_S)[0]:
            os.write(2, b"Stopping once what has begun is done; Ctrl-C again stops at once.\n")
        interrupts += os.read(heard, 64).count(signal.SIGINT)
    import multiprocessing  # here, as no start has to wait for it

    for process in multiprocessing.active_children():
        with suppress(OSError, ValueError):  # it has just ended
            process.kill()
    os._exit(INTERRUPTED)
