"""The pictures that a run leaves: curves of its metrics, and sheets of cases."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import Picture, coloured, grey, montage, overlay, thumbnail
from lungseg.image import Image
from lungseg.options import OverlayStyle
from lungseg.result import Result
from lungseg.writers import picture_png, write_file

TILE: Final = 256
"""Side of a picture on a sheet of cases, in pixels."""
MAX_CASES: Final = 10
"""On a sheet, so that it can be looked at as a whole."""
BESIDE: Final = 2
"""Cases beside each other on a sheet."""
RED: Final = OverlayStyle(colour=(255, 0, 0))

DPI: Final = 200
"""Of curves; they can be printed."""
PANELS: Final = ("loss", "dice", "iou", "accuracy")
TITLES: Final = {"loss": "Loss", "dice": "Dice", "iou": "IoU", "accuracy": "Pixel accuracy"}
LINES: Final = {"train": ("training", "#0072B2", "--"), "val": ("validation", "#D55E00", "-")}
"""Of each split's columns in metrics.csv the name, colour and style of its line; they are told
apart without colours, too."""


def read_metrics(path: Path) -> dict[str, list[float]]:
    """The columns of a run's metrics.csv, one value for each epoch; NaN where a cell is empty or no
    number.

    Of an epoch on several lines, as a stop between table and checkpoint leaves them, the last
    number in a column counts. A file that is not there is an empty table.
    """
    if not path.is_file():
        return {}
    epochs: dict[float, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        names = list(reader.fieldnames or ())
        for row in reader:
            metrics = {name: value for name in names if not math.isnan(value := _number(row[name]))}
            if "epoch" in metrics:  # else a line that was cut off
                epochs.setdefault(metrics["epoch"], {}).update(metrics)
    return (
        {name: [metrics.get(name, math.nan) for metrics in epochs.values()] for name in names}
        if epochs
        else {}
    )


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def best_epoch(table: dict[str, list[float]]) -> int | None:
    """The row of the highest validation Dice in a table of `read_metrics`; None where none is
    known.
    """
    dice = np.array(table.get("val_dice", [math.nan]))
    return int(np.nanargmax(dice)) if np.isfinite(dice).any() else None


def draw_curves(metrics: Path, picture: Path) -> None:
    """Draws loss, Dice, IoU and pixel accuracy of training and validation over the epochs, as a PNG
    of 2000 x 1400 pixels.

    A dotted line and stars mark the epoch with the highest validation Dice, and the metrics are
    those of that epoch. What the table lacks, as those of older versions do, leaves an empty panel
    that says so; from an empty table nothing is drawn.

    Raises:
        OutputError: the picture cannot be written.
    """
    # Not pyplot: that would keep figures, and look for a screen.
    from matplotlib.figure import Figure

    table = read_metrics(metrics)
    if not table:
        return
    figure = Figure(figsize=(10, 7), dpi=DPI, layout="constrained")
    best = best_epoch(table)
    for panel, axes in zip(PANELS, figure.subplots(2, 2).flat, strict=True):
        axes.set_title(TITLES[panel])
        known = [split for split in LINES if np.isfinite(table.get(f"{split}_{panel}", [])).any()]
        if not known:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", va="center")
            continue
        for split in known:
            (name, colour, style), values = LINES[split], table[f"{split}_{panel}"]
            label = name if best is None else f"{name} {values[best]:.4f}"
            axes.plot(
                table["epoch"],
                values,
                color=colour,
                linestyle=style,
                label=label,
                marker="." if len(values) < 30 else "",
            )
            if best is not None:
                axes.plot(table["epoch"][best], values[best], color=colour, marker="*", ms=11)
        if best is not None:
            axes.axvline(
                table["epoch"][best],
                color="0.5",
                linestyle=":",
                label=f"best Dice: epoch {table['epoch'][best]:.0f}",
            )
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        axes.grid(color="0.9")
        axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    write_file(picture, stream.getvalue())


def case_row(
    name: str, result: Result[Image], ground_truth: NDArray[np.uint8] | None, score: str
) -> list[tuple[Picture, str]]:
    """A case side by side, each tile with its caption: image, ground truth, prediction, and the
    image with the prediction in red.

    Args:
        name: caption of the image.
        result: of the case.
        ground_truth: labels (rows, columns); None where nobody drew them, and then the row has one
            tile less.
        score: caption of the overlay.
    """
    known = [] if ground_truth is None else [(coloured(ground_truth), "ground truth")]
    tiles = [
        (grey(result.image), name),
        *known,
        (coloured(result.segmentation.labels), "prediction"),
        (overlay(result.image, result.segmentation, RED), score),
    ]
    return [(thumbnail(tile, TILE), caption) for tile, caption in tiles]


def write_sheet(rows: Sequence[Sequence[tuple[Picture, str]]], path: Path) -> None:
    """Writes cases, each a row of tiles with captions and all of one length, as one PNG, `BESIDE`
    of them in a line.

    Raises:
        OutputError: it cannot be written.
    """
    tiles = [tile for row in rows for tile in row]
    sheet = montage(
        [picture for picture, _ in tiles], BESIDE * len(rows[0]), [caption for _, caption in tiles]
    )
    write_file(path, picture_png(sheet))
