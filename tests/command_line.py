"""The command line, run in the process of the tests."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from lungseg.cli.main import app


def lungseg(*arguments: object, piped: bytes | None = None) -> Any:
    """What `lungseg ARGUMENTS` gives: exit status and what it printed."""
    return CliRunner().invoke(
        app, [str(argument) for argument in arguments], input=piped, catch_exceptions=False
    )
