"""Slices of CT told from radiographs by what they look like."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers import read_image
from lungseg.readers.looks_like_ct import looks_like_ct
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
    """Of all radiographs at most three are taken for CT, and of all slices none for a
    radiograph."""
    cxr, ct = data_folder / "cxr", data_folder / "ct"
    patterns = (
        "masks_and_labels/CXR_png/*",
        "masks_and_labels/test/*",
        "diseased_adults/images/*",
        "paediatric/images/*",
    )
    films = [
        path
        for pattern in (*patterns, "not_frontal/lateral/*")
        for path in sorted(cxr.glob(pattern))
    ]
    assert len(films) == 1092
    assert sum(looks_like_ct(read_image(path).array) for path in films) <= 3
    for folder, count in (
        (ct / "finding_lungs/2d_images", 186),
        (ct / "covid19/ct", 80),
        (ct / "bmp/images", 4),
        (cxr / "not_frontal/ct_slices", 23),
    ):
        slices = [looks_like_ct(read_image(path).array) for path in sorted(folder.iterdir())]
        assert slices == [True] * count
