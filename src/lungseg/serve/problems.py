"""Why a request gets no answer but a sentence."""

from __future__ import annotations

from http import HTTPStatus


class HTTPProblem(Exception):  # noqa: N818 (it is no error of this program)
    """A request that is not served.

    Args:
        status: of HTTP.
        sentence: for the user.
        after: seconds after which to try again, if that helps.
    """

    def __init__(self, status: HTTPStatus, sentence: str, *, after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.after = status, sentence, after

    @property
    def headers(self) -> dict[str, str]:
        """Those that the answer carries."""
        return {} if self.after is None else {"Retry-After": str(self.after)}


def not_stored(error: OSError) -> HTTPProblem:
    """Why what is sent cannot be kept: its folder is gone, or there is no room."""
    if isinstance(error, FileNotFoundError):
        what = "The server's folder was removed, and it takes nothing until it is started anew."
    else:
        what = "The server has no room for it; try again later."
    return HTTPProblem(HTTPStatus.INSUFFICIENT_STORAGE, what)
