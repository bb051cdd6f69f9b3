"""What frames a picture is left out, and the mask lies on the picture as it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import read_image
from lungseg.readers.arrays import image_of_array
from lungseg.readers.objects import array_input
from lungseg.segmenter import segment
from tiny_model import write_tiny_model

ROWS, COLUMNS = 180, 150
BOX = slice(40, 40 + ROWS), slice(25, 25 + COLUMNS)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> RadiographSegmenter:
    return RadiographSegmenter(write_tiny_model(tmp_path_factory.mktemp("model")), threads=1)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return radiograph_phantom((ROWS, COLUMNS), seed=5).image.array


@pytest.fixture(scope="module")
def framed(film: np.ndarray) -> np.ndarray:
    whole = np.full((ROWS + 60, COLUMNS + 60), 255, np.uint8)
    whole[BOX] = film
    return whole


@pytest.mark.parametrize("options", [{}, {"dilate": 9.0}, {"hull": True}])
def test_the_mask_in_a_frame_is_that_without(
    segmenter: RadiographSegmenter, film: np.ndarray, framed: np.ndarray, options: dict
) -> None:
    plain = segmenter(film, SegmentOptions(**options))
    result = segmenter(framed, SegmentOptions(**options))
    assert plain.mask.any()
    np.testing.assert_array_equal(result.mask[BOX], plain.mask)
    assert result.mask.shape == framed.shape
    assert np.count_nonzero(result.mask) == np.count_nonzero(plain.mask)
    assert result.verdict == plain.verdict
    assert result.overlay().shape == (*framed.shape, 3)


def test_what_is_measured_is_that_of_the_whole_picture(
    segmenter: RadiographSegmenter, film: np.ndarray, framed: np.ndarray
) -> None:
    spacing = SegmentOptions(spacing=(1.4, 1.6))
    plain, result = segmenter(film, spacing), segmenter(framed, spacing)
    for name in ("area", "height", "width", "confidence"):
        assert result.measurements[name, "lungs"] == plain.measurements[name, "lungs"]
    share = result.measurements["image_fraction", "lungs"].value
    assert share == pytest.approx(100 * (result.mask > 0).mean())


def test_probabilities_are_nothing_in_the_frame(
    segmenter: RadiographSegmenter, film: np.ndarray, framed: np.ndarray
) -> None:
    plain, result = segmenter(film), segmenter(framed)
    for name, probability in result.probabilities.items():
        assert probability.shape == framed.shape
        np.testing.assert_array_equal(probability[BOX], plain.probabilities[name])
        outside = probability.copy()
        outside[BOX] = 0
        assert not outside.any()


def test_the_record_says_what_was_left_out(
    segmenter: RadiographSegmenter, framed: np.ndarray
) -> None:
    assert segmenter(framed).record()["notes"] == [
        "a frame round the picture was left out (40 at the top, 20 at the bottom, 25 at the left, "
        "35 at the right): looked at were rows 41 to 220 of 240 and columns 26 to 175 of 210"
    ]


def test_a_raw_image_is_said(segmenter: RadiographSegmenter, film: np.ndarray) -> None:
    image = image_of_array(array_input(film, frame=None))
    raw = replace(image.provenance, presentation_intent="FOR PROCESSING")
    (note,) = segmenter(replace(image, provenance=raw)).notes
    assert note == "raw image, FOR PROCESSING: its greys were not made for being looked at"


@pytest.mark.slow
@pytest.mark.data
def test_real_films_in_frames(data_folder: Path) -> None:
    """The embedded network, on a film of each set."""
    folders = ("masks_and_labels/CXR_png", "diseased_adults/images", "paediatric/images")
    for folder in folders:
        film = read_image(sorted((data_folder / "cxr" / folder).iterdir())[7]).array
        plain = segment(film).mask
        rows, columns = film.shape
        for grey in (255, 100):
            down, across = rows // 5, columns // 5
            whole = np.full((rows + 2 * down, columns + 2 * across), grey, film.dtype)
            box = slice(down, down + rows), slice(across, across + columns)
            whole[box] = film
            mask = segment(whole).mask
            assert mask.ndim == 2
            for number in (1, 2):
                same, all_of = (mask[box] == number) & (plain == number), (mask == number).sum()
                assert 2 * same.sum() / (all_of + (plain == number).sum()) > 0.99
