"""Who works on the inputs of a command: threads, processes, or confined processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lungseg.errors import UsageError

if TYPE_CHECKING:
    from lungseg.options import SegmentOptions
    from lungseg.readers import Probe
    from lungseg.runner import RunOptions

SANDBOX_TIMEOUT_S: Final = 3600.0
"""For one input in a sandbox, where --job-timeout says nothing."""


def check_sandbox() -> None:
    """That there is one.

    Raises:
        UsageError: this system has none.
    """
    from lungseg.confine import lacking

    if missing := lacking():
        raise UsageError(
            f"`sandbox` needs {missing}", cure="leave `sandbox` out, or use such a system"
        )


@contextmanager
def executor_for(
    at_once: int,
    job_timeout: float | None,
    confined: tuple[list[Path | Probe], SegmentOptions, RunOptions] | None,
) -> Iterator[int | Executor]:
    """Who works on so many inputs at a time: threads, which nothing can end, or processes, which
    may be confined to what these inputs need.

    Raises:
        UsageError: the timeout is no time.
    """
    if job_timeout is None and confined is None:
        yield at_once
        return
    timeout = SANDBOX_TIMEOUT_S if job_timeout is None else job_timeout
    if not 0 < timeout < float("inf"):
        raise UsageError(f"--job-timeout {timeout:g} is no time", cure="give seconds above 0")
    from lungseg.runner import Outcome
    from lungseg.runner.executors import ProcessExecutor

    confinement = None
    if confined is not None:
        from lungseg.batch.confined import confinement_of

        confinement = confinement_of(*confined, workers=at_once, seconds=timeout)
    with ProcessExecutor(
        at_once,
        timeout=timeout,
        initializer=without_warnings,
        confinement=confinement,
        answers=(Outcome,),
    ) as executor:
        yield executor


def without_warnings() -> None:
    """In each process as in `lungseg.cli.main.main`."""
    warnings.simplefilter("ignore")
