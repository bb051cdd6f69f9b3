"""Pseudo-labels for what masks leave open: earlier models, asked several times each, say where lung
ends (D.-H. Lee, "Pseudo-Label", ICML workshop on challenges in representation learning, 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.label_sets import LUNG_LAYERS, LayerClasses, Sets
from lungseg.preprocess import picture_of, resize_back
from lungseg.radiograph.orientation import turn
from lungseg.sided import SidedPredictor
from lungseg.structures import LUNGS, LUNGS_AS_ONE, regions

Array = NDArray[Any]

ROTATIONS: Final = (-10.0, 0.0, 10.0)
"""Degrees by which a picture is rotated before a teacher sees it; each also mirrored."""

MIN_PROBABILITY: Final = 0.6
"""From this probability of a structure on, an open pixel becomes it."""

MAX_OTHER_PROBABILITY: Final = 0.4
"""Below this probability of a structure, or of a pair together, an open pixel becomes what else its
mask allows; between the two it stays open."""


class Teachers:
    """Models that label open pixels; loaded when first asked, and again in each process that
    asks.
    """

    def __init__(self, models: Sequence[str]) -> None:
        """Names or paths of the models, as `lungseg.sided.SidedPredictor` takes them."""
        self.models = tuple(models)

    def __reduce__(self) -> tuple[type[Teachers], tuple[tuple[str, ...]]]:
        return Teachers, (self.models,)

    @cached_property
    def predictors(self) -> list[SidedPredictor]:
        """The loaded models. One thread each: a pool of threads would not survive in a forked
        process.

        Raises:
            ModelError: a model is missing or broken.
        """
        return [SidedPredictor(model, threads=1) for model in self.models]

    @property
    def names(self) -> list[str]:
        """What tells these teachers from others: the SHA-256 of each."""
        return [predictor.card.sha256 for predictor in self.predictors]

    def pseudo_label(self, allowed: Sets, pixels: Array, layers: Sequence[LayerClasses]) -> Sets:
        """See the function of this name; without models everything stays as it is."""
        return pseudo_label(allowed, pixels, self.predictors, layers) if self.models else allowed


def pseudo_label(
    allowed: Sets,
    pixels: Array,
    teachers: Sequence[SidedPredictor],
    layers: Sequence[LayerClasses] = LUNG_LAYERS,
) -> Sets:
    """Narrows the sets of allowed classes where a mask leaves open whether there is a structure,
    and the teachers agree that there is or not.

    An open pixel becomes a structure where that is probable, and where a pair, or a structure of
    none, is not, its bits are taken out of the set, as long as something is left. So a pixel that
    may be a certain lung or mediastinum becomes one of the two, and one that may be anything a
    lung, or background or mediastinum. What the mask says already stays as it is.

    Args:
        allowed: (layers, rows, columns), sets of allowed classes, see
            `lungseg.datasets.label_sets`.
        pixels: (any rows, any columns), the picture.
        teachers: their probabilities are averaged, of a structure over those that predict it; at
            least one.
        layers: the classes of each layer.

    Returns:
        New sets, of the same shape.
    """
    layers_with_open = [
        classes
        for sets, classes in zip(allowed, layers, strict=True)
        if np.isin(sets, _open_sets(classes)).any()
    ]
    if not layers_with_open:
        return allowed.copy()
    found = [_probabilities(teacher, pixels) for teacher in teachers]
    narrowed = [
        _narrowed(sets, classes, found) if classes in layers_with_open else sets
        for sets, classes in zip(allowed, layers, strict=True)
    ]
    return np.stack(narrowed)


def _open_sets(classes: LayerClasses) -> list[int]:
    """The sets that allow a structure and something else."""
    structures = classes.bits(*(structure.name for structure in classes.structures))
    return [s for s in range(1, classes.anything + 1) if s & structures and s & (s - 1)]


def _narrowed(sets: Sets, classes: LayerClasses, found: Sequence[dict[str, Array]]) -> Sets:
    """The sets of one layer (rows, columns), by what each teacher has found."""
    narrowed, removed = sets.copy(), np.zeros_like(sets)
    is_open = np.isin(sets, _open_sets(classes))
    known = {
        structure: np.stack([own[structure.name] for own in found if structure.name in own]).mean(
            axis=0
        )
        for structure in classes.structures
        if any(structure.name in own for own in found)
    }
    for structure, channel in known.items():
        known[structure] = resize_back(np.ascontiguousarray(channel, np.float32), sets.shape)
    for group in regions(known).values():
        together = np.zeros(sets.shape, np.float32)
        for structure in group:
            bit = classes.bits(structure.name)
            together += np.where(sets & bit, known[structure], np.float32(0))
        improbable = is_open & (together < MAX_OTHER_PROBABILITY)
        removed[improbable] |= np.uint8(classes.bits(*(structure.name for structure in group)))
    left = sets & ~removed
    narrowed[left > 0] = left[left > 0]
    for structure, probability in known.items():
        bit = classes.bits(structure.name)
        narrowed[is_open & ((sets & bit) > 0) & (probability >= MIN_PROBABILITY)] = bit
    return narrowed


def _probabilities(teacher: SidedPredictor, pixels: Array) -> dict[str, Array]:
    """A teacher's probabilities of each structure that it predicts, (rows, columns) on its own
    grid: the mean over the picture as it is, rotated, and mirrored.
    """
    picture = picture_of(pixels, teacher.card)[0]
    size = teacher.card.input_size
    rotated = [turn(picture, degrees, size, float(picture.min())) for degrees in ROTATIONS]
    batch = np.stack([*rotated, *(each[:, ::-1] for each in rotated)])[:, np.newaxis]
    straight, mirrored = np.split(teacher(batch), 2)
    found = straight + mirrored[:, teacher.card.mirrored_channels, :, ::-1]
    names = [structure.name for layer in teacher.card.structures for structure in layer]
    sums = {
        name: np.sum(
            [
                turn(channels[teacher.card.outputs.index(name)], -degrees, size, 0.0)
                for channels, degrees in zip(found, ROTATIONS, strict=True)
            ],
            axis=0,
        )
        for name in names
    }
    found_of = {name: total / len(batch) for name, total in sums.items()}
    if all(lung.name in found_of for lung in LUNGS):
        found_of[LUNGS_AS_ONE.name] = sum(found_of[lung.name] for lung in LUNGS)
    return found_of
