"""The command of most users: segment."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungseg.cli import flags
from lungseg.cli.executor import check_sandbox, executor_for
from lungseg.cli.exit_status import FAILED, INTERRUPTED
from lungseg.cli.messages import in_flags, printable, say, with_bar
from lungseg.cli.remarks import remarks_on, widespread
from lungseg.cli.report import formats_of
from lungseg.errors import InputError, UsageError
from lungseg.options import SegmentOptions

if TYPE_CHECKING:
    from lungseg.modality import Modality
    from lungseg.readers import LeftOut, Probe
    from lungseg.runner import Outcome, RunOptions

_MOST_FOLDERS = 10
"""Folders of which is said what was left out in them."""

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...",
        help="Images, DICOM, NIfTI, NRRD; folders (with all below); patterns; zip, tar, DICOMDIR; "
        "- for standard input.",
    ),
]
Outputs = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Which outputs to write (see lungseg info) [mask,overlay]."),
]
Crop = Annotated[bool, typer.Option("--crop", help="Also write the image cut to the lungs.")]
Masked = Annotated[
    bool, typer.Option("--masked", help="Also write the image with all but the lungs blanked.")
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write the network's probability of each lung.")
]
Report = Annotated[
    bool, typer.Option("--report", help="Also write a report of each input, and OUT/report.html.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what OUT already holds.")]
RelativeTo = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Results name inputs by their path below DIR [absolute]."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Images at a time [one a processor].")
]


JobTimeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Give up an input that takes longer. Each worker then is a process of its own.",
    ),
]

Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Read and segment in processes that can open nothing but inputs, model and OUT, and "
        "no network (Linux).",
    ),
]

PIPE = "-"
"""What is named for standard input."""

TO_REVIEW = ("review", "refused")
"""Verdicts of what a person should look at."""

MAX_NAMED = 10
"""Inputs to review that are named where they scrolled by unseen."""


def segment(
    ctx: typer.Context,
    paths: Paths,
    output: flags.Results,
    outputs: Outputs = None,
    crop: Crop = False,
    crop_square: flags.CropSquare = False,
    crop_size: flags.CropSize = None,
    masked: Masked = False,
    probabilities: Probabilities = False,
    overlay_style: flags.OverlayStyle = None,
    overlay_size: flags.OverlaySize = None,
    binary: flags.Binary = False,
    dilate: flags.Dilate = 0.0,
    lung_extent: flags.LungExtent = "field",
    hull: flags.Hull = False,
    spacing: flags.Spacing = None,
    frame: flags.Frame = None,
    modality: flags.Modality = None,
    series: flags.Series = None,
    skip_damaged: flags.SkipDamaged = False,
    model: flags.Model = None,
    structures: flags.Structures = None,
    skip_quality: flags.SkipQuality = False,
    skip_refused: flags.SkipRefused = False,
    report: Report = False,
    pdf: flags.Pdf = False,
    show_identity: flags.ShowIdentity = False,
    overwrite: Overwrite = False,
    relative_to: RelativeTo = None,
    workers: Workers = None,
    job_timeout: JobTimeout = None,
    sandbox: Sandbox = False,
    quiet: flags.Quiet = False,
) -> None:
    """Segment the lungs, right and left, in radiographs and CT: files, or folders of them.

    For a/b.png writes OUT/b_mask.png and OUT/b_overlay.png, a row in OUT/summary.csv and a record
    in OUT/results.jsonl. Masks of CT volumes are NIfTI, or NRRD if the input is. A folder with a
    DICOM series is one input. What OUT already holds is left alone. Files that are no input are
    listed.

    Exit status: 0 all well, 1 some inputs failed, 2 wrong use.

    Example: lungseg segment images/ -o out --crop --dilate 3
    """
    from lungseg.runner import RunOptions

    options = flags.options_of(ctx.params)
    crop = crop or crop_square or crop_size is not None
    also = {"crop": crop, "masked": masked, "probabilities": probabilities}
    chosen = _outputs(outputs, also, binary=binary)
    reports = formats_of(report=report, pdf=pdf, show_identity=show_identity)
    run = RunOptions(
        *(output, chosen, reports),
        show_identity=show_identity,
        overwrite=overwrite,
        relative_to=relative_to,
    )
    _segment(ctx, paths, options, run, workers, job_timeout, sandbox=sandbox, quiet=quiet)


def _segment(
    ctx: typer.Context,
    paths: list[str],
    options: SegmentOptions,
    run: RunOptions,
    workers: int | None,
    job_timeout: float | None,
    *,
    sandbox: bool,
    quiet: bool,
) -> None:
    from lungseg.batch import segment_many
    from lungseg.predict import processors
    from lungseg.segmenter import Segmenter

    if sandbox:
        check_sandbox()
    modality = Segmenter().modality(options)
    files, left_out, missing = _inputs(paths, modality)
    at_once = min(workers or processors(), len(files))
    segmenter = Segmenter(threads=max(1, processors() // at_once))
    work = (files, options, run) if sandbox else None
    with executor_for(at_once, job_timeout, work) as executor:
        outcomes = segment_many(
            files, options, run, executor, segmenter=segmenter, left_out=left_out
        )
        counts = _report(
            ctx, outcomes, len(files), missing, run.folder, quiet=quiet, left_out=left_out
        )
    if counts["failed"] or missing:
        raise typer.Exit(FAILED)


def _outputs(names: str | None, also: dict[str, bool], *, binary: bool) -> tuple[str, ...]:
    """The outputs that --outputs names, and those that have a flag of their own."""
    from lungseg.writers import check_outputs

    named = (
        ["mask", "overlay"]
        if names is None
        else [name.strip() for name in names.split(",") if name.strip()]
    )
    named += [name for name, wanted in also.items() if wanted]
    chosen = tuple(output.name for output in check_outputs(named))
    if binary and "mask" not in chosen:
        raise UsageError(
            "--binary is about the mask, which --outputs leaves out", cure="drop one of the two"
        )
    return chosen


def _inputs(
    paths: list[str], modality: Modality | None
) -> tuple[list[Path | Probe], list[LeftOut], int]:
    """What is to be done, what was found beside it, and how many of the paths gave none; those are
    named here.
    """
    from lungseg.batch import without_own_outputs
    from lungseg.readers import find_inputs
    from lungseg.runner.job import absolute

    named = [path for path in paths if path != PIPE]
    found = find_inputs(named, series=modality != "radiograph")
    piped: list[Probe] = []
    try:
        piped += [_piped()] if PIPE in paths else []
    except InputError as error:
        found.problems.append(error)
    for problem in found.problems:
        say(f"failed: {problem}")
    files = without_own_outputs(found.files)
    if left_out := len(found.files) - len(files):
        say(f"{left_out} left out: results of an earlier run (see results.jsonl beside them).")
    if not (files or piped) and found.problems:
        raise typer.Exit(FAILED)
    if not (files or piped):
        raise InputError(
            "there is no image to segment",
            where=", ".join(paths),
            cure="name other files, or a folder that holds some",
        )
    others = {*without_own_outputs(one.path for one in found.left_out)}
    return (
        [*piped, *(found.probes.get(absolute(file), file) for file in files)],
        [one for one in found.left_out if one.path in others],
        len(found.problems),
    )


def _piped() -> Probe:
    """The image on standard input, called by its content, so that another one has another name.

    Raises:
        InputError: there is none, or its header is damaged.
        UsageError: standard input is a terminal.
    """
    from hashlib import sha256

    from lungseg.readers.probe import probe

    if sys.stdin.isatty():
        raise UsageError(f"{PIPE} is standard input, a terminal", cure="pipe an image into it")
    content = sys.stdin.buffer.read()
    if not content:
        raise InputError("standard input is empty", cure="pipe an image into it")
    return probe(content, name=f"stdin-{sha256(content).hexdigest()[:12]}")


def _report(
    ctx: typer.Context,
    outcomes: Generator[Outcome, None, None],
    total: int,
    missing: int,
    folder: Path,
    *,
    quiet: bool,
    left_out: Sequence[LeftOut] = (),
) -> Counter[str]:
    """Says what becomes of each input while it happens, then what was left out, and the sum, with
    the paths that gave none.

    Returns how many inputs were "done", "skipped" and "failed".
    """
    from time import perf_counter

    counts: Counter[str] = Counter()
    doubtful: list[str] = []
    remarks: Counter[str] = Counter()
    start = perf_counter()
    bar = total > 1 and not quiet and sys.stderr.isatty()
    try:
        with closing(outcomes):
            for number, outcome in enumerate(with_bar(outcomes, total) if bar else outcomes, 1):
                counts.update((outcome.status, outcome.verdict))
                remarks.update(remarks_on(outcome.record))
                if outcome.verdict in TO_REVIEW:
                    doubtful.append(_line(outcome) if len(doubtful) < MAX_NAMED else "")
                if outcome.status == "failed" or not (bar or quiet):
                    say(f"{number}/{total} {in_flags(_line(outcome), ctx.command)}")
    except KeyboardInterrupt:
        say(f"Stopped. What was done is recorded in {folder}; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    if bar or quiet:
        _say_doubtful(doubtful, folder)
    if not quiet:
        _say_left_out(left_out)
        counts["left out"] = len(left_out)
        typer.echo(printable(_sum(counts, total, missing, folder, perf_counter() - start)))
        for remark in widespread(remarks, counts["done"]):
            typer.echo(printable(remark))
    return counts


def _say_doubtful(doubtful: list[str], folder: Path) -> None:
    """Names the inputs that a person should look at, or the first of them and where the others
    are.
    """
    for line in doubtful[:MAX_NAMED]:
        say(line)
    if len(doubtful) > MAX_NAMED:
        say(
            f"{len(doubtful) - MAX_NAMED} more to review or refused: see the column verdict of "
            f"{folder / 'summary.csv'}"
        )


def _say_left_out(files: Sequence[LeftOut]) -> None:
    """A line for each of the first folders with files that are no input."""
    from lungseg.readers.left_out import by_folder, in_words

    folders = by_folder(files)
    for folder, others in list(folders.items())[:_MOST_FOLDERS]:
        say(f"left out in {folder}: {', '.join(in_words(others))}")
    if len(folders) > _MOST_FOLDERS:
        say(f"left out in {len(folders) - _MOST_FOLDERS} more folders: see summary.csv")


def _sum(counts: Counter[str], total: int, missing: int, folder: Path, seconds: float) -> str:
    parts = [
        f"{counts['done']} of {total} segmented",
        f"{counts['review']} of them to review" if counts["review"] else "",
        *(
            f"{counts[status]} {status}" if counts[status] else ""
            for status in ("refused", "skipped", "failed", "left out")
        ),
        f"nothing found at {missing} path{'s' * (missing > 1)}" if missing else "",
    ]
    return (
        f"{', '.join(filter(None, parts))}, in {seconds:.1f} s "
        f"({counts['done'] / seconds:.1f}/s). Results: {folder}"
    )


def _line(outcome: Outcome) -> str:
    if outcome.status == "failed":
        why = outcome.why
        return (
            f"failed: {why}"
            if why.startswith(str(outcome.source))
            else f"failed: {outcome.source}: {why}"
        )
    why = "; ".join(outcome.reasons)
    return f"{outcome.source}: {outcome.verdict or outcome.status}" + (f" ({why})" if why else "")
