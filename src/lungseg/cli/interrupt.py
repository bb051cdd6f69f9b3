"""What a second Ctrl-C does. The first one waits for what has begun, which may never end."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from typing import Final, NoReturn

from lungseg.cli.exit_status import INTERRUPTED

SOON_S: Final = 1.0
"""Seconds after which it is said what the program waits for."""


def end_at_the_second() -> None:
    """From here on the second Ctrl-C ends the program at once, with its processes, whatever they
    are doing; files are written whole or not at all, and what was begun is known to the next run.

    The signals are heard of by a thread, since Python hears of none while a library computes, and
    by the main one, since no other has a turn once Python ends.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts().hear)
    heard, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(heard,), name="lungseg-interrupt", daemon=True).start()


class _Interrupts:
    """Those that the main thread has heard of."""

    def __init__(self) -> None:
        self._first = True

    def hear(self, *_: object) -> None:
        """Ends the program at the second.

        Raises:
            KeyboardInterrupt: it is the first.
        """
        if not self._first:
            _end()
        self._first = False
        raise KeyboardInterrupt


def _watch(heard: int) -> None:
    interrupts = 0
    while interrupts < 2:
        if interrupts and not select.select([heard], [], [], SOON_S)[0]:
            os.write(2, b"Stopping once what has begun is done; Ctrl-C again stops at once.\n")
        interrupts += os.read(heard, 64).count(signal.SIGINT)
    _end()


def _end() -> NoReturn:
    import multiprocessing  # here, as no start has to wait for it

    for process in multiprocessing.active_children():
        with suppress(OSError, ValueError):  # it has just ended
            process.kill()
    os._exit(INTERRUPTED)
