"""What is to be done for an input, by what earlier runs left of it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lungseg.errors import UsageError
from lungseg.modality import MODALITIES, Modality
from lungseg.options import SegmentOptions, applies
from lungseg.report import ENDINGS
from lungseg.runner import Job, Outcome
from lungseg.segmenter import Segmenter
from lungseg.writers import FAILED, LEFT_OUT, MASK, OUTPUTS, Output, is_there, layer_outputs

LayersOutputs = Mapping[Modality, tuple[Output, ...]]
"""What is written with the mask of an input of each modality."""


def layers_outputs(segmenter: Segmenter, options: SegmentOptions) -> LayersOutputs:
    """What is written with masks, of each modality that inputs may have."""
    own = segmenter.modality(options)
    found: dict[Modality, tuple[Output, ...]] = {}
    for modality in MODALITIES if own is None else (own,):
        with suppress(UsageError):  # each input of it will say that its model lacks a structure
            layers = segmenter.card(modality, options).layers_of(options.structures)
            found[modality] = layer_outputs(layers)
    return found


def plan(
    job: Job,
    earlier: Mapping[str, Any] | None,
    segmenter: Segmenter,
    *,
    layers: LayersOutputs,
    inputs: Container[Path],
    unfinished: bool,
) -> Job | Outcome:
    """What is left to do of a job, or that there is nothing.

    Args:
        job: all that is asked for.
        earlier: its input's record in the folder of the run, if it has one.
        segmenter: whose models count.
        layers: what is written with masks.
        inputs: absolute paths of all inputs of the run, none of which is replaced.
        unfinished: whether a run that was killed, or failed, had begun it, so that what is there
            may be of two runs, or half of it.
    """
    earlier = earlier or {}
    has_result = earlier.get("verdict", FAILED) not in (FAILED, LEFT_OUT)
    job = replace(job, written=earlier.get("outputs", {}), sha256=earlier.get("sha256", ""))
    redo = job.run.overwrite or unfinished
    if redo:
        job = job.anew()
    places = _places(job, earlier, layers)
    for path in (path for paths in places.values() for path in paths if path in inputs):
        why = f"{path.name}, which it would write, is an input; choose another output folder"
        return Outcome(job.source, "failed", why=why)
    if redo:
        return job
    if has_result and not _still_holds(earlier, job.options, segmenter):
        why = "done already, with other options; `overwrite` does it again"
        return Outcome(job.source, "skipped", why=why)
    there = {
        output: path.name for output, paths in places.items() for path in paths if is_there(path)
    }
    for output, name in there.items():
        if job.written.get(output) != name:
            why = (
                f"{name} is there already and results.jsonl does not know it; "
                "`overwrite` replaces it"
            )
            return Outcome(job.source, "failed", why=why)
    if not has_result:
        return job
    if len(there) == len(places):
        return Outcome(job.source, "skipped", why="done already")
    # With the mask go those of the other layers, of which some may be there: all are ours.
    of_layers = {output.name for output in layers.get(earlier["modality"], ())}
    missing = places.keys() - there.keys()
    missing |= {MASK} if missing & of_layers else set()
    run = replace(
        job.run,
        outputs=tuple(one for one in job.run.outputs if one in missing),
        reports=tuple(one for one in job.run.reports if one in missing),
    )
    return replace(job, run=run, replace=True)


def left_something(job: Job, layers: LayersOutputs) -> bool:
    """Whether a job that failed left a file under one of its names."""
    return any(is_there(path) for paths in _places(job, {}, layers).values() for path in paths)


def _places(
    job: Job, earlier: Mapping[str, Any], layers: LayersOutputs
) -> dict[str, tuple[Path, ...]]:
    """Where each output that is to be there may be."""
    run, known = job.run, {**job.written, **job.outdated}
    hidden = earlier.get("verdict") == "refused" and job.options.skip_refused

    def expected() -> Iterator[Output]:
        for output in OUTPUTS:
            if output.name in run.outputs and not hidden:
                yield output
                if output.name == MASK:
                    own = earlier.get("modality")
                    for modality, outputs in layers.items():
                        yield from outputs if own in (None, modality) else ()

    places = {output.name: output.paths(run.folder, job.name) for output in expected()}
    # A report may have another name than its input's, which may be a person's.
    places |= {report: (run.folder / (job.name + ENDINGS[report]),) for report in run.reports}
    return {
        output: (run.folder / known[output],) if output in known else paths
        for output, paths in places.items()
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
