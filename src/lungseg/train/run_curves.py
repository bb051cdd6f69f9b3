"""Several training runs over each other: their curves in one figure, and a table."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lungseg.errors import LungsegError, UsageError
from lungseg.structures import regions
from lungseg.train.pictures import DPI, TITLES, best_epoch, read_metrics
from lungseg.train.settings import TrainingSettings, read_settings
from lungseg.writers import write_file

PANELS: Final = ("train_loss", "val_loss", "val_dice", "val_iou")
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of the Okabe-Ito palette; with `STYLES` runs are told apart on paper without colours, too."""
STYLES: Final = ("-", "--", "-.", ":")
MAX_RUNS: Final = len(COLOURS) * len(STYLES)

OF_DICE: Final = ("dilate",)
"""Settings that say what the ground truth of the validation is."""
OF_LOSS: Final = (
    *("dilate", "loss", "layers", "dice_weight", "focal_gamma", "tversky_alpha", "tversky_beta"),
    *("boundary_weight", "class_weights"),
)
"""Settings that say what the loss is of."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has left.

    Attributes:
        name: of its folder.
        metrics: the columns of its metrics.csv.
        best: row of the epoch with the highest validation Dice; None where there is none.
        cases: names of the cases that it was validated on, with their sources.
        settings: of the run; None where it left none that can be read.
    """

    name: str
    metrics: dict[str, list[float]]
    best: int | None
    cases: frozenset[tuple[str, str]]
    settings: TrainingSettings | None

    def at_best(self, metric: str) -> float:
        """A metric of the best epoch; NaN where it is not known."""
        values = self.metrics.get(metric, [])
        return values[self.best] if self.best is not None and values else math.nan


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in folders of `lungseg train`, each named by its folder; where two have one name,
    with the folder above.

    Raises:
        UsageError: there is none, one folder is no run or has not finished an epoch, or there are
            too many to be told apart.
    """
    if not 0 < len(folders) <= MAX_RUNS:
        raise UsageError(f"1 to {MAX_RUNS} runs are drawn over each other, not {len(folders)}")
    names = [folder.resolve().name for folder in folders]
    runs = []
    for folder, name in zip(folders, names, strict=True):
        metrics = read_metrics(folder / "metrics.csv")
        if not metrics:
            begun = (folder / "settings.toml").is_file()
            raise UsageError(
                "no epoch of this run is whole yet" if begun else "this is no folder of a run",
                where=folder,
                cure="wait for one" if begun else "give what `lungseg train -o` wrote into",
            )
        parent = folder.resolve().parent.name
        own = f"{parent}/{name}" if names.count(name) > 1 else name
        cases, settings = _validated(folder / "cases.csv"), _settings(folder / "settings.toml")
        runs.append(Run(own, metrics, best_epoch(metrics), cases, settings))
    return runs


def _validated(path: Path) -> frozenset[tuple[str, str]]:
    from lungseg.datasets.spreadsheets import read_rows

    rows = read_rows(path) if path.is_file() else []  # the films themselves may be elsewhere
    return frozenset(
        (row.get("source", ""), row.get("case", ""))
        for row in rows
        if row.get("split") == "validation" and row.get("mask")
    )


def _settings(path: Path) -> TrainingSettings | None:
    try:
        return read_settings(path)
    except LungsegError:  # of another version
        return None


def comparison(runs: Sequence[Run]) -> str:
    """The runs in a table of Markdown, in the order given: epochs, and the metrics of the best one.
    Sentences follow where they were validated on different cases, or where their losses or their
    Dice mean different things.
    """
    metrics = ("val_dice", "val_iou", "val_accuracy", "val_loss")
    titles = ("Dice", "IoU", "accuracy", "loss")
    lines = [
        f"| run | epochs | best epoch | {' | '.join(titles)} |",
        f"|---|---|---|{'---|' * len(titles)}",
    ]
    for run in runs:
        epochs = run.metrics["epoch"]
        best = "-" if run.best is None else f"{epochs[run.best]:.0f}"
        values = " | ".join(
            "-" if math.isnan(value := run.at_best(metric)) else f"{value:.4f}"
            for metric in metrics
        )
        lines.append(f"| {run.name} | {len(epochs)} | {best} | {values} |")
    if len({run.cases for run in runs}) > 1:
        lines += ["", "Not all were validated on the same cases, so their metrics do not compare."]
    if sentence := _not_alike(runs):
        lines += ["", sentence]
    return "\n".join(lines)


def _not_alike(runs: Sequence[Run]) -> str:
    """What does not compare for what the runs learnt, with the first setting that is to blame;
    empty where all does.
    """
    of_dice = _difference(runs, OF_DICE) or _difference(runs, ("layers",), _regions)
    of_loss = _difference(runs, OF_LOSS)
    if of_dice:
        return f"Neither losses nor Dice compare: {of_dice}."
    return f"The losses do not compare: {of_loss}." if of_loss else ""


def _difference(
    runs: Sequence[Run],
    names: Sequence[str],
    meaning: Callable[[TrainingSettings, str], object] = getattr,
) -> str:
    """The first of those settings that does not mean the same in all runs, in words."""
    known = [(run.name, run.settings) for run in runs if run.settings is not None]
    for name in names:
        for other, theirs in known[1:]:
            first, ours = known[0]
            if meaning(ours, name) != meaning(theirs, name):
                return (
                    f"{name} is {_words(getattr(ours, name))} in {first}, and "
                    f"{_words(getattr(theirs, name))} in {other}"
                )
    return ""


def _regions(settings: TrainingSettings, _: str) -> object:
    """What the Dice is the mean over: lungs, whether their sides are told or not."""
    return [name for classes in settings.classes for name in regions(classes.structures)]


def _words(value: object) -> str:
    """A setting as its flag takes it."""
    if not isinstance(value, tuple):
        return str(value)
    names = [one if isinstance(one, str) else ", ".join(one) for one in value]
    return " and ".join(repr(name) for name in names) or "none"


def draw_runs(runs: Sequence[Run], picture: Path) -> None:
    """Draws losses, validation Dice and IoU of runs over each other, as a PNG of 2000 x 1400
    pixels; a star marks the epoch of each run with the highest validation Dice.

    Raises:
        OutputError: the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), dpi=DPI, layout="constrained")
    for panel, axes in zip(PANELS, figure.subplots(2, 2).flat, strict=True):
        split, _, metric = panel.partition("_")
        kind = {"train": "training", "val": "validation"}[split]
        axes.set_title(f"{TITLES[metric]}, {kind}")
        for number, run in enumerate(runs):
            values = run.metrics.get(panel, [])
            if not np.isfinite(values).any():
                continue
            colour = COLOURS[number % len(COLOURS)]
            style = STYLES[number // len(COLOURS) if len(runs) > len(COLOURS) else number % 4]
            axes.plot(run.metrics["epoch"], values, color=colour, linestyle=style, label=run.name)
            if run.best is not None:
                at = run.metrics["epoch"][run.best], values[run.best]
                axes.plot(*at, marker="*", markersize=11, color=colour, markeredgecolor="white")
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        axes.grid(color="0.9")
        if axes.lines:
            axes.legend(fontsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    write_file(picture, stream.getvalue())
