"""One input to be segmented, what is written of it and where, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lungseg.errors import UsageError
from lungseg.options import SegmentOptions
from lungseg.readers import Probe
from lungseg.report import ENDINGS, ReportFormat, check_reportlab
from lungseg.writers import FAILED, OUTPUTS, Record, check_outputs, listed


def absolute(path: str | Path) -> Path:
    """The path from the root, without "..". Links are not followed: outputs are named after the
    link, not after what it points to.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is written, and where; no option of these changes a result.

    Attributes:
        folder: where the outputs go; created where it does not exist.
        outputs: names from `lungseg.writers.OUTPUTS`.
        reports: "report" for one in HTML, "pdf" for one in PDF.
        show_identity: let the reports show paths, and of DICOM patient's name and ID.
        overwrite: do again what is there; otherwise it is left alone.
        relative_to: folder in which the paths of inputs begin that results state; those of inputs
            elsewhere, and where it is not given, are absolute.

    Raises:
        UsageError: an output or a report is not known, nothing is to be written, or PDF was asked
            for without reportlab.
    """

    folder: Path
    outputs: tuple[str, ...] = ("mask", "overlay")
    reports: tuple[ReportFormat, ...] = ()
    show_identity: bool = False
    overwrite: bool = False
    relative_to: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", absolute(self.folder))
        if self.relative_to is not None:
            object.__setattr__(self, "relative_to", absolute(self.relative_to))
        if self.outputs or not self.reports:
            chosen = tuple(output.name for output in check_outputs(self.outputs))
            object.__setattr__(self, "outputs", chosen)
        object.__setattr__(self, "reports", tuple(listed(self.reports)))
        for report in self.reports:
            if report not in ENDINGS:
                raise UsageError(
                    f"there is no report called {report!r}",
                    cure=f"choose from {', '.join(ENDINGS)}",
                )
        if "pdf" in self.reports:
            check_reportlab()

    def called(self, source: Path) -> str:
        """What results call an input, of which the absolute path is given."""
        base = self.relative_to
        inside = base is not None and base in source.parents
        return str(source.relative_to(base) if base is not None and inside else source)

    def named(self, source: Path) -> Any:
        """The fields of a record that say which input it is of."""
        called = self.called(source)
        relative = {} if called == str(source) else {"relative_to": str(self.relative_to)}
        return {"input": called, **relative}


@dataclass(frozen=True, slots=True)
class Job:
    """One input to be done.

    Attributes:
        source: path of a file, or of a folder with a DICOM series.
        name: of its outputs, before "_mask.png" and the like.
        options: how it is segmented.
        run: what is written.
        replace: whether files of that name are ours to replace.
        written: the files that earlier runs left of it and that still hold, by name of output; its
            record goes on naming them.
        outdated: those that do not; each is made anew, or goes.
        sha256: of the source as it was then; empty where no run before had a result of it.
        probe: what is known of the source already; None where it is to be looked at.
        display_name: what its record and its errors call it, in place of a path that is nobody's
            business; empty for the path.
    """

    source: Path
    name: str
    options: SegmentOptions
    run: RunOptions
    replace: bool = False
    written: Mapping[str, str] = field(default_factory=dict[str, str])
    outdated: Mapping[str, str] = field(default_factory=dict[str, str])
    sha256: str = ""
    probe: Probe | None = None
    display_name: str = ""

    def anew(self) -> Job:
        """The same, with all that earlier runs wrote of it done again: no file, and no report, may
        go on telling what is no longer so.
        """
        run, written = self.run, self.written
        outputs = tuple(o.name for o in OUTPUTS if o.name in run.outputs or o.name in written)
        reports = tuple(one for one in ENDINGS if one in run.reports or one in written)
        run = replace(run, outputs=outputs, reports=reports)
        return replace(self, run=run, replace=True, written={}, outdated=written)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input's path.
        status: "done"; "skipped" where results exist and were left alone; "failed".
        record: what `results.jsonl` says of it; None where it was skipped, or failed since files
            that are not ours lie where its own belong.
        outputs: the files written now, by name of output.
        why: it was skipped or failed, for the eyes of whoever has the input: with words out of it
            that its record has not.
    """

    source: Path
    status: Literal["done", "skipped", "failed"]
    record: Record | None = None
    outputs: Mapping[str, Path] = field(default_factory=dict[str, Path])
    why: str = ""

    @property
    def verdict(self) -> str:
        """Of the result, "ok", "review" or "refused"; empty where there is none."""
        verdict = "" if self.record is None else str(self.record["verdict"])
        return "" if verdict == FAILED else verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """Of the verdict, or why it was skipped or failed."""
        return (self.why,) if self.record is None else tuple(self.record["reasons"])
