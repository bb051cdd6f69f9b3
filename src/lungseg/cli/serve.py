"""The command that serves the page and its interface: serve."""

from __future__ import annotations

from typing import Annotated

import typer

from lungseg.cli import flags
from lungseg.cli.messages import say
from lungseg.installation import extra_error

Host = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Address to listen on; any but loopback needs a token."),
]
Port = Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", envvar="LUNGSEG_TOKEN", show_envvar=True, help="What clients must show."
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes that segment, one job at a time each.")
]
Queue = Annotated[
    int, typer.Option(min=1, metavar="N", help="Jobs that may wait; more are answered with 429.")
]
QueuePerClient = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Of these, for one address [half of them; all where only this machine is served].",
    ),
]
ConnectionsPerClient = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Of 256 connections, for one address [128; all where only this machine is served].",
    ),
]
MaxUpload = Annotated[
    float, typer.Option(metavar="MB", help="Largest upload, and content of an archive.")
]
MaxStored = Annotated[
    float, typer.Option(metavar="MB", help="Results kept at most; more are answered with 429.")
]
JobTimeout = Annotated[float, typer.Option(metavar="SECONDS", help="For one job.")]
Retention = Annotated[
    float, typer.Option(metavar="SECONDS", help="Results are deleted after this time.")
]
ClientTimeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="A client that is sending may be silent for so long."),
]
NoSandbox = Annotated[
    bool,
    typer.Option(
        "--no-sandbox", help="Do not confine workers; otherwise they are as far as the system can."
    ),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token: Token = None,
    workers: Workers = 1,
    queue: Queue = 16,
    queue_per_client: QueuePerClient = None,
    connections_per_client: ConnectionsPerClient = None,
    max_upload_mb: MaxUpload = 512,
    max_stored_mb: MaxStored = 8000,
    job_timeout: JobTimeout = 600,
    retention: Retention = 3600,
    client_timeout: ClientTimeout = 20,
    no_sandbox: NoSandbox = False,
    model: flags.Model = None,
) -> None:
    """Serve a page to drop images on, and a REST interface, to this machine or, with a token, to
    others.

    Nothing leaves the machine; what is sent and found is deleted after a while, and when the server
    ends.

    Example: lungseg serve --port 8080
    """
    try:
        from lungseg.serve.run import run
        from lungseg.serve.settings import ServerSettings
    except ImportError as error:
        raise extra_error(error, "serving", "serve") from error
    settings = ServerSettings(
        host=host,
        port=port,
        token=token,
        workers=workers,
        queue=queue,
        queue_per_client=queue_per_client,
        connections_per_client=connections_per_client,
        max_upload_mb=max_upload_mb,
        max_stored_mb=max_stored_mb,
        job_timeout=job_timeout,
        retention=retention,
        client_timeout=client_timeout,
        sandbox=not no_sandbox,
        model=model,
    )
    run(settings, say=say)
