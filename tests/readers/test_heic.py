"""HEIC, where pillow-heif is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_image
from lungseg.readers.probe import probe


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "film.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    assert probe(tmp_path / "film.heic").format is Format.HEIC
    words = r"read where pillow-heif is installed; install it \(pip install pillow-heif\), or conv"
    with pytest.raises(UnsupportedError, match=words):
        read_image(tmp_path / "film.heic")


def test_heic_is_read_as_it_is_seen(tmp_path, film):
    library = pytest.importorskip("pillow_heif")
    path = tmp_path / "film.heic"
    library.from_pillow(Image.fromarray(film)).save(path, quality=-1)
    assert probe(path).is_picture
    image = read_image(path)
    assert image.provenance.format is Format.HEIC
    assert image.array.shape == film.shape
    assert np.abs(image.array.astype(int) - film).max() <= 2  # YCbCr and back
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UnreadableError, match="the HEIC file is"):
        read_image(path)
