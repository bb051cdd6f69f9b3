"""Many inputs segmented side by side, each written and recorded as soon as it is done."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lungseg.batch.inputs import absolute, name_inputs
from lungseg.errors import LungsegError, UsageError
from lungseg.options import check_radius
from lungseg.predict import processors
from lungseg.report import ENDINGS, Kind, check_reportlab, study_of, write_index, write_reports
from lungseg.segmenter import KINDS, Segmenter
from lungseg.writers import FAILED, OUTPUTS, Ledger, check_outputs, failure, is_there

if TYPE_CHECKING:
    from lungseg.card import ModelCard
    from lungseg.result import Result

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input's absolute path.
        status: "done"; "skipped" where results exist and were left alone; "failed".
        verdict: that of the result, "ok", "review" or "refused"; empty where there is none.
        reasons: of the verdict, or why it was skipped or failed.
        outputs: the files written now, by name of output.
    """

    source: Path
    status: Literal["done", "skipped", "failed"]
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    outputs: dict[str, Path] = field(default_factory=dict[str, Path])


@dataclass(frozen=True, slots=True)
class _Job:
    """One input to be done: what to write, what was written before, and whether files of that name
    are ours to replace.
    """

    source: Path
    name: str
    outputs: tuple[str, ...]
    reports: tuple[Kind, ...]
    written: dict[str, str]
    replace: bool = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What decides how a result looks, and so whether an earlier one still answers."""

    folder: Path
    outputs: tuple[str, ...]
    spacing: tuple[float, float] | None
    page: int | None
    series: str | None
    skip_damaged: bool
    dilate: float
    hull: bool
    binary: bool
    overwrite: bool
    quick: bool
    strict: bool
    reports: tuple[Kind, ...]
    identify: bool

    def recorded(self, model: ModelCard, *, refused: bool) -> dict[str, Any]:
        """As it stands in the record of an input that the model is for; `strict` means something to
        one that is refused only.
        """
        entry: dict[str, Any] = {
            "model": model.sha256,
            "page": self.page,
            "binary": self.binary,
            "spacing": None if self.spacing is None else list(self.spacing),
        }
        if refused:
            entry["strict"] = self.strict
        if model.modality == "ct":
            return entry | {
                "series": self.series,
                "skip_damaged": self.skip_damaged,
                "quick": self.quick,
            }
        return entry | {"dilate": float(self.dilate), "hull": self.hull}


def segment_many(
    files: Sequence[str | Path],
    folder: str | Path,
    segmenter: Segmenter,
    *,
    outputs: Sequence[str] = ("mask", "overlay"),
    spacing: tuple[float, float] | None = None,
    page: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
    dilate: float = 0.0,
    hull: bool = False,
    binary: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    strict: bool = False,
    reports: Sequence[Kind] = (),
    identify: bool = False,
    workers: int | None = None,
) -> Generator[Outcome, None, None]:
    """Segments files, writes outputs, `results.jsonl` and `summary.csv` into `folder`, and yields
    what became of each file, in order.

    Each of the worker threads takes one file the whole way (read, segment, write), so decoding,
    network and encoding of different files overlap, and no more images are in memory than there are
    workers, of volumes only a few. A file that fails does not stop the others. Where the caller
    stops early or is interrupted, files begun are finished and recorded, the others left.

    Args:
        files: paths of images, volumes and folders with a DICOM series; one given twice is done
            once.
        folder: where the outputs go; created where it does not exist. No second run may write there
            at the same time.
        segmenter: with few threads of its own where there are many workers: the two multiply.
        outputs: names from `lungseg.writers.OUTPUTS`.
        spacing: millimetres between rows and between columns, for files that do not state it.
        page: of files with several.
        series: of folders with several.
        skip_damaged: leave out slices of a series that cannot be decoded.
        dilate: widens the mask, as the segmenter understands it.
        hull: takes what lies between the lungs into the mask.
        binary: masks as 0 and 255.
        overwrite: do again what is there; otherwise it is left alone and "skipped".
        quick: leave out the expected Dice of CT.
        strict: write no mask and no other picture of a refused input.
        reports: "report" for one in HTML, "pdf" for one in PDF; with either, the folder gets its
            index.
        identify: let the reports show paths, and of DICOM patient's name and ID.
        workers: number of threads; one for each processor where not given.

    Raises:
        UsageError: an output is not known, `workers` is below 1, `dilate` is no radius, or PDF was
            asked for without reportlab.
        OutputError: the folder or the record in it cannot be written.
    """
    chosen = tuple(output.name for output in check_outputs(outputs))
    if workers is not None and workers < 1:
        raise UsageError(f"at least one worker is needed, not {workers}")
    check_radius(dilate)
    if "pdf" in reports:
        check_reportlab()
    place = absolute(folder)
    looks = spacing, page, series, skip_damaged, dilate, hull, binary, overwrite
    settings = _Settings(place, chosen, *looks, quick, strict, tuple(reports), identify)
    sources = list(dict.fromkeys(absolute(file) for file in files))
    return _run(sources, settings, segmenter, min(workers or processors(), max(1, len(sources))))


def _run(
    sources: list[Path], settings: _Settings, segmenter: Segmenter, workers: int
) -> Generator[Outcome, None, None]:
    with Ledger(settings.folder) as ledger, ThreadPoolExecutor(workers, "lungseg") as pool:
        known = {
            str(entry["input"]): str(entry["name"]) for entry in ledger.records() if "name" in entry
        }
        names = name_inputs(sources, known, settings.folder)
        waiting: deque[Outcome | Future[tuple[dict[str, Any], Outcome]]] = deque()
        try:
            for source in sources:
                job = _plan(source, names[source], ledger.record(str(source)), settings, segmenter)
                waiting.append(
                    job
                    if isinstance(job, Outcome)
                    else pool.submit(_work, job, segmenter, settings)
                )
                if len(waiting) > 2 * workers:
                    yield _finish(waiting, ledger)
            while waiting:
                yield _finish(waiting, ledger)
            if settings.reports:
                write_index(ledger.records(), settings.folder, identify=settings.identify)
        finally:
            # Reached with something waiting only where the run was stopped: what has begun is
            # finished and recorded.
            for item in waiting:
                if isinstance(item, Future):
                    item.cancel()
            while waiting:
                if isinstance(waiting[0], Future) and waiting[0].cancelled():
                    waiting.popleft()
                else:
                    _finish(waiting, ledger)


def _finish(
    waiting: deque[Outcome | Future[tuple[dict[str, Any], Outcome]]], ledger: Ledger
) -> Outcome:
    """Waits for the first, records it, and only then takes it off, so that an interruption loses
    nothing.
    """
    first = waiting[0]
    if isinstance(first, Future):
        entry, outcome = first.result()
        ledger.add(entry)
    else:
        outcome = first
    waiting.popleft()
    return outcome


def _plan(
    source: Path,
    name: str,
    earlier: dict[str, Any] | None,
    settings: _Settings,
    segmenter: Segmenter,
) -> _Job | Outcome:
    """What is to be done for a file, or that nothing is."""
    written = {} if earlier is None else earlier.get("outputs", {})
    if settings.overwrite or (earlier is not None and earlier["verdict"] == FAILED):
        # A report that is there must not go on telling what is no longer so.
        reports = tuple(kind for kind in ENDINGS if kind in settings.reports or kind in written)
        return _Job(source, name, settings.outputs, reports, written, replace=True)
    outputs = (
        ()
        if settings.strict and earlier is not None and earlier["verdict"] == "refused"
        else check_outputs(settings.outputs)
    )
    paths = {output.name: output.paths(settings.folder, name) for output in outputs}
    # A report may have another name than its input's, which may be a person's.
    paths |= {
        kind: (settings.folder / written.get(kind, name + ENDINGS[kind]),)
        for kind in settings.reports
    }
    there = {
        output: path.name for output, places in paths.items() for path in places if is_there(path)
    }
    if earlier is None and there:
        why = (
            f"{next(iter(there.values()))} is there already and results.jsonl does not know "
            "it; --overwrite replaces it"
        )
    elif earlier is not None and earlier.get("settings") != settings.recorded(
        segmenter.card(segmenter.kind or KINDS[earlier["kind"]]),
        refused=earlier["verdict"] == "refused",
    ):
        why = "done already, with other settings; --overwrite does it again"
    elif len(there) == len(paths):
        why = "done already"
    else:
        missing = [output for output in paths if output not in there]
        reports = tuple(kind for kind in settings.reports if kind in missing)
        return _Job(
            source,
            name,
            tuple(output for output in missing if output not in reports),
            reports,
            written,
            replace=False,
        )
    return Outcome(source, "skipped", reasons=(why,))


def _work(job: _Job, segmenter: Segmenter, settings: _Settings) -> tuple[dict[str, Any], Outcome]:
    """One file the whole way; never raises, so that one file cannot stop the others."""
    try:
        result = segmenter(
            job.source,
            spacing=settings.spacing,
            page=settings.page,
            series=settings.series,
            skip_damaged=settings.skip_damaged,
            dilate=settings.dilate,
            hull=settings.hull,
            quick=settings.quick,
        )
        start = time.perf_counter()
        written, paths = _write(result, job, settings)
        entry = result.record()
        entry["seconds"]["write"] = round(time.perf_counter() - start, 4)
        outputs = {output: path.name for output, path in paths.items()}
        entry |= {
            "outputs": written | outputs,
            "settings": settings.recorded(result.card, refused=result.verdict.status == "refused"),
        }
        outcome = Outcome(job.source, "done", result.verdict.status, result.verdict.reasons, paths)
    except Exception as problem:  # noqa: BLE001 (also what nobody foresaw must not stop the others)
        entry = failure(str(job.source), _explained(problem, job.source))
        outcome = Outcome(job.source, "failed", reasons=tuple(entry["reasons"]))
    return {"input": str(job.source), "name": job.name} | entry, outcome


def _write(
    result: Result[Any], job: _Job, settings: _Settings
) -> tuple[dict[str, str], dict[str, Path]]:
    """Writes what the job asks for; returns what stays of what was written before, and the paths
    that are new, by name of output.
    """
    written, paths = dict(job.written), dict[str, Path]()
    if settings.strict and result.verdict.status == "refused":
        for output in OUTPUTS:  # of an earlier run that was not strict
            if output.name in written:
                (settings.folder / written.pop(output.name)).unlink(missing_ok=True)
    elif job.outputs:
        paths = result.save(
            settings.folder,
            job.outputs,
            name=job.name,
            binary=settings.binary,
            overwrite=job.replace,
        )
    if job.reports:
        study = study_of(result, name=job.name, identify=settings.identify, strict=settings.strict)
        paths |= write_reports(study, settings.folder, job.reports, job.written)
    return written, paths


def _explained(problem: Exception, source: Path) -> LungsegError:
    """A problem in the package's own words; one that nobody foresaw is logged with its trace."""
    if isinstance(problem, LungsegError):
        return problem
    if isinstance(problem, MemoryError):
        return LungsegError(
            "there is not enough memory for it", where=source, cure="use fewer workers"
        )
    log.info("%s: unexpected error", source, exc_info=problem)
    return LungsegError(
        f"unexpected {type(problem).__name__}: {problem}",
        where=source,
        cure="report this, if you can with the file",
    )
