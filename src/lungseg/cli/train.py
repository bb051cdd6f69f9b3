"""The commands of those who train: train, export."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from lungseg.cli import flags
from lungseg.cli.exit_status import FAILED, INTERRUPTED
from lungseg.cli.masks import Check, Labels, stop_at_problems
from lungseg.errors import InputError, UsageError
from lungseg.installation import extra_error
from lungseg.train.recipes import DATA, choose_settings, difference
from lungseg.train.settings import TrainingSettings, describe, read_settings

Cases = Annotated[
    Path, typer.Argument(metavar="CASES", help="Folder of data sets, or a CSV of cases.")
]
Run = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the run.")]
Recipe = Annotated[
    str | None,
    flags.recipe("Settings that come with the package, such as r5-unet-128-laptop."),
]
SettingsFile = Annotated[
    Path | None, flags.settings_file("TOML of settings; flags overrule it, or the recipe.")
]
ShowAugmented = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Do not train, but draw N cases into RUN as the network would see them.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in RUN, from its last epoch.")
]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate/--no-calibrate",
        help="Fit what judges the model's masks to the validation cases.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]

Checkpoint = Annotated[
    Path,
    typer.Argument(metavar="CHECKPOINT", help="best.ckpt or last.ckpt in the folder of a run."),
]
ExportedFile = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="MODEL.onnx", help="ONNX file; the card is written beside it."
    ),
]
About = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML with name, version, terms, limits and sources."),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, in place of its last parameter `given`, one flag for each setting; `given`
    gets those that were used.
    """
    kinds = {name: kind for name, kind, _ in describe()}
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    of_settings = []
    defaults = TrainingSettings()
    for name, kind, meaning in describe():
        default = getattr(defaults, name)
        several = get_origin(kind) is tuple
        shown = str(default).lower() if not several else "none"
        if _is_nested(kind):
            shown = "; ".join(", ".join(names) for names in default)
        option = typer.Option(help=f"{meaning} [{shown}]", show_default=False)
        annotation = Annotated[(list[str] if several else kind) | None, option]  # type: ignore[valid-type]  # made at run time
        of_settings.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
            )
        )

    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name, _, _ in describe()}
        command(
            **values,
            given={
                name: _setting(kinds[name], v) for name, v in given.items() if v not in (None, [])
            },
        )

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own
    ] + of_settings
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _is_nested(kind: Any) -> bool:
    """Whether a setting is a list of lists of names."""
    return get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is tuple


def _setting(kind: Any, value: Any) -> Any:
    """The value of a setting, of what its flag was given."""
    if _is_nested(kind):
        from lungseg.structures import read_layer

        return tuple(read_layer(names) for names in value)
    return tuple(value) if isinstance(value, list) else value


@with_settings
def train(
    cases: Cases,
    output: Run,
    recipe: Recipe = None,
    settings: SettingsFile = None,
    show_augmented: ShowAugmented = None,
    resume: Resume = False,
    calibrate: Calibrate = True,
    check: Check = True,
    labels: Labels = None,
    quiet: Quiet = False,
    given: dict[str, Any] | None = None,
) -> None:
    """Train a network on images with lung masks. Needs the `train` extra.

    Leaves in RUN the settings, the cases with their split, metrics and curves, the weights, the
    model, what judges its masks, its predictions, and montages. Stops before that where masks are
    not to be learnt from as they are.

    Example: lungseg train data/cxr -o runs/mine --recipe r5-unet-128-laptop --epochs 10
    """
    fit = training_module("fit")
    chosen = _settings(output, recipe, settings, given or {}, resume=resume)
    known = _read_cases(cases, labels or "", recipe)
    if check and not resume:
        training_module("kind").check_kind(known, chosen, cases)
        stop_at_problems(known, cases)
    if show_augmented is not None:
        _show_augmented(known, chosen, show_augmented, output)
        return
    try:
        best = fit.fit(known, output, chosen, resume=resume, progress=not quiet)
        if not fit.is_first():  # of several processes one speaks
            return
        finished = training_module("finalise").finalise(output, with_quality_model=calibrate)
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. With --resume in place of the settings, the run goes on from its last "
            "whole epoch."
            if (output / "last.ckpt").is_file()
            else "Stopped before the first epoch was whole; the same command begins afresh.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"Best weights: {best}")
    typer.echo(f"Model: {finished.model}")
    for name, dice in finished.dice.items():
        typer.echo(f"Mean Dice of the {finished.split} cases, {name}: {dice:.4f}")
    for note in finished.notes:
        typer.echo(f"Note: {note}")
    for sentence in finished.failed:
        typer.echo(f"Left out: {sentence}", err=True)
    if finished.failed:
        raise typer.Exit(FAILED)


def _show_augmented(cases: list[Any], settings: TrainingSettings, count: int, folder: Path) -> None:
    run_cases = training_module("run_cases")
    training, _ = run_cases.training_and_validation(
        run_cases.assign_splits(cases, settings), settings
    )
    picture = folder / "augmented.png"
    arrays = training_module("fit").arrays(training, settings)
    training_module("preview").write_augmented(arrays, count, picture)
    typer.echo(f"{picture}, with the parameters of each sample in {picture.with_suffix('.jsonl')}")


def _settings(
    output: Path, recipe: str | None, file: Path | None, given: dict[str, Any], *, resume: bool
) -> TrainingSettings:
    """The settings of a run: those of recipe or file, overruled by the flags that were given; of
    one that is resumed those it began with, and no others may be given then.
    """
    if not resume:
        return replace(choose_settings(recipe, file), **given)
    if not (output / "settings.toml").is_file():
        raise UsageError(
            "there is no run to resume",
            where=output,
            cure="give the folder of a run that was stopped",
        )
    begun = read_settings(output / "settings.toml")
    asked = replace(choose_settings(recipe, file) if recipe or file else begun, **given)
    if other := difference(begun, asked):
        best = output / "best.ckpt"
        longer = f"; to train longer, begin another run with --start-from {best}"
        raise UsageError(
            f"a run goes on with the settings it began with ({other})",
            where=output,
            cure=f"give --resume without other settings{longer if 'epochs' in given else ''}",
        )
    return begun


def export(checkpoint: Checkpoint, output: ExportedFile, about: About = None) -> None:
    """Write a trained network as ONNX and card, and check that they give what torch gives. Needs
    the `train` extra.

    Example: lungseg export runs/mine/best.ckpt -o mine.onnx && lungseg segment chest.png -o out
    --model mine.onnx
    """
    exported = training_module("export").export(checkpoint, output, about=about)
    typer.echo(
        f"{exported.model} ({exported.model.stat().st_size / 1e6:.2f} MB) and {exported.card}"
    )
    typer.echo(f"Largest difference to torch: {exported.largest_difference:.5f} in probability")


def _read_cases(path: Path, labels: str, recipe: str | None) -> list[Any]:
    """The cases of a list or a folder; where there is no list, or a folder has none, it is said
    what the recipe expects.
    """
    from lungseg.datasets import discover_cases, read_manifest
    from lungseg.datasets.declared_labels import with_declared_labels

    try:
        known = read_manifest(path) if path.suffix.lower() == ".csv" else discover_cases(path)
    except InputError as error:
        expected = DATA.get(recipe or "")
        is_list = path.suffix.lower() == ".csv"
        if expected is None or (is_list and path.exists()):
            raise
        cure = f"{recipe} learns from {expected}"
        if is_list:
            cure = f"make it with `lungseg dataset FOLDER -o {path}`, where {cure}"
        raise InputError(error.what, where=error.where, cure=cure) from error
    return with_declared_labels(known, labels)


def training_module(module: str) -> Any:
    """A module of `lungseg.train`; the rest of the package works without the libraries that it
    needs.
    """
    import os
    from importlib import import_module

    # A notebook names its own, which its `!commands` cannot load; pictures need no screen.
    os.environ["MPLBACKEND"] = "agg"
    try:
        return import_module(f"lungseg.train.{module}")
    except ImportError as error:
        raise extra_error(error, "training", "train") from error
