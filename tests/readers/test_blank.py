"""Pictures of which all but the lungs was blanked before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import lungseg
from lungseg.errors import InputError
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers.blank import is_cut_out

FILMS = [radiograph_phantom((256, 256), seed=seed) for seed in range(3)]


def masked(film):
    return np.where(film.ground_truth.labels > 0, film.image.array, 0)


@pytest.mark.parametrize("film", FILMS)
def test_lungs_in_nothing_but_black(film):
    assert is_cut_out(masked(film))
    assert is_cut_out(masked(film).astype(np.float32) * 257.0)
    assert not is_cut_out(film.image.array)


def test_the_noise_of_jpeg_is_black():
    grey = masked(FILMS[0])
    _, coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 70])
    assert is_cut_out(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))


def test_a_slice_of_ct():
    phantom = ct_phantom((10, 128, 128))
    plane, labels = phantom.volume.array[5], phantom.ground_truth.labels[5]
    grey = np.clip((plane.astype(float) + 1024) / 8, 0, 255).astype(np.uint8)
    assert is_cut_out(np.where(labels > 0, grey, 0))
    assert not is_cut_out(grey)


def two(shape, *boxes):
    picture = np.zeros(shape, np.uint8)
    for rows, columns in boxes:
        picture[rows, columns] = 100
    return picture


def test_other_parts_in_black_are_none():
    left, right = slice(20, 60), slice(90, 130)
    whole = two((150, 150), (slice(40, 110), left), (slice(40, 110), right))
    assert not is_cut_out(whole)  # pictures beside each other
    lungs = np.zeros((150, 150), np.uint8)
    for column in (40, 110):
        cv2.ellipse(lungs, (column, 75), (22, 45), 0, 0, 360, 120, -1)
    assert is_cut_out(lungs)
    assert not is_cut_out(lungs.T)  # one above the other
    tall = np.zeros((150, 150), np.uint8)
    for column in (40, 110):
        cv2.ellipse(tall, (column, 75), (22, 90), 0, 0, 360, 120, -1)
    assert not is_cut_out(tall)  # legs
    one = lungs.copy()
    one[:, 75:] = 0
    assert not is_cut_out(one)
    third = lungs.copy()
    cv2.circle(third, (75, 20), 14, 120, -1)
    assert not is_cut_out(third)


@pytest.mark.parametrize("modality", [None, "radiograph", "ct"])
def test_such_a_picture_is_refused_with_the_cause(tmp_path, modality):
    path = tmp_path / "lungs.png"
    cv2.imwrite(str(path), masked(FILMS[0]))
    options = lungseg.SegmentOptions(modality=modality)
    with pytest.raises(
        InputError,
        match=r"lungs\.png: all but a part of it is blank, as where lungs were cut out before; "
        "give the picture that they were cut from",
    ):
        lungseg.segment(path, options)
