"""The record of an output folder: `results.jsonl`, one record an input, and `summary.csv`, the same
as a table.

`results.jsonl` is what counts: each record is appended as one line as soon as its files are
written, so whatever stops a run, what was done stays known. A later record of an input replaces an
earlier one. Opening and closing a ledger bring it into order: half a line is dropped, replaced
records go, and temporary files of a run that was killed are removed. Closing writes the table from
the records. In between nobody else writes into the folder, and what is begun is noted: a kill
between the files of an input and its record loses nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeGuard

from lungseg.errors import OutputError
from lungseg.modality import MODALITIES
from lungseg.writers.atomic import is_name, make_folder, not_written, remove_leftovers, write_file
from lungseg.writers.lock import LOCK, Lock
from lungseg.writers.record import FAILED, LEFT_OUT, SCHEMA, SEVERITY, Record, input_path
from lungseg.writers.table import measured, row, table

HALF: Final = "\\udc"
"""Where JSON has this, a name may hold bytes that are no UTF-8."""

LEDGER = "results.jsonl"
SUMMARY = "summary.csv"
_WITHOUT_RESULT = (FAILED, LEFT_OUT)


class Ledger:
    """The records of one output folder; use it in a `with` statement, one at a time a folder.

    Args:
        folder: the output folder, created where it does not exist.

    Attributes:
        unfinished: of inputs that an earlier run began and did not record, the names of their
            outputs, which are ours to replace.

    Raises:
        OutputError: the folder or one of the two files cannot be read or written, another program
            writes there, or the records are of a later schema.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._ledger, self._summary = folder / LEDGER, folder / SUMMARY
        self._lock = Lock(folder / LOCK)
        try:
            remove_leftovers(folder)
            # Kept as lines of text: a hundred thousand records as dictionaries would take a
            # gigabyte.
            self._lines = dict(_lines_of(read_records(self._ledger)))
            _write_where_it_differs(self._ledger, self._text())
        except BaseException:
            self._lock.release()
            raise
        self.unfinished = {
            source: name for source, name in self._lock.unfinished.items() if is_name(name)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._lock.check()
            _write_where_it_differs(self._ledger, self._text())
            summary = table(self.records(), measured(self.records()))
            _write_where_it_differs(self._summary, summary)
            self._lock.check()

    def record(self, source: str) -> Record | None:
        """The newest record of an input."""
        line = self._lines.get(source)
        return None if line is None else _entry_of(line)

    def records(self) -> Iterator[Record]:
        """The newest record of each input, in the order in which they first came."""
        return (_entry_of(line) for line in self._lines.values())

    def begin(self, source: str, name: str) -> None:
        """Notes that the files of an input are going to be written, under that name.

        Raises:
            OutputError: it cannot be noted.
        """
        self._lock.begin(source, name)

    def give_up(self, source: str) -> None:
        """Strikes off an input of which nothing was written after all."""
        self._lock.done(source)

    def add(self, entry: Record) -> None:
        """Appends one record, where it is not there already; the table follows when the ledger is
        closed. One of a failure, or of what was left out, never replaces one of a success, whose
        files are still there. One of a success is on the disk, also where the power fails next.

        Raises:
            OutputError: it cannot be written, and no half line is left; or the folder is not there
                any more.
        """
        source, line = entry["input"], _line_of(entry)
        earlier = self.record(source)
        if self._lines.get(source) != line and (
            entry["verdict"] not in _WITHOUT_RESULT
            or earlier is None
            or earlier["verdict"] in _WITHOUT_RESULT
        ):
            self._lock.check()
            is_result = entry["verdict"] not in _WITHOUT_RESULT
            _append(self._ledger, f"{line}\n".encode(), durable=is_result)
            self._lines[source] = line
        self._lock.done(input_path(entry))

    def move(self, moved: Mapping[str, Record]) -> None:
        """Puts other records in the place of those of the inputs that they are given by.

        Raises:
            OutputError: they cannot be written.
        """
        entries = ((moved.get(source), source, line) for source, line in self._lines.items())
        self._lines = dict(
            (source, line) if entry is None else (entry["input"], _line_of(entry))
            for entry, source, line in entries
        )
        _write_where_it_differs(self._ledger, self._text())

    def sort(self, sources: Sequence[str]) -> None:
        """Puts the records of these inputs into this order, those of others staying where they are;
        the files follow when the ledger is closed.
        """
        place = {source: number for number, source in enumerate(sources)}
        sorted_ones = iter(sorted(self._lines.keys() & place.keys(), key=place.__getitem__))
        order = [next(sorted_ones) if source in place else source for source in self._lines]
        self._lines = {source: self._lines[source] for source in order}

    def _text(self) -> bytes:
        return "".join(f"{line}\n" for line in self._lines.values()).encode()


def read_records(path: Path) -> Iterator[Record]:
    """The records in a `results.jsonl`, oldest first, without lines that are no record; none where
    there is no such file.

    Raises:
        OutputError: the file exists and cannot be read, or a record is of a later schema, whose
            first number is higher than that of `SCHEMA`.
    """
    for line in _read(path).splitlines():
        try:
            entry = _entry_of(line)
        except (ValueError, RecursionError):  # lists too deep in one another
            continue
        if _is_record(entry, path):
            yield entry


def _lines_of(entries: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Input and line of each record that can be written again: one with a number that is not finite
    cannot.
    """
    for entry in entries:
        with suppress(ValueError, RecursionError):
            yield entry["input"], _line_of(entry)


def _line_of(entry: Record) -> str:
    r"""A record as JSON. Of a name that is no UTF-8 Python keeps each odd byte as half a character,
    which few other readers of JSON take: it is written out, as \udce9 behind a backslash.
    """
    line = json.dumps(entry, allow_nan=False)
    return json.dumps(_each_text(entry, written_out)) if HALF in line else line


def _entry_of(line: str | bytes) -> Any:
    """The record in a line, names being as Python has them again.

    Raises:
        ValueError: it is no JSON.
    """
    entry = json.loads(line)
    half = HALF.encode() if isinstance(line, bytes) else HALF
    return _each_text(entry, _as_python_has_it) if half in line else entry  # type: ignore[operator]


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _each_text(one, change) for key, one in value.items()}
    return [_each_text(one, change) for one in value] if isinstance(value, list) else value


def written_out(text: str) -> str:
    r"""A text in which each byte of a name that is no UTF-8 is written like \udce9."""
    return text.encode("utf-8", "backslashreplace").decode()


def _as_python_has_it(text: str) -> str:
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), text)


def _is_record(entry: Any, path: Path) -> TypeGuard[Record]:
    """Whether it is a record whose files lie in its folder: who sent the folder shall not say which
    other files are read or replaced.
    """
    try:
        major, minor = (int(number) for number in entry["schema"].split("."))
        known = int(SCHEMA.split(".")[0])
        if major > known:
            raise OutputError(
                f"has records of schema {major}.{minor}, and this lungseg reads those of {known}",
                where=path,
                cure="use a newer lungseg, or another folder",
            )
        row(entry)
        names = [entry.get("name", "none"), *entry.get("outputs", {}).values()]
        return (
            major == known
            and isinstance(entry["input"], str)
            and entry["verdict"] in (*SEVERITY, LEFT_OUT)
            and (entry["verdict"] in _WITHOUT_RESULT or entry["modality"] in MODALITIES)
            and all(isinstance(entry.get(name, {}), dict) for name in ("model", "options"))
            and all(map(is_name, names))
            and all(map(_is_measurement, entry.get("measurements", ())))
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return False


def _is_measurement(entry: dict[str, Any]) -> bool:
    """Whether it says in words what was measured of what, in which unit and with which
    restriction.
    """
    words = entry["name"], entry["structure"], entry["unit"], entry["restriction"] or ""
    return all(isinstance(word, str) for word in words)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"cannot be read ({reason})", where=path, cure="choose another output folder"
        ) from error


def _write_where_it_differs(path: Path, data: bytes) -> None:
    if _read(path) != data:
        write_file(path, data)


def _append(path: Path, data: bytes, *, durable: bool) -> None:
    """Appends whole lines or nothing: where the disk is full, what was written of them is cut off
    again. What is durable is on the disk afterwards, and stays where the power fails.
    """
    try:
        with path.open("ab", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END)
            try:
                if stream.write(data) != len(data):
                    raise OSError("the disk is full")
                if durable:
                    os.fsync(stream.fileno())
            except BaseException:
                stream.truncate(size)
                raise
    except OSError as error:
        raise not_written(path, error) from error
