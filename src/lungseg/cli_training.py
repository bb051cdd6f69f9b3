"""The commands of those who train: train, export, evaluate. `lungseg.cli` puts them on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer

from lungseg.errors import UsageError
from lungseg.train.settings import Settings, describe, read_settings

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""

Cases = Annotated[Path, typer.Argument(metavar="CASES", help="Folder of data sets, or a CSV of cases.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(with_settings(train))
    app.command()(export)
    app.command()(evaluate)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, in place of its last parameter `given`, one flag for each setting; `given` gets those that were used."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    flags = []
    for name, kind, meaning in describe():
        default = getattr(Settings(), name)
        several = get_origin(kind) is tuple
        option = typer.Option(help=f"{meaning} [{'none' if several else str(default).lower()}]", show_default=False)
        annotation = Annotated[(list[str] if several else kind) | None, option]  # type: ignore[valid-type]  # made at run time
        flags.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))

    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name, _, _ in describe()}
        command(**values, given={name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v not in (None, [])})

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + flags
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def train(
    cases: Cases,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the run.")],
    settings: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML of settings; flags overrule it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN, from its last epoch.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    given: dict[str, Any] | None = None,
) -> None:
    """Train a network on images with lung masks. Needs the `train` extra.

    Leaves in RUN the settings, the cases with their split, metrics.csv, best.ckpt and last.ckpt.

    Example: lungseg train data/cxr -o runs/mine --net unetpp --width 12 --epochs 40
    """
    fit_module = _training("fit")
    if resume and (given or settings):
        raise UsageError("a run goes on with the settings it began with", where=output, cure="give --resume without other settings")
    file = output / "settings.toml" if resume else settings
    if resume and file is not None and not file.is_file():
        raise UsageError("there is no run to resume", where=output, cure="give the folder of a run that was stopped")
    chosen = replace(read_settings(file) if file else Settings(), **given or {})
    try:
        best = fit_module.fit(_read_cases(cases), output, chosen, resume=resume, progress=not quiet)
    except KeyboardInterrupt:
        typer.echo("Stopped. With --resume in place of the settings, the run goes on from its last whole epoch.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"Best weights: {best}")


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.ckpt in the folder of a run.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.onnx", help="ONNX file; the card is written beside it.")],
    about: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML with name, version, terms, limits and sources.")] = None,
) -> None:
    """Write a trained network as ONNX and card, and check that they give what torch gives. Needs the `train` extra.

    Example: lungseg export runs/mine/best.ckpt -o mine.onnx && lungseg segment chest.png -o out --model mine.onnx
    """
    exported = _training("export").export(checkpoint, output, about=about)
    typer.echo(f"{exported.model} ({exported.model.stat().st_size / 1e6:.2f} MB) and {exported.card}")
    typer.echo(f"Largest difference to torch: {exported.largest_difference:.5f} in probability")


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Embedded model, or an .onnx file.")],
    cases: Cases,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for scores and pictures.")],
    split: Annotated[str, typer.Option(help="Which split of the CSV to score; 'all' for every case.")] = "validation",
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    changes: Annotated[bool, typer.Option("--changes", help="Also change the pictures, and see whether the masks stay.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Enter the scores into the model's card.")] = False,
) -> None:
    """Score a model on images with known masks, as users run it and at the input's own resolution.

    Leaves in OUT scores.csv, scores.md and worst.png (truth yellow). A folder of data sets is split as `lungseg train` splits it.

    Example: lungseg evaluate cxr runs/mine/cases.csv -o scores
    """
    from lungseg.datasets import split_by_patient
    from lungseg.evaluate import evaluate as run

    known = _read_cases(cases)
    if split != "all":
        defaults = Settings()
        known = [case for case in split_by_patient(known, validation=defaults.validation, seed=defaults.seed) if case.split == split]
    if source:
        known = [case for case in known if case.source in source]
    if not known:
        raise UsageError(f"there is no case of split {split!r}" + (f" and source {', '.join(source)}" if source else ""), where=cases)
    typer.echo(run(model, known, output, changed=changes, enter=card))


def _read_cases(path: Path) -> list[Any]:
    from lungseg.datasets import read_manifest, recognise

    return list(read_manifest(path) if path.suffix.lower() == ".csv" else recognise(path))


def _training(module: str) -> Any:
    """A module of `lungseg.train`; the rest of the package works without the libraries that it needs."""
    from importlib import import_module

    try:
        return import_module(f"lungseg.train.{module}")
    except ImportError as error:
        raise UsageError(f"training needs the library {error.name}", cure="install it with `pip install 'lungseg[train]'`") from error
