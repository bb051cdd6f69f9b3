"""The chest phantom: what its pictures and its known lungs promise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from lungseg.errors import InputError, UsageError
from lungseg.phantom.radiograph import Phantom, radiograph_phantom


@cache
def patient(seed: int) -> Phantom:
    return radiograph_phantom((256, 256), seed=seed)


def lung_area(phantom: Phantom) -> float:
    """Square millimetres."""
    return float((phantom.ground_truth.labels > 0).sum()) * phantom.ground_truth.geometry.pixel_area


def test_the_same_seed_gives_the_same_phantom():
    first, second = radiograph_phantom((128, 128), seed=5), radiograph_phantom((128, 128), seed=5)
    np.testing.assert_array_equal(first.image.array, second.image.array)
    np.testing.assert_array_equal(first.ground_truth.labels, second.ground_truth.labels)


def test_another_seed_gives_another_patient():
    first, second = radiograph_phantom((128, 128), seed=5), radiograph_phantom((128, 128), seed=6)
    assert (first.ground_truth.labels != second.ground_truth.labels).mean() > 0.01
    assert (first.image.array != second.image.array).mean() > 0.9


@pytest.mark.parametrize("seed", range(16))
def test_there_is_one_right_and_one_left_lung_in_one_piece_without_holes(seed):
    labels = patient(seed).ground_truth.labels
    middles = []
    for label in (1, 2):
        lung = (labels == label).astype(np.uint8)
        assert cv2.connectedComponents(lung, connectivity=4)[0] == 2
        assert (
            cv2.connectedComponents(np.pad(1 - lung, 1, constant_values=1), connectivity=8)[0] == 2
        )
        assert 0.07 < lung.mean() < 0.18
        middles.append(np.nonzero(lung)[1].mean())
    assert middles[0] < 256 / 2 < middles[1]  # the patient's right is on the left of the image
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(8))
def test_anatomy_is_that_of_a_chest(seed):
    labels = patient(seed).ground_truth.labels
    right, left = labels == 1, labels == 2
    assert right.sum() > left.sum()  # the heart takes from the left lung
    # Low in the lungs the heart reaches further to the left of the middle between the outer borders
    # than to the right.
    low = int(np.nonzero(right)[0].max()) - 60
    across = np.nonzero(labels[low])[0]
    middle = (across.min() + across.max()) / 2
    heart_left = np.nonzero(left[low])[0].min() - middle
    heart_right = middle - np.nonzero(right[low])[0].max()
    assert heart_left > heart_right > 0


@pytest.mark.parametrize("seed", range(8))
def test_greys_are_those_of_a_chest_film(seed):
    phantom = patient(seed)
    grey, labels = phantom.image.array, phantom.ground_truth.labels
    rows = np.nonzero(labels)[0]
    between = np.zeros(labels.shape, bool)
    for row in range(rows.min() + 30, rows.max() - 60):
        between[
            row,
            np.nonzero(labels[row] == 1)[0].max() + 3 : np.nonzero(labels[row] == 2)[0].min() - 2,
        ] = True
    lungs, mediastinum = grey[labels > 0], grey[between]
    assert 70 < lungs.mean() < 165
    assert mediastinum.mean() > lungs.mean() + 60
    assert grey[-8:, 112:144].mean() > 200  # abdomen
    assert grey[:8, :8].mean() < 30  # beside the neck there is only air
    assert len(np.unique(grey)) > 150


@pytest.mark.slow
def test_an_array_of_any_shape_shows_the_same_thorax():
    square = patient(3)
    assert square.image.array.shape == (256, 256)
    assert square.image.geometry.spacing == (358 / 256, 358 / 256)
    for shape in ((512, 512), (256, 400), (330, 256)):
        other = radiograph_phantom(shape, seed=3)
        assert other.image.array.shape == other.ground_truth.labels.shape == shape
        assert other.ground_truth.geometry is other.image.geometry
        assert lung_area(other) == pytest.approx(lung_area(square), rel=0.01)


@pytest.mark.slow
def test_spacing_scales_the_pixels_and_not_the_thorax():
    fine = radiograph_phantom((512, 512), seed=3, spacing=(0.7, 0.7))
    coarse = radiograph_phantom((256, 200), seed=3, spacing=(1.4, 1.8))
    assert coarse.image.geometry.spacing == (1.4, 1.8)
    assert lung_area(coarse) == pytest.approx(lung_area(fine), rel=0.01)
    resampled = cv2.resize(fine.ground_truth.labels, (256, 256), interpolation=cv2.INTER_NEAREST)
    same_rows = radiograph_phantom((256, 256), seed=3, spacing=(1.4, 1.4)).ground_truth.labels
    assert (resampled != same_rows).mean() < 0.01


def test_sixteen_bits_show_what_eight_bits_show():
    eight, sixteen = (
        radiograph_phantom((128, 128), seed=1, bits=bits).image.array for bits in (8, 16)
    )
    assert (eight.dtype, sixteen.dtype) == (np.uint8, np.uint16)
    np.testing.assert_allclose(sixteen / 257.0, eight, atol=0.51)


def test_consolidation_whitens_one_lung_and_leaves_the_ground_truth():
    clear, filled = (
        radiograph_phantom((256, 256), seed=2, consolidation=share) for share in (0.0, 1.0)
    )
    np.testing.assert_array_equal(clear.ground_truth.labels, filled.ground_truth.labels)
    gain = [
        float(
            (filled.image.array.astype(int) - clear.image.array)[
                clear.ground_truth.labels == label
            ].mean()
        )
        for label in (1, 2)
    ]
    assert max(gain) > 15
    assert abs(min(gain)) < 3


def test_noise_is_that_of_counted_quanta():
    share = radiograph_phantom((256, 256), seed=0, bits=16).image.array / np.float32(0.93 * 65535)
    optical_depth = np.log(share / (1 - share))  # the film's curve undone, but for scale and offset
    rough = np.abs(optical_depth - cv2.GaussianBlur(optical_depth, (0, 0), 1.5))
    # The few quanta behind the abdomen vary more, relative to their number, than the many beside
    # the neck.
    assert rough[-20:, 110:146].mean() > 3 * rough[:8, :8].mean() > 0


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match=r"consolidation is between 0 and 1, not 1\.5"):
        radiograph_phantom((64, 64), consolidation=1.5)
    with pytest.raises(UsageError, match=r"both at least 1, not \(0, 64\)"):
        radiograph_phantom((0, 64))
    with pytest.raises(UsageError, match="both above 0"):
        radiograph_phantom((64, 64), spacing=(1.0, -1.0))
    with pytest.raises(InputError, match="16 x 64 pixels, too few"):
        radiograph_phantom((16, 64))


FOUR = (("right lung", "left lung", "heart", "trachea"),)


@pytest.mark.parametrize("seed", range(4))
def test_heart_and_trachea_are_known_too(seed):
    phantom = radiograph_phantom((256, 256), seed=seed, layers=FOUR)
    lungs = patient(seed)
    np.testing.assert_array_equal(phantom.image.array, lungs.image.array)
    labels, lungs = phantom.ground_truth.labels, lungs.ground_truth.labels
    np.testing.assert_array_equal(np.where(labels > 2, 0, labels), lungs)  # they overlap no lung
    heart, trachea = labels == 3, labels == 4
    for structure in (heart, trachea):
        assert cv2.connectedComponents(structure.astype(np.uint8), connectivity=4)[0] == 2
    assert 0.06 < heart.mean() < 0.12
    middle = np.nonzero(lungs)[1].mean()
    assert np.nonzero(heart)[1].mean() > middle + 4  # to the patient's left
    assert abs(np.nonzero(trachea)[1].mean() - middle) < 12
    assert np.nonzero(trachea)[0].max() < np.nonzero(heart)[0].min()
    assert 9 < trachea[60].sum() * 358 / 256 < 26  # millimetres across, of a tube of 17


def test_structures_may_lie_in_layers_of_their_own():
    phantom = radiograph_phantom((96, 96), layers=(("heart",), ("right lung", "left lung")))
    assert set(np.unique(phantom.ground_truth.layers[0])) == {0, 3}
    assert set(np.unique(phantom.ground_truth.layers[1])) == {0, 1, 2}
    assert [len(layer) for layer in phantom.ground_truth.structures] == [1, 2]
