"""Pseudo-labels for what masks leave open: earlier models, asked several times each, say where lung
ends (D.-H. Lee, "Pseudo-Label", ICML workshop on challenges in representation learning, 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.label_sets import ANYTHING, BACKGROUND, LEFT, MEDIASTINUM, RIGHT
from lungseg.predict import Predictor
from lungseg.preprocess import restore, to_network
from lungseg.radiograph.orientation import turn
from lungseg.structures import LUNGS

Array = NDArray[Any]

ROTATIONS: Final = (-10.0, 0.0, 10.0)
"""Degrees by which a picture is rotated before a teacher sees it; each also mirrored."""

MIN_LUNG_PROBABILITY: Final = 0.6
"""From this probability of lung on, an open pixel becomes lung."""

MAX_OTHER_PROBABILITY: Final = 0.4
"""Below this probability of lung, an open pixel becomes what else its mask allows; between the two
it stays open."""


class Teachers:
    """Models that label open pixels; loaded when first asked, and again in each process that
    asks.
    """

    def __init__(self, models: Sequence[str]) -> None:
        """Names or paths of the models, as `lungseg.predict.Predictor` takes them."""
        self.models = tuple(models)

    def __reduce__(self) -> tuple[type[Teachers], tuple[tuple[str, ...]]]:
        return Teachers, (self.models,)

    @cached_property
    def predictors(self) -> list[Predictor]:
        """The loaded models. One thread each: a pool of threads would not survive in a forked
        process.

        Raises:
            ModelError: a model is missing or broken.
        """
        return [Predictor(model, threads=1) for model in self.models]

    @property
    def names(self) -> list[str]:
        """What tells these teachers from others: the SHA-256 of each."""
        return [predictor.card.sha256 for predictor in self.predictors]

    def pseudo_label(self, allowed: NDArray[np.uint8], pixels: Array) -> NDArray[np.uint8]:
        """See the function of this name; without models everything stays as it is."""
        return pseudo_label(allowed, pixels, self.predictors) if self.models else allowed


def pseudo_label(
    allowed: NDArray[np.uint8], pixels: Array, teachers: Sequence[Predictor]
) -> NDArray[np.uint8]:
    """Narrows the sets of allowed classes where a mask leaves open whether there is lung, and the
    teachers agree that there is or not.

    A pixel that may be a certain lung or mediastinum becomes one of the two. A pixel that may be
    anything becomes a lung, or background or mediastinum. What the mask says already stays as it
    is.

    Args:
        allowed: (rows, columns), sets of allowed classes, see `lungseg.datasets.label_sets`.
        pixels: (any rows, any columns), the picture.
        teachers: their probabilities are averaged; at least one.

    Returns:
        New sets, of the same shape.
    """
    narrowed = allowed.copy()
    if not np.isin(allowed, (RIGHT | MEDIASTINUM, LEFT | MEDIASTINUM, ANYTHING)).any():
        return narrowed
    channels = np.stack([_probabilities(teacher, pixels) for teacher in teachers]).mean(axis=0)
    right, left = (
        restore(np.ascontiguousarray(plane, np.float32), allowed.shape) for plane in channels
    )
    for bit, lung in ((RIGHT, right), (LEFT, left)):
        either = allowed == (bit | MEDIASTINUM)
        narrowed[either & (lung >= MIN_LUNG_PROBABILITY)] = bit
        narrowed[either & (lung < MAX_OTHER_PROBABILITY)] = MEDIASTINUM
    unknown = allowed == ANYTHING
    narrowed[unknown & (right >= MIN_LUNG_PROBABILITY)] = RIGHT
    narrowed[unknown & (left >= MIN_LUNG_PROBABILITY)] = LEFT
    narrowed[unknown & (right + left < MAX_OTHER_PROBABILITY)] = BACKGROUND | MEDIASTINUM
    return narrowed


def _probabilities(teacher: Predictor, pixels: Array) -> Array:
    """A teacher's probabilities of right and left lung, (2, rows, columns), on its own grid: the
    mean over the picture as it is, rotated, and mirrored.
    """
    picture = to_network(pixels, teacher.card.input_size, teacher.card.clip)[0]
    size = teacher.card.input_size
    rotated = [turn(picture, degrees, size, float(picture.min())) for degrees in ROTATIONS]
    batch = np.stack([*rotated, *(each[:, ::-1] for each in rotated)])[:, np.newaxis]
    straight, mirrored = np.split(teacher(batch), 2)
    found = straight + mirrored[:, teacher.card.mirrored_channels, :, ::-1]
    lungs = [teacher.card.channel(lung) for lung in LUNGS]
    restored = [
        [turn(channel, -degrees, size, 0.0) for channel in channels[lungs]]
        for channels, degrees in zip(found, ROTATIONS, strict=True)
    ]
    return np.sum(restored, axis=0) / len(batch)
