"""Inputs that lie elsewhere than when they were done: their records follow them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.errors import InputError, UsageError
from lungseg.options import SegmentOptions
from lungseg.provenance import Format
from lungseg.readers import Probe, checksum
from lungseg.readers.probe import probe
from lungseg.runner import RunOptions
from lungseg.writers import Ledger, Record, input_path


@dataclass(slots=True)
class _Lost:
    """Records of inputs that are not where they were.

    Attributes:
        by_content: what they are called, by their SHA-256.
        formats: what they came as.
        counts: of slices, those that volumes among them have.
    """

    by_content: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    formats: set[str] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        self.by_content[record["sha256"]].append(record["input"])
        self.formats.add(record.get("format", ""))
        self.counts.add(record.get("grid", {}).get("slices", 0))


def follow_moved(
    ledger: Ledger,
    sources: Mapping[Path, str | Path | Probe],
    options: SegmentOptions,
    run: RunOptions,
) -> None:
    """Gives records the paths that their inputs have by now, so that none is done or listed twice.

    A source has the record of its path, whatever that was called by. One without a record takes
    over that of an input which is gone and had the same content: the same bytes in a file, in all
    files of a volume, or in all slices of a series, whatever they are called. Of a series that has
    as many slices as none of those which are gone, only headers are read.

    Args:
        ledger: of the folder of results.
        sources: the inputs by their absolute paths.
        options: which series or frame of an input is meant.
        run: knows what they are to be called.

    Raises:
        UsageError: an input that is still there has a source's name, from another folder.
        OutputError: the records cannot be written.
    """
    called = {input_path(record): record["input"] for record in ledger.records()}
    lost = _Lost()
    for record in ledger.records():
        place = Path(input_path(record))
        if "sha256" in record and place not in sources and _is_gone(place, record, sources):
            lost.add(record)
    moved: dict[str, Record] = {}
    for source, given in sources.items():
        old = called.get(str(source))
        if old is None and lost.by_content:
            same = lost.by_content.get(_content(given, options, lost))
            old = same.pop(0) if same else None
        earlier = None if old is None else ledger.record(old)
        if old is None or earlier is None:
            _refuse_another(ledger, source, run)
        elif input_path(earlier) != str(source) or old != run.called(source):
            earlier.pop("relative_to", None)
            moved[old] = earlier | run.named(source)
    if moved:
        ledger.move(moved)


def _content(given: str | Path | Probe, options: SegmentOptions, lost: _Lost) -> str:
    """SHA-256 of an input that may be one of those; empty where it is none of them, or cannot be
    read, which whoever reads it will say.
    """
    try:
        probed = probe(given)
        if not isinstance(probed.format, Format) or probed.format.value not in lost.formats:
            return ""
        return checksum(
            probed,
            series=options.series,
            frame=options.frame,
            skip_damaged=options.skip_damaged,
            counts=lost.counts,
        )
    except InputError:
        return ""


def _is_gone(place: Path, record: Record, sources: Iterable[Path] = ()) -> bool:
    """Whether neither it nor an archive that it was in is there; of a series, also whether its
    folder is empty, or a source lies below it and no file in it.
    """
    if not os.path.exists(place):  # noqa: PTH110 (no error is raised)
        return not any(map(os.path.isfile, place.parents))
    if record.get("format") != Format.DICOM_SERIES.value:
        return False
    folders = [files for _, _, files in os.walk(place)]
    if not folders or folders[0]:
        return False
    return not any(folders) or any(place in source.parents for source in sources)


def _refuse_another(ledger: Ledger, source: Path, run: RunOptions) -> None:
    earlier = ledger.record(run.called(source))
    if earlier is not None and not _is_gone(Path(input_path(earlier)), earlier):
        raise UsageError(
            f"{run.called(source)} stands in the results already, as {input_path(earlier)}",
            where=source,
            cure="choose another folder for results, or give as `relative_to` the folder above "
            "both",
        )
