"""The jobs of a server: the queue, what became of each, and when it is forgotten."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lungseg.errors import LungsegError
from lungseg.runner.executors import Call, ProcessExecutor, report_progress
from lungseg.runner.work import redacted
from lungseg.segmenter import Segmenter
from lungseg.serve.names import RESULTS, SENT
from lungseg.serve.problems import HTTPProblem, not_stored
from lungseg.serve.schemas import JobDocument, State
from lungseg.serve.settings import ServerSettings
from lungseg.serve.worker import UploadResult, UploadTask, segment_upload

log = logging.getLogger(__name__)

OVER: tuple[State, ...] = ("done", "failed", "cancelled")
GONE = "There is no such job: its time is over, or the server was started anew."
MAX_JOBS_WITHOUT_RESULT = 1000
"""Jobs that failed or were cancelled and are still known; of more, the earliest are forgotten, so
that they cannot fill the memory."""
RECORDED = ("modality", "verdict", "codes", "reasons", "notes", "measurements")
"""What the document of a job has from the record."""
SENTENCES = {
    "OutputError": "The server could not write its results, perhaps for want of room; try again "
    "later.",
    "ModelError": "The server's model cannot be used; tell those who run it.",
}
"""Instead of those of errors that name the server's own files."""


@dataclass(eq=False, slots=True)
class ServedJob:
    """One request to segment.

    Attributes:
        id: that nobody can guess.
        folder: what was sent, and later the results.
        client: of whose places in the queue it takes one, as `client_of` has it.
        name: of the file that was sent.
        task: what a process is told.
        call: of the process that does it; None until it is queued.
        end: "done", "failed" or "cancelled"; None until it is over.
        error: why it failed.
        found: fields of its document.
        viewer: file of its slices.
        stored: bytes of its results.
        created: seconds since 1970.
        ended: the same; None until it is over.
        until: when it is forgotten, on the clock of `passed`; None until it is over.
        over: set once it is.
    """

    id: str
    folder: Path
    client: str = ""
    name: str = ""
    task: UploadTask | None = None
    call: Call[UploadResult] | None = None
    end: State | None = None
    error: str | None = None
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    viewer: Path | None = None
    stored: int = 0
    created: float = field(default_factory=time.time)
    ended: float | None = None
    until: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.end is not None:
            return self.end
        waits = self.call is None or not (self.call.running() or self.call.done())
        return "queued" if waits else "running"

    @property
    def progress(self) -> tuple[float, str]:
        """Fraction of the work that is done, and what is being done."""
        fraction, step = (0.0, "waiting") if self.call is None else self.call.progress
        return fraction if self.end != "done" else 1.0, self.end or step


class Jobs:
    """All jobs that are waiting, running or kept. For one event loop.

    Args:
        settings: of the server.
        folder: in which each gets one.
        pool: that does them.
        segmenter: for each process.
    """

    def __init__(
        self, settings: ServerSettings, folder: Path, pool: ProcessExecutor, segmenter: Segmenter
    ) -> None:
        self._settings, self._folder = settings, folder
        self._pool, self._segmenter = pool, segmenter
        self._jobs: dict[str, ServedJob] = {}
        self._coming: Counter[str] = Counter()
        self.ended: Callable[[ServedJob], None] = lambda _: None

    @contextmanager
    def place(self, address: str) -> Iterator[ServedJob]:
        """A new job with a place in the queue, for as long as its files are coming; what was not
        queued meanwhile leaves nothing behind.

        Args:
            address: of the client.

        Raises:
            HTTPProblem: 429, the queue or the client's part of it is full, or there is no room for
                more results; 507, its folder cannot be made.
        """
        client = client_of(address)
        self._check_queue(client)
        if self.stored >= self._settings.max_stored_bytes:
            after = max(
                1,
                round(min(job.until for job in self._jobs.values() if job.until) - passed()),
            )
            what = (
                "There is no room for more results until earlier ones are deleted; delete "
                "some, or try again later."
            )
            raise HTTPProblem(HTTPStatus.TOO_MANY_REQUESTS, what, after=after)
        number = secrets.token_hex(16)
        job = ServedJob(number, self._folder / number, client)
        self._coming[client] += 1
        try:
            _make(job.folder)
            yield job
        finally:
            self._coming -= Counter((client,))
            if job.id not in self._jobs:
                self.clear(job)

    def _check_queue(self, client: str) -> None:
        waiting = self._coming + Counter(self._jobs[number].client for number in self._waiting())
        if waiting.total() >= self._settings.queue:
            what = "The queue is full; try again in a few seconds."
        elif waiting[client] >= self._settings.places_per_client:
            what = (
                f"{waiting[client]} jobs from your address wait already, as many as one may have; "
                "try again when one is done."
            )
        else:
            return
        raise HTTPProblem(HTTPStatus.TOO_MANY_REQUESTS, what, after=5)

    def queue(self, job: ServedJob, task: UploadTask) -> None:
        """Puts a job at the end of the queue."""
        job.created, job.task = time.time(), task
        self._jobs[job.id] = job
        loop = asyncio.get_running_loop()
        job.call = self._pool.submit(segment_upload, task, self._segmenter, report_progress)
        job.call.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finish, job))

    def _finish(self, job: ServedJob) -> None:
        """Notes what became of the call."""
        if job.call is None or job.end is not None:  # it was cancelled
            self.clear(job)  # also of what the process wrote in its last moment
            return
        try:
            result = job.call.result()
        except (CancelledError, LungsegError) as problem:  # of the pool, and no file is named
            text = str(problem)
            self.end(job, "failed", error=text[:1].upper() + text[1:])
        except Exception as problem:  # noqa: BLE001 (also what nobody foresaw is a failure)
            log.error(redacted(problem))
            self.end(job, "failed", error=f"It failed: unexpected {type(problem).__name__}.")
        else:
            self._finish_with(job, result)

    def _finish_with(self, job: ServedJob, result: UploadResult) -> None:
        record: Mapping[str, Any] = result.outcome.record or {}
        outputs = dict(result.outcome.outputs)
        if result.outcome.status == "failed":
            error = result.outcome.reasons[0]
            if record["error"] in SENTENCES:
                log.error("%s", error)
                error = SENTENCES[record["error"]]
            self.end(job, "failed", error=error)
            return
        # By name, which is all that is believed of what a worker says of files.
        viewer = outputs.pop("viewer", None)
        job.viewer = None if viewer is None else job.folder / RESULTS / viewer.name
        found = {key: record[key] for key in RECORDED}
        files = {output: path.name for output, path in outputs.items()}
        self.end(job, "done", found=found | {"files": files} | result.shown)

    def end(
        self,
        job: ServedJob,
        state: State,
        *,
        error: str | None = None,
        found: dict[str, Any] | None = None,
    ) -> None:
        """Notes what became of a job, removes what is no result, and lets those know who wait for
        it.
        """
        job.end, job.error, job.found = state, error, found or {}
        job.ended, job.until = time.time(), passed() + self._settings.retention
        if state == "done":
            shutil.rmtree(job.folder / SENT, ignore_errors=True)
            job.stored = _bytes_of(job.folder)
        else:
            self.clear(job)
            without = [
                other.id for other in self._jobs.values() if other.state in ("failed", "cancelled")
            ]
            for number in without[:-MAX_JOBS_WITHOUT_RESULT]:
                del self._jobs[number]
        job.over.set()
        self.ended(job)

    def clear(self, job: ServedJob) -> None:
        """Removes all files of a job."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def get(self, number: str) -> ServedJob:
        """The job of that id.

        Raises:
            HTTPProblem: 404, there is none.
        """
        if number not in self._jobs:
            raise HTTPProblem(HTTPStatus.NOT_FOUND, GONE)
        return self._jobs[number]

    def remove(self, job: ServedJob) -> None:
        """Cancels a job that is not over; forgets one that is, with all of its files."""
        if job.state not in OVER:
            self.end(job, "cancelled")
            if job.call is not None:
                job.call.stop()
        else:
            del self._jobs[job.id]
            self.clear(job)

    def expire(self) -> None:
        """Forgets all whose time is over."""
        for job in list(self._jobs.values()):
            if job.until is not None and passed() >= job.until:
                self.remove(job)

    @property
    def running(self) -> int:
        """How many a process has."""
        return sum(job.state == "running" for job in self._jobs.values())

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting())

    @property
    def stored(self) -> int:
        """Bytes of all results."""
        return sum(job.stored for job in self._jobs.values())

    def document(self, job: ServedJob) -> JobDocument:
        """What a client is told of a job."""
        files = {name: f"/jobs/{job.id}/files/{name}" for name in job.found.get("files", ())}
        waiting, (progress, step) = self._waiting(), job.progress
        return JobDocument(
            id=job.id,
            name=job.name,
            state=job.state,
            progress=progress,
            step=step,
            error=job.error,
            position=waiting.index(job.id) + 1 if job.id in waiting else 0,
            created=_time(job.created),
            expires=None if job.ended is None else _time(job.ended + self._settings.retention),
            **{**job.found, "files": files},
        )

    def _waiting(self) -> list[str]:
        """Those in the queue, in order."""
        return [job.id for job in self._jobs.values() if job.state == "queued"]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise not_stored(error) from error


def _bytes_of(folder: Path) -> int:
    """Of all files below it; of what is removed meanwhile none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size * path.is_file()
    return total


def passed() -> float:
    """Seconds on a clock that nobody sets, and that runs on while the machine sleeps where there is
    such a one.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def client_of(address: str) -> str:
    """Who is at an address: of IPv6 whoever has its first 64 bits, of which one client has all."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(known) >> 64 << 64, 64)))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
