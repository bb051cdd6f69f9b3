"""The command line. A command is imported and built when it is called, and only that one; all that
is heavy is imported inside the functions.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from lungseg.cli.exit_status import FAILED, WRONG_USE
from lungseg.cli.interrupt import end_at_the_second
from lungseg.cli.messages import in_flags, say
from lungseg.errors import (
    InstallationError,
    LungsegError,
    ModelError,
    UsageError,
)
from lungseg.installation import broken_library, check_installation, culprit

COMMANDS: Final = {
    "segment": "Segment the lungs, right and left, in radiographs and CT.",
    "demo": "Segment phantoms with known lungs, a radiograph and a CT.",
    "info": "List models, structures, outputs, formats and versions.",
    "report": "Make a report of every result in a folder, and an index.",
    "dataset": "Gather images and masks into a list of cases.",
    "train": "Train a network on images with lung masks.",
    "compare-runs": "Draw the curves of training runs over each other.",
    "export": "Write a trained network as ONNX file and card.",
    "card": "Write the card of an ONNX file that was made elsewhere.",
    "calibrate": "Fit what judges the masks of a model.",
    "evaluate": "Score models on cases with known masks.",
    "serve": "Serve a page to drop images on, and a REST interface.",
}
"""Each command with its sentence in the list."""

HOMES: Final = {"export": "train"}
"""Modules that hold a command of another name."""


ANSWERS_ALWAYS: Final = ("info",)
"""Commands that do without a whole installation."""

NOT_OF_INPUTS: Final = (UsageError, ModelError, InstallationError)
"""Errors that no other input would help."""


class _Command(TyperCommand):
    """Says every error of the package in its one sentence, and ends with the status that belongs to
    it.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            if self.name not in ANSWERS_ALWAYS:
                check_installation()
            return super().invoke(ctx)
        except LungsegError as given:
            # What cannot be read may be whole, and the library that reads it broken.
            error = culprit(given) or given
            say(f"Error: {in_flags(str(error), self)}")
            raise typer.Exit(WRONG_USE if isinstance(error, NOT_OF_INPUTS) else FAILED) from error
        except BrokenPipeError:  # whoever read the output has enough of it; typer ends quietly
            raise
        except OSError as error:  # such as a full disk below standard output
            where = os.fsdecode(error.filename or "standard output")
            say(
                f"Error: {where}: "
                f"{(error.strerror or str(error)).lower()}; make room or check permissions."
            )
            raise typer.Exit(FAILED) from error


class _Commands(TyperGroup):
    """For a list, name and sentence of a command do; the one that is called is built. What nobody
    foresaw may be the fault of a library.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ImportError, AttributeError, OSError) as error:
            broken = None if isinstance(error, BrokenPipeError) else broken_library()
            if broken is None:
                raise
            say(f"Error: {broken}")
            raise typer.Exit(WRONG_USE) from error

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and build(str(name)), rest


def build(name: str) -> Any:
    """A command with its flags."""
    function = name.replace("-", "_")
    module = import_module(f"lungseg.cli.{HOMES.get(name, function)}")
    app = _typer()
    app.command(name, cls=_Command)(getattr(module, function))
    return typer.main.get_command(app)


def _typer(*, completion: bool = False) -> typer.Typer:
    # Help in plain text and plain traces: the formatted ones would import rich, and with it a tenth
    # of a second, into every start.
    return typer.Typer(
        cls=_Commands,
        add_completion=completion,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


app = _typer(completion=True)


def main() -> None:
    """What the `lungseg` command runs."""
    if not sys.warnoptions:
        # What libraries find odd in a file that they read all the same.
        warnings.simplefilter("ignore")
    end_at_the_second()
    app(prog_name="lungseg")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"lungseg {version('lungseg')}")
        raise typer.Exit


@app.callback()
def lungseg(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find the lungs in chest radiographs and CT: masks, measurements and pictures.

    Example: lungseg segment chest.png -o out
    """


def _listed() -> None:
    """Stands for a command in the list."""


for _name, _about in COMMANDS.items():
    app.command(_name, help=_about)(_listed)
