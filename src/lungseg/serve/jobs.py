"""The jobs of a server: the queue, what became of each, and when it is forgotten."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lungseg.serve.names import SENT
from lungseg.serve.problems import HTTPProblem
from lungseg.serve.schemas import JobDocument, State
from lungseg.serve.settings import ServerSettings

OVER: tuple[State, ...] = ("done", "failed", "cancelled")
GONE = "There is no such job, or its time is over."
MAX_JOBS_WITHOUT_RESULT = 1000
"""Jobs that failed or were cancelled and are still known; of more, the earliest are forgotten, so
that they cannot fill the memory."""


@dataclass(eq=False, slots=True)
class Job:
    """One request to segment.

    Attributes:
        id: that nobody can guess.
        folder: what was sent, and later the results.
        name: of the file that was sent.
        task: what a worker is told.
        state: where it stands.
        progress: 0 to 1.
        step: what is being done, in words.
        error: why it failed.
        found: what a worker found; see `lungseg.serve.worker`.
        stored: bytes of its results.
        created: seconds since 1970.
        ended: the same; None until it is over.
        over: set once it is.
        stop: ends the worker that has it; None while none has.
    """

    id: str
    folder: Path
    name: str = ""
    task: dict[str, Any] = field(default_factory=dict[str, Any])
    state: State = "queued"
    progress: float = 0.0
    step: str = "waiting"
    error: str | None = None
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    stored: int = 0
    created: float = field(default_factory=time.time)
    ended: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    stop: Callable[[], None] | None = None


class Jobs:
    """All jobs that are waiting, running or kept. For one event loop."""

    def __init__(self, settings: ServerSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._arrivals = asyncio.Semaphore(0)
        self._coming = 0
        self.ended: Callable[[Job], None] = lambda _: None

    @contextmanager
    def place(self) -> Iterator[Job]:
        """A new job with a place in the queue, for as long as its files are coming; what was not
        queued meanwhile leaves nothing behind.

        Raises:
            HTTPProblem: 429, the queue is full, or there is no room for more results.
        """
        if len(self._waiting) + self._coming >= self._settings.queue:
            raise HTTPProblem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "The queue is full; try again in a few seconds.",
                after=5,
            )
        if self.stored >= self._settings.max_stored_bytes:
            after = max(
                1,
                round(
                    min(job.ended for job in self._jobs.values() if job.ended)
                    + self._settings.retention
                    - time.time()
                ),
            )
            what = (
                "There is no room for more results until earlier ones are deleted; delete "
                "some, or try again later."
            )
            raise HTTPProblem(HTTPStatus.TOO_MANY_REQUESTS, what, after=after)
        number = secrets.token_hex(16)
        job = Job(number, self._folder / number)
        self._coming += 1
        try:
            job.folder.mkdir(mode=0o700)
            yield job
        finally:
            self._coming -= 1
            if job.id not in self._jobs:
                self.clear(job)

    def queue(self, job: Job) -> None:
        """Puts a job at the end of the queue."""
        job.created = time.time()
        self._jobs[job.id] = job
        self._waiting.append(job)
        self._arrivals.release()

    async def take(self) -> Job:
        """Waits for the first of the queue and makes it run."""
        while True:
            await self._arrivals.acquire()
            if self._waiting:  # it may have been cancelled
                job = self._waiting.popleft()
                job.state, job.step = "running", "starting"
                return job

    def end(
        self,
        job: Job,
        state: State,
        *,
        error: str | None = None,
        found: dict[str, Any] | None = None,
    ) -> None:
        """Notes what became of a job, removes what is no result, and lets those know who wait for
        it.
        """
        if job.state in OVER:
            return
        job.state, job.error, job.found, job.stop = state, error, found or {}, None
        job.step = state
        job.progress = 1.0 if state == "done" else job.progress
        job.ended = time.time()
        if state == "done":
            shutil.rmtree(job.folder / SENT, ignore_errors=True)
            job.stored = sum(
                path.stat().st_size for path in job.folder.rglob("*") if path.is_file()
            )
        else:
            self.clear(job)
            without = [
                other.id for other in self._jobs.values() if other.state in ("failed", "cancelled")
            ]
            for number in without[:-MAX_JOBS_WITHOUT_RESULT]:
                del self._jobs[number]
        job.over.set()
        self.ended(job)

    def clear(self, job: Job) -> None:
        """Removes all files of a job."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def get(self, number: str) -> Job:
        """The job of that id.

        Raises:
            HTTPProblem: 404, there is none.
        """
        if number not in self._jobs:
            raise HTTPProblem(HTTPStatus.NOT_FOUND, GONE)
        return self._jobs[number]

    def remove(self, job: Job) -> None:
        """Cancels a job that is not over; forgets one that is, with all of its files."""
        if job.state not in OVER:
            if job in self._waiting:
                self._waiting.remove(job)
            if job.stop is not None:
                job.stop()
            self.end(job, "cancelled")
        else:
            del self._jobs[job.id]
            self.clear(job)

    def expire(self) -> None:
        """Forgets all whose time is over."""
        for job in list(self._jobs.values()):
            if job.ended is not None and time.time() >= job.ended + self._settings.retention:
                self.remove(job)

    @property
    def running(self) -> int:
        """How many a worker has."""
        return sum(job.state == "running" for job in self._jobs.values())

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def stored(self) -> int:
        """Bytes of all results."""
        return sum(job.stored for job in self._jobs.values())

    def document(self, job: Job) -> JobDocument:
        """What a client is told of a job."""
        files = {name: f"/jobs/{job.id}/files/{name}" for name in job.found.get("files", ())}
        return JobDocument(
            id=job.id,
            name=job.name,
            state=job.state,
            progress=job.progress,
            step=job.step,
            error=job.error,
            position=self._waiting.index(job) + 1 if job in self._waiting else 0,
            created=_time(job.created),
            expires=None if job.ended is None else _time(job.ended + self._settings.retention),
            **{**job.found, "files": files},
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
