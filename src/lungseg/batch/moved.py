"""Inputs that lie elsewhere than when they were done: their records follow them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lungseg.card import file_sha256
from lungseg.errors import UsageError
from lungseg.runner import RunOptions
from lungseg.writers import Ledger, Record, input_path


def follow_moved(ledger: Ledger, sources: Iterable[Path], run: RunOptions) -> None:
    """Gives records the paths that their inputs have by now, so that none is done or listed twice.

    A source has the record of its path, whatever that was called by. One without a record takes
    over that of an input which is gone and had the same content; this is known of files alone, and
    of a volume in several files it is not.

    Args:
        ledger: of the folder of results.
        sources: absolute paths of the inputs.
        run: knows what they are to be called.

    Raises:
        UsageError: an input that is still there has a source's name, from another folder.
        OutputError: the records cannot be written.
    """
    called = {input_path(record): record["input"] for record in ledger.records()}
    gone = defaultdict[str, list[str]](list)
    for record in ledger.records():
        if "sha256" in record and _is_gone(Path(input_path(record))):
            gone[record["sha256"]].append(record["input"])
    moved: dict[str, Record] = {}
    for source in sources:
        old = called.get(str(source))
        if old is None and gone and os.path.isfile(source):  # noqa: PTH113 (no error is raised)
            same = gone[_content(source)]
            old = same.pop(0) if same else None
        earlier = None if old is None else ledger.record(old)
        if old is None or earlier is None:
            _refuse_another(ledger, source, run)
        elif input_path(earlier) != str(source) or old != run.called(source):
            earlier.pop("relative_to", None)
            moved[old] = earlier | run.named(source)
    if moved:
        ledger.move(moved)


def _content(source: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read, which whoever reads it will say."""
    try:
        return file_sha256(source)
    except OSError:
        return ""


def _is_gone(path: Path) -> bool:
    """Whether neither it nor an archive that it was in is there."""
    archives = map(os.path.isfile, path.parents)
    return not os.path.exists(path) and not any(archives)  # noqa: PTH110 (no error is raised)


def _refuse_another(ledger: Ledger, source: Path, run: RunOptions) -> None:
    earlier = ledger.record(run.called(source))
    if earlier is not None and not _is_gone(Path(input_path(earlier))):
        raise UsageError(
            f"{run.called(source)} stands in the results already, as {input_path(earlier)}",
            where=source,
            cure="choose another folder for results, or give as `relative_to` the folder above "
            "both",
        )
