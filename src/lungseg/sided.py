"""Networks whose lungs have sides, whether or not they predict them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.modality import Modality
from lungseg.morphology.sides import by_place
from lungseg.predict import Predictor
from lungseg.structures import LUNGS_AS_ONE

MIN_LUNG_FRACTION: Final[dict[Modality, float]] = {"radiograph": 0.005, "ct": 0.0005}
"""Of the picture, from which on a component may be a lung whose side its place tells; in slices of
CT lungs begin and end."""


class SidedPredictor(Predictor):
    """A network kept loaded whose lungs have sides: where it predicts them as one they are told
    apart by where they lie, see `lungseg.morphology.sides.by_place`.

    Attributes:
        card: what the .json file says, with both lungs in place of the lungs as one.
    """

    def __init__(self, model: str | Path = "cxr", *, threads: int | None = None) -> None:
        super().__init__(model, threads=threads)
        self.card = self.file_card.sided

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Predictor`, of the channels that `card` names."""
        found = super().__call__(batch)
        if self.file_card.tells_sides:
            return found
        at, least = self.file_card.channel(LUNGS_AS_ONE), MIN_LUNG_FRACTION[self.card.modality]
        both = [by_place(lungs, self.card.threshold, least) for lungs in found[:, at]]
        return np.concatenate([found[:, :at], np.stack(both), found[:, at + 1 :]], axis=1)
