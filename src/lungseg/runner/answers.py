"""What a confined process may answer: a pickle, read by one who does not trust its writer."""

from __future__ import annotations

import builtins
import io
import pathlib
import pickle  # nosec B403
from typing import Any, Final

from lungseg import errors
from lungseg.errors import LungsegError

MAX_ANSWER_BYTES: Final = 64 * 2**20


class StrangeAnswerError(Exception):
    """A process that was confined said what none says that does its work."""


class _Reader(pickle.Unpickler):  # nosec B301
    """Makes errors, paths, and objects of certain classes. None of what it finds by name can be
    changed by a pickle: classes that say themselves how a state is set, and functions of this
    module.
    """

    def __init__(self, answer: bytes, answers: tuple[type, ...]) -> None:
        super().__init__(io.BytesIO(answer))
        self._known = {(kind.__module__, kind.__qualname__): kind for kind in answers}

    def find_class(self, module: str, name: str, /) -> Any:
        """The class of that name.

        Raises:
            UnpicklingError: it is none of those that an answer may have.
        """
        if module == errors.__name__:
            if name == "_unpickled":
                return _error
            if _is_error(getattr(errors, name, None)):
                return getattr(errors, name)
        elif module == "builtins" and _is_error(getattr(builtins, name, None)):
            return getattr(builtins, name)
        elif module.partition(".")[0] == "pathlib" and name in ("PosixPath", "WindowsPath"):
            return _path
        elif hasattr(self._known.get((module, name)), "__setstate__"):
            return self._known[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an answer")


def read_answer(answer: bytes, answers: tuple[type, ...]) -> tuple[Any, ...]:
    """An answer of a confined process.

    Args:
        answer: ("progress", fraction, step), ("result", value) or ("error", exception), pickled.
        answers: classes of which a result is, and whatever is in it, frozen dataclasses with slots;
            numbers, texts, lists and the like, paths and errors may be in it, too. None for results
            of these alone.

    Raises:
        StrangeAnswerError: it is another one.
    """
    try:
        found = _Reader(answer, answers).load()
    except Exception as problem:  # whatever a pickle that somebody made up leads to
        raise StrangeAnswerError from problem
    match found:
        case ("progress", int() | float() as fraction, str() as step):
            return "progress", min(1.0, max(0.0, float(fraction))), step[:100]
        case ("result", value) if not answers or isinstance(value, answers):
            return found
        case ("error", Exception()):
            return found
    raise StrangeAnswerError


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def _error(*parts: Any) -> LungsegError:
    """What pickles call to make an error of this package."""
    return errors._unpickled(*parts)  # noqa: SLF001


def _path(*parts: str) -> pathlib.Path:
    return pathlib.Path(*parts)
