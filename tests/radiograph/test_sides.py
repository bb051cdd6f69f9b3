"""Right and left as a header states them, on films as they hang, seen from behind, and on their
side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.provenance import Provenance
from lungseg.radiograph.orientation import WRONG_SIDE, View, heart_log_odds, stated_view
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import dice
from tiny_model import dark_ellipses, write_tiny_model

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> RadiographSegmenter:
    return RadiographSegmenter(write_tiny_model(tmp_path_factory.mktemp("model")), threads=1)


def chest(shape: tuple[int, int] = (160, 200)) -> Picture:
    """As films hang: the left lung is narrower, and farther from the middle."""
    y, x = ((np.indices(shape).T + 0.5) / shape).T
    pixels = np.full(shape, 200, np.uint8)
    pixels[((x - 0.28) / 0.17) ** 2 + ((y - 0.5) / 0.33) ** 2 < 1] = 40
    pixels[((x - 0.77) / 0.13) ** 2 + ((y - 0.5) / 0.4) ** 2 < 1] = 40
    return pixels


def film(pixels: Picture, orientation: str = "", **header: str) -> Image:
    rows, columns = pixels.shape
    provenance = Provenance(patient_orientation=orientation, **header)
    return Image(np.ascontiguousarray(pixels), ImageGeometry((rows, columns)), provenance)


ORIENTATIONS = {
    "L\\F": lambda plane: plane,
    "R\\F": np.fliplr,
    "R\\H": lambda plane: np.rot90(plane, 2),
    "L\\H": np.flipud,
    "F\\R": np.rot90,
    "H\\L": lambda plane: np.rot90(plane, -1),
    "F\\L": np.transpose,
    "H\\R": lambda plane: np.rot90(np.transpose(plane), 2),
}
"""How a film that hangs as usual is stored, by what its header then says."""


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_right_and_left_are_those_of_the_header(
    segmenter: RadiographSegmenter, orientation: str
) -> None:
    stored, upright = ORIENTATIONS[orientation], segmenter(film(chest()))
    result = segmenter(film(stored(chest()), orientation))
    expected = stored(upright.mask)
    assert [dice(expected == side, result.mask == side) > 0.99 for side in (1, 2)] == [True, True]
    assert result.verdict == upright.verdict
    areas = [("area", "right lung"), ("area", "left lung")]
    assert [result.measurements[area].value for area in areas] == pytest.approx(
        [upright.measurements[area].value for area in areas], rel=0.01
    )
    assert upright.measurements[areas[0]].value > 1.05 * upright.measurements[areas[1]].value
    for name, side in (("right lung", 1), ("left lung", 2)):
        assert result.probabilities[name][expected == side].mean() > 0.9


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_network_that_is_not_square_follows_the_header_too(
    tmp_path: Path, orientation: str
) -> None:
    oblong = RadiographSegmenter(write_tiny_model(tmp_path, size=(48, 64)), threads=1)
    stored = ORIENTATIONS[orientation]
    expected = stored(oblong(film(chest())).mask)
    result = oblong(film(stored(chest()), orientation))
    assert [dice(expected == side, result.mask == side) > 0.97 for side in (1, 2)] == [True, True]


@pytest.mark.parametrize("orientation", ["", "L", "P\\F", "A\\F", "\\F", "LE\\V", "nothing"])
def test_what_states_no_side_leaves_it_as_films_hang(
    segmenter: RadiographSegmenter, orientation: str
) -> None:
    result = segmenter(film(chest(), orientation))
    np.testing.assert_array_equal(result.mask, segmenter(film(chest())).mask)
    assert (result.verdict.status, result.notes) == ("ok", ())


def test_small_letters_several_letters_and_blanks_are_read() -> None:
    assert stated_view(" r\\f ") == stated_view("RP\\FL") == stated_view("R") == View(0, True)


@pytest.mark.parametrize(("stored", "orientation"), [(chest(), "R\\F"), (chest()[:, ::-1], "L\\F")])
def test_the_header_is_followed_and_its_contradiction_is_said(
    segmenter: RadiographSegmenter, stored: Picture, orientation: str
) -> None:
    result = segmenter(film(stored, orientation))
    assert result.verdict.codes == ("side_mismatch",)
    assert result.verdict.status == "review"
    right_half = result.mask[:, 100:]
    assert set(np.unique(right_half)) == {0, 1 if orientation == "R\\F" else 2}


def test_a_heart_in_the_middle_contradicts_nothing(segmenter: RadiographSegmenter) -> None:
    result = segmenter(film(dark_ellipses(), "R\\F"))
    assert result.verdict.status == "ok"
    assert result.mask[80, 144] == 1


def test_a_flip_is_followed_where_the_heart_agrees(segmenter: RadiographSegmenter) -> None:
    flipped = segmenter(film(chest()[:, ::-1], horizontal_flip="YES"))
    np.testing.assert_array_equal(flipped.mask, segmenter(film(chest())).mask[:, ::-1])
    assert flipped.verdict.status == "ok"
    assert "the patient's right is taken to be on the right" in flipped.notes[0]
    for stored, header in (
        (chest(), {"horizontal_flip": "YES"}),
        (chest()[:, ::-1], {"horizontal_flip": "NO"}),
        (chest()[:, ::-1], {"orientation": "L\\F", "horizontal_flip": "YES"}),
    ):
        assert segmenter(film(stored, **header)).mask[80, 48] == 1


@pytest.mark.parametrize(("laterality", "number"), [("R", 1), ("L", 2), ("U", 2), ("B", 2)])
def test_laterality_names_the_only_lung(
    segmenter: RadiographSegmenter, laterality: str, number: int
) -> None:
    alone = dark_ellipses(right=False)
    result = segmenter(film(alone, laterality=laterality))
    assert set(np.unique(result.mask)) == {0, number}
    name = ("right lung", "left lung")[number - 1]
    assert result.measurements["area", name].value == result.measurements["area", "lungs"].value
    assert result.probabilities[name][80, 144] > 0.9
    both = segmenter(film(dark_ellipses(), laterality=laterality))
    np.testing.assert_array_equal(both.mask, segmenter(dark_ellipses()).mask)


@pytest.mark.parametrize("seed", range(6))
def test_the_heart_is_told_from_the_lungs_of_phantoms(seed: int) -> None:
    labels = radiograph_phantom((128, 128), seed=seed).ground_truth.labels
    exchanged = np.array([0, 2, 1], np.uint8)[labels[:, ::-1]]
    assert heart_log_odds(labels) > -WRONG_SIDE
    assert heart_log_odds(exchanged) == pytest.approx(-heart_log_odds(labels))
    assert heart_log_odds(np.where(labels == 1, 1, 0).astype(np.uint8)) == 0


@pytest.mark.slow
def test_the_shipped_model_follows_the_header_to_the_pixel() -> None:
    pixels = radiograph_phantom((300, 300), seed=3).image.array
    model = RadiographSegmenter(threads=1)
    upright = model(film(pixels, "L\\F"))
    assert upright.verdict.status == "ok"
    for orientation, stored in ORIENTATIONS.items():
        result = model(film(stored(pixels), orientation))
        assert result.verdict == upright.verdict, orientation
        for side in (1, 2):
            assert dice(stored(upright.mask) == side, result.mask == side) > 0.995, orientation


@pytest.mark.slow
def test_a_header_that_turns_an_upright_chest_is_left_out() -> None:
    pixels = radiograph_phantom((300, 300), seed=3).image.array
    model = RadiographSegmenter(threads=1)
    plain, result = model(film(pixels)), model(film(pixels, "F\\L"))
    np.testing.assert_array_equal(result.mask, plain.mask)
    assert result.verdict.codes == ("side_mismatch",)
    assert result.notes[-1] == "PatientOrientation F\\L does not fit, and was left out"
