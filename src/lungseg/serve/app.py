"""The addresses of the interface, and what each answers; described by OpenAPI at /openapi.json."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lungseg.card import ModelCard, read_card
from lungseg.modality import MODALITIES
from lungseg.predict import embedded_models, find_model, processors
from lungseg.report.texts import VERDICTS, definitions
from lungseg.runner import Outcome
from lungseg.runner.executors import ProcessExecutor
from lungseg.segmenter import Segmenter
from lungseg.serve.answers import EVERYWHERE, FORM, UNKNOWN, Answers, content_of, problems
from lungseg.serve.bundle import write_bundle
from lungseg.serve.confined import confinement_of
from lungseg.serve.folder import private_folder
from lungseg.serve.jobs import OVER, Jobs, ServedJob
from lungseg.serve.metrics import Metrics
from lungseg.serve.names import FILE_TYPES, OTHER_FILE, RESULTS, SENT, media_type
from lungseg.serve.problems import HTTPProblem, not_stored
from lungseg.serve.refusals import refused
from lungseg.serve.requests import ServedModels, task_of
from lungseg.serve.schemas import About, Bundle, Health, JobDocument, LabelDocument, Limits
from lungseg.serve.security import BUNDLE, SecurityMiddleware
from lungseg.serve.settings import ServerSettings
from lungseg.serve.upload import receive
from lungseg.serve.worker import UploadResult, prepare_process
from lungseg.structures import LUNGS_AS_ONE, Structure
from lungseg.writers.viewer import ViewerSlices

PAGE: Final = Path(__file__).parent / "page"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
"""Of the page's files."""
MAX_WAIT_S: Final = 60.0
"""Seconds."""
CLIENT_GONE: Final = 499
"""What a request is counted as whose client did not wait for the answer."""

Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the end of the job.")
]


class Server:
    """The application with what it works with.

    Attributes:
        app: for an ASGI server.
        api: the same without its security.
        segmenter: for each process.
        jobs: all of them, while it runs.
        pool: the processes, while it runs.
    """

    jobs: Jobs
    pool: ProcessExecutor

    def __init__(self, settings: ServerSettings) -> None:
        """Checks the model's card; nothing runs before the application is started.

        Raises:
            ModelError: the model or its card is missing or broken.
        """
        self.settings, self.metrics = settings, Metrics()
        cards = [
            read_card(find_model(name).with_suffix(".json"))
            for name in ([settings.model] if settings.model else embedded_models())
        ]
        threads = max(1, processors() // settings.workers)
        own = settings.model and find_model(settings.model).absolute()
        self._models = ServedModels(
            {card.name: own or card.name for card in cards},
            {card.name: card.modality for card in cards},
            only=cards[0].name if own else None,
        )
        self.segmenter = Segmenter(own, threads=threads, volume_threads=threads)
        shown = ("name", "version", "modality", "architecture", "terms", "limits")
        self._about = About(
            version=metadata.version("lungseg"),
            labels=[
                LabelDocument(number=structure.number, name=structure.name, colour=structure.colour)
                for structure in _structures(cards)
            ],
            verdicts=VERDICTS,
            definitions={name: definitions(name) for name in MODALITIES},
            models=[{name: getattr(card, name) for name in shown} for card in cards],
            limits=Limits(
                max_upload_bytes=settings.max_upload_bytes,
                retention_seconds=settings.retention,
                job_timeout_seconds=settings.job_timeout,
                queue=settings.queue,
                max_files=settings.max_files,
            ),
            needs_token=settings.token is not None,
        )
        self._page = {path.name: path for path in PAGE.glob("*") if path.suffix in TYPES}
        self.api = FastAPI(
            title="lungseg",
            version=self._about.version,
            docs_url=None,
            redoc_url=None,
            lifespan=self._life,
            responses=EVERYWHERE,
        )
        for problem in (HTTPProblem, RequestValidationError, HTTPException, Exception):
            self.api.add_exception_handler(problem, refused)
        self.app = SecurityMiddleware(self.api, settings, self.metrics.request)
        self._add_page()
        self._add_jobs()
        self._add_results()
        self._add_bundle()

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        with private_folder() as folder:
            self._folder = folder
            start = partial(
                ProcessExecutor,
                timeout=self.settings.job_timeout,
                initializer=prepare_process,
                confinement=confinement_of(self.settings, folder),
                answers=(UploadResult, Outcome),
            )
            self.pool = await asyncio.to_thread(start, self.settings.workers)
            self.jobs = Jobs(self.settings, folder, self.pool, self.segmenter)
            self.jobs.ended = self.metrics.job
            self.metrics.watch("queued", "Jobs that wait.", lambda: self.jobs.queued)
            self.metrics.watch("running", "Jobs that a worker has.", lambda: self.jobs.running)
            self.metrics.watch("stored_bytes", "Results that are kept.", lambda: self.jobs.stored)
            self.metrics.watch("workers", "Processes that live.", lambda: len(self.pool.processes))
            self.metrics.watch(
                "worker_restarts", "Processes that were replaced.", lambda: self.pool.restarts
            )
            cleaner = asyncio.create_task(self._expire())
            try:
                yield
            finally:
                cleaner.cancel()
                await asyncio.to_thread(self.pool.shutdown, cancel_futures=True)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self.settings.retention / 4))
            self.jobs.expire()

    def _add_page(self) -> None:
        api = self.api

        @api.get("/", include_in_schema=False)
        def page() -> Response:
            return self._file("index.html")

        @api.get("/page/{name}", include_in_schema=False)
        def file(name: str) -> Response:
            return self._file(name)

        @api.get("/about", summary="Version, models and limits")
        def about() -> About:
            return self._about

        @api.get(
            "/healthz",
            summary="Whether the server works",
            responses=problems(HTTPStatus.INSUFFICIENT_STORAGE),
        )
        async def health() -> Health:  # in the loop, as jobs may come and go only there
            if not self._folder.is_dir():
                raise not_stored(FileNotFoundError())
            return Health(
                status="ok",
                workers=len(self.pool.processes),
                running=self.jobs.running,
                queued=self.jobs.queued,
            )

        @api.get(
            "/metrics",
            summary="Numbers for Prometheus",
            response_class=Response,
            responses=content_of("text/plain"),
        )
        async def metrics() -> Response:
            return Response(
                self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
            )

    def _file(self, name: str) -> Response:
        if name not in self._page:
            raise HTTPProblem(HTTPStatus.NOT_FOUND, "There is no such page.")
        path = self._page[name]
        return Response(
            path.read_bytes(), media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"}
        )

    def _add_jobs(self) -> None:
        api = self.api
        refusals = problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.INSUFFICIENT_STORAGE,
        )
        late: Answers = {200: {"model": JobDocument, "description": "The job is over."}}

        @api.post(
            "/segment",
            status_code=202,
            responses=late | refusals,
            openapi_extra=FORM,
            summary="Send an image, a volume or a series",
        )
        async def segment(request: Request, response: Response, wait: Wait = 0.0) -> JobDocument:
            with self.jobs.place(request.client.host if request.client else "") as job:
                try:
                    upload = await receive(request, job.folder / SENT, self.settings)
                    task = await asyncio.to_thread(
                        task_of, job, upload, self.settings, self._models
                    )
                except ClientDisconnect:
                    raise HTTPException(CLIENT_GONE, "The client went away") from None
                except OSError as error:
                    raise not_stored(error) from error
                self.jobs.queue(job, task)
            await _end_of(job, wait)
            response.status_code = 200 if job.state in OVER else 202
            response.headers["Location"] = f"/jobs/{job.id}"
            return self.jobs.document(job)

        @api.get("/jobs/{number}", responses=UNKNOWN, summary="A job, and what was found")
        async def status(number: str, wait: Wait = 0.0) -> JobDocument:
            job = self.jobs.get(number)
            await _end_of(job, wait)
            return self.jobs.document(job)

        @api.delete(
            "/jobs/{number}",
            responses=UNKNOWN,
            summary="Cancel a job, or delete one that is over with its results",
        )
        async def remove(number: str) -> JobDocument:
            job = self.jobs.get(number)
            self.jobs.remove(job)
            return self.jobs.document(job)

    def _add_results(self) -> None:
        api = self.api
        png: Any = {
            "response_class": Response,
            "responses": UNKNOWN | content_of("image/png"),
        }
        file = content_of(*FILE_TYPES.values(), OTHER_FILE)
        whole = UNKNOWN | problems(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) | file

        @api.get(
            "/jobs/{number}/files/{name}",
            responses=whole | {206: file[200]},
            response_class=FileResponse,
            summary="A result as a file",
        )
        async def download(number: str, name: str) -> FileResponse:
            job = self._done(number)
            if (file := job.found["files"].get(name)) is None:
                known = ", ".join(job.found["files"])
                raise HTTPProblem(
                    HTTPStatus.NOT_FOUND, f"There is no such file; there are {known}."
                )
            path = job.folder / RESULTS / file
            if not path.is_file():
                raise HTTPProblem(HTTPStatus.NOT_FOUND, "The file was removed from the server.")
            return FileResponse(
                path,
                filename=file,
                media_type=media_type(file),
                headers={"Content-Security-Policy": "sandbox"},
            )

        @api.get(
            "/jobs/{number}/slices/{index}", summary="An axial slice as an 8-bit grey PNG", **png
        )
        async def grey(
            number: str, index: int, low: float | None = None, high: float | None = None
        ) -> Response:
            job = self._done(number)
            black, white = (
                own if given is None else given
                for given, own in zip((low, high), job.found.get("window", (0.0, 1.0)), strict=True)
            )
            if not (math.isfinite(black) and math.isfinite(white) and black < white):
                raise HTTPProblem(
                    HTTPStatus.UNPROCESSABLE_ENTITY, "A window is two numbers, low below high."
                )
            return await _picture(job, ViewerSlices.grey_png, index, black, white)

        @api.get(
            "/jobs/{number}/labels/{index}",
            summary="The labels of a slice as a grey PNG: 0, 1 right lung, 2 left lung",
            **png,
        )
        async def labels(number: str, index: int) -> Response:
            return await _picture(self._done(number), ViewerSlices.labels_png, index)

    def _add_bundle(self) -> None:
        refusals = problems(
            HTTPStatus.LENGTH_REQUIRED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.INSUFFICIENT_STORAGE,
        )

        @self.api.post(
            BUNDLE,
            responses=UNKNOWN | refusals | content_of("application/zip"),
            response_class=FileResponse,
            summary="The results of several jobs in a zip, with one table",
        )
        async def bundle(wanted: Bundle) -> FileResponse:
            jobs = [self._done(number) for number in dict.fromkeys(wanted.jobs)]
            path = self._folder / f"{secrets.token_hex(16)}.zip"
            remove = BackgroundTask(path.unlink, missing_ok=True)
            try:
                await asyncio.to_thread(write_bundle, jobs, path)
            except OSError:
                path.unlink(missing_ok=True)
                raise HTTPProblem(
                    HTTPStatus.INSUFFICIENT_STORAGE,
                    "There is no room for all of it, or a result was deleted; try fewer.",
                ) from None
            return FileResponse(path, filename="lungseg.zip", background=remove)

    def _done(self, number: str) -> ServedJob:
        job = self.jobs.get(number)
        if job.state != "done":
            raise HTTPProblem(HTTPStatus.NOT_FOUND, f"The job is {job.state} and has no results.")
        return job


def _structures(cards: Sequence[ModelCard]) -> list[Structure]:
    """Those that any of the models predicts, by their numbers."""
    known = {one for card in cards for layer in card.sided.structures for one in layer}
    known |= {LUNGS_AS_ONE for card in cards if not card.tells_sides}
    return sorted(known, key=lambda structure: structure.number)


async def _end_of(job: ServedJob, wait: float) -> None:
    if wait:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await job.over.wait()


async def _picture(
    job: ServedJob, make: Callable[..., bytes], index: int, *window: float
) -> Response:
    def opened() -> bytes:
        if job.viewer is None:
            raise IndexError(index)
        return make(ViewerSlices(job.viewer), index, *window)

    try:
        content = await asyncio.to_thread(opened)
    except (IndexError, FileNotFoundError):  # the second where it was deleted meanwhile
        raise HTTPProblem(HTTPStatus.NOT_FOUND, "There is no such slice.") from None
    return Response(content, media_type="image/png")
