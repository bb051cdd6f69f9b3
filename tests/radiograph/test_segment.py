"""The road of a radiograph, with a tiny network on drawn images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg import predict
from lungseg.card import read_card
from lungseg.errors import UnreadableError, UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.radiograph.orientation import USUAL_TILT, tilt
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import dice
from lungseg.segmenter import segment
from lungseg.verdict import Verdict
from tiny_model import SIZE, dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def segmenter(model: Path) -> RadiographSegmenter:
    return RadiographSegmenter(model, threads=1)


def ground_truth(shape: tuple[int, int] = (160, 200)) -> np.ndarray:
    dark = dark_ellipses(shape) < 100
    return np.where(np.arange(shape[1]) < shape[1] // 2, dark * 1, dark * 2)


def test_an_array_becomes_a_result(segmenter: RadiographSegmenter) -> None:
    pixels = dark_ellipses()
    result = segmenter(pixels, SegmentOptions(spacing=(0.5, 0.5)))
    assert result.mask.shape == pixels.shape
    for number in (1, 2):
        assert dice(ground_truth() == number, result.mask == number) > 0.98
    area = result.measurements["area", "right lung"]
    assert area.unit == "mm2"
    assert area.value == 0.25 * (result.mask == 1).sum()
    assert result.verdict == Verdict("ok")
    assert result.card is segmenter.card
    assert list(result.seconds) == ["read", "prepare", "predict", "clean", "measure", "judge"]


def test_probabilities_are_on_the_images_grid(segmenter: RadiographSegmenter) -> None:
    result = segmenter(dark_ellipses())
    assert list(result.probabilities) == ["right lung", "left lung"]
    right, left = result.probabilities.values()
    assert (right.shape, right.dtype) == ((160, 200), np.float32)
    np.testing.assert_array_equal(result.mask > 0, right + left >= segmenter.card.threshold)
    with pytest.raises(KeyError, match="'heart'; there are right lung, left lung"):
        result.probabilities["heart"]


@pytest.mark.parametrize("shape", [(64, 64), (40, 300), (700, 500), (1500, 1200)])
def test_any_size_and_proportion(segmenter: RadiographSegmenter, shape: tuple[int, int]) -> None:
    result = segmenter(dark_ellipses(shape))
    assert result.mask.shape == shape
    assert dice(ground_truth(shape) > 0, result.mask) > 0.97


def test_stages_give_what_the_whole_gives(segmenter: RadiographSegmenter, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), dark_ellipses())
    image = segmenter.read(path)
    look = segmenter.infer(image)
    assert look.as_given.shape == (3, *SIZE)
    result, whole = segmenter.finish(image, look), segmenter(path)
    np.testing.assert_array_equal(result.mask, whole.mask)
    assert result.measurements == whole.measurements
    assert result.image.provenance.sha256 == whole.image.provenance.sha256
    assert "read" not in result.seconds


def test_threads_give_what_one_gives(segmenter: RadiographSegmenter) -> None:
    images = [dark_ellipses((100 + 10 * i, 150), left=i % 2 == 0) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(segmenter, images))
    for image, result in zip(images, together, strict=True):
        np.testing.assert_array_equal(result.mask, segmenter(image).mask)


def test_an_image_is_taken_as_it_is(segmenter: RadiographSegmenter) -> None:
    image = Image(dark_ellipses(), ImageGeometry((160, 200), (2.0, 2.0), "detector"))
    result = segmenter(image)
    assert result.image is image
    area = result.measurements["area", "lungs"]
    assert (area.unit, area.restriction) == ("mm2", "detector plane")


def test_a_widened_mask_says_so(segmenter: RadiographSegmenter) -> None:
    plain = segmenter(dark_ellipses(), SegmentOptions(spacing=(0.5, 0.5)))
    by_millimetres = segmenter(dark_ellipses(), SegmentOptions(spacing=(0.5, 0.5), dilate=2.0))
    by_pixels = segmenter(dark_ellipses(), SegmentOptions(dilate=4))
    np.testing.assert_array_equal(by_millimetres.mask, by_pixels.mask)
    assert by_pixels.mask[plain.mask > 0].all()
    assert (
        by_millimetres.measurements["height", "right lung"].value
        == plain.measurements["height", "right lung"].value + 4.0
    )
    assert (
        by_millimetres.measurements["confidence", "lungs"]
        == plain.measurements["confidence", "lungs"]
    )
    assert by_millimetres.notes == (*plain.notes, "mask widened by 2 mm")
    assert by_pixels.notes[-1] == "mask widened by 4 pixels"
    bridged = segmenter(dark_ellipses(), SegmentOptions(dilate=4, hull=True))
    assert bridged.notes[-2:] == (
        "mask widened to the convex hull of both lungs",
        "mask widened by 4 pixels",
    )
    assert bridged.mask[by_pixels.mask > 0].all()
    middle = bridged.mask.shape[0] // 2
    assert by_pixels.mask[middle, bridged.mask.shape[1] // 2] == 0
    assert set(np.unique(bridged.mask[middle, 60:140])) == {1, 2}
    assert (
        segmenter(dark_ellipses(), SegmentOptions(hull=True)).notes[-1]
        == "mask widened to the convex hull of both lungs"
    )
    with pytest.raises(UsageError, match="not by -1"):
        segmenter(dark_ellipses(), SegmentOptions(dilate=-1))


def test_what_a_model_without_lungs_finds_cannot_be_widened(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path, as_one=True)
    described = path.with_suffix(".json")
    card, layers = read_card(described), (("heart",),)
    replace(card, layers=layers, outputs=(), default_structures=()).write(described)
    heart = RadiographSegmenter(path, threads=1)
    for options in (SegmentOptions(dilate=2), SegmentOptions(hull=True)):
        with pytest.raises(UsageError, match="the model finds no lungs, which could be widened"):
            heart(dark_ellipses(), options)


def test_a_spacing_that_cannot_be_right_is_noted(segmenter: RadiographSegmenter) -> None:
    assert segmenter(dark_ellipses(), SegmentOptions(spacing=(2.0, 2.0))).notes == ()
    (note,) = segmenter(dark_ellipses(), SegmentOptions(spacing=(0.5, 0.5))).notes
    assert note.startswith("the lungs would be 53 mm high: ")
    assert note.endswith(
        "unless a part of them is missing or this is a small child, the pixel spacing may be "
        "wrong, and with it all that is in millimetres"
    )


def test_a_lung_cut_off_within_the_image_is_told(segmenter: RadiographSegmenter) -> None:
    cut = dark_ellipses()
    cut[:, :40] = 0
    assert "cut_off" in segmenter(cut).verdict.codes
    cut[:, :40] = 200
    assert "cut_off" not in segmenter(cut).verdict.codes


def test_the_verdict_is_of_the_mask_before_it_is_widened(segmenter: RadiographSegmenter) -> None:
    wide = segmenter(dark_ellipses(), SegmentOptions(dilate=40))
    assert {int(side.max()) for side in (wide.mask[0], wide.mask[-1])} == {2}
    assert wide.verdict == Verdict("ok")
    assert list(wide.seconds) == [
        "read",
        "prepare",
        "predict",
        "clean",
        "measure",
        "judge",
        "dilate",
    ]


def test_no_lung_is_found_where_there_is_none(segmenter: RadiographSegmenter) -> None:
    one = segmenter(dark_ellipses(left=False))
    assert set(np.unique(one.mask)) == {0, 1}
    assert one.verdict.status == "review"
    assert "only one lung was found" in one.verdict.reasons


def test_what_cannot_be_read_is_refused(segmenter: RadiographSegmenter, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="nowhere"):
        segmenter(tmp_path / "nowhere.png")


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
@pytest.mark.parametrize("seed", [0, 1])
def test_the_embedded_model_finds_the_lungs_of_a_phantom(seed: int) -> None:
    phantom = radiograph_phantom((512, 512), seed=seed)
    result = segment(phantom.image)
    for number in (1, 2):
        assert dice(phantom.ground_truth.labels == number, result.mask == number) > 0.9
    assert result.verdict.status == "ok"


@pytest.mark.slow
@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_a_negative_has_the_mask_of_its_positive() -> None:
    phantom = radiograph_phantom((512, 512), seed=2)
    plain, negative = segment(phantom.image).mask, segment(255 - phantom.image.array).mask
    for number in (1, 2):
        assert dice(plain == number, negative == number) > 0.995


class _LeftBorder:
    """A network that calls the left border of whatever it sees right lung, and is as sure of it as
    it is told."""

    def __init__(self, model: Path, sureness: float) -> None:
        self.card = RadiographSegmenter(model).card
        self.sureness = sureness
        self.seen: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.seen.append(batch)
        probabilities = np.zeros((len(batch), 3, *batch.shape[2:]), np.float32)
        probabilities[:, 1, :, :8] = self.sureness
        probabilities[:, 0] = 1 - probabilities[:, 1]
        return probabilities


@pytest.mark.parametrize(("sureness", "pictures"), [(0.99, 1), (0.9, 3)])
def test_in_doubt_the_network_looks_again_and_in_a_mirror(
    model: Path, monkeypatch: pytest.MonkeyPatch, sureness: float, pictures: int
) -> None:
    brighter_to_the_right = np.tile(np.arange(200, dtype=np.uint8), (160, 1))
    segmenter, network = RadiographSegmenter(model), _LeftBorder(model, sureness)
    monkeypatch.setattr(segmenter, "_predictor", network)
    found = segmenter.infer(segmenter.read(brighter_to_the_right)).as_given
    seen = np.concatenate(network.seen)
    assert len(seen) == pictures
    if pictures == 3:
        np.testing.assert_array_equal(seen[1], seen[0])
        np.testing.assert_array_equal(seen[2], seen[0][..., ::-1])
        np.testing.assert_allclose(found[1, :, :8], sureness / 2)
        np.testing.assert_allclose(found[2, :, -8:], sureness / 2)
        np.testing.assert_allclose(found.sum(axis=0), 1)


def _turned_clockwise(pixels: np.ndarray, degrees: float) -> np.ndarray:
    rows, columns = pixels.shape
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), -degrees, 1)
    return cv2.warpAffine(pixels, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)


def test_a_tilted_thorax_is_set_upright_and_its_mask_turned_back(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, seen = RadiographSegmenter(model), []

    class Watched(predict.Predictor):
        def __call__(self, batch: np.ndarray) -> np.ndarray:
            seen.append(batch)
            return super().__call__(batch)

    monkeypatch.setattr(segmenter, "_predictor", Watched(model))
    result = segmenter(_turned_clockwise(dark_ellipses(), 12))
    assert [len(batch) for batch in seen] == [1, 2]
    dark = seen[1][0, 0] < 0
    sides = np.arange(SIZE[1]) < SIZE[1] // 2
    assert tilt(dark & sides, dark & ~sides, (160, 200)) + USUAL_TILT == pytest.approx(
        -USUAL_TILT, abs=3
    )
    assert (
        dice(_turned_clockwise((ground_truth() > 0).astype(np.uint8), 12), result.mask > 0) > 0.95
    )


def test_nothing_is_expected_of_a_model_without_a_quality_model(
    segmenter: RadiographSegmenter,
) -> None:
    result = segmenter(dark_ellipses())
    assert list(result.measurements)[-1] == ("asymmetry", "lungs")


def test_a_picture_that_ends_in_even_grey_is_to_be_looked_at(
    segmenter: RadiographSegmenter,
) -> None:
    pixels = radiograph_phantom((128, 128)).image.array.copy()
    assert "truncated" not in segmenter(pixels).verdict.codes
    pixels[100:] = 128
    assert "truncated" in segmenter(pixels).verdict.codes
