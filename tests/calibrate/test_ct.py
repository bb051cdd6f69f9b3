"""What a model for CT is shown, and what is found of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.augment.degradations_ct import from_hounsfield
from lungseg.calibrate.ct import (
    FEATURES,
    HALVES,
    STACK_SLICES,
    StackItem,
    case_items,
    fit_ct,
    group_slices,
    is_stack,
    measure_stack,
    samples_of,
    some_slices,
)
from lungseg.calibrate.fit import Sample
from lungseg.ct.segment import VolumeSegmenter
from lungseg.datasets import Case
from lungseg.errors import InputError
from lungseg.writers import volume_nifti
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> VolumeSegmenter:
    model = write_tiny_model(tmp_path_factory.mktemp("model"), modality="ct")
    return VolumeSegmenter(model, threads=1)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Four slices of one volume and one of another patient."""
    folder = tmp_path_factory.mktemp("slices")
    cases = []
    for name in ("a_000", "a_001", "a_002", "a_010", "b"):
        pixels = dark_ellipses((96, 96))
        image, mask = folder / f"{name}.png", folder / f"{name}_mask.png"
        cv2.imwrite(str(image), pixels)
        cv2.imwrite(str(mask), np.where(pixels < 100, 255, 0).astype(np.uint8))
        cases.append(Case(name, name[0], image, mask, "north", "validation"))
    return cases


def test_slices_of_one_volume_belong_together(slices: list[Case], tmp_path: Path) -> None:
    (tmp_path / "c.nii.gz").write_bytes(volume_nifti(ellipsoids((8, 64, 64))[0]))
    series = replace(slices[0], case="c_001", image=tmp_path / "c.nii.gz")
    other = replace(slices[3], source="south")
    groups = group_slices([*slices[::-1], series, other])
    assert sorted([[case.case for case in group] for group in groups]) == [
        ["a_000", "a_001", "a_002", "a_010"],
        ["a_010"],
        ["b"],
        ["c_001"],
    ]
    assert {group[0].case: is_stack(group) for group in groups if len(group) < 4} == {
        "a_010": False,
        "b": False,
        "c_001": True,
    }


def test_slices_are_shown_as_a_stack_and_a_single_one_by_itself(slices: list[Case]) -> None:
    stack, single = (
        list(case_items(cases, as_is=1, degraded=2)) for cases in (slices[:4], slices[4:])
    )
    assert [item.kind for item in stack] == ["as_is", "degraded", "degraded"]
    assert [len(item.stack.grey) for item in stack] == [4, 4, 4]
    assert [len(item.stack.grey) for item in single] == [1, 1, 1]
    assert (stack[0].patient, single[0].patient) == ("north/a", "north/b")
    assert not stack[0].stack.hounsfield
    np.testing.assert_array_equal(stack[0].stack.lungs[0], dark_ellipses((96, 96)) < 100)
    again = list(case_items(slices[:4], as_is=1, degraded=2))
    for one, other in zip(stack, again, strict=True):
        np.testing.assert_array_equal(one.stack.grey, other.stack.grey)


def test_only_lung_is_lung_in_a_ground_truth_of_more(tmp_path: Path) -> None:
    volume, labels = ellipsoids()
    more = labels.copy()
    more[:, 0, :] = 4  # the trachea
    for name, voxels in (("image", volume.array), ("mask", more)):
        is_image = name == "image"
        stored = voxels.astype(np.int16 if is_image else np.uint8)
        drawn = replace(volume, array=stored, hounsfield=is_image)
        (tmp_path / f"{name}.nii.gz").write_bytes(volume_nifti(drawn))
    decided = ("right lung", "left lung", "trachea")
    case = Case(
        *("a", "p", tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz", "here"), decides=decided
    )
    (item,) = case_items([case], as_is=1, degraded=0)
    assert 0 < item.stack.lungs.sum() <= (labels > 0).sum()
    assert not item.stack.lungs[:, 0].any()


def test_slices_of_another_shape_are_no_volume(slices: list[Case], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "other.png"), dark_ellipses((80, 96)))
    cv2.imwrite(str(tmp_path / "mask.png"), (dark_ellipses((80, 96)) < 100) * np.uint8(255))
    other = replace(slices[1], image=tmp_path / "other.png", mask=tmp_path / "mask.png")
    with pytest.raises(InputError, match="slices of one volume differ in shape"):
        next(case_items([slices[0], other], as_is=1, degraded=0))


def test_a_volume_is_shown_as_slices_spread_over_its_lungs() -> None:
    volume, labels = ellipsoids((60, 64, 64))
    stack = some_slices(volume, labels > 0, np.random.default_rng(0))
    assert len(stack.grey) == len(stack.lungs) == STACK_SLICES
    assert stack.hounsfield
    with_lung = np.flatnonzero(stack.lungs.any(axis=(1, 2)))
    assert 11 <= len(with_lung) <= 13
    assert stack.spacing is not None
    assert stack.spacing == pytest.approx((5.0 * 48 / 12, 3.0, 3.0), abs=1)
    other = some_slices(volume, labels > 0, np.random.default_rng(3))
    assert not np.array_equal(stack.lungs, other.lungs)


def test_a_small_volume_is_shown_whole_and_one_without_lungs_from_end_to_end() -> None:
    volume, labels = ellipsoids((STACK_SLICES, 64, 64))
    assert some_slices(volume, labels > 0, np.random.default_rng(0)).lungs.shape == labels.shape
    volume, labels = ellipsoids((60, 64, 64), right=False, left=False)
    assert 12 <= len(some_slices(volume, labels > 0, np.random.default_rng(0)).grey) <= STACK_SLICES


def test_samples_of_slices_of_the_whole_and_of_halves(segmenter: VolumeSegmenter) -> None:
    volume, labels = ellipsoids((8, 64, 64))
    lungs = labels > 0
    lungs[:, :, :32] = False
    stack = from_hounsfield(volume.array, lungs, (5.0, 3.0, 3.0))
    samples = measure_stack(segmenter, StackItem("a", "as_is", "north", "p", stack))
    scopes = [sample.scope for sample in samples]
    assert scopes == ["slice"] * scopes.count("slice") + ["volume"] * (HALVES + 1)
    # Right lungs are not lung here, and the first and last slice have none.
    assert [sample.dice for sample in samples[:8]] == [
        0,
        *[pytest.approx(2 / 3, abs=0.07)] * 6,
        0,
    ]
    assert [sample.dice for sample in samples[8:]] == [pytest.approx(0.63, abs=0.04)] * 5
    for sample in samples:
        assert set(sample.features) <= set(FEATURES)
    whole = samples[scopes.index("volume")].features["confidence"]
    each = [sample.features["confidence"] for sample in samples[: scopes.index("volume")]]
    assert min(each) <= whole <= max(each)


def test_a_single_slice_has_one_sample_and_one_without_a_mask_none(
    segmenter: VolumeSegmenter,
) -> None:
    volume, labels = ellipsoids((3, 64, 64))
    stack = from_hounsfield(volume.array[1:2], labels[1:2] > 0, (5.0, 3.0, 3.0))
    item = StackItem("a", "as_is", "north", "p", stack)
    assert [sample.scope for sample in measure_stack(segmenter, item)] == ["slice"]
    nothing = np.zeros((1, 2, *segmenter.card.input_size), np.uint8)
    assert samples_of(segmenter, item, nothing, segmenter.finish(stack.volume, nothing)) == []


def made_up(number: int, patients: int, *, volumes: int) -> list[Sample]:
    """Whose confidence says the Dice."""
    rng = np.random.default_rng(0)
    samples = []
    for i, dice in enumerate(rng.uniform(0.3, 0.98, number).tolist()):
        scope = "volume" if i < volumes else "slice"
        samples.append(Sample("as_is", "n", f"p{i % patients}", scope, {"confidence": dice}, dice))
    return samples


def test_slices_and_volumes_have_a_curve_each() -> None:
    quality = fit_ct(made_up(400, 5, volumes=100), "abc")
    assert set(quality.curves) == {"slice", "volume"}
    for scope in quality.curves:
        expected = quality.expected_dice({"confidence": 0.8}, scope)
        assert expected is not None
        assert expected.value == pytest.approx(0.8, abs=0.03)
    wide = fit_ct(made_up(400, 5, volumes=100), "abc", widening=2.0)
    assert wide.dice == quality.dice
    for scope, curve in wide.curves.items():
        assert curve.expected == quality.curves[scope].expected
        assert curve.low[0] < quality.curves[scope].low[0]


@pytest.mark.parametrize(("volumes", "patients"), [(19, 5), (0, 5)])
def test_from_too_few_volumes_no_curve_is_taken(volumes: int, patients: int) -> None:
    assert set(fit_ct(made_up(200, patients, volumes=volumes), "abc").curves) == {"slice"}


def test_too_few_slices_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"^19 masks of 5 patients are too few to calibrate CT with"
    ):
        fit_ct(made_up(119, 5, volumes=100), "abc")
