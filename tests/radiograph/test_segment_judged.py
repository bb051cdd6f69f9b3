"""What a quality model says of each radiograph: the expected Dice, turned pictures, and what is no
chest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg import predict
from lungseg.card import file_sha256
from lungseg.errors import ModelError
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.quality.files import (
    encode_quality_model,
    quality_model_path,
    read_quality_model,
)
from lungseg.quality.model import CalibrationCurve, FrontalModel, QuadraticModel, QualityModel
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import read_image
from lungseg.readers.looks_like_ct import DOUBT
from lungseg.scores import dice
from lungseg.segmenter import segment
from lungseg.verdict import Verdict
from tiny_model import SIZE, write_tiny_model
from verdicts import given


def _quadratic(feature: str, mean: float, weight: float) -> QuadraticModel:
    return QuadraticModel((feature,), (mean,), (1.0,), (weight,), (0.0,), 0.0)


def _judged(
    folder: Path, *, clear: float = 2.0, size: tuple[int, int] = SIZE, frontal: bool = True
) -> RadiographSegmenter:
    """Of a quality model for which lungs are narrower above than below, and the Dice is the
    confidence."""
    model = write_tiny_model(folder, size=size)
    quality = QualityModel(
        model=file_sha256(model),
        dice=_quadratic("confidence", 0.0, 1.0),
        curves={"radiograph": CalibrationCurve((0.0, 1.0), (0.0, 1.0), (0.0, 0.9), (0.5, 1.0))},
        uncertain=0.9,
        frontal=FrontalModel(_quadratic("taper", 0.9, -10.0), refuse=-8.0, doubt=0.0, clear=clear)
        if frontal
        else None,
    )
    quality_model_path(model).write_bytes(encode_quality_model(quality))
    return RadiographSegmenter(model, threads=1)


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RadiographSegmenter:
    monkeypatch.setattr(
        "lungseg.radiograph.segment.ct_log_odds", lambda _: -9.0
    )  # as flat as they are, drawings do
    return _judged(tmp_path)


def _tapering(narrow: float = 0.4) -> np.ndarray:
    """(rows, columns), uint8: bright, with two dark trapezoids, narrow above."""
    pixels = np.full((160, 200), 200, np.uint8)
    for middle in (56, 144):
        above, below = 32 * narrow, 32
        corners = [
            (middle - above, 30),
            (middle + above, 30),
            (middle + below, 130),
            (middle - below, 130),
        ]
        cv2.fillPoly(pixels, [np.array(corners, np.int32)], 40)
    return pixels


def test_the_expected_dice_is_measured(judged: RadiographSegmenter) -> None:
    result = judged(_tapering())
    assert [name for name, _ in list(result.measurements)[-3:]] == [
        "expected_dice",
        "expected_dice_low",
        "expected_dice_high",
    ]
    expected = result.measurements["expected_dice", "lungs"]
    assert expected.unit == "1"
    assert 0.9 < expected.value < 1
    assert result.measurements["expected_dice_low", "lungs"].value == pytest.approx(
        0.9 * expected.value
    )
    assert result.measurements["expected_dice_high", "lungs"].value == pytest.approx(
        0.5 + 0.5 * expected.value
    )
    assert result.verdict == Verdict("ok")


def test_the_quality_model_of_another_model_is_refused(
    judged: RadiographSegmenter, tmp_path: Path
) -> None:
    path = write_tiny_model(tmp_path, steepness=9.0)
    with pytest.raises(
        ModelError,
        match=r"tiny\.judge\.json: the quality model belongs to another model",
    ):
        RadiographSegmenter(path)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_an_image_that_lies_is_turned_for_the_network_and_its_mask_back(
    judged: RadiographSegmenter, quarters: int
) -> None:
    upright = judged(_tapering())
    lying = judged(np.ascontiguousarray(np.rot90(_tapering(), quarters)))
    assert dice(np.rot90(upright.mask, quarters) > 0, lying.mask > 0) > 0.97
    assert lying.verdict == given("radiograph", "review", "rotated")
    back = 90 * (4 - quarters)
    assert lying.notes[-1] == (
        f"was turned by {back} degrees anticlockwise for the network, so that the chest "
        "stands upright"
    )
    assert upright.notes == ()
    right, left = lying.probabilities.values()
    np.testing.assert_array_equal(lying.mask > 0, right + left >= 0.5)


def test_a_negative_is_put_right_and_said_so(judged: RadiographSegmenter) -> None:
    plain, negative = judged(_tapering()), judged(255 - _tapering())
    np.testing.assert_array_equal(plain.mask, negative.mask)
    assert negative.notes == (
        "seems to be a negative: its greys were turned round for the network",
    )
    assert negative.verdict == Verdict("ok")


def test_a_negative_upside_down_is_put_right(judged: RadiographSegmenter) -> None:
    both = judged(255 - _tapering()[::-1, ::-1])
    assert dice(judged(_tapering()).mask[::-1, ::-1] > 0, both.mask > 0) > 0.97
    assert both.verdict == given("radiograph", "review", "rotated")
    assert len(both.notes) == 2


def test_an_oblong_network_is_shown_what_fits_it(
    tmp_path: Path, judged: RadiographSegmenter
) -> None:
    oblong = _judged(tmp_path, size=(48, 64))
    upside_down = oblong(np.ascontiguousarray(_tapering()[::-1, ::-1]))
    assert upside_down.verdict.codes == ("rotated",)
    assert dice(oblong(_tapering()).mask[::-1, ::-1], upside_down.mask) > 0.97
    lying = oblong(np.ascontiguousarray(np.rot90(_tapering())))
    assert "rotated" not in lying.verdict.codes
    assert lying.verdict.status != "ok"


def test_turned_pictures_go_through_the_network_one_by_one(
    judged: RadiographSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Watched(predict.Predictor):
        def __call__(self, batch: np.ndarray) -> np.ndarray:
            seen.append(len(batch))
            return super().__call__(batch)

    monkeypatch.setattr(judged, "_predictor", Watched(judged._predictor.path, threads=1))
    judged(np.ascontiguousarray(_tapering()[::-1, ::-1]))
    assert seen[:8] == [1] * 8
    assert sum(seen) in (8, 10)


def test_what_may_be_no_chest_is_reviewed(judged: RadiographSegmenter) -> None:
    # Boxes are as broad above as below, whichever way they are turned.
    assert judged(_tapering(1.0)).verdict == given("radiograph", "review", "doubtful_view")


def test_what_is_no_chest_however_it_lies_is_refused(
    tmp_path: Path, judged: RadiographSegmenter
) -> None:
    upside_down = np.ascontiguousarray(_tapering()[::-1])
    assert judged(upside_down).verdict.codes == ("rotated",)
    hardly_ever_clear = _judged(tmp_path, clear=99.0)
    found = hardly_ever_clear(upside_down)
    assert found.verdict == given("radiograph", "refused", "not_frontal")
    assert found.mask.any()


@pytest.mark.parametrize("clear", [0.0, 99.0])
@pytest.mark.parametrize("odds", [1.0, 9.0])
def test_a_slice_of_ct_is_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clear: float, odds: float
) -> None:
    """A clearly frontal film is, where it may be a slice as well, none."""
    monkeypatch.setattr("lungseg.radiograph.segment.ct_log_odds", lambda _: odds)
    codes = _judged(tmp_path, clear=clear)(_tapering()).verdict.codes
    assert codes == (() if clear == 0.0 and odds < DOUBT else ("ct_slice",))


@pytest.mark.parametrize(("stated", "codes"), [("DX", ()), ("cr", ()), ("OT", ("ct_slice",))])
def test_what_its_header_calls_a_film_is_no_slice_of_ct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str, codes: tuple[str, ...]
) -> None:
    monkeypatch.setattr("lungseg.radiograph.segment.ct_log_odds", lambda _: 9.0)
    image = read_image(_tapering())
    image = replace(image, provenance=replace(image.provenance, stated_modality=stated))
    assert _judged(tmp_path)(image).verdict.codes == codes


@pytest.fixture(scope="module")
def embedded() -> RadiographSegmenter:
    return RadiographSegmenter("cxr", threads=1)


def _statuses(segmenter: RadiographSegmenter, files: list[Path]) -> list[str]:
    return [segmenter(file).verdict.status for file in files]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "step"),
    [("not_frontal/lateral", 3), ("not_frontal/ct_slices", 4), ("dicom/non_chest", 1)],
)
def test_what_is_no_frontal_radiograph_is_never_ok(
    data_folder: Path, embedded: RadiographSegmenter, folder: str, step: int
) -> None:
    statuses = _statuses(embedded, sorted((data_folder / "cxr" / folder).iterdir())[::step])
    assert len(statuses) >= 4
    assert "ok" not in statuses


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "step", "ok"),
    [
        ("masks_and_labels/CXR_png", 50, 11),
        ("diseased_adults/images", 40, 5),
        ("paediatric/images", 40, 5),
        ("dicom/chest", 1, 3),
    ],
)
def test_frontal_radiographs_are_not_refused(
    data_folder: Path, embedded: RadiographSegmenter, folder: str, step: int, ok: int
) -> None:
    statuses = _statuses(embedded, sorted((data_folder / "cxr" / folder).iterdir())[::step])
    assert "refused" not in statuses
    assert statuses.count("ok") >= ok


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_film_that_lies_gets_the_mask_of_the_upright_one(
    data_folder: Path, embedded: RadiographSegmenter, quarters: int
) -> None:
    pixels = embedded.read(
        data_folder / "cxr" / "masks_and_labels" / "CXR_png" / "CHNCXR_0001_0.png"
    ).array
    upright = embedded(pixels)
    lying = embedded(np.ascontiguousarray(np.rot90(pixels, quarters)))
    assert lying.verdict.codes == ("rotated",)
    assert dice(np.rot90(upright.mask, quarters), lying.mask) > 0.99


@pytest.mark.slow
@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_the_embedded_model_refuses_noise_and_knows_a_phantom_on_its_head() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    assert segment(noise, SegmentOptions(modality="radiograph")).verdict.status in (
        "review",
        "refused",
    )
    phantom = radiograph_phantom((512, 512), seed=0)
    found = segment(
        np.ascontiguousarray(phantom.image.array[::-1, ::-1]), SegmentOptions(modality="radiograph")
    )
    assert dice(phantom.ground_truth.labels[::-1, ::-1] > 0, found.mask > 0) > 0.9
    assert found.verdict.codes == ("rotated",)


@pytest.mark.slow
@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_right_is_on_the_left_of_the_upright_picture_however_it_was_stored(
    quarters: int, mirrored: bool, negative: bool
) -> None:
    phantom = radiograph_phantom((256, 224), seed=0)
    pixels, labels = phantom.image.array, phantom.ground_truth.labels
    if (
        mirrored
    ):  # what was the left lung now lies where right ones do, and nothing else can be known
        pixels, labels = pixels[:, ::-1], np.array([0, 2, 1], np.uint8)[labels[:, ::-1]]
    stored = np.ascontiguousarray(np.rot90(255 - pixels if negative else pixels, quarters))
    found = segment(stored, SegmentOptions(modality="radiograph"))
    for number in (1, 2):
        assert dice(np.rot90(labels, quarters) == number, found.mask == number) > 0.95
    assert found.verdict.codes == (("rotated",) if quarters else ())
    assert len(found.notes) == (quarters > 0) + negative


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_the_embedded_quality_model_weighs_features_that_there_are() -> None:
    model = RadiographSegmenter("cxr", threads=1)
    quality = read_quality_model(predict.find_model("cxr"), model.card.sha256)
    look = model.infer(radiograph_phantom((256, 256), seed=0).image)
    assert quality is not None
    assert quality.frontal is not None
    assert set(quality.frontal.log_odds.features) <= set(look.first_features)
    assert set(quality.dice.features) <= set(look.features)


def test_without_a_frontal_model_no_picture_is_turned_or_doubted(tmp_path: Path) -> None:
    upside_down = np.ascontiguousarray(_tapering()[::-1, ::-1])
    plain = _judged(tmp_path, frontal=False)(upside_down)
    assert plain.measurements["expected_dice", "lungs"].value > 0.9
    assert not {"rotated", "doubtful_view"}.intersection(plain.verdict.codes)
    assert "rotated" in _judged(tmp_path)(upside_down).verdict.codes
