"""The server itself: uvicorn, with limits on what a client may take its time for."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from importlib import metadata
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lungseg.errors import UsageError
from lungseg.serve.app import Server
from lungseg.serve.confined import confinement_in_words
from lungseg.serve.folder import temporary_folder
from lungseg.serve.jobs import client_of
from lungseg.serve.security import MAX_REQUEST_HEADER_BYTES
from lungseg.serve.settings import ServerSettings

log = logging.getLogger(__name__)
GRACE: Final = 3
"""Seconds that answers in the making have when the server is stopped."""


_DETAIL: Final = b'{"detail": "Your address has as many connections as one may have; close some."}'
TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Retry-After: 5\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_DETAIL), _DETAIL)
)
"""What is said to who has too many connections, before anything of a request is read."""


class Bounded(H11Protocol):
    """HTTP on one connection, which is closed where no whole header comes in time, or nothing of an
    answer is taken, and at once where its address has as many as one may have.

    uvicorn itself would wait for ever, and let one address take all connections. How long is what
    it calls `timeout_keep_alive`.

    Attributes:
        places: connections of one address.
    """

    places: int
    _deadline: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came: its time runs."""
        super().connection_made(transport)
        known = (one.address for one in self.connections if isinstance(one, Bounded))
        if sum(address == self.address for address in known) > self.places:
            transport.write(TOO_MANY)
            transport.close()
            return
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Its time stops with a whole header, and runs again with the first byte of another one."""
        super().data_received(data)
        if not self._waits():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """It went away."""
        self._forget()
        if self._untaken is not None:
            self._untaken.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More of an answer waits than is good: the time of the client runs."""
        super().pause_writing()
        self._untaken = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        """The client took it."""
        super().resume_writing()
        if self._untaken is not None:
            self._untaken.cancel()

    @property
    def address(self) -> str:
        """Whose connection it is, as places in the queue are shared out."""
        return client_of(self.client[0] if self.client else "")

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._waits():
            self.transport.close()


class LoggedServer(uvicorn.Server):
    """Says in the log when it began, with what confines its workers, and when it ended, before a
    signal ends the process.
    """

    def __init__(self, config: uvicorn.Config, settings: ServerSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """It can be asked."""
        await super().startup(sockets)
        log.info("lungseg %s began", metadata.version("lungseg"))
        log.info("%s", confinement_in_words(self._settings))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """All that was sent and found is deleted."""
        await super().shutdown(sockets)
        log.info("lungseg %s ended", metadata.version("lungseg"))


def _log_with_time() -> None:
    """On standard error, each line with the time (UTC)."""
    formatter = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler])
    log.setLevel(logging.INFO)


def run(settings: ServerSettings, *, say: Callable[[str], None]) -> None:
    """Serves until it is interrupted; where, is said once it can be asked.

    Raises:
        UsageError: the address cannot be listened on, or there is nowhere to keep what is sent.
        ModelError: the model or its card is missing or broken.
    """
    _log_with_time()
    os.environ.pop("LUNGSEG_TOKEN", None)  # for which workers, who get it all, have no use
    os.umask(0o077)  # what clients send is nobody else's business
    temporary_folder()
    server = Server(settings)

    class Shared(Bounded):
        places = settings.places_to_connect

    config = uvicorn.Config(
        server.app,
        http=Shared,
        timeout_keep_alive=settings.client_timeout,  # type: ignore[arg-type]  # it goes to call_later, which takes parts of seconds
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_REQUEST_HEADER_BYTES,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=GRACE,
    )
    with _listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{port} (Ctrl-C ends it)")
        LoggedServer(config, settings).run([listener])


def _listening(settings: ServerSettings) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(settings.max_connections)
    except OSError as error:
        if listener is not None:
            listener.close()
        what = (
            f"{settings.host}:{settings.port} cannot be listened on "
            f"({(error.strerror or str(error)).lower()})"
        )
        raise UsageError(what, cure="choose another `port` or `host`") from error
    return listener
