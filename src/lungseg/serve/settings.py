"""What a server allows, and to whom it listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from lungseg.errors import UsageError

MIN_TOKEN_LENGTH = 16
"""Characters of a token that protects a server from other machines."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All that can be set.

    Attributes:
        host: address to listen on.
        port: to listen on; 0 for any that is free.
        token: that clients must show; None where none is needed.
        workers: processes that segment, one job at a time each.
        queue: jobs that may wait, with those that are being uploaded.
        queue_per_client: of these, how many one address may have, so that no client can fill the
            queue alone; None for half of them, or on loopback, where one address is everybody's,
            for all.
        max_upload_mb: megabytes of one request's body, and of what is in an archive, or in any file
            that is packed itself.
        max_stored_mb: megabytes of results that are kept, all together; beyond them nothing new is
            taken.
        max_files: in one request, or in one archive.
        job_timeout: seconds for one job, from when it begins.
        retention: seconds for which results are kept.
        client_timeout: seconds for which a client that is sending may be silent.
        min_upload_rate: bytes a second below which an upload is cut, once it has lasted for
            `client_timeout`.
        max_connections: that may be open at the same time.
        connections_per_client: of these, how many one address may have, so that no client can keep
            others out; None for half of them, or on loopback for all.
        sandbox: whether workers are confined to their folder, as far as the system can.
        model: as in `SegmentOptions`, for every input.

    Raises:
        UsageError: a number has no meaning, or other machines could come without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    workers: int = 1
    queue: int = 16
    queue_per_client: int | None = None
    max_upload_mb: float = 512.0
    max_stored_mb: float = 8000.0
    max_files: int = 3000
    job_timeout: float = 600.0
    retention: float = 3600.0
    client_timeout: float = 20.0
    min_upload_rate: float = 8192.0
    max_connections: int = 256
    connections_per_client: int | None = None
    sandbox: bool = True
    model: str | None = None

    def __post_init__(self) -> None:
        above_zero = (
            "workers",
            "queue",
            "places_per_client",
            "max_upload_mb",
            "max_stored_mb",
            "max_files",
            "job_timeout",
            "retention",
            "client_timeout",
            "max_connections",
            "places_to_connect",
        )
        for name in above_zero:
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"`{name}` is a number above 0, not {getattr(self, name):g}")
        if not 0 <= self.port < 2**16:
            raise UsageError(f"{self.port} is not a port", cure="choose one from 1 to 65535")
        if self.token is not None and (
            not self.token.isascii()
            or not self.token.isprintable()
            or self.token.strip() != self.token
        ):
            raise UsageError(
                "the token has characters that a header cannot carry", cure="use letters and digits"
            )
        if self.token is not None and not self.token:
            raise UsageError("the token is empty", cure="give one, or leave it out")
        if self.is_local:
            return
        if self.token is None:
            raise UsageError(
                f"{self.host} can be reached from other machines, and that needs a token",
                cure="give one with `token`",
            )
        if len(self.token) < MIN_TOKEN_LENGTH:
            raise UsageError(
                f"the token has {len(self.token)} characters, too few to keep others out",
                cure=f"give at least {MIN_TOKEN_LENGTH}",
            )

    @property
    def places_per_client(self) -> int:
        """Of the queue, for one address."""
        if self.queue_per_client is not None:
            return self.queue_per_client
        return self.queue if self.is_local else (self.queue + 1) // 2

    @property
    def places_to_connect(self) -> int:
        """Of the connections, for one address."""
        if self.connections_per_client is not None:
            return self.connections_per_client
        return self.max_connections if self.is_local else (self.max_connections + 1) // 2

    @property
    def max_upload_bytes(self) -> int:
        """Of one request's body, and of what is in an archive."""
        return round(self.max_upload_mb * 1e6)

    @property
    def max_stored_bytes(self) -> int:
        """Of all results that are kept."""
        return round(self.max_stored_mb * 1e6)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
