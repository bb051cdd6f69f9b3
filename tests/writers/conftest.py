from __future__ import annotations

import numpy as np
import pytest

from lungseg.card import ModelCard
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements
from lungseg.provenance import Format, Provenance
from lungseg.result import Result
from lungseg.segmentation import Segmentation
from lungseg.verdict import Verdict
from made_up_probabilities import probabilities_of


@pytest.fixture
def image() -> Image:
    """100 x 120, 16 bits, every pixel value another and none 0."""
    pixels = np.arange(1, 12001, dtype=np.uint16).reshape(100, 120)
    return Image(
        pixels,
        ImageGeometry((100, 120), (0.5, 0.5)),
        Provenance("/a/b.png", Format.PNG, "ab12"),
        notes=("a note",),
    )


@pytest.fixture
def lungs(image: Image) -> Segmentation:
    """Two boxes: rows 20 to 69; columns 10 to 39 and 60 to 109."""
    labels = np.zeros((100, 120), np.uint8)
    labels[20:70, 10:40] = 1
    labels[20:70, 60:110] = 2
    return image.with_labels(labels)


@pytest.fixture
def result(image: Image, lungs: Segmentation) -> Result:
    card = ModelCard(
        "cxr",
        "1",
        "radiograph",
        (("right lung", "left lung"),),
        "none",
        (64, 64),
        "f00d",
    )
    measurements = Measurements(
        [
            Measurement("area", "right lung", 1234.5678, "mm2", "detector plane"),
            Measurement("asymmetry", "lungs", float("nan"), "percent"),
        ]
    )
    return Result(
        image,
        lungs,
        measurements,
        Verdict("review", ("small",), ("a reason",)),
        card,
        probabilities_of(image, lungs.labels),
        {"read": 0.123456},
    )
