"""The command of those who read results: report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungseg.cli import flags
from lungseg.cli.exit_status import FAILED
from lungseg.cli.messages import say
from lungseg.errors import UsageError

if TYPE_CHECKING:
    from lungseg.report import ReportFormat


def report(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="Folder in which lungseg segment left its results."),
    ],
    pdf: Annotated[bool, typer.Option("--pdf", help="Also make each report as PDF.")] = False,
    show_identity: flags.ShowIdentity = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Reports at a time [one a processor].")
    ] = None,
    quiet: flags.Quiet = False,
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
    formats = formats_of(report=True, pdf=pdf, show_identity=show_identity)
    for done in report_folder(
        folder, formats=formats, show_identity=show_identity, workers=workers or processors()
    ):
        made += bool(done.paths)
        without += done.failed
        failed += bool(done.problem)
        if done.problem or not quiet:
            message = done.problem or (
                str(done.paths["report"])
                if done.paths
                else "no report, as it could not be segmented"
            )
            say(f"{done.source}: {message}")
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


def formats_of(*, report: bool, pdf: bool, show_identity: bool) -> tuple[ReportFormat, ...]:
    """Which reports these flags ask for: --pdf adds to the one in HTML.

    Raises:
        UsageError: --show-identity without a report.
    """
    if show_identity and not (report or pdf):
        raise UsageError(
            "--show-identity is about reports, and none was asked for",
            cure="add --report, or leave it out",
        )
    if pdf:
        return "report", "pdf"
    return ("report",) if report else ()
