"""Cases as arrays: decoded and resized once, augmented whenever asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lungseg.datasets import Case, read_labels
from lungseg.datasets.convention import allowed_classes
from lungseg.prepare import standardise, stretch, window
from lungseg.read import read
from lungseg.train import augment

log = logging.getLogger(__name__)

MARGIN = 1.5
"""Samples are kept this much larger than the network's input, so that zooming in finds detail."""


class CaseArrays(Dataset[tuple[Tensor, Tensor]]):
    """Cases of one split, in memory.

    Args:
        cases: what to read; all of it is decoded now.
        size: rows, columns of the network's input.
        clip: percentiles of the intensity rule (see `lungseg.prepare.standardise`).
        plain: share of the samples that the augmentation changes only a little.
        seed: of the augmentation; None for none. Sample i of epoch e is drawn from (seed, e, i) alone, in whatever process.
    """

    def __init__(
        self, cases: Sequence[Case], size: tuple[int, int], clip: tuple[float, float], *, seed: int | None, plain: float = 0.0
    ) -> None:
        self.cases = list(cases)
        self.size = size
        self.clip = clip
        self.seed = seed
        self.plain = plain
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        """Set by the training loop; shared, because loader processes live longer than an epoch."""
        kept = size if seed is None else (round(size[0] * MARGIN), round(size[1] * MARGIN))
        self.pictures = np.empty((len(self.cases), *kept), np.uint8)
        self.allowed = np.empty((len(self.cases), *kept), np.uint8)
        for i, case in enumerate(self.cases):
            self.pictures[i] = _grey8(read(case.image).pixels, kept, clip if seed is None else (0.1, 99.9))
            self.allowed[i] = _resize_nearest(allowed_classes(read_labels(case), case.convention), kept)
        log.info("%d cases decoded", len(self.cases))

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Network input (1, H, W), float32, and the sets of allowed classes (H, W), uint8."""
        picture, allowed = self.pictures[index], self.allowed[index]
        if self.seed is None:
            grey: NDArray[Any] = picture
        else:
            rng = np.random.default_rng((self.seed, int(self.epoch), index))
            grey, allowed = augment.apply(picture, allowed, augment.draw(rng, plain=self.plain), self.size)
        return torch.from_numpy(standardise(grey, self.clip)[np.newaxis]), torch.from_numpy(np.ascontiguousarray(allowed))


def _grey8(pixels: NDArray[Any], size: tuple[int, int], clip: tuple[float, float]) -> NDArray[np.uint8]:
    """Resized, and with the percentiles `clip` mapped to 0 and 255."""
    return np.asarray(np.round(window(stretch(pixels, size), clip) * 255), np.uint8)


def _resize_nearest(sets: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Sets of classes cannot be averaged: each new pixel takes the set of the pixel under its centre."""
    rows = ((np.arange(size[0]) + 0.5) * sets.shape[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * sets.shape[1] / size[1]).astype(int)
    return np.ascontiguousarray(sets[rows[:, np.newaxis], columns[np.newaxis]])
