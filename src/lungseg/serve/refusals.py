"""What the interface answers where it refuses."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from lungseg.serve.problems import HTTPProblem


def _allowed(request: Request) -> list[str]:
    """All methods of the address of a request; Starlette itself names those of one route."""
    return sorted(
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    )


def refused(request: Request, problem: Exception) -> JSONResponse:
    """Every refusal as JSON with one sentence."""
    if isinstance(problem, HTTPProblem):
        return JSONResponse({"detail": problem.sentence}, problem.status, headers=problem.headers)
    if isinstance(problem, RequestValidationError):
        first = problem.errors()[0]
        return JSONResponse(
            {"detail": f"{first['loc'][-1]}: {first['msg'].lower()}."},
            HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    if isinstance(problem, HTTPException):
        headers = dict(problem.headers or {})
        if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request))
        return JSONResponse({"detail": f"{problem.detail}."}, problem.status_code, headers=headers)
    return JSONResponse(
        {"detail": "The server could not answer; see its log."}, HTTPStatus.INTERNAL_SERVER_ERROR
    )
