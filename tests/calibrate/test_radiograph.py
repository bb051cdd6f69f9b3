"""What a model for radiographs is shown, and what is found of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.calibrate import radiograph
from lungseg.calibrate.radiograph import (
    RadiographItem,
    case_items,
    fit_radiograph,
    measure_radiograph,
)
from lungseg.datasets import Case
from lungseg.errors import InputError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.quality.features import CERTAINTY_FEATURES, SHAPE_FEATURES
from lungseg.radiograph.segment import RadiographSegmenter
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> RadiographSegmenter:
    return RadiographSegmenter(write_tiny_model(tmp_path_factory.mktemp("model")), threads=1)


def test_a_case_is_shown_as_it_is_degraded_and_rotated(films: list[Case]) -> None:
    items = list(case_items(films[2], degraded=3, rotated=True))
    assert [item.kind for item in items] == ["as_is", *["degraded"] * 3, *["rotated"] * 3]
    assert {item.patient for item in items} == {"north/p1"}
    assert [item.group for item in items] == [
        *["north"] * 4,
        *(f"rotated by {angle} degrees" for angle in (90, 180, 270)),
    ]
    assert len({item.key for item in items}) == 7
    for item in items:
        assert item.labels is not None
        shape = item.image.shape if isinstance(item.image, np.ndarray) else item.image.array.shape
        assert shape == item.labels.shape
        assert bool(item.degradations) == (item.kind == "degraded")
    np.testing.assert_array_equal(np.rot90(items[5].labels, 2), items[0].labels)


def test_what_hangs_otherwise_by_its_header_is_degraded_and_rotated_as_films_hang(
    films: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the image itself says how it hangs; what is made of it says nothing."""
    usual = list(case_items(films[0], degraded=1, rotated=True))
    image, labels = usual[0].image, usual[0].labels
    assert isinstance(image, Image)
    assert labels is not None
    provenance = replace(image.provenance, patient_orientation="F\\R")
    lying = Image(
        np.ascontiguousarray(np.rot90(image.array)),
        ImageGeometry(image.array.shape[::-1], None),
        provenance,
    )
    monkeypatch.setattr(radiograph, "read_image", lambda _: lying)
    monkeypatch.setattr(radiograph, "read_labels", lambda *_: np.rot90(labels))
    items = list(case_items(films[0], degraded=1, rotated=True))
    assert items[0].labels is not None
    np.testing.assert_array_equal(items[0].labels, np.rot90(labels))
    for item, other in zip(items[1:], usual[1:], strict=True):
        np.testing.assert_array_equal(item.image, other.image)
        np.testing.assert_array_equal(item.labels, other.labels)


def test_the_same_case_gives_the_same_images_and_more_are_added_behind(films: list[Case]) -> None:
    few, many = (list(case_items(films[0], degraded=number)) for number in (2, 4))
    assert [item.key for item in few] == [item.key for item in many][:3]
    for one, other in zip(few[1:], many[1:], strict=False):
        np.testing.assert_array_equal(one.image, other.image)


def test_where_a_mask_draws_through_the_heart_the_band_is_not_known(films: list[Case]) -> None:
    plain = next(case_items(films[0], degraded=0))
    heart = next(case_items(replace(films[0], lung_extent="through-heart"), degraded=0))
    assert plain.known is not None
    assert heart.known is not None
    assert heart.labels is not None
    assert plain.known.all()
    assert 0.4 < np.count_nonzero(~heart.known) / np.count_nonzero(heart.labels) < 0.7
    assert not (~heart.known & (heart.labels == 0)).any()


def test_a_sample_holds_features_and_the_dice_where_the_ground_truth_is_known(
    segmenter: RadiographSegmenter,
) -> None:
    pixels = dark_ellipses()
    labels = (pixels < 100).astype(np.uint8)
    known = np.ones(labels.shape, bool)

    def dice(labels: np.ndarray, known: np.ndarray) -> float | None:
        item = RadiographItem("a", "as_is", "north", "p", pixels, labels, known)
        (sample,) = measure_radiograph(segmenter, item)
        assert tuple(sample.features) == CERTAINTY_FEATURES + SHAPE_FEATURES
        assert sample.first_features == sample.features
        return sample.dice

    assert dice(labels, known) == pytest.approx(1, abs=0.03)
    half = labels.copy()
    half[:, :100] = 0
    assert dice(half, known) == pytest.approx(2 / 3, abs=0.03)
    left = known.copy()
    left[:, :100] = False
    assert dice(half, left) == pytest.approx(1, abs=0.03)
    heart = np.where(half > 0, half, np.where(labels > 0, 3, 0)).astype(np.uint8)
    assert dice(heart, known) == dice(half, known)


def test_what_is_no_chest_has_no_dice_and_what_is_no_image_no_sample(
    segmenter: RadiographSegmenter,
) -> None:
    def measured(pixels: np.ndarray) -> list[float | None]:
        item = RadiographItem("a", "out_of_distribution", "noise", "p", pixels)
        return [sample.dice for sample in measure_radiograph(segmenter, item)]

    noise = np.random.default_rng(0).integers(0, 255, (80, 80), dtype=np.uint8)
    assert measured(noise) == [None]
    assert measured(np.full((80, 80), 7, np.uint8)) == []
    assert measured(noise[:3]) == []


def test_a_case_that_cannot_be_read_is_named(films: list[Case], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.png"):
        next(case_items(replace(films[0], image=broken), degraded=1))


def test_only_masks_of_known_dice_are_fitted_to(
    films: list[Case], segmenter: RadiographSegmenter
) -> None:
    items = [item for case in films for item in case_items(case, degraded=1, rotated=True)]
    samples = [sample for item in items for sample in measure_radiograph(segmenter, item)]
    quality = fit_radiograph(samples, "abc")
    without = fit_radiograph([s for s in samples if s.kind != "rotated"], "abc")
    assert quality.model == "abc"
    assert quality.dice == without.dice
    assert quality.curves == without.curves
    assert without.frontal is None
    with pytest.raises(InputError, match=r"^4 masks of 1 patients are too few"):
        fit_radiograph([s for s in samples if s.patient == "north/p0"], "abc")
