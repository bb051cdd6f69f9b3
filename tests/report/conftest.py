from __future__ import annotations

import dataclasses

import pytest

from lungseg.card import ModelCard
from lungseg.ct.measure import measure_volume
from lungseg.measurement import Measurement, Measurements
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.provenance import Format, Provenance
from lungseg.radiograph.measure import measure
from lungseg.result import Result
from lungseg.verdict import Verdict
from made_up_probabilities import probabilities_of

SURE = {"right lung": 0.91, "left lung": 0.92, "lungs": 0.93}
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
        provenance=Provenance("/data/Doe John/b.png", Format.PNG, "ab12"),
        notes=("a <note>",),
    )
    dice = Measurement("expected_dice", "lungs", 0.95123, "1")
    found = measure(phantom.ground_truth, SURE) | Measurements([dice])
    return Result(
        image,
        phantom.ground_truth,
        found,
        Verdict("review", ("small",), ("the lungs are <odd>",)),
        card("cxr"),
        probabilities_of(image, phantom.ground_truth.labels),
        {"read": 0.1},
    )


@pytest.fixture(scope="session")
def scan() -> Result:
    """A phantom of 16 slices with its true lungs."""
    phantom = ct_phantom((16, 48, 48))
    found = measure_volume(phantom.volume, phantom.ground_truth, SURE)
    return Result(
        phantom.volume,
        phantom.ground_truth,
        found,
        Verdict("ok"),
        card("ct"),
        probabilities_of(phantom.volume, phantom.ground_truth.labels),
        {},
    )
