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
from lungseg.report.content import Study, study_again
from lungseg.report.frame import jpeg
from lungseg.report.html import html_page
from lungseg.report.index import INDEX, PDF, REPORT, THUMBNAILS, TITLE, index_page, lines_of
from lungseg.report.pdf import check_reportlab, pdf_page
from lungseg.writers import FAILED, LEDGER, Ledger, is_there, make_folder
from lungseg.writers.atomic import write_files

log = logging.getLogger(__name__)

Kind = Literal["report", "pdf"]
ENDINGS: Final[dict[Kind, str]] = {"report": REPORT, "pdf": PDF}
"""What the name of each kind of report ends in, by what the record calls it."""

SMALL: Final = 192
"""Pixels of the longer side of a small picture, which the index shows at half of that."""


def write_reports(
    study: Study, folder: Path, kinds: Sequence[Kind], earlier: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Writes the reports of one input into `folder`, and its small picture for the index; all or
    none.

    Args:
        study: what they show; its title is their name.
        folder: of the results.
        kinds: which.
        earlier: files of reports that were written for this input before, by kind; those of another
            name, which may be a person's, go.

    Returns:
        The path of each kind of report.

    Raises:
        UsageError: reportlab is not installed, and PDF was asked for.
        OutputError: they cannot be written.
    """
    make = {"report": lambda: html_page(study).encode(), "pdf": lambda: pdf_page(study)}
    paths = {str(kind): folder / f"{study.title}{ENDINGS[kind]}" for kind in kinds}
    shown = study.original if study.marked is None else study.marked
    pictures = (
        []
        if shown is None
        else [(folder / THUMBNAILS / f"{study.title}.jpg", jpeg(thumbnail(shown, SMALL)))]
    )
    make_folder(folder / THUMBNAILS)
    write_files([*((path, make[kind]()) for kind, path in paths.items()), *pictures])
    for kind, ending in ENDINGS.items():
        old = (earlier or {}).get(kind, "")
        if old and old != f"{study.title}{ending}":
            (folder / old).unlink(missing_ok=True)
            (folder / THUMBNAILS / f"{old.removesuffix(ending)}.jpg").unlink(missing_ok=True)
    return paths


def write_index(
    records: Iterable[Mapping[str, Any]], folder: Path, *, identify: bool = False
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
    write_files([(path, index_page(lines_of(records, folder, identify=identify)).encode())])
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
        paths: of the reports, by kind; none where there was nothing to report, or something went
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
    kinds: Sequence[Kind] = ("report",),
    identify: bool = False,
    workers: int = 1,
) -> Generator[Reported, None, None]:
    """Makes the reports of every record in a folder of results, then its index; yields what became
    of each, in order.

    Pictures are read again from the inputs. The record of each input then names its reports.

    Args:
        folder: with `results.jsonl`.
        kinds: which reports, beside those that there are.
        identify: show paths, and of DICOM patient's name and ID.
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
    if "pdf" in kinds:
        check_reportlab()
    return _report_folder(place, kinds, identify=identify, workers=workers)


def _report_folder(
    folder: Path, kinds: Sequence[Kind], *, identify: bool, workers: int
) -> Generator[Reported, None, None]:
    with Ledger(folder) as ledger, ThreadPoolExecutor(workers, "lungseg-report") as pool:

        def work(entry: dict[str, Any]) -> Reported:
            if entry["verdict"] == FAILED:
                return Reported(entry["input"], failed=True)
            try:
                earlier = entry.get("outputs", {})
                # Those that are there are made anew too: they may show a name that must not be
                # shown any more.
                wanted = tuple(kind for kind in ENDINGS if kind in kinds or kind in earlier)
                return Reported(
                    entry["input"],
                    write_reports(
                        study_again(entry, folder, identify=identify), folder, wanted, earlier
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

        for done in pool.map(work, list(ledger.records())):
            entry = ledger.record(done.source)
            if entry is not None and done.paths:
                named = {kind: path.name for kind, path in done.paths.items()}
                if entry.get("outputs", {}) | named != entry.get("outputs"):
                    ledger.add(entry | {"outputs": entry.get("outputs", {}) | named})
            yield done
        write_index(ledger.records(), folder, identify=identify)
