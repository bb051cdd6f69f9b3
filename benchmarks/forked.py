"""Commands as forks of a process that has imported everything, for `chaos.py --forked`: a random
moment then falls into what a command does, not into its start, and a run takes half as long.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FORK: Final = multiprocessing.get_context("forkserver")
PRELOADED: Final = (
    "lungseg.cli.main",
    "lungseg.train.fit",
    "lungseg.train.finalise",
    "lungseg.evaluate.run",
    "onnxruntime",
)


class Forked:
    """What `chaos.py` uses of `subprocess.Popen`, with standard error in a file.

    Args:
        command: after `lungseg`.
        folder: for what is said.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        FORK.set_forkserver_preload(list(PRELOADED))
        handle, name = tempfile.mkstemp(suffix=".said", dir=folder)
        os.close(handle)
        self._said = Path(name)
        self._process = FORK.Process(target=_run, args=(tuple(command), name))
        self._process.start()

    @property
    def returncode(self) -> int:
        """As of a process that ended."""
        code = self._process.exitcode
        return 1 if code is None else code

    def send_signal(self, number: signal.Signals) -> None:
        """To the process, if it still runs."""
        if self._process.is_alive():
            os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def communicate(self, timeout: float) -> tuple[None, str]:
        """Waits for its end; nothing, and what it said on standard error.

        Raises:
            TimeoutError: it did not end.
        """
        self._process.join(timeout)
        if self._process.is_alive():
            raise TimeoutError
        said = self._said.read_text(errors="replace")
        self._said.unlink()
        return None, said


def _run(command: tuple[str, ...], said: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(said, os.O_WRONLY), 2)
    sys.argv = ["lungseg", *command]
    from lungseg.__main__ import main  # as `python -m lungseg` begins

    main()
