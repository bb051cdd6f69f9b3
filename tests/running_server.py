"""The server with its workers, asked within the process of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from lungseg.serve.app import Server
from lungseg.serve.settings import ServerSettings


@asynccontextmanager
async def running(model: Path, **settings: Any) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """A server with these settings, and a client of it."""
    server = Server(ServerSettings(model=str(model), **settings))
    async with server.api.router.lifespan_context(server.api):
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=60
        ) as client:
            yield server, client
