"""What runs in a worker process: the models, loaded once, and one job at a time.

Jobs come, and what is found goes, as JSON through a pipe. A worker stands in the folder of its job
and knows no other names of files than those within, so that neither records nor errors can tell
where that is.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lungseg.errors import LungsegError, ModelError, OutputError, UsageError
from lungseg.options import SegmentOptions
from lungseg.readers import find
from lungseg.report import ReportFormat, check_reportlab, content_of, write_reports
from lungseg.runner.work import redacted
from lungseg.segmenter import Segmenter
from lungseg.serve.archive import unzip
from lungseg.serve.names import RESULTS, SENT
from lungseg.serve.slices import write_slices
from lungseg.writers import write_file

log = logging.getLogger(__name__)

Tell = Callable[[float, str], None]
"""Called with the progress, 0 to 1, and with what is being done."""


def work(
    connection: Connection, model: str | None, threads: int, max_upload_bytes: int, max_files: int
) -> None:
    """Does jobs until the server hangs up.

    Args:
        connection: to the server.
        model: absolute path of an .onnx file for every input; None for the embedded ones.
        threads: that the networks are computed with.
        max_upload_bytes: of what is in an archive.
        max_files: files in an archive.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with the server, not with the terminal
    warnings.simplefilter("ignore")  # what libraries find odd in a file may quote it
    segmenter = Segmenter(model, threads=threads, volume_threads=threads)

    def tell(progress: float, step: str) -> None:
        connection.send_bytes(json.dumps({"progress": progress, "step": step}).encode())

    home = Path.cwd()
    while True:
        try:
            task = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            os.chdir(task["folder"])
            if task["zipped"]:
                tell(0.0, "unpacking")
                unzip(
                    SENT / task["name"],
                    SENT / task["stem"],
                    max_bytes=max_upload_bytes,
                    max_entries=max_files,
                )
                (SENT / task["name"]).unlink()
            answer: dict[str, Any] = {"found": _segment(task, segmenter, tell)}
        except Exception as problem:  # noqa: BLE001 (also what nobody foresaw must not end the worker)
            answer = {"error": _sentence(problem)}
        finally:
            os.chdir(home)
        try:
            connection.send_bytes(json.dumps(answer).encode())
        except BrokenPipeError:
            return


def _segment(task: dict[str, Any], segmenter: Segmenter, tell: Tell) -> dict[str, Any]:
    """Reads, segments and writes; what a job's document tells."""
    os.chdir(SENT)
    options = SegmentOptions.from_record(task["options"])
    result = segmenter(
        _source(task),
        options,
        progress=lambda fraction, step: tell(0.05 + 0.75 * fraction, step),
    )
    tell(0.8, "writing")
    start = time.perf_counter()
    results = Path("..") / RESULTS
    paths = result.save(results, name=task["stem"], binary=options.binary)
    shown = write_slices(result, results)
    record = result.record()
    record["seconds"]["write"] = round(time.perf_counter() - start, 4)
    paths["record"] = results / f"{task['stem']}_record.json"
    write_file(paths["record"], json.dumps(record, indent=2, ensure_ascii=False).encode())
    tell(0.9, "writing the report")
    formats: list[ReportFormat] = ["report"]
    with suppress(UsageError):  # where reportlab is not installed
        check_reportlab()
        formats.append("pdf")
    paths |= write_reports(content_of(result, record, name=task["stem"]), results, formats)
    wanted = {key: record[key] for key in ("verdict", "codes", "reasons", "notes", "measurements")}
    return (
        wanted
        | shown
        | {
            "modality": record["modality"],
            "files": {output: path.name for output, path in paths.items()},
        }
    )


def _source(task: dict[str, Any]) -> Path:
    """The file or folder to segment among what was sent.

    Raises:
        LungsegError: there is none, or more than one.
    """
    if not (task["zipped"] or task["several"]):
        return Path(task["name"])
    folder = Path(task["stem"] if task["zipped"] else ".")
    found = find([folder], series=task["options"]["modality"] != "radiograph")
    folders = [path for path in found.files if path.is_dir()]
    chosen = folders or found.files
    if not chosen:
        raise found.problems[0]
    if len(chosen) > 1:
        what = f"it holds {len(chosen)} images or series, and one is segmented at a time"
        raise LungsegError(what, where=task["name"], cure="send them one by one")
    return chosen[0]


def _sentence(problem: Exception) -> str:
    """A problem in the package's own words; one that nobody foresaw is logged, its text kept back,
    for it may name anything.
    """
    if isinstance(problem, MemoryError):
        return "There is not enough memory for it; send a smaller one."
    if isinstance(problem, OSError | OutputError):
        log.error(redacted(problem))
        return "The server could not write its results, perhaps for want of room; try again later."
    if isinstance(problem, ModelError):  # which names its file
        log.error("%s", problem)
        return "The server's model cannot be used; tell those who run it."
    if isinstance(problem, LungsegError):
        return str(problem)
    log.error(redacted(problem))
    return f"It could not be segmented: unexpected {type(problem).__name__}."
