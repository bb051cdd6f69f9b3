"""A framed slice: what was found within the frame lies there in every output, and is measured as
without the frame."""

from __future__ import annotations

import io
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image as Picture

from lungseg.result import Result
from lungseg.segmenter import Segmenter

ABOVE, BELOW, LEFT, RIGHT = 40, 12, 20, 60
WITHIN = (slice(ABOVE, -BELOW), slice(LEFT, -RIGHT))


@pytest.fixture(scope="module")
def greys(pixels: np.ndarray) -> np.ndarray:
    """A slice in a grey frame that is wider on two sides."""
    return np.pad(pixels, ((ABOVE, BELOW), (LEFT, RIGHT)), constant_values=180)


def framed(result: Result[Any]) -> Result[Any]:
    assert any("a frame round the picture was left out" in note for note in result.notes)
    return result


def test_the_probabilities_of_a_picture_lie_on_its_mask(
    find: Segmenter, greys: np.ndarray, tmp_path
) -> None:
    result = framed(find(greys))
    result.save(tmp_path, ("probabilities",), name="slice")
    stored = Picture.open(io.BytesIO((tmp_path / "slice_probabilities.tif").read_bytes()))
    for number, name in enumerate(result.probabilities):
        stored.seek(number)
        page = np.asarray(stored)
        np.testing.assert_array_equal(page, result.probabilities[name][0])
        assert page[WITHIN].any()
        outside = page.copy()
        outside[WITHIN] = 0
        assert not outside.any()


def test_those_of_a_slice_from_back_to_front_do_too(find: Segmenter, greys: np.ndarray) -> None:
    """Rows of an image with directions may run either way."""
    there, back = (
        framed(find(nibabel.Nifti1Image(rows.T[..., np.newaxis], np.diag([-1.5, step, 3.0, 1.0]))))
        for rows, step in ((greys, -1.5), (greys[::-1], 1.5))
    )
    np.testing.assert_array_equal(back.mask[:, ::-1], there.mask)
    for name in there.probabilities:
        np.testing.assert_array_equal(back.probabilities[name][:, ::-1], there.probabilities[name])
    assert there.measurements["area", "lungs"].unit == "mm2"


def test_a_spacing_that_nobody_stated_is_none_within_a_frame_either(
    find: Segmenter, greys: np.ndarray
) -> None:
    result = framed(find(nibabel.Nifti1Image(greys.T[..., np.newaxis], np.eye(4))))
    assert result.image.geometry.spacing is None
    assert result.measurements["area", "lungs"].unit == "pixels"
