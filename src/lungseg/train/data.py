"""Cases as arrays: decoded and resized once, augmented whenever asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lungseg.augment.apply import apply_parameters
from lungseg.augment.parameters import (
    DEFAULT_AUGMENTATION,
    AugmentationParameters,
    AugmentationSettings,
    sample_parameters,
)
from lungseg.datasets import Case, read_labels
from lungseg.datasets.label_sets import LUNG_LAYERS, LayerClasses, Sets, allowed_sets, narrowed
from lungseg.datasets.other_masks import read_other_masks
from lungseg.morphology.dilation import dilate
from lungseg.preprocess import resize, standardise, window
from lungseg.readers import read_image
from lungseg.structures import BY_NAME, LUNGS
from lungseg.train.cache import cache_file, fetch
from lungseg.train.pseudo_labels import Teachers
from lungseg.writers import make_folder

log = logging.getLogger(__name__)

MARGIN = 1.5
"""Samples are kept this much larger than the network's input, so that zooming in finds detail."""


class CaseArrays(Dataset[tuple[Tensor, Tensor]]):
    """Cases of one split, in memory or in a cache.

    Args:
        cases: what to read; all of it is decoded now, once even where a case is repeated.
        size: rows, columns of the network's input.
        clip: percentiles of the intensity rule (see `lungseg.preprocess.standardise`).
        seed: of the augmentation; None for none. The parameters of sample i in epoch e are sampled
            from (seed, e, i) alone, in whatever process.
        layers: that are learnt.
        augmentation: how much is changed.
        dilate: by how many pixels of the network's input each lung is widened, so that its boundary
            lies inside.
        cache: folder where decoded cases are kept, for the next run and in place of memory; None to
            keep them in memory alone.
        teachers: models that label what the masks leave open; None for none.

    Raises:
        InputError: an image or mask is missing, or cannot be read, or the two differ in shape.
        OutputError: the cache cannot be written.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        size: tuple[int, int],
        clip: tuple[float, float],
        *,
        seed: int | None,
        layers: Sequence[LayerClasses] = LUNG_LAYERS,
        augmentation: AugmentationSettings = DEFAULT_AUGMENTATION,
        dilate: int = 0,
        cache: Path | None = None,
        teachers: Teachers | None = None,
    ) -> None:
        self.cases = list(cases)
        self.size = size
        self.clip = clip
        self.seed = seed
        self.layers = tuple(layers)
        self.augmentation = augmentation
        self.dilate = dilate
        self._teachers = teachers or Teachers(())
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        """Set by the training loop; shared, because loader processes live longer than an epoch."""
        self.kept = size if seed is None else (round(size[0] * MARGIN), round(size[1] * MARGIN))
        self._shape = (1 + len(self.layers), *self.kept)
        self._window = clip if seed is None else (0.1, 99.9)
        distinct = {case: row for row, case in enumerate(dict.fromkeys(self.cases))}
        self._rows = [distinct[case] for case in self.cases]
        self._files: list[Path] = []
        if cache is None:
            self._arrays = np.empty((len(distinct), *self._shape), np.uint8)
            for case, row in distinct.items():
                self._arrays[row] = self._decode(case)
        else:
            make_folder(cache)
            settings = {
                "kept": self.kept,
                "window": self._window,
                "size": size,
                "dilate": dilate,
                "layers": [classes.names for classes in self.layers],
                "teachers": self._teachers.names,
            }
            self._files = [cache_file(cache, case, settings) for case in distinct]
            for case, file in zip(distinct, self._files, strict=True):
                fetch(file, self._shape, partial(self._decode, case))
        log.info("%d cases decoded", len(distinct))

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Network input (1, H, W), float32, and the sets of allowed classes (L, H, W), uint8, of
        each layer.
        """
        parameters = self.parameters(index, int(self.epoch))
        grey, allowed = (
            self.as_kept(index) if parameters is None else self.augmented(index, parameters)
        )
        return torch.from_numpy(standardise(grey, self.clip)[np.newaxis]), torch.from_numpy(
            allowed.copy()
        )

    def as_kept(self, index: int) -> tuple[NDArray[np.uint8], Sets]:
        """Picture (rows, columns) and sets of allowed classes (layers, rows, columns) before
        augmentation, both of the size `kept`.
        """
        row = self._rows[index]
        case = self.cases[index]
        stored = (
            fetch(self._files[row], self._shape, partial(self._decode, case))
            if self._files
            else self._arrays[row]
        )
        return stored[0], stored[1:]

    def parameters(self, index: int, epoch: int) -> AugmentationParameters | None:
        """Of the augmentation of a case in an epoch; None where there is none."""
        if self.seed is None:
            return None
        return sample_parameters(
            np.random.default_rng((self.seed, epoch, index)), self.augmentation
        )

    def augmented(
        self, index: int, parameters: AugmentationParameters
    ) -> tuple[NDArray[Any], Sets]:
        """Picture, float32, not yet standardised, and sets of allowed classes, both of the
        network's size, as the parameters say.
        """
        return apply_parameters(*self.as_kept(index), parameters, self.size, self.layers)

    def _decode(self, case: Case) -> NDArray[np.uint8]:
        """Picture, then sets of allowed classes: (1 + layers, rows, columns)."""
        pixels = read_image(case.image).array
        labels = read_labels(case, pixels.shape)
        if self.dilate:
            labels = dilate(
                _resize_nearest(labels, self.kept),
                self.dilate * self.kept[0] / self.size[0],
                [lung.number for lung in LUNGS],
            )
        picture = np.round(window(resize(pixels, self.kept), self._window) * 255)
        sets = allowed_sets(labels, self.layers, decides=case.decides, lung_extent=case.lung_extent)
        for name, inside in read_other_masks(case, pixels.shape).items():
            own = np.where(inside, np.uint8(BY_NAME[name].number), np.uint8(0))
            if self.dilate:
                own = _resize_nearest(own, sets.shape[1:])
            others = allowed_sets(own, self.layers, decides=(name,), lung_extent="field")
            sets = narrowed(sets, others)
        resized = np.stack([_resize_nearest(each, self.kept) for each in sets])
        allowed = self._teachers.pseudo_label(resized, pixels, self.layers)
        return np.concatenate([picture.astype(np.uint8)[np.newaxis], allowed])


def _resize_nearest(sets: Sets, size: tuple[int, int]) -> Sets:
    """Sets of classes cannot be averaged: each new pixel takes the set of the pixel under its
    centre.
    """
    rows = ((np.arange(size[0]) + 0.5) * sets.shape[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * sets.shape[1] / size[1]).astype(int)
    return np.ascontiguousarray(sets[rows[:, np.newaxis], columns[np.newaxis]])
