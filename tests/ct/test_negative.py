from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lungseg.ct.negative import NOTE, segment_either_grey
from lungseg.geometry import VolumeGeometry
from lungseg.options import DEFAULTS
from lungseg.phantom.ct import ct_phantom
from lungseg.segmenter import Segmenter
from lungseg.verdict import Verdict
from lungseg.volume import Volume


@pytest.fixture(scope="module")
def find() -> Segmenter:
    return Segmenter(modality="ct")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """A slice in a window for lungs, of 8 bits."""
    plane = ct_phantom((24, 256, 256)).volume.array[12]
    return np.clip((plane + 1350) / 1500 * 255, 0, 255).astype(np.uint8)


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
        segment_either_grey(segmenter, plane, DEFAULTS, {})
    assert [bool(np.corrcoef(one.ravel(), pixels.ravel())[0, 1] > 0) for one in seen] == [
        True,  # alone: where air is dark there is no second look
        False,
        True,
    ]
