"""To the network and back: contrast falls out, and nothing shifts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.ct.slices import blacken_surround
from lungseg.preprocess import resize, resize_back, standardise, to_network
from lungseg.radiograph.orientation import USUAL_TILT, is_negative, tilt, turn

CLIP = (0.5, 99.5)


def scene(shape: tuple[int, int] = (120, 90)) -> np.ndarray:
    """A smooth picture with values from 0 to 1."""
    y, x = ((np.indices(shape).T + 0.5) / shape).T
    return (0.5 + 0.25 * np.sin(5 * x) + 0.25 * np.cos(7 * y * x)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int16"])
def test_network_input_is_standardised(dtype: str) -> None:
    network = to_network((scene() * 200).astype(dtype), (64, 64), CLIP)
    assert network.shape == (1, 64, 64)
    assert network.dtype == np.float32
    assert network.mean() == pytest.approx(0, abs=1e-4)
    assert network.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("gain", "offset"), [(0.25, 0.0), (2.0, 10.0), (1.0, -3000.0)])
def test_contrast_and_brightness_make_no_difference(gain: float, offset: float) -> None:
    plain = to_network(scene(), (64, 64), CLIP)
    np.testing.assert_allclose(
        to_network(scene() * gain + offset, (64, 64), CLIP), plain, atol=1e-2
    )


def test_a_negative_is_the_negative() -> None:
    plain = to_network(scene(), (64, 64), CLIP)
    np.testing.assert_allclose(to_network(1 - scene(), (64, 64), CLIP), -plain, atol=1e-4)


def test_what_is_flat_becomes_zero() -> None:
    np.testing.assert_array_equal(standardise(np.full((8, 8), 7.0), CLIP), 0)


def test_a_single_bright_pixel_survives_percentiles_that_coincide() -> None:
    pixels = np.zeros((100, 100), np.float32)
    pixels[50, 50] = 1
    assert standardise(pixels, CLIP).argmax() == 5050


@pytest.mark.parametrize("shape", [(120, 90), (61, 200), (64, 64), (33, 47), (1024, 900)])
def test_there_and_back_shifts_nothing(shape: tuple[int, int]) -> None:
    """A ramp comes back as it was, but for half a network pixel at the ends, where linear
    interpolation has nothing to go on."""
    y, x = ((np.indices(shape).T + 0.5) / shape).T
    for ramp in (x, y):
        back = resize_back(resize(ramp.astype(np.float32), (64, 64)), shape)
        inside = np.abs(ramp - 0.5) < 0.5 - 1.5 / 33
        np.testing.assert_allclose(back[inside], ramp[inside], atol=0.3 / min(shape))


def test_shrinking_averages() -> None:
    board = np.indices((128, 128)).sum(axis=0) % 2
    np.testing.assert_allclose(resize(board.astype(np.uint8) * 200, (32, 32)), 100, atol=0.5)
    np.testing.assert_allclose(resize(board.astype(np.float32), (32, 32)), 0.5, atol=1e-6)


def test_of_two_axes_each_is_shrunk_or_enlarged_in_its_own_way() -> None:
    stripes = np.tile(np.arange(512) % 2, (40, 1)).astype(np.float32)
    np.testing.assert_allclose(resize(stripes, (64, 64)), 0.5, atol=1e-6)


def test_a_negative_is_told_by_what_surrounds_the_lungs() -> None:
    lungs = np.zeros((64, 64), np.bool_)
    lungs[20:40, 10:50] = True
    picture = np.where(lungs, -1.0, 1.0).astype(np.float32)
    assert not is_negative(picture, lungs)
    assert is_negative(-picture, lungs)
    far = picture.copy()
    far[52:] = -5.0  # black beyond the surroundings says nothing
    assert not is_negative(far, lungs)
    assert not is_negative(picture, np.zeros_like(lungs))
    assert not is_negative(picture, np.ones_like(lungs))


def _lungs() -> tuple[np.ndarray, np.ndarray]:
    drawn = np.zeros((2, 256, 256), np.uint8)
    cv2.ellipse(drawn[0], (80, 130), (30, 80), 0, 0, 360, 1, -1)
    cv2.ellipse(drawn[1], (176, 130), (30, 80), 0, 0, 360, 1, -1)
    return drawn[0], drawn[1]


@pytest.mark.parametrize("shape", [(256, 256), (256, 512), (600, 256)])
@pytest.mark.parametrize("degrees", [-15, 7, 15])
def test_the_tilt_is_what_the_thorax_was_turned_by(shape: tuple[int, int], degrees: float) -> None:
    upright = _lungs()
    right, left = (turn(lung.astype(np.float32), degrees, shape, 0) > 0.5 for lung in upright)
    assert tilt(upright[0] > 0, upright[1] > 0, shape) == pytest.approx(-USUAL_TILT, abs=0.01)
    assert tilt(right, left, shape) + USUAL_TILT == pytest.approx(degrees, abs=0.1)


def test_one_lung_or_round_lungs_have_no_tilt() -> None:
    right, left = _lungs()
    assert tilt(right > 0, np.zeros((256, 256), bool), (256, 256)) == 0
    assert tilt(right > 0, left > 0, (40, 300)) == 0  # lying on their sides


def test_a_turn_there_and_back_leaves_what_stayed_inside() -> None:
    lung = _lungs()[0].astype(np.float32)
    back = turn(turn(lung, 12, (300, 200), 0), -12, (300, 200), 0)
    assert np.abs(back - lung).mean() < 0.01
    assert turn(lung, 12, (300, 200), 7)[0, 0] == 7


def test_white_surroundings_become_black_and_white_bone_stays() -> None:
    pixels = np.full((40, 60), 255, np.uint8)
    pixels[10:30, 15:45] = 90
    pixels[15:20, 20:25] = 255
    pixels[12, 16] = 7
    blackened = blacken_surround(pixels)
    assert blackened[0, 0] == blackened[5, 30] == 7
    np.testing.assert_array_equal(blackened[10:30, 15:45], pixels[10:30, 15:45])


def test_a_slice_with_little_white_at_its_border_stays_as_it_is() -> None:
    pixels = np.full((40, 60), 90, np.uint8)
    pixels[0, :40] = 255
    np.testing.assert_array_equal(blacken_surround(pixels), pixels)
