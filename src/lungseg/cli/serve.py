"""The command that serves the page and its interface: serve. `lungseg.cli.main` puts it on the
command line.
"""

from __future__ import annotations

import math
import sys
from typing import Annotated

import typer

from lungseg.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(serve)


def serve(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on; any but loopback needs a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", envvar="LUNGSEG_TOKEN", show_envvar=True, help="What clients must show."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Processes that segment, one job at a time each."),
    ] = 1,
    queue: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Jobs that may wait; more are answered with 429."),
    ] = 16,
    most_megabytes: Annotated[
        float, typer.Option(metavar="MB", help="Largest upload, and content of an archive.")
    ] = 512,
    most_stored_megabytes: Annotated[
        float, typer.Option(metavar="MB", help="Results kept at most; more are answered with 429.")
    ] = 8000,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="For one job.")] = 600,
    keep: Annotated[
        float, typer.Option(metavar="SECONDS", help="Results are deleted after this time.")
    ] = 3600,
    idle: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="A client that is sending may be silent for so long."),
    ] = 20,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Embedded model, or an .onnx file, for every input [cxr or ct].",
        ),
    ] = None,
) -> None:
    """Serve a page to drop images on, and a REST interface, to this machine or, with a token, to
    others.

    Nothing leaves the machine; what is sent and found is deleted after a while, and when the server
    ends.

    Example: lungseg serve --port 8080
    """
    try:
        from lungseg.serve.run import run
        from lungseg.serve.settings import Settings
    except ImportError as error:
        raise UsageError(
            f"serving needs the library {error.name}",
            cure="install it with `pip install 'lungseg[serve]'`",
        ) from error
    settings = Settings(
        host=host,
        port=port,
        token=token,
        workers=workers,
        queue=queue,
        most_bytes=_bytes(most_megabytes),
        most_stored=_bytes(most_stored_megabytes),
        time_limit=time_limit,
        keep=keep,
        idle=idle,
        model=model,
    )
    run(settings, say=lambda text: print(text, file=sys.stderr))


def _bytes(megabytes: float) -> int:
    if not math.isfinite(megabytes):
        raise UsageError(f"{megabytes:g} MB is no size", cure="give a number of megabytes")
    return round(megabytes * 1e6)
