"""Slices of CT told from radiographs by what they look like."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers import read_image
from lungseg.readers.looks_like_ct import DOUBT, ct_log_odds, looks_like_ct
from phantom_volumes import draw_chest


@pytest.fixture(scope="module")
def slices():
    """Three of one chest, finely drawn."""
    return draw_chest((5, 400, 480))[1:4]


def windowed(pixels, centre, width):
    return np.clip((pixels - (centre - width / 2)) * 255 / width, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("window", [(-600, 1500), (40, 400), (0, 4000)])
def test_slices_in_any_window_are_ct(slices, window):
    assert all(looks_like_ct(windowed(pixels, *window)) for pixels in slices)
    assert all(looks_like_ct(windowed(pixels, *window)[60:-60, 30:-30]) for pixels in slices)


@pytest.mark.parametrize("side", [64, 200])
def test_drawn_radiographs_are_none(side):
    films = [radiograph_phantom((side, side), seed=seed).image.array for seed in range(3)]
    assert not any(looks_like_ct(film) for film in films)
    framed = [np.pad(film, side // 3) for film in films]
    assert not any(looks_like_ct(film) for film in framed)


@pytest.mark.slow
@pytest.mark.data
def test_real_pictures(data_folder):
    """Of the pictures that nothing was fitted to hardly any is plainly taken for the other kind, as
    it is, in its negative and with 8 levels of grey."""
    cxr, ct = data_folder / "cxr", data_folder / "ct"
    films = [*sorted((cxr / "rsna/stage_2_train_images").glob("*.dcm"))[::6]]
    films += sorted((cxr / "not_frontal/lateral").iterdir())[::3]
    slices = [*sorted((ct / "covid19/ct").iterdir())[::6], *sorted((ct / "bmp/images").iterdir())]
    slices += sorted((cxr / "not_frontal/ct_slices").iterdir())[::2]
    wrong = {False: 0, True: 0}
    for is_slice, paths in ((False, films), (True, slices)):
        assert len(paths) > 20
        for path in paths:
            pixels = read_image(path).array.astype(np.float32)
            for graded in (pixels, -pixels, np.floor(8 * pixels / (pixels.max() + 1))):
                odds = ct_log_odds(graded)
                wrong[is_slice] += odds < -DOUBT if is_slice else odds > DOUBT
    assert wrong[False] == 0
    assert wrong[True] <= 2


def test_blind_to_brightness_contrast_and_what_is_bright(slices):
    film = radiograph_phantom((160, 160), seed=1).image.array.astype(np.float32)
    for pixels in (film, windowed(slices[1], 40, 400).astype(np.float32)):
        odds = ct_log_odds(pixels)
        assert ct_log_odds(3 * pixels + 40) == pytest.approx(odds, abs=0.05)
        assert (ct_log_odds(-pixels) > 0) == (odds > 0)
