"""WebP and AVIF, as Pillow writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Pillow
from PIL import features

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_image, read_mask, read_volume

AVIF = pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF"))


def save(pixels: Any, path: Path, kind: str, mode: str = "RGB", **settings: Any) -> Path:
    exact = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    Pillow.fromarray(pixels).convert(mode).save(path, kind, **exact, **settings)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_lossless_webp_of_grey_comes_back_exactly(film, tmp_path, mode):
    image = read_image(save(film, tmp_path / "film.dat", "WEBP", mode))
    assert_array_equal(image.array, film)
    assert (image.array.dtype, image.provenance.format, image.notes) == (
        np.uint8,
        Format.WEBP,
        (),
    )
    assert_array_equal(read_mask(tmp_path / "film.dat"), film)
    assert_array_equal(read_volume(tmp_path / "film.dat").array, film[np.newaxis])


@pytest.mark.parametrize("kind", ["WEBP", AVIF])
def test_lossy_pictures_are_close(film, tmp_path, kind):
    Pillow.fromarray(film).save(tmp_path / "film", kind, quality=95)
    image = read_image(tmp_path / "film")
    assert image.provenance.format.name == kind
    assert image.array.dtype == np.uint8
    assert np.abs(image.array.astype(int) - film).max() <= 8


@pytest.mark.parametrize("kind", ["WEBP", AVIF])
def test_orientation_is_heeded(film, tmp_path, kind):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    image = read_image(save(film, tmp_path / "film", kind, exif=exif.tobytes()))
    assert image.geometry.shape == (80, 60)
    assert np.abs(image.array.astype(int) - np.rot90(film, -1)).max() <= 3
    assert image.notes[-1] == "rotated by 90 degrees clockwise, as its orientation tag asks"


@pytest.mark.parametrize("kind", ["WEBP", AVIF])
def test_of_an_animation_one_frame_is_chosen(film, tmp_path, kind):
    path = tmp_path / "film"
    more = Pillow.fromarray(255 - film).convert("RGB")
    save(film, path, kind, save_all=True, append_images=[more])
    with pytest.raises(UnsupportedError, match=r"it holds 2 frames.*choose one with `frame`"):
        read_image(path)
    assert np.abs(read_image(path, frame=2).array.astype(int) - (255 - film)).max() <= 3
    with pytest.raises(InputError, match="frame 3 was asked for, and it holds 2"):
        read_image(path, frame=3)


def test_colour_pictures_are_refused(tmp_path):
    colours = np.zeros((64, 64, 3), np.uint8)
    colours[:, :32, 0] = colours[:, 32:, 2] = 200
    path = save(colours, tmp_path / "colours.webp", "WEBP")
    with pytest.raises(UnsupportedError, match="it is a colour picture, not a radiograph"):
        read_image(path)


@pytest.mark.parametrize("kind", ["WEBP", AVIF])
@pytest.mark.parametrize("left", [30, 400, -3])
def test_truncated_files_are_refused(film, tmp_path, kind, left):
    path = save(film, tmp_path / "film", kind)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UnreadableError, match=r"film: the (WebP|AVIF) file is (truncated|damaged)"):
        read_image(path)


@pytest.mark.parametrize("kind", ["WEBP", AVIF])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, kind, monkeypatch):
    path = save(np.zeros((30, 16_383), np.uint8), tmp_path / "wide", kind)
    monkeypatch.setattr("lungseg.readers.limits.MAX_SIDE_PIXELS", 16_000)
    plugin = {"WEBP": "WebP", "AVIF": "Avif"}[kind]
    monkeypatch.setattr(f"PIL.{plugin}ImagePlugin.{plugin}ImageFile.load", None)
    with pytest.raises(TooLargeError, match="the header states 30 x 16383 pixels"):
        read_image(path)


def test_without_avif_in_pillow_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    path = tmp_path / "film.avif"
    path.write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0")
    with pytest.raises(UnsupportedError, match=r"Pillow decodes no AVIF; install Pillow 11\.3"):
        read_image(path)
