"""The worker processes: each does one job at a time, and is ended and replaced where a job must
stop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from lungseg.predict import find_model, processors
from lungseg.serve.jobs import Job, Jobs
from lungseg.serve.settings import ServerSettings
from lungseg.serve.worker import work

log = logging.getLogger(__name__)

ENDED = (
    "The process that worked on it ended unexpectedly, perhaps for want of memory; try "
    "again, or send a smaller one."
)


class Worker:
    """A process and the pipe to it."""

    def __init__(self, settings: ServerSettings) -> None:
        spawn = multiprocessing.get_context(
            "spawn"
        )  # a fork would copy the server's threads and open connections
        self._connection: Connection
        self._connection, theirs = spawn.Pipe()
        threads = max(1, processors() // settings.workers)
        model = None if settings.model is None else str(find_model(settings.model).absolute())
        arguments = (theirs, model, threads, settings.max_upload_bytes, settings.max_files)
        self.process: SpawnProcess = spawn.Process(
            target=work, args=arguments, name="lungseg-worker", daemon=True
        )
        self.process.start()
        theirs.close()  # so that its end is heard of here

    def send(self, task: dict[str, Any]) -> None:
        """Gives it a job."""
        self._connection.send_bytes(json.dumps(task).encode())

    def receive(self) -> dict[str, Any]:
        """Waits for what it has to say.

        Raises:
            EOFError, OSError: it ended.
        """
        return json.loads(self._connection.recv_bytes())

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        with suppress(ValueError):  # it was closed already
            self.process.kill()

    def close(self) -> None:
        """Ends it and waits until it is gone."""
        self.kill()
        self.process.join()
        self._connection.close()


class Crew:
    """As many workers as the settings say, and what tells them what to do."""

    def __init__(self, settings: ServerSettings, jobs: Jobs) -> None:
        self._settings, self._jobs = settings, jobs
        self._workers: dict[int, Worker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        # One waits for each worker; another where the first still waits for a worker that is being
        # ended.
        self._threads = ThreadPoolExecutor(2 * settings.workers, "lungseg-crew")
        self.restarts = 0

    async def start(self) -> None:
        """Starts the workers."""
        for seat in range(self._settings.workers):
            self._workers[seat] = await self._in_thread(Worker, self._settings)
            self._tasks.append(asyncio.create_task(self._serve(seat)))

    async def stop(self) -> None:
        """Ends them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers.values():
            worker.close()
        self._threads.shutdown()

    @property
    def processes(self) -> list[int]:
        """Ids of those that live."""
        return [
            worker.process.pid
            for worker in self._workers.values()
            if worker.process.pid and worker.process.is_alive()
        ]

    async def _in_thread(self, what: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, *arguments)

    async def _serve(self, seat: int) -> None:
        while True:
            job = await self._jobs.take()
            worker = self._workers[seat]
            if not worker.process.is_alive():  # it was ended while it had nothing to do
                worker = await self._replace(seat)
                if job.state != "running":  # it was cancelled meanwhile
                    continue
            job.stop = worker.kill
            try:
                async with asyncio.timeout(self._settings.job_timeout):
                    answer = await self._work(job, worker)
            except TimeoutError:
                late = (
                    f"It was not done within {self._settings.job_timeout:g} s, and was "
                    "stopped; send a smaller one."
                )
                worker.kill()
                self._jobs.end(job, "failed", error=late)
            except (EOFError, OSError, ValueError):
                self._jobs.end(job, "failed", error=ENDED)  # unless it was cancelled
            else:
                if job.state == "running":
                    error = answer.get("error")
                    self._jobs.end(
                        job, "failed" if error else "done", error=error, found=answer.get("found")
                    )
                    continue
            await self._replace(seat)
            self._jobs.clear(job)  # what the worker may have written in its last moment

    async def _work(self, job: Job, worker: Worker) -> dict[str, Any]:
        """Gives a job to a worker, notes its progress, and returns its last word."""
        worker.send(job.task)
        while True:
            message: dict[str, Any] = await self._in_thread(worker.receive)
            if "progress" not in message:
                return message
            if job.state == "running":
                job.progress, job.step = message["progress"], message["step"]

    async def _replace(self, seat: int) -> Worker:
        await self._in_thread(self._workers[seat].close)
        self.restarts += 1
        while True:
            try:
                self._workers[seat] = await self._in_thread(Worker, self._settings)
            except OSError:
                log.error("a worker could not be started")
                await asyncio.sleep(1.0)
            else:
                return self._workers[seat]
