"""Whether the cases of a run are of the kind that its settings are for: radiographs, or CT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from lungseg.datasets import Case
from lungseg.datasets.folders import is_volume
from lungseg.errors import InputError, UsageError
from lungseg.readers import read_image
from lungseg.readers.frames import without_frame
from lungseg.readers.looks_like_ct import DOUBT, ct_log_odds
from lungseg.readers.probe import probe
from lungseg.train.settings import TrainingSettings

SAMPLE: Final = 40
"""Pictures that are looked at, evenly over the list."""
MOST: Final = 0.9
"""Of them; where more are plainly of the other kind, that is no matter of a few."""

WORDS: Final = {"ct": "slices of CT", "radiograph": "radiographs"}


def check_kind(cases: Sequence[Case], settings: TrainingSettings, where: Path) -> None:
    """That not nearly all cases with a mask are plainly of the other kind than `modality` says:
    a mixed set, or one in doubt, passes.

    Args:
        cases: with and without masks.
        settings: of the run.
        where: the cases come from.

    Raises:
        UsageError: they are.
    """
    masked = [case for case in cases if case.mask is not None]
    places = np.linspace(0, len(masked) - 1, min(SAMPLE, len(masked))).round().astype(int)
    kinds = [plain_kind(masked[place].image) for place in places]
    (other,) = WORDS.keys() - {settings.modality}
    found = kinds.count(other)
    if not found or found <= MOST * len(kinds):
        return
    raise UsageError(
        f"{found} of {len(kinds)} pictures that were looked at are plainly {WORDS[other]}, and the "
        f"settings are for {WORDS[settings.modality]}",
        where=where,
        cure=f"take a recipe for {WORDS[other]}, or `modality` {other}; or, where the settings are "
        "right, give --no-check",
    )


def plain_kind(image: Path) -> str:
    """The modality of a case's image, as the picture shows or the header of a slice says; "" where
    it is not plain, or where it is a volume or cannot be read, which is told elsewhere.
    """
    if is_volume(image):
        return ""
    try:
        probed = probe(image)
        if probed.modality == "ct":
            return "ct"
        odds = ct_log_odds(without_frame(read_image(probed, frame=1)))
    except InputError:
        return ""
    return "ct" if odds > DOUBT else "radiograph" if odds < -DOUBT else ""
