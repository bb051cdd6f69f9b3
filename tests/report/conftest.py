from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lungseg.card import ModelCard
from lungseg.ct.measure import measure_volume
from lungseg.measurement import Measurement
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.quality.confidence import Confidence
from lungseg.radiograph.measure import measure
from lungseg.result import Result, VolumeResult
from lungseg.verdict import Verdict

SURE = Confidence(0.91, 0.92, 0.93)
LABELS = ("background", "right lung", "left lung")


def card(kind: str) -> ModelCard:
    return ModelCard(
        "tiny",
        "1",
        "ct" if kind == "ct" else "radiograph",
        (("right lung", "left lung"),),
        "a net",
        (64, 64),
        "f00d",
        data=[{"source": "s", "what": "<w>", "terms": "t"}],
    )


@pytest.fixture(scope="session")
def film() -> Result:
    """A phantom of 96 x 96 pixels of 4 mm with its true lungs."""
    phantom = radiograph_phantom((96, 96), spacing=(4.0, 4.0))
    image = dataclasses.replace(
        phantom.image,
        source="/data/Doe John/b.png",
        format="PNG",
        sha256="ab12",
        notes=("a <note>",),
    )
    found = (*measure(phantom.truth, SURE), Measurement("expected Dice", "lungs", 0.95123, "1"))
    empty = np.zeros((3, 96, 96), np.float32)
    return Result(
        image,
        phantom.truth,
        found,
        Verdict("review", ("the lungs are <odd>",)),
        card("cxr"),
        {"read": 0.1},
        lambda: empty,
    )


@pytest.fixture(scope="session")
def scan() -> VolumeResult:
    """A phantom of 16 slices with its true lungs."""
    phantom = ct_phantom((16, 48, 48))
    found = measure_volume(phantom.volume, phantom.truth, SURE)
    return VolumeResult(
        phantom.volume,
        phantom.truth,
        found,
        Verdict("ok"),
        card("ct"),
        {},
        lambda _: np.zeros((16, 48, 48), np.uint8),
    )
