"""The command of those who judge models: evaluate."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lungseg.cli import flags
from lungseg.cli.exit_status import FAILED, INTERRUPTED
from lungseg.cli.masks import UNREADABLE, Check, Labels, stop_at_problems
from lungseg.cli.messages import say
from lungseg.cli.terminal_tables import fitted
from lungseg.errors import InputError, UsageError
from lungseg.installation import extra_error

if TYPE_CHECKING:
    from lungseg.datasets import Case, OpacityBox
    from lungseg.evaluate import Evaluation
    from lungseg.train.settings import TrainingSettings

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL... CASES", help="Embedded models or .onnx files, then the cases."
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the report.")
]
Split = Annotated[
    str | None,
    typer.Option(help="Which split to score, or 'all' [validation; all with --boxes]."),
]
Source = Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")]
Robustness = Annotated[
    bool,
    typer.Option(
        "--robustness",
        help="Also perturb the pictures, and see whether the masks stay.",
    ),
]
Card = Annotated[bool, typer.Option("--card", help="Enter the scores into the models' cards.")]
Spacing = Annotated[
    float | None, typer.Option(metavar="MM", help="Pixel spacing in mm instead of the files'.")
]
Boxes = Annotated[
    bool,
    typer.Option("--boxes", help="Score the fraction of marked opacities (RSNA) inside the mask."),
]
Dilate = Annotated[
    float | None,
    typer.Option(metavar="N", help="With --boxes: widen the mask by N mm, or pixels [10]."),
]
CrossDataset = Annotated[
    bool,
    typer.Option(
        "--cross-dataset", help="Models are SOURCE=FILE, or trained here, one for each source."
    ),
]
Recipe = Annotated[str | None, flags.recipe("With --cross-dataset: train by this recipe.")]
SettingsFile = Annotated[
    Path | None, flags.settings_file("With --cross-dataset: train with these settings.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Cases at a time [one a processor].")
]


def evaluate(
    paths: Paths,
    output: Output,
    split: Split = None,
    source: Source = None,
    robustness: Robustness = False,
    card: Card = False,
    spacing: Spacing = None,
    boxes: Boxes = False,
    dilate: Dilate = None,
    lung_extent: flags.LungExtent = "field",
    cross_dataset: CrossDataset = False,
    recipe: Recipe = None,
    settings: SettingsFile = None,
    workers: Workers = None,
    check: Check = True,
    labels: Labels = None,
) -> None:
    """Score models on radiographs, CT volumes and slices with known masks, as users run them and at
    the input's own resolution.

    CASES is a CSV or a folder of data sets, which is split as `lungseg train` does by default. OUT
    gets tables, pictures and report.html. Stops before that where masks are not to be judged by.

    Exit status: 0 all well, 1 masks are wrong or some cases could not be scored, 2 wrong use.

    Example: lungseg evaluate cxr mine.onnx runs/mine/cases.csv -o report
    """
    from lungseg.evaluate import evaluate as evaluated
    from lungseg.writers.lock import only_writer

    *models, place = paths
    known = _read(place, source, labels or "", boxes=boxes)
    boxes = boxes or not (cross_dataset or any(case.mask for case in known))
    _check(
        models,
        cross_dataset=cross_dataset,
        boxes=boxes,
        scoring=robustness or card,
        training=bool(recipe or settings),
        dilate=dilate is not None,
        changed=_changed(lung_extent, split, spacing),
    )
    workers = _at_once(workers)
    millimetres = None if spacing is None else (_positive(spacing), spacing)
    how: Any = {"spacing": millimetres, "lung_extent": lung_extent, "workers": workers}
    chosen = _of_split(known, "all" if cross_dataset else split, place, every=boxes)
    if check and not boxes:
        stop_at_problems(chosen, Path(place), left_out=UNREADABLE)
    with only_writer(output):
        if cross_dataset:
            evaluation = _cross_dataset(models, chosen, output, recipe, settings, workers)
        elif boxes:
            evaluation = _with_boxes(models[0], chosen, place, output, dilate, how)
        else:
            evaluation = evaluated(models, chosen, output, robustness=robustness, enter=card, **how)
    _print(evaluation, output)


def _cross_dataset(
    models: list[str],
    cases: list[Case],
    output: Path,
    recipe: str | None,
    settings: Path | None,
    workers: int,
) -> Evaluation:
    """Scores each model, or one trained on each source, on the cases of every source."""
    from lungseg.evaluate import evaluate_cross_dataset
    from lungseg.train.recipes import choose_settings

    named = (
        _named(models)
        if models
        else _train_each(cases, output / "runs", choose_settings(recipe, settings))
    )
    return evaluate_cross_dataset(named, cases, output, runs=_runs(named), workers=workers)


def _with_boxes(
    model: str,
    cases: list[Case],
    place: str,
    output: Path,
    dilate: float | None,
    options: dict[str, Any],
) -> Evaluation:
    """Scores a model by the marked opacities that its masks keep."""
    from lungseg.evaluate import evaluate_boxes

    radius = 10.0 if dilate is None else dilate
    return evaluate_boxes(model, cases, _boxes(cases, place), output, radius=radius, **options)


def _print(evaluation: Evaluation, folder: Path) -> None:
    """Says what came of it, and what was left out; on a terminal, of each table as much as is wide
    enough.
    """
    text = evaluation.text
    if sys.stdout.isatty():
        text = fitted(text, shutil.get_terminal_size().columns, folder)
    typer.echo(text)
    for why in evaluation.failures:
        say(f"left out: {why}")
    if evaluation.without_mask:
        say(f"{evaluation.without_mask} cases have no mask to be judged by, and are left out.")
    if evaluation.other_extent:
        say(
            f"{evaluation.other_extent} cases have masks that follow another lung extent, and are "
            "left out."
        )
    if evaluation.failures:
        raise typer.Exit(FAILED)


def _check(
    models: Sequence[str],
    *,
    cross_dataset: bool,
    boxes: bool,
    scoring: bool,
    training: bool,
    dilate: bool,
    changed: Sequence[str],
) -> None:
    """That what was asked for fits together."""
    if cross_dataset and boxes:
        raise UsageError(
            "--cross-dataset and --boxes are two questions", cure="ask them one after the other"
        )
    if cross_dataset and changed:
        raise UsageError(
            "--cross-dataset compares lungs as they are by default, on cases that training has not "
            "seen",
            cure=f"leave {' and '.join(changed)} out",
        )
    if scoring and (cross_dataset or boxes):
        raise UsageError(
            "--robustness and --card need masks, and no --cross-dataset or --boxes",
            cure="evaluate a second time for them",
        )
    if training and (models or not cross_dataset):
        raise UsageError(
            "--recipe and --settings are for models that --cross-dataset trains",
            cure="leave them out, or leave out the models",
        )
    if not (models or cross_dataset):
        raise UsageError(
            "there is no model to evaluate",
            cure="name it before the cases: lungseg evaluate cxr cases.csv -o report",
        )
    if dilate and not boxes:
        raise UsageError(
            "--dilate is for --boxes: with masks, those of the model are scored as they are",
            cure="leave it out",
        )
    if boxes and len(models) > 1:
        raise UsageError(
            f"boxes are scored with one model, not with {len(models)}",
            cure="give one, and compare the tables",
        )


def _changed(lung_extent: str, split: str | None, spacing: float | None) -> list[str]:
    """Flags that were given of those that have no place beside --cross-dataset."""
    given = {"--lung-extent": lung_extent != "field", "--split": split, "--spacing": spacing}
    return [flag for flag, value in given.items() if value]


def _at_once(workers: int | None) -> int:
    from lungseg.predict import processors

    return workers or processors()


def _positive(spacing: float) -> float:
    if not 0 < spacing < float("inf"):
        raise UsageError(
            f"--spacing {spacing:g} is not a spacing",
            cure="give millimetres between pixels, such as 0.143",
        )
    return spacing


def _read(place: str, sources: list[str] | None, labels: str, *, boxes: bool) -> list[Case]:
    """The cases in a CSV or in the data sets of a folder, with and without masks."""
    from lungseg.datasets import discover
    from lungseg.datasets.declared_labels import with_declared_labels
    from lungseg.datasets.rsna import LAYOUT
    from lungseg.predict import embedded_models

    if place.lower().endswith(".onnx") or (place in embedded_models() and not Path(place).exists()):
        raise UsageError(
            f"{place} is a model, and no cases are named behind it",
            cure="name a CSV of cases, or a folder of data sets, as the last",
        )

    try:
        cases = [case for found in discover(Path(place)) for case in found.cases]
    except InputError as error:
        if not boxes or error.where != str(Path(place)) or not Path(place).is_dir():
            raise
        raise InputError(
            "no film with a list of boxes was found", where=place, cure=f"give {LAYOUT}"
        ) from error
    there = sorted({case.source for case in cases})
    if unknown := sorted({*(sources or ())} - {*there}):
        raise UsageError(
            f"there is no case of source {', '.join(unknown)}",
            where=place,
            cure=f"choose of {', '.join(there)}",
        )
    known = [case for case in cases if not sources or case.source in sources]
    return with_declared_labels(known, labels)


def _of_split(cases: list[Case], split: str | None, place: str, *, every: bool) -> list[Case]:
    """The cases of a split; where none was asked for, `every` one, or those for validation."""
    from lungseg.datasets import split_by_patient
    from lungseg.train.settings import TrainingSettings

    split = split or ("all" if every else "validation")
    if split == "all":
        return cases
    default = TrainingSettings()
    masked = [case for case in cases if case.mask is not None]  # among which training draws
    assigned = split_by_patient(
        masked, validation=default.validation, test=default.test, seed=default.seed
    )
    assigned += [case for case in cases if case.mask is None]
    chosen = [case for case in assigned if case.split == split]
    if not chosen:
        sources = ", ".join(sorted({case.source for case in cases}))
        raise UsageError(
            f"there is no case of split {split!r} of {sources}",
            where=place,
            cure="give another --split, or 'all'",
        )
    return chosen


def _boxes(cases: list[Case], place: str) -> dict[str, list[OpacityBox]]:
    """The boxes of all patients, from the lists beside the images."""
    from lungseg.datasets import read_boxes
    from lungseg.datasets.rsna import BOXES, LAYOUT, find_boxes

    lists = dict.fromkeys(path for case in cases if (path := find_boxes(case.image)))
    if not lists:
        raise UsageError(
            f"there are neither masks nor a list of boxes ({BOXES} beside the folder of the "
            "images)",
            where=place,
            cure=f"give cases with masks, or {LAYOUT}",
        )
    return {patient: own for path in lists for patient, own in read_boxes(path).items()}


def _named(models: list[str]) -> dict[str, str]:
    """The models by what they were trained on."""
    pairs = [text.partition("=") for text in models]
    for text, (name, _, model) in zip(models, pairs, strict=True):
        if not (name and model) or Path(name).name != name:
            raise UsageError(
                f"{text} does not say what the model was trained on",
                cure="write SOURCE=FILE, as montgomery=mine.onnx",
            )
    named = {name: model for name, _, model in pairs}
    if len(named) < len(models):
        raise UsageError(
            "two models have the same name", cure="name each after what it was trained on"
        )
    return named


def _runs(models: dict[str, str]) -> dict[str, list[Case]]:
    """The cases of each model's run, where cases.csv still lies beside the model."""
    from lungseg.datasets import read_manifest
    from lungseg.predict import find_model

    places = {name: find_model(model).with_name("cases.csv") for name, model in models.items()}
    return {name: read_manifest(place) for name, place in places.items() if place.is_file()}


def _train_each(cases: list[Case], folder: Path, settings: TrainingSettings) -> dict[str, str]:
    """Trains on each source by itself, in a folder for each, and gives the models; a run that is
    there already is kept or gone on with.
    """
    from lungseg.train.settings import read_settings

    runs = {
        source: folder / source for source in sorted({case.source for case in cases if case.mask})
    }
    for run in runs.values():
        if (run / "settings.toml").is_file() and read_settings(run / "settings.toml") != settings:
            raise UsageError(
                "this run was trained with other settings",
                where=run,
                cure="choose another folder, or remove the run",
            )
    for source, run in runs.items():
        if (run / "model.onnx").is_file():
            say(f"{source}: trained before, in {run}")
            continue
        say(f"{source}: training in {run}")
        try:
            _train([case for case in cases if case.source == source], run, settings)
        except KeyboardInterrupt:
            say("Stopped. The same command goes on from the last whole epoch.")
            raise typer.Exit(INTERRUPTED) from None
    return {source: str(run / "model.onnx") for source, run in runs.items()}


def _train(cases: list[Case], run: Path, settings: TrainingSettings) -> None:
    os.environ["MPLBACKEND"] = "agg"  # as `lungseg train` does
    try:
        from lungseg.train.finalise import finalise
        from lungseg.train.fit import fit
    except ImportError as error:
        raise extra_error(error, "training", "train") from error
    fit(cases, run, settings, resume=(run / "last.ckpt").is_file())
    finalise(run, with_quality_model=False)  # only its Dice is asked for
