"""Compares training runs: scores the model of each on its validation and test cases as users would
run it, and times it on one core.

    python benchmarks/compare.py RUN... > table.md

Prints one line of a Markdown table for each run: what differs from the default settings,
parameters, size of the file, milliseconds of the network on one core (median of 30 after 5), and
the mean Dice on each source's validation and test cases (without questionable masks; masks that
draw through the heart are judged outside the mediastinal band). A source that was left out of
training is scored whole and set in bold; it chose nothing. With more than one run of a time, the
timings are of one process and comparable.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from lungseg.datasets import read_manifest
from lungseg.evaluate import score_cases
from lungseg.predict import Predictor
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.train.export import export
from lungseg.train.module import load_checkpoint
from lungseg.train.settings import TrainingSettings, describe, read_settings


def milliseconds(model: Path) -> float:
    """Median time of the network alone, one image, one thread."""
    predictor = Predictor(model, threads=1)
    batch = (
        np.random.default_rng(0).normal(size=(1, 1, *predictor.card.input_size)).astype(np.float32)
    )
    times = []
    for _ in range(35):
        start = time.perf_counter()
        predictor(batch)
        times.append(time.perf_counter() - start)
    return float(np.median(times[5:])) * 1000


def scores(model: Path, cases: Path) -> dict[str, str]:
    """Mean Dice and HD95 of each source, as a cell of the table."""
    settings = read_settings(cases.parent / "settings.toml")
    kept = [
        case
        for case in read_manifest(cases)
        if case.split in ("validation", "test") and case.mask is not None
    ]
    chosen = [case for case in kept if case.notes != "questionable"]
    found, _ = score_cases(RadiographSegmenter(model), chosen)
    cells = {}
    for source in sorted({score.source for score in found}):
        mine = [score for score in found if score.source == source]
        text = f"{np.mean([score.scores['lungs'].dice for score in mine]):.4f}"
        if mine[0].lung_extent == "field":
            text += f" ({np.mean([score.scores['lungs'].hd95_at_1024 for score in mine]):.1f})"
        cells[source] = (
            f"**{text}**, n={len(mine)}"
            if source in settings.leave_out
            else f"{text}, n={len(mine)}"
        )
    return cells


def difference(settings: TrainingSettings) -> str:
    """The settings that are not the default, in words."""
    default = TrainingSettings()
    changed = [
        f"{name} {getattr(settings, name)}"
        for name, _, _ in describe()
        if getattr(settings, name) != getattr(default, name)
    ]
    return ", ".join(changed) or "default"


def main(runs: list[Path]) -> None:
    """Prints the table."""
    rows = []
    for run in runs:
        model = run / "model.onnx"
        if not model.is_file():  # of an older version
            export(run / "best.ckpt", model)
        net, settings = load_checkpoint(run / "best.ckpt")
        parameters = sum(p.numel() for p in net.parameters()) / 1e6
        cells = [
            run.name,
            difference(settings),
            f"{parameters:.2f}",
            f"{model.stat().st_size / 1e6:.1f}",
        ]
        rows.append((cells, model, scores(model, run / "cases.csv")))
    sources = sorted({source for _, _, found in rows for source in found})
    header = ["run", "settings", "M parameters", "MB", "ms, one core", *sources]
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for cells, model, found in rows:
        row = [
            *cells,
            f"{milliseconds(model):.0f}",
            *(found.get(source, "-") for source in sources),
        ]
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(name) for name in sys.argv[1:]])
