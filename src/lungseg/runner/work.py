"""One job the whole way: read, segmented, written and recorded."""

from __future__ import annotations

import logging
import os
import time
import traceback
from pathlib import Path
from typing import Any

from lungseg.draw.painted import painted
from lungseg.errors import (
    InstallationError,
    LungsegError,
    OutputError,
    TooLargeError,
    UnexpectedError,
)
from lungseg.installation import broken_library
from lungseg.report import ENDINGS, content_of, write_reports
from lungseg.result import Result
from lungseg.runner.job import Job, Outcome
from lungseg.segmenter import Segmenter
from lungseg.timing import Progress, no_progress
from lungseg.writers import Record, box_of_crop, check_record, failure, is_there, save

log = logging.getLogger(__name__)


def work(job: Job, segmenter: Segmenter, progress: Progress = no_progress) -> Outcome:
    """Does a job; raises nothing of an input, so that one cannot stop the others.

    Args:
        job: what is to be done.
        segmenter: that does it.
        progress: told how far it is.

    Raises:
        InstallationError: a library that this needs is missing or broken.
    """
    try:
        result = segmenter(
            job.probe or job.source,
            job.options,
            progress=lambda fraction, step: progress(0.8 * fraction, step),
        )
        progress(0.8, "writing")
        start = time.perf_counter()
        record = result.record()
        check_record(record)  # before there are files of it
        if job.sha256 not in ("", record["sha256"]):
            job = job.anew()
        kept, paths = _write(result, record, job, progress)
        record["seconds"]["write"] = round(time.perf_counter() - start, 4)
        record["outputs"] = kept | {output: path.name for output, path in paths.items()}
        if "crop" in record["outputs"]:
            box = box_of_crop(result.image, result.segmentation, job.options)
            record["boxes"] = {"crop": box}
        return Outcome(job.source, "done", _named(record, job), paths)
    except InstallationError:
        raise  # the next input would meet it, too
    except (ImportError, AttributeError) as problem:
        broken = broken_library()
        if broken is not None:
            raise broken from problem
        return failed(job, problem)
    except Exception as problem:  # noqa: BLE001 (also what nobody foresaw must not stop the others)
        return failed(job, problem)


def failed(job: Job, problem: BaseException) -> Outcome:
    """What became of a job that ended with an exception."""
    words = _in_words(problem, job)
    sentence = str(words) if job.run.show_identity else words.recorded
    record = failure(str(job.source), problem, sentence)
    return Outcome(job.source, "failed", _named(record, job), why=str(words))


def _write(
    result: Result[Any], record: Record, job: Job, progress: Progress
) -> tuple[dict[str, str], dict[str, Path]]:
    """Writes what the job asks for; returns what stays of what was written before, and the paths
    that are new, by name of output.
    """
    paths, run = dict[str, Path](), job.run
    if not is_there(run.folder):  # what is written into a new one nobody would know of
        raise OutputError("was removed meanwhile", where=run.folder, cure="segment it again")
    hidden = job.options.skip_refused and result.verdict.status == "refused"
    # Once for the file and the report, which has a size and a style of its own.
    twice = run.reports and "overlay" in run.outputs and not hidden
    once = twice and job.options.overlay_size is None and job.options.overlay_style is None
    overlay = painted(result.image, result.segmentation, job.options) if once else None
    if run.outputs and not hidden:
        paths = save(
            result.image,
            result.segmentation,
            run.folder,
            run.outputs,
            options=job.options,
            name=job.name,
            overwrite=job.replace,
            probabilities=result.probabilities,
            verdict=result.verdict,
            overlay=overlay,
        )
    if run.reports:
        progress(0.9, "writing the report")
        content = content_of(
            result,
            record,
            name=job.name,
            show_identity=run.show_identity,
            skip_refused=job.options.skip_refused,
            overlay=overlay,
        )
        paths |= write_reports(content, run.folder, run.reports, {**job.written, **job.outdated})
    stale = {**job.outdated, **(job.written if hidden else {})}
    for output in stale.keys() - ENDINGS.keys():
        if paths.get(output) != run.folder / stale[output]:
            (run.folder / stale[output]).unlink(missing_ok=True)
    return {one: file for one, file in job.written.items() if one not in stale}, paths


def _in_words(problem: BaseException, job: Job) -> LungsegError:
    """A problem in the package's own words; where one arose that nobody foresaw is logged."""
    if isinstance(problem, LungsegError):
        return problem
    if isinstance(problem, MemoryError):
        return TooLargeError(
            "there is not enough memory for it", where=job.source, cure="use fewer workers"
        )
    log.error(redacted(problem))
    return UnexpectedError(
        f"unexpected {type(problem).__name__}",
        shown=f"unexpected {type(problem).__name__}: {problem}",  # nobody knows what that tells
        where=job.source,
        cure="report this, if you can with the file",
    )


def _named(record: Record, job: Job) -> Record:
    """The record with the names of input and outputs, and without the input's path where it is
    called otherwise.
    """
    record |= {"input": job.display_name} if job.display_name else job.run.named(job.source)
    record["name"] = job.name
    if record["input"] != str(job.source):
        record["reasons"] = [_without_path(text, job) for text in record["reasons"]]
        if "notes" in record:
            record["notes"] = [_without_path(text, job) for text in record["notes"]]
    return record


def _without_path(text: str, job: Job) -> str:
    for path, instead in (
        (f"{job.source}{os.sep}", ""),
        (str(job.source), job.display_name or job.run.called(job.source)),
        (f"{job.source.parent}{os.sep}", ""),
    ):
        text = text.replace(path, instead)
    return text


def redacted(problem: BaseException) -> str:
    """What is logged of a problem that nobody foresaw: where it arose in the program, and not its
    text, which may name a file.
    """
    trace = "".join(traceback.format_tb(problem.__traceback__))
    return f"unexpected {type(problem).__name__}\n{trace}"
