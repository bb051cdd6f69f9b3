"""Everything that can go wrong, as one tree; each message says what is wrong, in which file, and
what to do.

LungsegError
├── InputError              an input cannot be used
│   ├── UnreadableError     broken, empty, truncated, or not to be opened
│   ├── UnsupportedError    whole, but of a kind this package does not read
│   ├── TooLargeError       refused by its header, before decoding
│   └── UnknownLabelsError  a mask with values of which nobody says what they are
├── ModelError              a model or its card cannot be used, or the two do not belong together
├── OutputError             a result cannot be written
├── InstallationError       a library that is needed is missing or broken
├── TimedOutError           work took longer than it was given
├── UsageError              settings that contradict each other or name something unknown
└── UnexpectedError         what nobody foresaw, while many inputs are done
"""

from __future__ import annotations

from typing import Any


class LungsegError(Exception):
    """Root of all errors of this package.

    Args:
        what: one sentence without a full stop: what is wrong.
        where: the file or object it is about, if any.
        cure: what the user can do, if anything is known to help.
        shown: the same as `what` with words out of the file itself, such as the name of a series,
            which are for the eyes of whoever has the file: the text of the error has them, and
            `recorded` does not.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object | None = None,
        cure: str | None = None,
        shown: str | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.cure = cure
        self.shown = shown
        super().__init__(self._sentence(shown or what))

    @property
    def recorded(self) -> str:
        """The whole sentence without words out of the file."""
        return self._sentence(self.what)

    def _sentence(self, what: str) -> str:
        text = what if self.where is None else f"{self.where}: {what}"
        return f"{text}; {self.cure}." if self.cure else f"{text}."

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.what, self.where, self.cure, self.shown)


def _unpickled(
    kind: type[LungsegError], what: str, where: str | None, cure: str | None, shown: str | None
) -> LungsegError:
    return kind(what, where=where, cure=cure, shown=shown)


class InputError(LungsegError):
    """An input cannot be used."""


class UnreadableError(InputError):
    """An input is broken, empty, truncated, or may not be opened."""


class UnsupportedError(InputError):
    """An input is whole, but of a kind that this package does not read."""


class TooLargeError(InputError):
    """An input was refused by its header, before any pixel was decoded."""


class UnknownLabelsError(InputError):
    """A mask has values of which nobody says which structures they are."""


class ModelError(LungsegError):
    """A model or its card cannot be used, or the two do not belong together."""


class OutputError(LungsegError):
    """A result cannot be written."""


class InstallationError(LungsegError):
    """A library that this package needs is missing or broken; no input is to blame."""


class TimedOutError(LungsegError):
    """Work took longer than it was given, and was stopped."""


class UsageError(LungsegError):
    """Settings contradict each other or name something unknown."""


class UnexpectedError(LungsegError):
    """What nobody foresaw; raised nowhere, but in the record of the input that it happened to."""
