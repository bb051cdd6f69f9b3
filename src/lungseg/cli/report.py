"""The command of those who read results: report. `lungseg.cli.main` puts it on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungseg.errors import UsageError

if TYPE_CHECKING:
    from lungseg.report import Kind

FAILED = 1
"""Exit status: some reports could not be made."""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(report)


def report(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="Folder in which lungseg segment left its results."),
    ],
    pdf: Annotated[bool, typer.Option("--pdf", help="Also make each report as PDF.")] = False,
    identify: Annotated[
        bool, typer.Option("--identify", help="Show paths, and of DICOM patient's name and ID.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Reports at a time [one a processor].")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Name only what went wrong.")
    ] = False,
) -> None:
    """Make a report of every result in a folder, and RESULTS/report.html, the index of all of them.

    Pictures are read again from the inputs; where those are gone, the overlays stand alone. Reports
    of an earlier run are replaced.

    Exit status: 0 all well, 1 some reports could not be made, 2 wrong use.

    Example: lungseg report out
    """
    from lungseg.predict import processors
    from lungseg.report import INDEX, report_folder

    folder = results.parent if results.is_file() else results
    made = without = failed = 0
    kinds = kinds_of(report=True, pdf=pdf, identify=identify)
    for done in report_folder(
        folder, kinds=kinds, identify=identify, workers=workers or processors()
    ):
        made += bool(done.paths)
        without += done.failed
        failed += bool(done.problem)
        if done.problem or not quiet:
            said = done.problem or (
                str(done.paths["report"])
                if done.paths
                else "no report, as it could not be segmented"
            )
            print(f"{done.source}: {said}", file=sys.stderr)
    if not quiet:
        rest = (
            f", {_counted(without, 'input')} without, as {'they' if without > 1 else 'it'} could "
            "not be segmented"
            if without
            else ""
        )
        typer.echo(f"{_counted(made, 'report')}{rest}. Index: {folder / INDEX}")
    if failed:
        raise typer.Exit(FAILED)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def kinds_of(*, report: bool, pdf: bool, identify: bool) -> tuple[Kind, ...]:
    """Which reports these options ask for: --pdf adds to the one in HTML.

    Raises:
        UsageError: --identify without a report.
    """
    if identify and not (report or pdf):
        raise UsageError(
            "--identify is about reports, and none was asked for",
            cure="add --report, or leave it out",
        )
    if pdf:
        return "report", "pdf"
    return ("report",) if report else ()
