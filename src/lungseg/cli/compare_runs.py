"""The command that lays training runs over each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungseg.cli.train import training_module

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Folders that `lungseg train` wrote into.")
]
Picture = Annotated[
    Path, typer.Option("--output", "-o", metavar="PICTURE.png", help="The figure of their curves.")
]


def compare_runs(runs: Runs, output: Picture = Path("runs.png")) -> None:
    """Draw the curves of training runs over each other, and print their best epochs. Needs the
    `train` extra.

    Example: lungseg compare-runs runs/r5 runs/r5-sides -o r5.png
    """
    curves = training_module("run_curves")
    known = curves.read_runs(runs)
    curves.draw_runs(known, output)
    typer.echo(curves.comparison(known))
    typer.echo(f"Curves: {output}")
