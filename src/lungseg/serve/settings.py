"""What a server allows, and to whom it listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from lungseg.errors import UsageError

LEAST_TOKEN = 16
"""Characters of a token that protects a server from other machines."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set.

    Attributes:
        host: address to listen on.
        port: to listen on; 0 for any that is free.
        token: that clients must show; None where none is needed.
        workers: processes that segment, one job at a time each.
        queue: jobs that may wait, with those that are being uploaded.
        most_bytes: of one request's body, and of what is in an archive.
        most_stored: bytes of results that are kept, all together; beyond them nothing new is taken.
        most_parts: files in one request, or in one archive.
        time_limit: seconds for one job, from when it begins.
        keep: seconds for which results are kept.
        idle: seconds for which a client that is sending may be silent.
        slowest: bytes a second below which an upload is cut, once it has lasted for `idle` seconds.
        connections: that may be open at the same time.
        model: as `lungseg.pipeline.Segmenter` takes it.

    Raises:
        UsageError: a number has no meaning, or other machines could come without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    workers: int = 1
    queue: int = 16
    most_bytes: int = 512 * 10**6
    most_stored: int = 8 * 10**9
    most_parts: int = 3000
    time_limit: float = 600.0
    keep: float = 3600.0
    idle: float = 20.0
    slowest: float = 8192.0
    connections: int = 256
    model: str | None = None

    def __post_init__(self) -> None:
        above_zero = (
            "workers", "queue", "most_bytes", "most_stored", "most_parts", "time_limit", "keep",
            "idle", "connections",
        )  # fmt: skip
        for name in above_zero:
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(
                    f"{name.replace('_', ' ')} must be above 0, not {getattr(self, name):g}"
                )
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
        if self.token == "":
            raise UsageError("the token is empty", cure="give one, or leave it out")
        if self.is_local:
            return
        if self.token is None:
            raise UsageError(
                f"{self.host} can be reached from other machines, and that needs a token",
                cure="give one with --token",
            )
        if len(self.token) < LEAST_TOKEN:
            raise UsageError(
                f"the token has {len(self.token)} characters, too few to keep others out",
                cure=f"give at least {LEAST_TOKEN}",
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
