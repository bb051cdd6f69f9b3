"""An application of the server asked directly, without a network, a server or workers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


class Asked:
    """Asks as a client on the same machine would."""

    def __init__(self, app: ASGIApp, address: str = "127.0.0.1") -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(address, 123)),
            base_url="http://127.0.0.1:8080",
        )

    def request(self, method: str, address: str, **more: Any) -> httpx.Response:
        """The answer."""
        return asyncio.run(self._client.request(method, address, **more))

    def get(self, address: str, **more: Any) -> httpx.Response:
        """The answer to GET."""
        return self.request("GET", address, **more)

    def post(self, address: str, **more: Any) -> httpx.Response:
        """The answer to POST."""
        return self.request("POST", address, **more)
