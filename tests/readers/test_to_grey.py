from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Pillow

from lungseg.errors import UnsupportedError
from lungseg.readers import read_image
from lungseg.readers.to_grey import coloured_fraction, to_grey, to_image_type


@pytest.fixture
def large(film):
    return cv2.resize(film, (400, 300), interpolation=cv2.INTER_CUBIC)


def test_colour_photograph_is_refused(tmp_path, large):
    down, across = np.mgrid[0:300, 0:400]
    scene = np.dstack([large, np.uint8(down * 255 // 300), np.uint8(across * 255 // 400)])
    path = tmp_path / "holiday.jpg"
    cv2.imwrite(str(path), scene)
    with pytest.raises(
        UnsupportedError,
        match=r"holiday\.jpg: it is a colour picture, not a radiograph \(\d+% of it is coloured\)",
    ):
        read_image(path)


def test_toned_film_passes_as_its_luma(tmp_path, large):
    grey = large / 255.0
    sepia = np.uint8(np.rint(255 * np.dstack([grey**0.8, grey, grey**1.4])))
    pixels, notes = to_grey(sepia, source="film")
    assert notes == ("colour turned into grey",)
    assert np.abs(pixels - sepia @ np.array([0.299, 0.587, 0.114])).max() <= 1
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), sepia[..., ::-1])
    assert_array_equal(read_image(path).array, pixels)  # red and blue are not exchanged on the way


def test_grey_that_a_lossy_compression_tinged_is_no_colour(large, tmp_path):
    Pillow.fromarray(large).save(tmp_path / "film.webp", quality=60)
    with Pillow.open(tmp_path / "film.webp") as opened:
        red, green, blue = np.moveaxis(np.asarray(opened.convert("RGB")).astype(int), 2, 0)
    assert max(np.abs(red - green).max(), np.abs(blue - green).max()) > 0
    image = read_image(tmp_path / "film.webp")
    assert image.notes == ()
    assert np.abs(image.array - green).max() <= 1
    for apart, notes in ((3, ()), (4, ("colour turned into grey",))):
        tinged = np.dstack([large // 2 + np.uint8(apart), large // 2, large // 2])
        assert to_grey(tinged, source="film")[1] == notes
        assert to_grey(tinged.astype(np.uint16) * 257, source="film")[1] == notes


def test_coloured_letters_pass_until_they_are_most_of_the_picture(large):
    annotated = np.dstack([large] * 3)
    cv2.putText(annotated, "LEFT 12:30", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 0), 4)
    fraction = coloured_fraction(annotated)
    assert 0.01 < fraction < 0.10
    assert to_grey(annotated, source="film")[1] == ("colour turned into grey",)
    annotated[:, :200, 0] = 255 - annotated[:, :200, 0]
    with pytest.raises(UnsupportedError, match="film: it is a colour picture"):
        to_grey(annotated, source="film")


def test_camera_noise_on_a_toned_film_is_no_colour(large):
    tall = cv2.resize(large, (1200, 900))
    noise = np.random.default_rng(1).normal(0, 8, (900, 1200, 3))
    toned = np.dstack([tall * 0.8, tall * 0.9, tall * 1.0])
    assert coloured_fraction(np.uint8(np.clip(toned + noise, 0, 255))) < 0.02


def test_sixteen_bits_are_kept(deep_film):
    pixels, notes = to_grey(np.dstack([deep_film * 16] * 3), source="film")
    assert pixels.dtype == np.uint16
    assert notes == ()
    assert_array_equal(pixels, deep_film * 16)


@pytest.mark.parametrize(
    ("dtype", "low", "done"),
    [
        (np.uint64, 2**63, f"{2**63} taken from every pixel, to fit 16 bits"),
        (np.int64, -(2**63), f"{2**63} added to every pixel, so that none is below 0"),
        (np.uint32, 2**31 + 3, f"{2**31 + 3} taken from every pixel, to fit 16 bits"),
        (np.int16, -(2**15), "32768 added to every pixel, so that none is below 0"),
        (np.int8, -(2**7), "128 added to every pixel, so that none is below 0"),
    ],
)
def test_whole_numbers_far_from_0_keep_their_steps(dtype, low, done):
    steps = (
        np.linspace(0, min(65535, np.iinfo(dtype).max - low), 3000)
        .astype(np.uint16)
        .reshape(50, 60)
    )
    pixels, notes = to_image_type((steps.astype(object) + low).astype(dtype), source="array")
    assert_array_equal(pixels, steps)
    assert (pixels.dtype, notes) == (np.uint16, (done,))


def test_what_is_transparent_becomes_black(film):
    opacity = np.full_like(film, 255)
    opacity[:, :40] = 0
    opacity[:, 40:50] = 51
    pixels, notes = to_grey(np.dstack([film, film, film, opacity]), source="film")
    assert notes == ("transparent parts made black",)
    assert pixels[:, :40].max() == 0
    assert_array_equal(pixels[:, 40:50], np.rint(film[:, 40:50] / 5))
    assert_array_equal(pixels[:, 50:], film[:, 50:])


def test_an_opacity_of_zero_everywhere_is_a_habit_of_the_writer(film):
    pixels, notes = to_grey(np.dstack([film, film, film, np.zeros_like(film)]), source="film")
    assert_array_equal(pixels, film)
    assert notes == ()
