"""The command line: one thin function a command. All that is heavy is imported inside them."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from lungseg.cli import dataset, evaluate, serve, train
from lungseg.cli import report as report_commands
from lungseg.errors import InputError, LungsegError, ModelError, UsageError

if TYPE_CHECKING:
    from lungseg.batch import Outcome
    from lungseg.result import Result
    from lungseg.segmenter import Segmenter

_Kind = Literal["ct", "cxr"]
FAILED, WRONG_USE = 1, 2
"""Exit statuses beside 0 and `train.INTERRUPTED`: some inputs failed, wrong use."""


class _Commands(TyperGroup):
    """Says every error of the package in its one sentence, and ends with the status that belongs to
    it.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LungsegError as error:
            _say(f"Error: {error}")
            raise typer.Exit(
                WRONG_USE if isinstance(error, UsageError | ModelError) else FAILED
            ) from error
        except BrokenPipeError:  # whoever read the output has enough of it; typer ends quietly
            raise
        except OSError as error:  # such as a full disk below standard output
            _say(
                f"Error: {error.filename or 'standard output'}: "
                f"{(error.strerror or str(error)).lower()}; make room or check permissions."
            )
            raise typer.Exit(FAILED) from error


# Help in plain text and plain traces: the formatted ones would import rich, and with it a tenth of
# a second, into every start.
app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """What the `lungseg` command runs."""
    if not sys.warnoptions:
        warnings.simplefilter(
            "ignore"
        )  # what libraries find odd in a file that they read all the same
    app(prog_name="lungseg")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"lungseg {version('lungseg')}")
        raise typer.Exit


@app.callback()
def lungseg(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find the lungs in chest radiographs and CT: masks, measurements and pictures.

    Example: lungseg segment chest.png -o out
    """


@app.command()
def segment(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Images, DICOM, NIfTI, NRRD; folders (with all below); patterns.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Folder for results; may be that of the inputs."
        ),
    ],
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Which outputs to write (see lungseg info) [mask,overlay]."
        ),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Also write the image cut to the lungs.")
    ] = False,
    masked: Annotated[
        bool, typer.Option("--masked", help="Also write the image with all but the lungs blanked.")
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Also write the network's probability of each lung."),
    ] = False,
    binary: Annotated[
        bool,
        typer.Option(
            "--binary", help="Mask of 0 and 255 (volumes: 1) instead of 1 right lung, 2 left lung."
        ),
    ] = False,
    dilate: Annotated[
        float,
        typer.Option(
            metavar="N", help="Widen a radiograph's mask by N mm; N pixels if spacing is unknown."
        ),
    ] = 0.0,
    hull: Annotated[
        bool,
        typer.Option(
            "--hull",
            help="Take what lies between the lungs into a radiograph's mask, the heart too.",
        ),
    ] = False,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="MM", help="Spacing of radiographs in mm: 0.2, or ROWS,COLUMNS [file's]."
        ),
    ] = None,
    page: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Page or frame to take from files with several, from 1."
        ),
    ] = None,
    kind: Annotated[
        _Kind | None, typer.Option("--as", help="Take every input for this [what it looks like].")
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="N|UID", help="Series to take from a folder with several.")
    ] = None,
    skip_damaged: Annotated[
        bool,
        typer.Option("--skip-damaged", help="Leave out slices of a series that cannot be decoded."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Embedded model or .onnx file, for all [cxr or ct]."
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Leave out the expected Dice of CT, which takes another look."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Write no mask and no other picture of refused inputs.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Also write a report of each input, and OUT/report.html."),
    ] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also write each report as PDF; includes --report.")
    ] = False,
    identify: Annotated[
        bool,
        typer.Option("--identify", help="Reports show paths, and of DICOM patient's name and ID."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do again what OUT already holds.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Images at a time [one a processor].")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Name only what failed.")] = False,
) -> None:
    """Segment the lungs, right and left, in radiographs and CT: files, or folders of them.

    For a/b.png writes OUT/b_mask.png and OUT/b_overlay.png, a row in OUT/summary.csv and a record
    in OUT/results.jsonl. Masks of CT volumes are NIfTI, or NRRD if the input is. A folder with a
    DICOM series is one input. What OUT already holds is left alone.

    Exit status: 0 all well, 1 some inputs failed, 2 wrong use.

    Example: lungseg segment images/ -o out --crop --dilate 3
    """
    from lungseg.batch import segment_many

    reports = report_commands.kinds_of(report=report, pdf=pdf, identify=identify)
    outputs = _outputs(only, crop=crop, masked=masked, probabilities=probabilities, binary=binary)
    files, missing, segmenter, at_once = _ready(paths, model, kind, workers)
    outcomes = segment_many(
        files,
        output,
        segmenter,
        outputs=outputs,
        spacing=_spacing(spacing),
        page=page,
        series=series,
        skip_damaged=skip_damaged,
        dilate=dilate,
        hull=hull,
        binary=binary,
        overwrite=overwrite,
        quick=quick,
        strict=strict,
        reports=reports,
        identify=identify,
        workers=at_once,
    )
    if _tell(outcomes, len(files), missing, quiet=quiet, output=output)["failed"] or missing:
        raise typer.Exit(FAILED)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the pictures.")
    ] = Path("lungseg-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another number draws another chest.")] = 0,
) -> None:
    """Draw a radiograph and a CT of phantoms with known lungs, segment them, and compare.

    Example: lungseg demo
    """
    from lungseg.phantom.ct import ct_phantom
    from lungseg.phantom.radiograph import radiograph_phantom
    from lungseg.predict import embedded_models
    from lungseg.segmenter import Segmenter
    from lungseg.writers import image_png, volume_nifti, write_file

    segmenter = Segmenter()
    film = radiograph_phantom((768, 768), seed=seed)
    result = segmenter(film.image)
    paths = [output / "phantom.png", *result.save(output, name="phantom", overwrite=True).values()]
    write_file(paths[0], image_png(film.image.array, of=film.image))
    _compare("Radiograph", film.truth.labels, result)
    if "ct" in embedded_models():
        scan = ct_phantom(seed=seed)
        found = segmenter(scan.volume)
        paths += [
            output / "phantom_ct.nii.gz",
            *found.save(output, name="phantom_ct", overwrite=True).values(),
        ]
        write_file(output / "phantom_ct.nii.gz", volume_nifti(scan.volume))
        _compare("CT", scan.truth.labels, found)
    typer.echo("Pictures: " + ", ".join(str(path) for path in paths))


def _compare(what: str, truth: Any, result: Result[Any]) -> None:
    """Says what was measured, and how much what was found is what was drawn."""
    from lungseg.scores import dice
    from lungseg.structures import LUNGS

    typer.echo(what)
    for label in LUNGS:
        value = dice(truth == label.number, result.mask == label.number)
        typer.echo(f"  {label.name + ' Dice against the truth':32s}{value:12.4f}")
    typer.echo(f"  {'lungs Dice against the truth':32s}{dice(truth > 0, result.mask > 0):12.4f}")
    for measurement in result.measurements:
        if measurement.label == "lungs":
            unit, digits = ("", 4) if measurement.unit == "1" else (f" {measurement.unit}", 1)
            typer.echo(f"  {'lungs ' + measurement.name:32s}{measurement.value:12.{digits}f}{unit}")
    typer.echo(
        f"  {'verdict':32s}{'; '.join((result.verdict.status, *result.verdict.reasons)):>12s}"
    )


@app.command()
def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, for machines, with the whole model cards.")
    ] = False,
) -> None:
    """List models, structures, outputs, formats and versions. Loads no model.

    Example: lungseg info --json
    """
    known = _what_there_is()
    if as_json:
        typer.echo(json.dumps(known, indent=2))
        return
    typer.echo("Models")
    for card in known["models"]:
        rows, columns = card["input_size"]
        typer.echo(
            f"  {card['name']} {card['version']}: {card['modality']}, {card['architecture']}, "
            f"{rows} "
            f"x {columns}; {card['terms']}"
        )
    typer.echo("Structures")
    for structure in known["structures"]:
        coded = [structure[part] for part in ("type", "laterality") if structure[part]]
        codes = ", ".join(f"{code['scheme']} {code['value']} {code['meaning']}" for code in coded)
        typer.echo(
            f"  {structure['number']} {structure['name']}" + (f" ({codes})" if codes else "")
        )
    typer.echo("Outputs")
    for entry in known["outputs"]:
        typer.echo(f"  {entry['name']}: {entry['about']}")
    typer.echo("Formats\n  " + ", ".join(known["formats"]))
    typer.echo(
        "Versions\n  "
        + ", ".join(f"{name} {version}" for name, version in known["versions"].items())
    )


report_commands.add_to(app)
dataset.add_to(app)
train.add_to(app)
evaluate.add_to(app)
serve.add_to(app)


def _what_there_is() -> dict[str, Any]:
    from dataclasses import asdict

    from lungseg.card import read_card
    from lungseg.predict import embedded_models, find_model
    from lungseg.readers.probe import READ, VOLUMES
    from lungseg.structures import STRUCTURES
    from lungseg.writers import OUTPUTS, versions

    return {
        "versions": versions(),
        "models": [
            asdict(read_card(find_model(name).with_suffix(".json"))) for name in embedded_models()
        ],
        "structures": [asdict(structure) for structure in STRUCTURES],
        "outputs": [{"name": output.name, "about": output.about} for output in OUTPUTS],
        "formats": sorted(READ | VOLUMES),
    }


def _ready(
    paths: list[str], model: str | None, kind: _Kind | None, workers: int | None
) -> tuple[list[Path], int, Segmenter, int]:
    """The files to be done, how many of the paths gave none, what segments them, and how many at a
    time.
    """
    from lungseg.predict import processors
    from lungseg.segmenter import Segmenter, taken_for

    files, missing = _inputs(paths, taken_for(model, kind))
    at_once = min(workers or processors(), len(files))
    return (
        files,
        missing,
        Segmenter(model, kind=kind, threads=max(1, processors() // at_once)),
        at_once,
    )


def _inputs(paths: list[str], kind: _Kind | None) -> tuple[list[Path], int]:
    """The files to be done, and how many of the paths gave none; those are named here."""
    from lungseg.batch import without_own_outputs
    from lungseg.readers import find

    found = find(paths, series=kind != "cxr")
    for problem in found.problems:
        _say(f"failed: {problem}")
    files = without_own_outputs(found.files)
    if left_out := len(found.files) - len(files):
        _say(f"{left_out} left out: results of an earlier run (see results.jsonl beside them).")
    if not files and found.problems:
        raise typer.Exit(FAILED)
    if not files:
        raise InputError(
            "there is no image to segment",
            where=", ".join(paths),
            cure="name other files, or a folder that holds some",
        )
    return files, len(found.problems)


def _outputs(
    only: str | None, *, crop: bool, masked: bool, probabilities: bool, binary: bool
) -> tuple[str, ...]:
    from lungseg.writers import check_outputs

    names = (
        ["mask", "overlay"]
        if only is None
        else [name.strip() for name in only.split(",") if name.strip()]
    )
    names += ["crop"] * crop + ["masked"] * masked + ["probabilities"] * probabilities
    chosen = tuple(output.name for output in check_outputs(names))
    if binary and "mask" not in chosen:
        raise UsageError(
            "--binary is about the mask, which --only leaves out", cure="drop one of the two"
        )
    return chosen


def _spacing(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(0 < number < float("inf") for number in numbers):
        raise UsageError(
            f"--spacing {text} is not a spacing", cure="give millimetres, as 0.2 or as ROWS,COLUMNS"
        )
    return numbers[0], numbers[-1]


def _tell(
    outcomes: Generator[Outcome, None, None], total: int, missing: int, *, quiet: bool, output: Path
) -> Counter[str]:
    """Says what becomes of each input while it happens, then the sum, with the paths that gave
    none.

    Returns how many inputs were "done", "skipped" and "failed".
    """
    from time import perf_counter

    counts: Counter[str] = Counter()
    start = perf_counter()
    bar = total > 1 and not quiet and sys.stderr.isatty()
    try:
        with closing(outcomes):
            for number, outcome in enumerate(_with_bar(outcomes, total) if bar else outcomes, 1):
                counts.update((outcome.status, outcome.verdict))
                if outcome.status == "failed" or not (bar or quiet):
                    _say(f"{number}/{total} {_line(outcome)}")
    except KeyboardInterrupt:
        _say(
            f"Stopped. What was done is recorded in {output}; the same command goes on from there."
        )
        raise typer.Exit(train.INTERRUPTED) from None
    if not quiet:
        parts = [
            f"{counts['done']} of {total} segmented",
            f"{counts['review']} of them to review" if counts["review"] else "",
        ]
        parts += [f"{counts['refused']} refused" if counts["refused"] else ""]
        parts += [
            f"{counts[status]} {status}" if counts[status] else ""
            for status in ("skipped", "failed")
        ]
        parts += [f"nothing found at {missing} path{'s' * (missing > 1)}" if missing else ""]
        seconds = perf_counter() - start
        typer.echo(
            f"{', '.join(filter(None, parts))}, in {seconds:.1f} s "
            f"({counts['done'] / seconds:.1f}/s). Results: {output}"
        )
    return counts


def _line(outcome: Outcome) -> str:
    if outcome.status == "failed":
        why = outcome.reasons[0]
        return (
            f"failed: {why}"
            if why.startswith(str(outcome.source))
            else f"failed: {outcome.source}: {why}"
        )
    said = "; ".join(outcome.reasons)
    return f"{outcome.source}: {outcome.verdict or outcome.status}" + (f" ({said})" if said else "")


def _with_bar(
    outcomes: Generator[Outcome, None, None], total: int
) -> Generator[Outcome, None, None]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, rate="")
        for outcome in outcomes:
            yield outcome
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")


def _say(text: str) -> None:
    # Not typer.echo, which writes past the progress bar and into its line.
    print(text, file=sys.stderr)
