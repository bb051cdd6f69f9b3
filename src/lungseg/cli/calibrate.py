"""The command that fits what judges a model's masks: calibrate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungseg.cli.exit_status import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from lungseg.calibrate.run import Calibrated


KeepFrontal = Annotated[
    bool,
    typer.Option(
        "--keep-frontal",
        help="Keep what tells frontal radiographs from other pictures as it is; expect the Dice "
        "anew.",
    ),
]


def calibrate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The .onnx file, its card beside it.")
    ],
    cases: Annotated[
        Path, typer.Argument(metavar="CASES", help="A CSV of cases, or a folder of data sets.")
    ],
    out_of_distribution: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Folder of inputs that the model is not made for; may be repeated.",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Take cases of this split; may be repeated [validation, test]."),
    ] = None,
    keep_frontal: KeepFrontal = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Inputs at a time [one a processor].")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fit what judges the masks of a model, on cases with masks that it has not seen.

    Of a list these are the validation and test cases; of cases without a split, all. They are shown
    to the model as they are and degraded, beside inputs that are no chest, which are drawn and
    taken from DIR. Writes MODEL.judge.json beside the model, in place of the one that is there:
    from then on its results have an expected Dice. An interrupted run goes on where it stopped.

    Example: lungseg calibrate runs/mine/model.onnx runs/mine/cases.csv
    """
    from lungseg.calibrate import run
    from lungseg.datasets import discover_cases, read_manifest

    known = read_manifest(cases) if cases.suffix.lower() == ".csv" else discover_cases(cases)
    chosen = run.choose_cases(known, split or run.UNSEEN)
    splits = sorted({case.split for case in chosen if case.split})
    where = f"splits {', '.join(splits)}" if splits else "no split, so all are taken for unseen"
    typer.echo(f"Cases: {len(chosen)} ({where})")
    shown = _is_watched() and not quiet
    try:
        done = run.calibrate(
            model,
            chosen,
            out_of_distribution=out_of_distribution or (),
            keep_frontal=keep_frontal,
            workers=workers,
            progress=_show if shown else None,
        )
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on where it stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if shown:
        typer.echo(err=True)
    _say(done)
    if done.failed:
        raise typer.Exit(FAILED)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def _show(count: int) -> None:
    typer.echo(f"\r{count} inputs measured", nl=False, err=True)


def _say(done: Calibrated) -> None:
    typer.echo(
        f"Fitted to {done.masks} masks of {done.patients} patients, and "
        f"{done.out_of_distribution} of inputs that are no chest"
    )
    typer.echo(f"Written: {done.path}")
    for note in done.notes:
        typer.echo(f"Note: {note}")
    for sentence in done.failed:
        typer.echo(f"Left out: {sentence}", err=True)
