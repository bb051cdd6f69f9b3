"""The road of a radiograph, with a tiny network on drawn images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg import predict
from lungseg.card import file_sha256
from lungseg.errors import ModelError, UnreadableError, UsageError
from lungseg.findings import Verdict
from lungseg.geometry import Geometry
from lungseg.image import Image
from lungseg.judge import REASONS, Learned, Line, learned_path
from lungseg.phantom import radiograph_phantom
from lungseg.pipeline import RadiographSegmenter, segment
from lungseg.prepare import USUAL_TILT, tilt
from lungseg.scores import dice
from tiny_model import SIZE, dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def segmenter(model: Path) -> RadiographSegmenter:
    return RadiographSegmenter(model, threads=1)


def truth(shape: tuple[int, int] = (160, 200)) -> np.ndarray:
    dark = dark_ellipses(shape) < 100
    return np.where(np.arange(shape[1]) < shape[1] // 2, dark * 1, dark * 2)


def test_an_array_becomes_a_result(segmenter: RadiographSegmenter) -> None:
    pixels = dark_ellipses()
    result = segmenter(pixels, spacing=(0.5, 0.5))
    assert result.mask.shape == pixels.shape
    for number in (1, 2):
        assert dice(truth() == number, result.mask == number) > 0.98
    area = result.measurement("area", "right lung")
    assert area.unit == "mm2"
    assert area.value == 0.25 * (result.mask == 1).sum()
    assert result.verdict == Verdict("ok")
    assert result.card is segmenter.card
    assert list(result.seconds) == ["read", "prepare", "predict", "clean", "measure", "judge"]


def test_probabilities_are_on_the_images_grid(segmenter: RadiographSegmenter) -> None:
    result = segmenter(dark_ellipses())
    assert result.probabilities.shape == (3, 160, 200)
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(result.mask > 0, result.probabilities[1:].sum(axis=0) >= segmenter.card.threshold)


@pytest.mark.parametrize("shape", [(64, 64), (40, 300), (700, 500), (1500, 1200)])
def test_any_size_and_proportion(segmenter: RadiographSegmenter, shape: tuple[int, int]) -> None:
    result = segmenter(dark_ellipses(shape))
    assert result.mask.shape == shape
    assert dice(truth(shape) > 0, result.mask) > 0.97


def test_stages_give_what_the_whole_gives(segmenter: RadiographSegmenter, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), dark_ellipses())
    image = segmenter.read(path)
    look = segmenter.infer(image)
    assert look.probabilities.shape == (3, *SIZE)
    result, whole = segmenter.finish(image, look), segmenter(path)
    np.testing.assert_array_equal(result.mask, whole.mask)
    assert result.measurements == whole.measurements
    assert result.image.sha256 == whole.image.sha256
    assert "read" not in result.seconds


def test_threads_give_what_one_gives(segmenter: RadiographSegmenter) -> None:
    images = [dark_ellipses((100 + 10 * i, 150), left=i % 2 == 0) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(segmenter, images))
    for image, result in zip(images, together, strict=True):
        np.testing.assert_array_equal(result.mask, segmenter(image).mask)


def test_an_image_is_taken_as_it_is(segmenter: RadiographSegmenter) -> None:
    image = Image(dark_ellipses(), Geometry((160, 200), (2.0, 2.0), "detector"))
    result = segmenter(image)
    assert result.image is image
    assert result.measurement("area").unit == "mm2 at detector"
    with pytest.raises(UsageError, match="an image that was read before has its spacing and page; leave both out"):
        segmenter(image, spacing=(1.0, 1.0))


def test_a_widened_mask_says_so(segmenter: RadiographSegmenter) -> None:
    plain = segmenter(dark_ellipses(), spacing=(0.5, 0.5))
    by_millimetres = segmenter(dark_ellipses(), spacing=(0.5, 0.5), dilate=2.0)
    by_pixels = segmenter(dark_ellipses(), dilate=4)
    np.testing.assert_array_equal(by_millimetres.mask, by_pixels.mask)
    assert by_pixels.mask[plain.mask > 0].all()
    assert by_millimetres.measurement("height", "right lung").value == plain.measurement("height", "right lung").value + 4.0
    assert by_millimetres.measurement("confidence") == plain.measurement("confidence")
    assert by_millimetres.image.notes == (*plain.image.notes, "mask widened by 2 mm")
    assert by_pixels.image.notes[-1] == "mask widened by 4 pixels"
    bridged = segmenter(dark_ellipses(), dilate=4, hull=True)
    assert bridged.image.notes[-2:] == ("mask widened to the convex hull of both lungs", "mask widened by 4 pixels")
    assert bridged.mask[by_pixels.mask > 0].all()
    middle = bridged.mask.shape[0] // 2
    assert not by_pixels.mask[middle].all(where=np.arange(bridged.mask.shape[1]) == bridged.mask.shape[1] // 2)
    assert set(np.unique(bridged.mask[middle, 60:140])) == {1, 2}
    assert segmenter(dark_ellipses(), hull=True).image.notes[-1] == "mask widened to the convex hull of both lungs"
    with pytest.raises(UsageError, match="not by -1"):
        segmenter(dark_ellipses(), dilate=-1)


def test_a_spacing_that_cannot_be_right_is_noted(segmenter: RadiographSegmenter) -> None:
    assert segmenter(dark_ellipses(), spacing=(2.0, 2.0)).image.notes == ()
    (note,) = segmenter(dark_ellipses(), spacing=(0.5, 0.5)).image.notes
    assert note.startswith("the lungs would be 53 mm high: ")
    assert note.endswith("unless this is a small child, the pixel spacing is wrong, and so is all that is in millimetres")


def test_a_lung_cut_off_within_the_image_is_told(segmenter: RadiographSegmenter) -> None:
    cut = dark_ellipses()
    cut[:, :40] = 0
    assert REASONS["cut off"] in segmenter(cut).verdict.reasons
    cut[:, :40] = 200
    assert REASONS["cut off"] not in segmenter(cut).verdict.reasons


def test_the_verdict_is_of_the_mask_before_it_is_widened(segmenter: RadiographSegmenter) -> None:
    wide = segmenter(dark_ellipses(), dilate=40)
    assert {int(side.max()) for side in (wide.mask[0], wide.mask[-1])} == {2}
    assert wide.verdict == Verdict("ok")
    assert list(wide.seconds) == ["read", "prepare", "predict", "clean", "measure", "judge", "dilate"]


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
        assert dice(phantom.truth.labels == number, result.mask == number) > 0.9
    assert result.verdict.status == "ok"


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_a_negative_has_the_mask_of_its_positive() -> None:
    phantom = radiograph_phantom((512, 512), seed=2)
    plain, negative = segment(phantom.image).mask, segment(255 - phantom.image.pixels).mask
    for number in (1, 2):
        assert dice(plain == number, negative == number) > 0.995


class _LeftBorder:
    """A network that calls the left border of whatever it sees right lung, and is as sure of it as it is told."""

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
    found = segmenter.infer(segmenter.read(brighter_to_the_right)).probabilities
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


def test_a_tilted_thorax_is_set_upright_and_its_mask_turned_back(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert tilt(dark & sides, dark & ~sides, (160, 200)) + USUAL_TILT == pytest.approx(-USUAL_TILT, abs=3)
    assert dice(_turned_clockwise((truth() > 0).astype(np.uint8), 12), result.mask > 0) > 0.95


def _line(sign: str, mean: float, weight: float) -> Line:
    return Line((sign,), (mean,), (1.0,), (weight,), (0.0,), 0.0)


def _teach(folder: Path, clear: float = 2.0, size: tuple[int, int] = SIZE) -> RadiographSegmenter:
    """Of a network that learned: lungs are narrower above than below, and the Dice is the confidence."""
    model = write_tiny_model(folder, size=size)
    learned = Learned(
        model=file_sha256(model),
        frontal=_line("taper", 0.9, -10.0),
        refuse=-8.0,
        doubt=0.0,
        clear=clear,
        dice=_line("confidence", 0.0, 1.0),
        scores=(0.0, 1.0),
        expected=(0.0, 1.0),
        low=(0.0, 0.9),
        high=(0.5, 1.0),
        uncertain=0.9,
    )
    learned.write(learned_path(model))
    return RadiographSegmenter(model, threads=1)


@pytest.fixture
def taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RadiographSegmenter:
    monkeypatch.setattr("lungseg.pipeline.radiograph.looks_like_ct", lambda _: False)  # as flat as they are, drawings do
    return _teach(tmp_path)


def _tapering(narrow: float = 0.4) -> np.ndarray:
    """(rows, columns), uint8: bright, with two dark trapezoids, narrow above."""
    pixels = np.full((160, 200), 200, np.uint8)
    for middle in (56, 144):
        above, below = 32 * narrow, 32
        corners = [(middle - above, 30), (middle + above, 30), (middle + below, 130), (middle - below, 130)]
        cv2.fillPoly(pixels, [np.array(corners, np.int32)], 40)
    return pixels


def test_the_expected_dice_is_measured(taught: RadiographSegmenter) -> None:
    result = taught(_tapering())
    assert [m.name for m in result.measurements[-3:]] == ["expected Dice", "expected Dice low", "expected Dice high"]
    expected = result.measurement("expected Dice")
    assert (expected.label, expected.unit) == ("lungs", "1")
    assert 0.9 < expected.value < 1
    assert result.measurement("expected Dice low").value == pytest.approx(0.9 * expected.value)
    assert result.measurement("expected Dice high").value == pytest.approx(0.5 + 0.5 * expected.value)
    assert result.verdict == Verdict("ok")


def test_nothing_is_expected_of_a_model_that_nothing_was_learned_for(segmenter: RadiographSegmenter) -> None:
    result = segmenter(dark_ellipses())
    assert result.measurements[-1].name == "asymmetry"


def test_what_was_learned_for_another_model_is_refused(taught: RadiographSegmenter, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path, steepness=9.0)
    with pytest.raises(ModelError, match=r"tiny\.judge\.json: what was learned to judge a model's masks belongs to another model"):
        RadiographSegmenter(path)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_an_image_that_lies_is_turned_for_the_network_and_its_mask_back(taught: RadiographSegmenter, quarters: int) -> None:
    upright = taught(_tapering())
    lying = taught(np.ascontiguousarray(np.rot90(_tapering(), quarters)))
    assert dice(np.rot90(upright.mask, quarters) > 0, lying.mask > 0) > 0.97
    assert lying.verdict == Verdict("review", (REASONS["turned"],))
    back = 90 * (4 - quarters)
    assert lying.image.notes[-1] == f"was turned by {back} degrees anticlockwise for the network, so that the chest stands upright"
    assert upright.image.notes == ()
    np.testing.assert_array_equal(lying.mask > 0, lying.probabilities[1:].sum(axis=0) >= 0.5)


def test_a_negative_is_put_right_and_said_so(taught: RadiographSegmenter) -> None:
    plain, negative = taught(_tapering()), taught(255 - _tapering())
    np.testing.assert_array_equal(plain.mask, negative.mask)
    assert negative.image.notes == ("seems to be a negative: its greys were turned round for the network",)
    assert negative.verdict == Verdict("ok")


def test_a_negative_upside_down_is_put_right(taught: RadiographSegmenter) -> None:
    both = taught(255 - _tapering()[::-1, ::-1])
    assert dice(taught(_tapering()).mask[::-1, ::-1] > 0, both.mask > 0) > 0.97
    assert both.verdict == Verdict("review", (REASONS["turned"],))
    assert len(both.image.notes) == 2


def test_an_oblong_network_is_shown_what_fits_it(tmp_path: Path, taught: RadiographSegmenter) -> None:
    oblong = _teach(tmp_path, size=(48, 64))
    upside_down = oblong(np.ascontiguousarray(_tapering()[::-1, ::-1]))
    assert upside_down.verdict.reasons == (REASONS["turned"],)
    assert dice(oblong(_tapering()).mask[::-1, ::-1], upside_down.mask) > 0.97
    lying = oblong(np.ascontiguousarray(np.rot90(_tapering())))
    assert REASONS["turned"] not in lying.verdict.reasons
    assert lying.verdict.status != "ok"


def test_turned_pictures_go_through_the_network_one_by_one(taught: RadiographSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Watched(predict.Predictor):
        def __call__(self, batch: np.ndarray) -> np.ndarray:
            seen.append(len(batch))
            return super().__call__(batch)

    monkeypatch.setattr(taught, "_predictor", Watched(taught._predictor.path, threads=1))
    taught(np.ascontiguousarray(_tapering()[::-1, ::-1]))
    assert seen[:8] == [1] * 8
    assert sum(seen) in (8, 10)


def test_what_may_be_no_chest_is_reviewed(taught: RadiographSegmenter) -> None:
    # Boxes are as broad above as below, whichever way they are turned.
    assert taught(_tapering(1.0)).verdict == Verdict("review", (REASONS["doubtful"],))


def test_what_is_no_chest_however_it_lies_is_refused(tmp_path: Path, taught: RadiographSegmenter) -> None:
    upside_down = np.ascontiguousarray(_tapering()[::-1])
    assert taught(upside_down).verdict.reasons == (REASONS["turned"],)
    hardly_ever_clear = _teach(tmp_path, clear=99.0)
    found = hardly_ever_clear(upside_down)
    assert found.verdict == Verdict("refused", (REASONS["not frontal"],))
    assert found.mask.any()


def test_a_slice_of_ct_is_reviewed(tmp_path: Path) -> None:
    assert _teach(tmp_path)(_tapering()).verdict == Verdict("review", (REASONS["slice"],))


@pytest.fixture(scope="module")
def embedded() -> RadiographSegmenter:
    return RadiographSegmenter("cxr", threads=1)


def _statuses(segmenter: RadiographSegmenter, files: list[Path]) -> list[str]:
    return [segmenter(file).verdict.status for file in files]


@pytest.mark.data
@pytest.mark.parametrize(("folder", "step"), [("not_frontal/lateral", 3), ("not_frontal/ct_slices", 4), ("dicom/non_chest", 1)])
def test_what_is_no_frontal_radiograph_is_never_ok(data_folder: Path, embedded: RadiographSegmenter, folder: str, step: int) -> None:
    statuses = _statuses(embedded, sorted((data_folder / "cxr" / folder).iterdir())[::step])
    assert len(statuses) >= 4
    assert "ok" not in statuses


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "step", "ok"),
    [("masks_and_labels/CXR_png", 50, 11), ("diseased_adults/images", 40, 5), ("paediatric/images", 40, 5), ("dicom/chest", 1, 3)],
)
def test_frontal_radiographs_are_not_refused(data_folder: Path, embedded: RadiographSegmenter, folder: str, step: int, ok: int) -> None:
    statuses = _statuses(embedded, sorted((data_folder / "cxr" / folder).iterdir())[::step])
    assert "refused" not in statuses
    assert statuses.count("ok") >= ok


@pytest.mark.data
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_film_that_lies_gets_the_mask_of_the_upright_one(data_folder: Path, embedded: RadiographSegmenter, quarters: int) -> None:
    pixels = embedded.read(data_folder / "cxr" / "masks_and_labels" / "CXR_png" / "CHNCXR_0001_0.png").pixels
    upright = embedded(pixels)
    lying = embedded(np.ascontiguousarray(np.rot90(pixels, quarters)))
    assert lying.verdict.reasons == (REASONS["turned"],)
    assert dice(np.rot90(upright.mask, quarters), lying.mask) > 0.99


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_the_embedded_model_refuses_noise_and_knows_a_phantom_on_its_head() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    assert segment(noise, kind="cxr").verdict.status in ("review", "refused")
    phantom = radiograph_phantom((512, 512), seed=0)
    found = segment(np.ascontiguousarray(phantom.image.pixels[::-1, ::-1]), kind="cxr")
    assert dice(phantom.truth.labels[::-1, ::-1] > 0, found.mask > 0) > 0.9
    assert found.verdict.reasons == (REASONS["turned"],)


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_right_is_on_the_left_of_the_upright_picture_however_it_was_stored(quarters: int, mirrored: bool, negative: bool) -> None:
    phantom = radiograph_phantom((256, 224), seed=0)
    pixels, labels = phantom.image.pixels, phantom.truth.labels
    if mirrored:  # what was the left lung now lies where right ones do, and nothing else can be known
        pixels, labels = pixels[:, ::-1], np.array([0, 2, 1], np.uint8)[labels[:, ::-1]]
    stored = np.ascontiguousarray(np.rot90(255 - pixels if negative else pixels, quarters))
    found = segment(stored, kind="cxr")
    for number in (1, 2):
        assert dice(np.rot90(labels, quarters) == number, found.mask == number) > 0.95
    assert found.verdict.reasons == ((REASONS["turned"],) if quarters else ())
    assert len(found.image.notes) == (quarters > 0) + negative


@pytest.mark.skipif("cxr" not in predict.embedded_models(), reason="no trained model in this tree")
def test_the_embedded_judge_knows_the_signs_that_there_are() -> None:
    learned = Learned.read(learned_path(predict.find_model("cxr")))
    look = RadiographSegmenter("cxr", threads=1).infer(radiograph_phantom((256, 256), seed=0).image)
    assert set(learned.frontal.signs) <= set(look.first_signs)
    assert set(learned.dice.signs) <= set(look.signs)


def test_a_picture_that_ends_in_even_grey_is_to_be_looked_at(segmenter: RadiographSegmenter) -> None:
    pixels = radiograph_phantom((128, 128)).image.pixels.copy()
    assert REASONS["damaged"] not in segmenter(pixels).verdict.reasons
    pixels[100:] = 128
    assert REASONS["damaged"] in segmenter(pixels).verdict.reasons
