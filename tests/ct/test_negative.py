from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lungseg.ct.framed import segment
from lungseg.ct.negative import NOTE
from lungseg.geometry import VolumeGeometry
from lungseg.options import DEFAULTS
from lungseg.scores import dice
from lungseg.segmenter import Segmenter
from lungseg.verdict import Verdict
from lungseg.volume import Volume


@pytest.mark.parametrize("greys", ["uint8", "uint16", "float32"])
def test_the_negative_of_a_slice_has_its_mask(
    find: Segmenter, pixels: np.ndarray, greys: str
) -> None:
    plain, negative = find(pixels), find((255 - pixels).astype(greys))
    assert (plain.verdict.status, plain.notes) == ("ok", ())
    assert (negative.verdict.status, negative.notes) == ("ok", (NOTE,))
    np.testing.assert_array_equal(negative.mask, plain.mask)
    # It is shown, and stored, as it was given.
    np.testing.assert_array_equal(negative.image.array[0], 255 - pixels)


@pytest.mark.parametrize("margin", [5, 13, 77])
@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("is_negative", [False, True])
def test_a_margin_round_air_of_another_grey_is_left_out(
    find: Segmenter, pixels: np.ndarray, margin: int, grey: int, is_negative: bool
) -> None:
    greys = 255 - pixels if is_negative else pixels
    result = find(np.pad(greys, margin, constant_values=grey))
    assert result.verdict.status == "ok"
    assert (NOTE in result.notes) is is_negative
    inside = (slice(margin, -margin), slice(margin, -margin))
    outside = result.mask[0].copy()
    outside[inside] = 0
    assert not outside.any()
    assert dice(result.mask[0][inside] > 0, find(pixels).mask[0] > 0) > 0.98


def test_where_nothing_can_be_believed_either_way_it_stays_as_it_was(find: Segmenter) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128)).astype(np.uint8)
    result = find(noise)
    assert result.verdict.status != "ok"
    assert NOTE not in result.notes


def test_dark_air_is_no_negative(pixels: np.ndarray) -> None:
    seen = []

    def doubtful(plane: Volume, *_: object, **__: object) -> SimpleNamespace:
        seen.append(plane.array)
        return SimpleNamespace(verdict=Verdict("review", ("uncertain",)))

    segmenter: Any = doubtful
    for greys in (pixels, 255 - pixels):
        plane = Volume(greys[np.newaxis], VolumeGeometry((1, *greys.shape)), False)
        segment(segmenter, plane, DEFAULTS, {})
    assert [bool(np.corrcoef(one.ravel(), pixels.ravel())[0, 1] > 0) for one in seen] == [
        True,  # alone: where air is dark there is no second look
        False,
        True,
    ]
