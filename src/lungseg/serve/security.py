"""What every request passes before anything of it is read: who asks, from where, and by which
name.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lungseg.runner.work import redacted
from lungseg.serve.problems import HTTPProblem
from lungseg.serve.settings import ServerSettings

log = logging.getLogger(__name__)

OPEN: Final = ("/", "/healthz", "/about", "/openapi.json")
"""What is answered without a token, with all below `PAGE`: nothing that was sent or found."""
PAGE: Final = "/page/"
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
MAX_REQUEST_HEADER_BYTES: Final = 16384
"""Bytes of a request before its body."""
LINE_BYTES: Final = len(b": \r\n")
"""Of each line of the header, beside name and value."""
SAFE: Final = ("GET", "HEAD", "OPTIONS")

POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise."""

BUNDLE: Final = "/bundle"
MAX_LIST_BYTES: Final = 1_000_000
"""Of the list of jobs that are wanted at once, which is read into memory."""

OnAnswer = Callable[[Scope, int], None]
"""Called after each answer with the request and the status."""


class SecurityMiddleware:
    """Around the application: refuses what it must not see, and puts the same headers on every
    answer.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, on_answer: OnAnswer) -> None:
        self._app, self._settings, self._on_answer = app, settings, on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sentence = 0, b""

        async def watched(message: Message) -> None:
            nonlocal status, sentence
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                plain = headers.get("content-type", "").startswith("text/plain")
                if status >= HTTPStatus.BAD_REQUEST and plain:  # of Starlette, about a range
                    sentence = json.dumps({"detail": f"{HTTPStatus(status).phrase}."}).encode()
                    headers["content-type"] = "application/json"
                    headers["content-length"] = str(len(sentence))
            elif sentence:
                message = {**message, "body": b"" if scope["method"] == "HEAD" else sentence}
            await send(message)

        try:
            self._check(scope)
        except HTTPProblem as refusal:
            challenge = (
                {"WWW-Authenticate": "Bearer"} if refusal.status == HTTPStatus.UNAUTHORIZED else {}
            )
            await JSONResponse({"detail": refusal.sentence}, refusal.status, headers=challenge)(
                scope, receive, watched
            )
        else:
            try:
                await self._app(scope, receive, watched)
            except Exception as problem:  # noqa: BLE001 (it was answered; uvicorn would log its text)
                log.error(redacted(problem))
        finally:
            self._on_answer(scope, status)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        length = len(scope["path"]) + len(scope["query_string"])
        length += sum(len(name) + len(value) + LINE_BYTES for name, value in headers.raw)
        if length > MAX_REQUEST_HEADER_BYTES:
            raise HTTPProblem(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"Address and header have at most {MAX_REQUEST_HEADER_BYTES} bytes together.",
            )
        if self._settings.is_local and _host(headers.get("host", "")) not in (
            *LOCAL,
            self._settings.host,
        ):
            # A page of another site whose name was made to lead here (DNS rebinding).
            raise HTTPProblem(
                HTTPStatus.BAD_REQUEST,
                "This server is asked for under its own name only, such as localhost.",
            )
        if scope["method"] not in SAFE and not _from_here(headers):
            raise HTTPProblem(HTTPStatus.FORBIDDEN, "Pages of other sites may not use this server.")
        path: str = scope["path"]
        if path == BUNDLE and scope["method"] == "POST":
            _check_list(headers.get("content-length", ""))
        if path not in OPEN and not path.startswith(PAGE) and not self._has_token(headers):
            raise HTTPProblem(
                HTTPStatus.UNAUTHORIZED,
                "This server needs its token, as Authorization: Bearer TOKEN.",
            )

    def _has_token(self, headers: Headers) -> bool:
        token = self._settings.token
        if token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(
            given.strip().encode(), token.encode()
        )


def _check_list(length: str) -> None:
    """Refuses a list of jobs whose header does not say that it is short.

    Raises:
        HTTPProblem: 411 or 413.
    """
    if not length.isdecimal():
        raise HTTPProblem(
            HTTPStatus.LENGTH_REQUIRED, "A list of jobs is sent with its Content-Length."
        )
    if int(length) > MAX_LIST_BYTES:
        raise HTTPProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A list of jobs has at most a megabyte."
        )


def _host(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _from_here(headers: Headers) -> bool:
    """Whether a request comes from no page at all, or from our own."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.partition("://")[2] == headers.get("host")
