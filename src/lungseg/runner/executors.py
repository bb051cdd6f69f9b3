"""Processes that do calls, and can be ended while they work.

`concurrent.futures.ProcessPoolExecutor` breaks as a whole when one of its processes is ended; here
it is replaced, and only its call is lost.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle  # nosec B403
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, ParamSpec, TypeVar

from lungseg.confine import Confinement
from lungseg.confine.process import begin, begin_call
from lungseg.errors import TimedOutError, UnexpectedError
from lungseg.predict import processors
from lungseg.runner.answers import MAX_ANSWER_BYTES, StrangeAnswerError, read_answer

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

RETRY_S = 1.0
"""Seconds after which a process that could not be started is tried again."""


def workers_of(executor: Executor) -> int:
    """How many calls it does at a time; as many as there are processors where it does not tell."""
    for name in ("workers", "_max_workers"):
        number = getattr(executor, name, None)
        if isinstance(number, int):
            return number
    return processors()


class Call(Future[T]):
    """One call of a `ProcessExecutor`.

    Attributes:
        progress: fraction of the work that is done, 0 to 1, and the step, as `report_progress` was
            told last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.progress = (0.0, "waiting")
        self._ending = threading.Lock()
        self._stopped = False
        self._kill: Callable[[], None] | None = None

    def stop(self) -> None:
        """Cancels it, whether it waits or is being done; its process is then ended."""
        if self.cancel():
            return
        with self._ending:
            self._stopped = True
            if self._kill is not None:
                self._kill()

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped

    def done_by(self, kill: Callable[[], None] | None) -> None:
        """What ends the process that does it; None once none does."""
        with self._ending:
            self._kill = kill
            if self._stopped and kill is not None:
                kill()


class ProcessExecutor(Executor):
    """A number of processes, each of which does one call at a time.

    Attributes:
        workers: how many.
        restarts: how many were replaced.
    """

    def __init__(
        self,
        workers: int,
        *,
        timeout: float | None = None,
        initializer: Callable[[], None] | None = None,
        confinement: Confinement | None = None,
        answers: tuple[type, ...] = (),
    ) -> None:
        """Starts the processes.

        Args:
            workers: how many, at least 1.
            timeout: seconds for one call, from when a process has it, which may have to start
                first; None for as long as it takes.
            initializer: called first in each process.
            confinement: of each process, before it loads any library; None for none. The main
                module must import none either, as a new process imports it, too.
            answers: of confined processes, as `lungseg.runner.answers.read_answer` takes them;
                whoever answers otherwise is ended. Other processes may answer what they like.

        Raises:
            OSError: one cannot be started.
        """
        self.workers, self.restarts = workers, 0
        self._timeout = timeout
        self._start = partial(_Process, initializer, confinement, answers)
        self._calls: queue.SimpleQueue[tuple[Call[Any], bytes] | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._running: dict[int, Call[Any]] = {}
        self._processes = {seat: self._start() for seat in range(workers)}
        self._threads = [
            threading.Thread(
                target=self._serve, args=(seat,), name=f"lungseg-seat-{seat}", daemon=True
            )
            for seat in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def processes(self) -> list[int]:
        """Ids of those that live."""
        return [
            process.pid for process in list(self._processes.values()) if process.pid is not None
        ]

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """Hands in a call; function and arguments have to pickle.

        Raises:
            RuntimeError: the executor was shut down.
        """
        if self._over.is_set():
            raise RuntimeError("no calls are taken after the shutdown")
        call: Call[T] = Call()
        self._calls.put((call, pickle.dumps((fn, args, kwargs))))
        return call

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """Takes no more calls.

        Args:
            wait: until all is done and the processes are gone.
            cancel_futures: cancel calls that wait, and stop those that are being done.
        """
        self._over.set()
        if cancel_futures:
            with suppress(queue.Empty):
                while (waiting := self._calls.get_nowait()) is not None:
                    waiting[0].cancel()
            for call in list(self._running.values()):
                call.stop()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, seat: int) -> None:
        """Does calls with the process of a seat, until there are no more."""
        while (entry := self._calls.get()) is not None:
            call, packed = entry
            if not call.set_running_or_notify_cancel():
                continue
            call.progress = (0.0, "starting")
            self._running[seat] = call
            if self._processes[seat].pid is None:  # it was ended while it had nothing to do
                self._replace(seat)
            self._do(seat, call, packed)
            del self._running[seat]
        self._processes[seat].close()

    def _do(self, seat: int, call: Call[Any], packed: bytes) -> None:
        process = self._processes[seat]
        call.done_by(process.kill)
        try:
            succeeded, value = self._answer(process, call, packed)
        except (EOFError, OSError, StrangeAnswerError, TimeoutError) as problem:
            process.close()  # so that it writes nothing any more once that is known
            call.set_exception(self._explained(call, problem))
            self._replace(seat)
        else:
            call.done_by(None)
            if succeeded:
                call.set_result(value)
            else:
                call.set_exception(value)

    def _answer(self, process: _Process, call: Call[Any], packed: bytes) -> tuple[bool, Any]:
        """Whether a call succeeded, and its result or exception.

        Raises:
            EOFError, OSError: the process ended.
            StrangeAnswerError: it was confined, and is not what it was.
            TimeoutError: its time is over.
        """
        process.connection.send_bytes(packed)
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while process.connection.poll(None if end is None else max(0.0, end - time.monotonic())):
            what, *message = process.receive()
            if what != "progress":
                return what == "result", message[0]
            call.progress = message[0], message[1]
        process.kill()
        raise TimeoutError

    def _explained(self, call: Call[Any], problem: Exception) -> BaseException:
        if call.stopped:
            return CancelledError()
        if isinstance(problem, TimeoutError):
            return TimedOutError(
                f"it was not done within {self._timeout:g} s, and was stopped",
                cure="give a smaller one",
            )
        return UnexpectedError(
            "the process that worked on it ended unexpectedly, perhaps for want of memory",
            cure="try again, or give a smaller one",
        )

    def _replace(self, seat: int) -> None:
        self._processes[seat].close()
        self.restarts += 1
        while not self._over.is_set():
            try:
                self._processes[seat] = self._start()
            except OSError:
                log.error("a process could not be started")
                self._over.wait(RETRY_S)
            else:
                return


class _Process:
    """A process and the pipe to it."""

    def __init__(
        self,
        initializer: Callable[[], None] | None,
        confinement: Confinement | None,
        answers: tuple[type, ...],
    ) -> None:
        # A fork would copy threads and open connections.
        spawn = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = spawn.Pipe()
        self._answers = None if confinement is None else answers
        # Packed, or it would be unpacked, with all that it imports, before the process is confined.
        work = (theirs, pickle.dumps((initializer, confinement)))
        target, arguments = (
            (_work, work)
            if confinement is None
            else (begin, (confinement, _work.__module__, _work.__name__, *work))
        )
        self._process: SpawnProcess = spawn.Process(
            target=target, args=arguments, name="lungseg-worker", daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is heard of here

    @property
    def pid(self) -> int | None:
        """Its id while it lives."""
        with suppress(ValueError):  # it was closed
            return self._process.pid if self._process.is_alive() else None
        return None

    def receive(self) -> tuple[Any, ...]:
        """What it says next.

        Raises:
            EOFError, OSError: the process ended, or said more than is taken.
            StrangeAnswerError: it was confined, and says what it should not.
        """
        if self._answers is None:
            return self.connection.recv()
        return read_answer(self.connection.recv_bytes(MAX_ANSWER_BYTES), self._answers)

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        with suppress(ValueError):
            self._process.kill()

    def close(self) -> None:
        """Ends it and waits until it is gone."""
        self.kill()
        with suppress(ValueError):
            self._process.join()
            self._process.close()
        self.connection.close()


_reported_to: Connection | None = None


def report_progress(fraction: float, step: str) -> None:
    """Tells the `Call` that this process of a `ProcessExecutor` is doing how far it is; elsewhere
    it tells nobody. Unlike a closure it can be handed to another process.
    """
    if _reported_to is not None:
        _reported_to.send(("progress", fraction, step))


def _work(connection: Connection, packed_start: bytes) -> None:
    """What runs in a process: calls, until the other end hangs up."""
    global _reported_to  # noqa: PLW0603 (of this process alone)
    _reported_to = connection
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with its executor, not with the terminal
    threading.Thread(target=_end_with_parent, name="lungseg-parent", daemon=True).start()
    initializer, confinement = pickle.loads(packed_start)  # noqa: S301 (as below)  # nosec B301
    if initializer is not None:
        initializer()
    while True:
        try:
            packed = connection.recv_bytes()
        except (EOFError, OSError):  # the second where it was killed while it was sending
            return
        if confinement is not None:
            begin_call(confinement)
        try:
            fn, args, kwargs = pickle.loads(packed)  # noqa: S301 (from our own executor)  # nosec B301
            answer = pickle.dumps(("result", fn(*args, **kwargs)))
        except Exception as problem:  # noqa: BLE001 (whatever it is, the caller gets it)
            answer = _packed(problem)
        try:
            connection.send_bytes(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    """Ends this process once its parent has ended, whatever it is doing: nobody waits for it any
    more, and what it wrote could replace what the next run has written.
    """
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)


def _packed(problem: Exception) -> bytes:
    try:
        return pickle.dumps(("error", problem))
    except Exception:  # noqa: BLE001 (an exception that holds what does not pickle)
        return pickle.dumps(("error", UnexpectedError(f"unexpected {type(problem).__name__}")))
