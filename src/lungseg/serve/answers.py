"""What the server's description (/openapi.json) says of answers and of what is sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from lungseg.serve.requests import form_schema
from lungseg.serve.schemas import Problem

Answers = dict[int | str, dict[str, Any]]
"""By their status."""

FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": form_schema()}},
    }
}


def problems(*statuses: HTTPStatus) -> Answers:
    """Refusals with these statuses."""
    return {int(status): {"model": Problem, "description": status.phrase} for status in statuses}


def content_of(*types: str) -> Answers:
    """What is asked for, in one of these media types."""
    return {200: {"content": {one: {} for one in types}}}


EVERYWHERE: Final = problems(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
)
"""What may be answered to anything: by `lungseg.serve.security`, and to other methods."""
UNKNOWN: Final = problems(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
