"""The road of a volume, with a tiny network on drawn lungs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from ellipsoids import ellipsoids, turned
from lungseg.card import file_sha256
from lungseg.ct.segment import MIRRORED_SLICES, VolumeSegmenter, pooled
from lungseg.ct.slices import MAX_STEP_MM, fill_between, sampled_slices
from lungseg.errors import ModelError, UsageError
from lungseg.geometry import AXIAL, Reorientation, VolumeGeometry
from lungseg.options import SegmentOptions
from lungseg.quality.files import encode_quality_model, quality_model_path
from lungseg.quality.model import CalibrationCurve, QuadraticModel, QualityModel, Scope
from lungseg.scores import dice
from lungseg.volume import Volume
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> VolumeSegmenter:
    return VolumeSegmenter(
        write_tiny_model(tmp_path_factory.mktemp("model"), modality="ct"), threads=2
    )


def axial(spacing: tuple[float, float, float]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    return affine


def test_a_volume_becomes_a_result(segmenter: VolumeSegmenter) -> None:
    volume, ground_truth = ellipsoids()
    result = segmenter(volume)
    assert result.mask.shape == volume.array.shape
    for number in (1, 2):
        assert dice(ground_truth == number, result.mask == number) > 0.95
    found = result.measurements["volume", "right lung"]
    assert (found.unit, found.value) == ("mL", pytest.approx(0.045 * (result.mask == 1).sum()))
    assert result.measurements["mean", "lungs"].value == pytest.approx(
        volume.array[result.mask > 0].mean()
    )
    assert result.measurements["confidence", "lungs"].value > 0.9
    assert result.card is segmenter.card
    assert list(result.seconds) == [
        "prepare",
        "predict",
        "interpolate",
        "restore",
        "clean",
        "measure",
        "judge",
    ]
    with pytest.raises(KeyError):
        result.measurements["area", "lungs"]


@pytest.mark.slow
def test_the_patients_lungs_stay_his_in_all_48_orders(segmenter: VolumeSegmenter) -> None:
    volume, _ = ellipsoids((10, 34, 40), spacing=(15.0, 8.0, 8.0))
    plain = segmenter(volume)
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        turn = Reorientation(order, flips)
        stored = turned(volume, turn)
        result = segmenter(stored)
        np.testing.assert_array_equal(turn.invert(result.mask), plain.mask)
        np.testing.assert_array_equal(
            turn.invert(result.probabilities["left lung"]), plain.probabilities["left lung"]
        )
        assert result.segmentation.geometry is stored.geometry
        assert result.measurements["mass", "lungs"].value == pytest.approx(
            plain.measurements["mass", "lungs"].value
        )


def test_probabilities_are_on_the_volumes_grid(segmenter: VolumeSegmenter) -> None:
    volume, ground_truth = ellipsoids()
    result = segmenter(volume)
    right, left = (result.probabilities[name] for name in ("right lung", "left lung"))
    assert (right.dtype, right.shape) == (np.uint8, volume.array.shape)
    lung = right.astype(int) + left
    assert lung[result.mask > 0].min() >= 127  # 0.5, rounded
    assert right[ground_truth == 1].mean() > 240
    assert left[ground_truth == 1].mean() < 1
    with pytest.raises(KeyError):
        result.probabilities["liver"]


def test_bone_and_padding_make_no_difference(segmenter: VolumeSegmenter) -> None:
    volume, _ = ellipsoids()
    plain = segmenter(volume).mask
    corner = np.s_[:, :3, :3]
    bright, clipped = volume.array.copy(), volume.array.copy()
    bright[corner], clipped[corner] = 3000, 600
    np.testing.assert_array_equal(
        segmenter(replace(volume, array=bright)).mask,
        segmenter(replace(volume, array=clipped)).mask,
    )
    assert dice(plain > 0, segmenter(replace(volume, array=bright)).mask > 0) > 0.95


@pytest.mark.parametrize("shape", [(1, 60, 80), (3, 33, 300), (50, 64, 64), (12, 600, 500)])
def test_any_size(segmenter: VolumeSegmenter, shape: tuple[int, int, int]) -> None:
    volume, ground_truth = ellipsoids(shape, spacing=(2.0, 300 / shape[1], 300 / shape[2]))
    result = segmenter(volume)
    assert result.mask.shape == shape
    assert dice(ground_truth > 0, result.mask > 0) > 0.9


def test_greys_are_segmented_too(segmenter: VolumeSegmenter) -> None:
    volume, _ = ellipsoids()
    greys = Volume(
        ((volume.array + 1000) // 5).astype(np.uint8),
        VolumeGeometry(volume.geometry.shape),
        hounsfield=False,
    )
    result = segmenter(greys)
    assert dice(result.mask > 0, segmenter(volume).mask > 0) > 0.99
    assert result.measurements["volume", "lungs"].unit == "voxels"
    with pytest.raises(KeyError):
        result.measurements["mean", "lungs"]


def test_no_lungs_are_an_empty_mask_for_review(
    segmenter: VolumeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(batch: np.ndarray) -> np.ndarray:
        return np.repeat(
            np.array([0.6, 0.3, 0.1], np.float32).reshape(1, 3, 1, 1), len(batch), axis=0
        ) * np.ones((64, 64), np.float32)

    nothing.card = segmenter.card  # type: ignore[attr-defined]
    monkeypatch.setattr(segmenter, "_predictor", nothing)
    result = segmenter(ellipsoids()[0])
    assert not result.mask.any()
    assert result.verdict.status == "refused"
    assert result.verdict.reasons[0].startswith("no lungs were found")
    assert result.measurements["confidence", "lungs"].value == 0
    assert set(np.unique(result.probabilities["right lung"])) == {76}


def test_threads_give_what_one_gives(segmenter: VolumeSegmenter) -> None:
    volumes = [ellipsoids((10 + i, 64, 64), left=i % 2 == 0)[0] for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(segmenter, volumes))
    for volume, result in zip(volumes, together, strict=True):
        np.testing.assert_array_equal(result.mask, segmenter(volume).mask)


def test_of_thin_slices_the_network_sees_as_many_as_are_needed() -> None:
    def seen(count: int, thickness: float) -> list[int]:
        return sampled_slices(
            VolumeGeometry((count, 64, 64), axial((thickness, 1.0, 1.0)))
        ).tolist()

    assert MAX_STEP_MM == 3.0
    assert seen(7, 5.0) == seen(7, 1.6) == list(range(7))
    assert seen(7, 1.5) == seen(7, 1.25) == [0, 2, 4, 6]
    assert seen(8, 1.0) == [0, 3, 6, 7]
    assert seen(8, 0.6) == seen(8, 0.600001) == [0, 5, 7]
    assert seen(1, 0.5) == [0]
    assert sampled_slices(VolumeGeometry((5, 64, 64))).tolist() == [0, 1, 2, 3, 4]
    # In whatever order it is stored.
    sagittal = Reorientation((2, 0, 1), (False, True, False)).geometry(
        VolumeGeometry((8, 64, 64), axial((0.6, 1.0, 1.0)))
    )
    assert sampled_slices(sagittal).tolist() == [0, 5, 7]


def test_between_seen_slices_probabilities_are_interpolated() -> None:
    planes = np.zeros((6, 2, 1, 1), np.uint8)
    planes[:, 0, 0, 0] = 10, 77, 77, 40, 77, 0
    fill_between(planes, np.array([0, 3, 5]), np.arange(6.0))
    assert planes[:, 0, 0, 0].tolist() == [10, 20, 30, 40, 20, 0]
    assert not planes[:, 1].any()


def test_thin_slices_give_the_same_lungs(segmenter: VolumeSegmenter) -> None:
    volume, ground_truth = ellipsoids((160, 80, 96), spacing=(1.2, 3.0, 3.0))
    result = segmenter(volume)
    for number in (1, 2):
        assert dice(ground_truth == number, result.mask == number) > 0.95


def test_threads_are_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a network needs at least 1 thread, not 0"):
        VolumeSegmenter(write_tiny_model(tmp_path, modality="ct"), threads=0)


EXPECTED = ["expected_dice", "expected_dice_low", "expected_dice_high"]


def write_quality_model(model: Path, *, uncertain: float = 0.5) -> None:
    """The score is the agreement of both masks, and worth itself; of volumes the interval is
    narrower."""
    score = QuadraticModel(("mask_agreement",), (0.0,), (1.0,), (1.0,), (0.0,), 0.0)
    curves: dict[Scope, CalibrationCurve] = {
        "slice": CalibrationCurve((0.0, 1.0), expected=(0.0, 1.0), low=(0.0, 0.5), high=(1.0, 1.0)),
        "volume": CalibrationCurve(
            (0.0, 1.0), expected=(0.0, 0.98), low=(0.0, 0.96), high=(0.0, 0.99)
        ),
    }
    quality = QualityModel(file_sha256(model), score, curves, uncertain)
    quality_model_path(model).write_bytes(encode_quality_model(quality))


@pytest.fixture(scope="module")
def judged_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = write_tiny_model(tmp_path_factory.mktemp("judged"), modality="ct")
    write_quality_model(model)
    return model


def test_the_expected_dice_is_measured_unless_it_is_skipped(
    judged_model: Path, segmenter: VolumeSegmenter
) -> None:
    volume, _ = ellipsoids()
    judged = VolumeSegmenter(judged_model, threads=2)
    found = list(judged(volume).measurements.values())[-3:]
    assert [(m.name, m.structure, m.unit) for m in found] == [
        (name, "lungs", "1") for name in EXPECTED
    ]
    # The tiny network sees the same in a mirror, but for the noise.
    assert found[0].value == pytest.approx(0.98, abs=0.02)
    assert found[1].value < found[0].value < found[2].value
    names = {name for name, _ in judged(volume, SegmentOptions(skip_quality=True)).measurements}
    assert names == {name for name, _ in segmenter(volume).measurements}
    assert not names.intersection(EXPECTED)


def test_a_slice_has_its_own_worth(judged_model: Path) -> None:
    single = ellipsoids((1, 64, 64))[0]
    expected, low, high = (
        VolumeSegmenter(judged_model, threads=1)(single).measurements[name, "lungs"].value
        for name in EXPECTED
    )
    assert (low, high) == (pytest.approx(expected / 2), 1.0)


def test_a_low_expected_dice_sends_to_review(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path, modality="ct")
    write_quality_model(model, uncertain=0.999)
    volume, _ = ellipsoids()
    doubtful = VolumeSegmenter(model, threads=2)
    assert "the network is unsure of this mask" in doubtful(volume).verdict.reasons
    assert (
        "the network is unsure of this mask"
        not in doubtful(volume, SegmentOptions(skip_quality=True)).verdict.reasons
    )


def test_no_lungs_have_no_expected_dice(judged_model: Path) -> None:
    volume = ellipsoids(right=False, left=False)[0]
    judged = VolumeSegmenter(judged_model, threads=1)
    planes = np.zeros((len(volume.array), 2, 64, 64), np.uint8)
    assert not {name for name, _ in judged.finish(volume, planes).measurements}.intersection(
        EXPECTED
    )


def test_the_mirrored_pass_sees_few_slices(
    judged_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = VolumeSegmenter(judged_model, threads=1)
    volume, _ = ellipsoids((60, 64, 64))
    planes = judged.infer(volume)
    sizes: list[int] = []
    network = judged._predictor

    def counting(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return network(batch)

    counting.card = network.card  # type: ignore[attr-defined]
    monkeypatch.setattr(judged, "_predictor", counting)
    judged.finish(volume, planes)
    assert sum(sizes) == MIRRORED_SLICES == 12


def test_features_of_slices_weigh_as_much_as_their_lung() -> None:
    found = pooled([{"a": 1.0, "b": 4.0}, {"a": 4.0}], np.array([1, 2]))
    assert found == {"a": pytest.approx(3.0), "b": pytest.approx(4.0)}


def test_the_quality_model_of_another_model_is_refused(tmp_path: Path) -> None:
    write_quality_model(write_tiny_model(tmp_path, modality="ct"))
    with pytest.raises(ModelError, match="belongs to another model"):
        VolumeSegmenter(write_tiny_model(tmp_path, modality="ct", steepness=9.0))
