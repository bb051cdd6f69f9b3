"""An option of dataset: what a model finds, as the RSNA Pneumonia Detection Challenge asks for
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungseg.cli.exit_status import FAILED
from lungseg.cli.messages import say

if TYPE_CHECKING:
    from lungseg.datasets import Case

RsnaSubmission = Annotated[
    str | None,
    typer.Option(
        "--rsna-submission",
        metavar="MODEL",
        help="Instead of a list, write boxes around the opacities that this model finds, as the "
        "RSNA challenge's CSV.",
    ),
]


def submit(model: str, cases: Sequence[Case], output: Path) -> None:
    """Writes the CSV and says what is in it."""
    from lungseg.evaluate.opacities import write_submission
    from lungseg.predict import processors
    from lungseg.writers import make_folder

    make_folder(output.parent)
    problems = write_submission(model, cases, output, workers=processors())
    patients = len({case.patient for case in cases})
    typer.echo(f"{output}: {patients} patients, {len(cases)} images")
    for problem in problems:
        say(f"without boxes: {problem}")
    if problems:
        raise typer.Exit(FAILED)
