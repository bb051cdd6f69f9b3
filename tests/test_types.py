"""What type checkers know of the results of public functions; mypy reads this file, too."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import pytest
from numpy.typing import NDArray

import lungseg
from lungseg import Image, Result, Segmenter, SegmentOptions, Volume
from lungseg.modality import Modality

pytestmark = pytest.mark.slow

NOISE: NDArray[np.int64] = np.random.default_rng(5).integers(0, 255, (1, 64, 64))


@pytest.fixture(scope="module")
def image() -> Image:
    read = lungseg.read(NOISE[0], modality="radiograph")
    assert_type(read, Image)
    assert isinstance(read, Image)
    return read


@pytest.fixture(scope="module")
def volume() -> Volume:
    read = lungseg.read(NOISE, modality="ct", spacing=(2, 1, 1))
    assert_type(read, Volume)
    assert isinstance(read, Volume)
    return read


def test_what_is_read_of_an_open_modality_may_be_either() -> None:
    read = lungseg.read(NOISE[0])
    assert_type(read, Image | Volume)
    assert isinstance(read, Image)


def test_the_result_of_an_image_has_an_image(image: Image) -> None:
    result = lungseg.segment(image)
    assert_type(result, Result[Image])
    assert_type(Segmenter()(image, SegmentOptions(dilate=2)), Result[Image])
    assert_type(result.image, Image)
    assert result.image is image


def test_the_result_of_a_volume_has_a_volume(volume: Volume) -> None:
    result = lungseg.segment(volume, SegmentOptions(skip_quality=True))
    assert_type(result, Result[Volume])
    assert_type(Segmenter()(volume), Result[Volume])
    assert result.image is volume


def test_the_modality_tells_the_result_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "noise.npy"
    as_ct = lungseg.segment(NOISE[0], modality="ct")
    assert_type(as_ct, Result[Volume])
    assert isinstance(as_ct.image, Volume)
    as_radiograph = Segmenter()(NOISE[0], modality="radiograph")
    assert_type(as_radiograph, Result[Image])
    assert isinstance(as_radiograph.image, Image)
    with pytest.raises(lungseg.InputError):
        assert_type(lungseg.segment(path, modality="ct"), Result[Volume])
    with pytest.raises(lungseg.InputError):
        assert_type(Segmenter()(str(path), SegmentOptions(), modality="radiograph"), Result[Image])


def test_the_result_of_what_else_is_given_may_have_either(image: Image) -> None:
    result = lungseg.segment(NOISE[:1].reshape(64, 64))
    assert_type(result, Result[Image | Volume])
    modality: Modality = "ct"
    of_variable = Segmenter()(image, modality=modality)
    assert_type(of_variable, Result[Image | Volume])
    assert isinstance(of_variable.image, Volume)


def test_a_result_of_one_kind_is_a_result_of_either(image: Image) -> None:
    result: Result[Image | Volume] = lungseg.segment(image)
    assert result.image is image


def test_a_modality_is_given_once() -> None:
    with pytest.raises(lungseg.UsageError, match="`modality` was given twice"):
        lungseg.segment(NOISE[0], SegmentOptions(modality="ct"), modality="radiograph")
