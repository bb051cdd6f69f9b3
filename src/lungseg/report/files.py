"""Reports as files in a folder of results."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from lungseg.draw.picture import thumbnail
from lungseg.errors import InputError, LungsegError, OutputError
from lungseg.report.content import ReportContent, content_again
from lungseg.report.html import html_page
from lungseg.report.index import INDEX, PDF, REPORT, THUMBNAILS, TITLE, index_page, rows_of
from lungseg.report.pdf import check_reportlab, pdf_page
from lungseg.report.pictures import jpeg
from lungseg.writers import FAILED, LEDGER, LEFT_OUT, Ledger, is_there, make_folder
from lungseg.writers.atomic import write_files

log = logging.getLogger(__name__)

ReportFormat = Literal["report", "pdf"]
"""HTML and PDF, as the record calls them."""
ENDINGS: Final[dict[ReportFormat, str]] = {"report": REPORT, "pdf": PDF}
"""What the name of a report of each format ends in."""

THUMBNAIL_SIDE: Final = 192
"""Pixels of the longer side of a small picture, which the index shows at half of that."""


def write_reports(
    content: ReportContent,
    folder: Path,
    formats: Sequence[ReportFormat],
    earlier: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """Writes the reports of one input into `folder`, and its small picture for the index; all or
    none.

    Args:
        content: what they contain; its name is theirs.
        folder: of the results.
        formats: which.
        earlier: files of reports that were written for this input before, by format; those of
            another name, which may be a person's, go.

    Returns:
        The path of each report, by format.

    Raises:
        UsageError: reportlab is not installed, and PDF was asked for.
        OutputError: they cannot be written.
    """
    make = {"report": lambda: html_page(content).encode(), "pdf": lambda: pdf_page(content)}
    paths = {str(each): folder / f"{content.name}{ENDINGS[each]}" for each in formats}
    # The marked one, where there is one.
    pictures = [
        (folder / THUMBNAILS / f"{content.name}.jpg", jpeg(thumbnail(picture, THUMBNAIL_SIDE)))
        for picture in content.pictures.all[-1:]
    ]
    make_folder(folder / THUMBNAILS)
    write_files([*((path, make[each]()) for each, path in paths.items()), *pictures])
    for each, ending in ENDINGS.items():
        old = (earlier or {}).get(each, "")
        if old and old != f"{content.name}{ending}":
            (folder / old).unlink(missing_ok=True)
            (folder / THUMBNAILS / f"{old.removesuffix(ending)}.jpg").unlink(missing_ok=True)
    return paths


def write_index(
    records: Iterable[Mapping[str, Any]], folder: Path, *, show_identity: bool = False
) -> Path:
    """Writes `report.html`, the index of all records of a folder, and returns its path.

    Raises:
        OutputError: it cannot be written, or another file has its name.
    """
    path = folder / INDEX
    if is_there(path) and f"<title>{TITLE}</title>" not in _beginning(path):
        raise OutputError(
            "is there already, and is no index of results",
            where=path,
            cure="move it, or choose another folder for results",
        )
    write_files(
        [(path, index_page(rows_of(records, folder, show_identity=show_identity)).encode())]
    )
    return path


def _beginning(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(4096)
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of the reports of one record.

    Attributes:
        source: the input.
        paths: of the reports, by format; none where there was nothing to report, or something went
            wrong.
        failed: the input could not be segmented, so that there is nothing to report.
        problem: what went wrong.
    """

    source: str
    paths: dict[str, Path] = field(default_factory=dict[str, Path])
    failed: bool = False
    problem: str = ""


def report_folder(
    folder: str | Path,
    *,
    formats: Sequence[ReportFormat] = ("report",),
    show_identity: bool = False,
    workers: int = 1,
) -> Generator[Reported, None, None]:
    """Makes the reports of every record in a folder of results, then its index; yields what became
    of each, in order.

    Pictures are read again from the inputs. The record of each input then names its reports.

    Args:
        folder: with `results.jsonl`.
        formats: which reports, beside those that there are.
        show_identity: show paths, and of DICOM patient's name and ID.
        workers: threads.

    Raises:
        InputError: there is no `results.jsonl`.
        UsageError: reportlab is not installed, and PDF was asked for.
        OutputError: a report or the record cannot be written.
    """
    place = Path(folder)
    if not is_there(place / LEDGER):
        raise InputError(
            "there are no results here",
            where=place,
            cure=f"name a folder in which lungseg segment left {LEDGER}",
        )
    if "pdf" in formats:
        check_reportlab()
    return _report_folder(place, formats, show_identity=show_identity, workers=workers)


def _report_folder(
    folder: Path, formats: Sequence[ReportFormat], *, show_identity: bool, workers: int
) -> Generator[Reported, None, None]:
    with Ledger(folder) as ledger, ThreadPoolExecutor(workers, "lungseg-report") as pool:

        def work(entry: dict[str, Any]) -> Reported:
            if entry["verdict"] == FAILED:
                return Reported(entry["input"], failed=True)
            try:
                earlier = entry.get("outputs", {})
                # Those that are there are made anew too: they may show a name that must not be
                # shown any more.
                wanted = tuple(each for each in ENDINGS if each in formats or each in earlier)
                return Reported(
                    entry["input"],
                    write_reports(
                        content_again(entry, folder, show_identity=show_identity),
                        folder,
                        wanted,
                        earlier,
                    ),
                )
            except LungsegError as error:
                return Reported(entry["input"], problem=str(error))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                log.info("%s: unexpected error", entry["input"], exc_info=error)
                return Reported(
                    entry["input"],
                    problem=str(
                        InputError(
                            "its record is broken", where=folder / LEDGER, cure="segment it again"
                        )
                    ),
                )

        inputs = [entry for entry in ledger.records() if entry["verdict"] != LEFT_OUT]
        for done in pool.map(work, inputs):
            entry = ledger.record(done.source)
            if entry is not None and done.paths:
                named = {each: path.name for each, path in done.paths.items()}
                if entry.get("outputs", {}) | named != entry.get("outputs"):
                    ledger.add(entry | {"outputs": entry.get("outputs", {}) | named})
            yield done
        write_index(ledger.records(), folder, show_identity=show_identity)
