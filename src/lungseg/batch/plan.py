"""What is to be done for an input, by what earlier runs left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lungseg.modality import Modality
from lungseg.options import SegmentOptions, applies
from lungseg.report import ENDINGS
from lungseg.runner import Job, Outcome, RunOptions
from lungseg.segmenter import Segmenter
from lungseg.writers import FAILED, LEFT_OUT, OUTPUTS, is_there


def plan(
    source: Path,
    name: str,
    earlier: Mapping[str, Any] | None,
    options: SegmentOptions,
    run: RunOptions,
    segmenter: Segmenter,
    *,
    unfinished: bool,
) -> Job | Outcome:
    """A job, or that there is none.

    Args:
        source: the input's absolute path.
        name: of its outputs.
        earlier: its record in the folder of the run, if it has one.
        options: how it is segmented.
        run: what is written.
        segmenter: whose models count.
        unfinished: whether a run that was killed had begun it, so that what is there may be of two
            runs, or half of it.
    """
    written: Mapping[str, str] = {} if earlier is None else earlier.get("outputs", {})
    redo = run.overwrite or unfinished
    if redo or (earlier is not None and earlier["verdict"] in (FAILED, LEFT_OUT)):
        # A report that is there must not go on telling what is no longer so.
        reports = tuple(report for report in ENDINGS if report in run.reports or report in written)
        return Job(
            source, name, options, replace(run, reports=reports), replace=True, written=written
        )
    places = _places(name, earlier, options, run)
    there = {
        output: path.name for output, paths in places.items() for path in paths if is_there(path)
    }
    if earlier is None and there:
        why = (
            f"{next(iter(there.values()))} is there already and results.jsonl does not know it; "
            "`overwrite` replaces it"
        )
        return Outcome(source, "failed", why=why)
    if earlier is not None and not _still_holds(earlier, options, segmenter):
        why = "done already, with other options; `overwrite` does it again"
    elif len(there) == len(places):
        why = "done already"
    else:
        missing = replace(
            run,
            outputs=tuple(one for one in run.outputs if one in places and one not in there),
            reports=tuple(one for one in run.reports if one not in there),
        )
        return Job(source, name, options, missing, written=written)
    return Outcome(source, "skipped", why=why)


def _places(
    name: str, earlier: Mapping[str, Any] | None, options: SegmentOptions, run: RunOptions
) -> dict[str, tuple[Path, ...]]:
    """Where each output that is to be there may be."""
    refused = earlier is not None and earlier["verdict"] == "refused"
    outputs = () if refused and options.skip_refused else run.outputs
    places = {
        output.name: output.paths(run.folder, name) for output in OUTPUTS if output.name in outputs
    }
    # A report may have another name than its input's, which may be a person's.
    written: Mapping[str, str] = {} if earlier is None else earlier.get("outputs", {})
    return places | {
        report: (run.folder / written.get(report, name + ENDINGS[report]),)
        for report in run.reports
    }


def _still_holds(earlier: Mapping[str, Any], options: SegmentOptions, segmenter: Segmenter) -> bool:
    """Whether the options would give the same result as those of an earlier run; what they say of
    model and modality by what came of it.
    """
    modality: Modality = earlier["modality"]
    if segmenter.modality(options) not in (None, modality):
        return False
    if segmenter.card(modality, options).sha256 != earlier.get("model", {}).get("sha256"):
        return False
    today, then = options.record(), earlier.get("options", {})
    return all(
        today[option.name] == then.get(option.name)
        for option in fields(options)
        if applies(option, modality)
        and option.name not in ("modality", "model")
        and (option.name != "skip_refused" or earlier["verdict"] == "refused")
    )
