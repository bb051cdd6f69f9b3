"""Prints how fast training is beside the bare network, on phantoms drawn on the fly, as Markdown
tables.

    python benchmarks/training.py

Both are measured in one process and by turns: a training epoch as `lungseg train` runs it, with
augmentation in a worker process, moving average, and log; then as many steps of the same network
(forward, loss, backward, optimiser) on one batch that lies ready. Of every pair of turns the ratio
is taken, so that whatever else the machine does touches both. The settings are the defaults: 256 x
256, batches of 8, bfloat16. The second table says what a sample costs the worker, on one core.
Needs the train extra; close other programs first.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from lungseg.augment.parameters import sample_parameters
from lungseg.datasets import Case
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.preprocess import standardise
from lungseg.train.data import CaseArrays
from lungseg.train.fit import fit
from lungseg.train.losses import loss_of
from lungseg.train.module import LungModule
from lungseg.train.settings import TrainingSettings

VALIDATION = 8
"""Cases to validate on; validation is not measured."""


def main() -> None:
    """Reads the flags and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn (20)")
    parser.add_argument(
        "--turns", type=int, default=7, help="turns of each kind; medians are printed (7)"
    )
    flags = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # One more batch than steps: the first of an epoch waits for the worker to begin, which a
        # long epoch does not notice.
        settings = replace(
            TrainingSettings(), epochs=flags.turns + 1, patience=flags.turns + 1, workers=1
        )
        cases = draw_cases(folder, settings.batch * (flags.steps + 1) + VALIDATION)
        training_rate(cases, folder / "run", settings)
        worker_cost(cases[:64], settings, folder / "cache")


def draw_cases(folder: Path, count: int) -> list[Case]:
    """Writes a dozen phantoms of 512 x 512 pixels with their masks, and returns `count` cases of
    them, in turn.
    """
    for seed in range(12):
        phantom = radiograph_phantom(seed=seed)
        cv2.imwrite(str(folder / f"image{seed}.png"), phantom.image.array)
        cv2.imwrite(
            str(folder / f"mask{seed}.png"),
            np.where(phantom.ground_truth.labels > 0, 255, 0).astype(np.uint8),
        )
    return [
        Case(
            f"film{i}",
            f"patient{i}",
            folder / f"image{i % 12}.png",
            folder / f"mask{i % 12}.png",
            "phantom",
            split="validation" if i < VALIDATION else "train",
        )
        for i in range(count)
    ]


def training_rate(cases: list[Case], folder: Path, settings: TrainingSettings) -> None:
    """Trains, stops the time of each epoch but the first, and lets the bare network take as many
    steps after each.
    """
    turns: dict[str, list[float]] = defaultdict(list)

    class Stopped(LungModule):
        """The module of `lungseg train`, with a watch."""

        watch: list[float]

        def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
            self.watch = [*(self.watch if index else []), time.perf_counter()]
            self.batch = batch

        def on_train_epoch_end(self) -> None:
            super().on_train_epoch_end()
            steps = len(self.watch) - 1
            if self.current_epoch:  # the first one warms up
                turns["training"].append(steps * settings.batch / (self.watch[-1] - self.watch[0]))
                turns["bare"].append(
                    bare_rate(copy.deepcopy(self.net), self.batch, steps, settings)
                )

    # `fit` makes the module itself, and has no use for one from outside but this.
    from lungseg.train import fit as module

    with patch.object(module, "LungModule", Stopped):
        fit(cases, folder, settings, progress=False)
    ratios = [
        training / bare for training, bare in zip(turns["training"], turns["bare"], strict=True)
    ]
    print(
        f"| {settings.size} x {settings.size}, batches of {settings.batch}, {settings.precision} "
        "| images a second |"
    )
    print("|---|---|")
    print(
        "| bare network: forward, loss, backward, optimiser | "
        f"{statistics.median(turns['bare']):.1f} |"
    )
    print(f"| `lungseg train` | {statistics.median(turns['training']):.1f} |")
    print(
        f"| ratio, median of {len(ratios)} turns ({min(ratios):.2f} to {max(ratios):.2f}) | "
        f"{statistics.median(ratios):.2f} |\n",
        flush=True,
    )


def bare_rate(net: torch.nn.Module, batch: Any, steps: int, settings: TrainingSettings) -> float:
    """Images a second of a network that is given the same batch again and again; its first step is
    not counted.
    """
    net.train()
    images, allowed = batch
    images = images.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-6)
    start = 0.0
    for step in range(steps + 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16-mixed"):
            loss = loss_of(net(images), allowed, settings)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimiser.step()
        if step == 0:
            start = time.perf_counter()
    return steps * settings.batch / (time.perf_counter() - start)


def worker_cost(cases: list[Case], settings: TrainingSettings, cache: Path) -> None:
    """Processor time of each part of a sample, with one thread, the mean over many."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    size, clip = (settings.size, settings.size), (settings.clip_low, settings.clip_high)
    data, cached = (CaseArrays(cases, size, clip, seed=0, cache=folder) for folder in (None, cache))
    of_each = [data.parameters(i, epoch=0) for i in range(len(data))]
    sampled = [parameters for parameters in of_each if parameters is not None]
    changed = [data.augmented(i, parameters)[0] for i, parameters in enumerate(sampled)]
    parts: dict[str, Callable[[int], Any]] = {
        "parameters sampled": lambda i: sample_parameters(np.random.default_rng(i)),
        "applied": lambda i: data.augmented(i, sampled[i]),
        "standardised": lambda i: standardise(changed[i], clip),
        "whole sample": lambda i: data[i],
        "whole sample, from the cache": lambda i: cached[i],
    }
    print("| a sample in the worker, one core | ms |")
    print("|---|---|")
    for name, part in parts.items():
        start = time.process_time()
        for _ in range(4):
            for i in range(len(data)):
                part(i)
        print(
            f"| {name} | {(time.process_time() - start) / 4 / len(data) * 1000:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
