"""Raw films of the JSRT database."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read_image


@pytest.fixture(scope="module")
def densities() -> np.ndarray:
    """(2048, 2048), 0 to 4095: black at the lower right."""
    down, across = np.mgrid[0:2048, 0:2048]
    return (down + across).astype(">u2")


def test_a_raw_film_is_told_by_its_size_and_turned_so_that_dense_tissue_is_bright(
    tmp_path, densities
) -> None:
    path = tmp_path / "JPCLN001.IMG"
    path.write_bytes(densities.tobytes())
    image = read_image(path)
    assert image.array.dtype == np.uint16
    assert_array_equal(image.array, 4095 - densities.astype(int))
    assert (image.provenance.format, image.geometry.spacing, image.geometry.spacing_plane) == (
        Format.JSRT,
        (0.175, 0.175),
        "detector",
    )
    assert image.notes == ("a raw JSRT film, optical densities turned into brightness",)
    assert find_inputs([tmp_path]).files == [path]


def test_more_than_twelve_bits_are_no_raw_film(tmp_path, densities) -> None:
    values = densities.copy()
    values[7, 7] = 4096
    (tmp_path / "film.img").write_bytes(values.tobytes())
    with pytest.raises(
        UnreadableError,
        match=r"film\.img: it has the size of a raw JSRT film, but values up to 4096, above 4095",
    ):
        read_image(tmp_path / "film.img")


@pytest.mark.parametrize(
    ("name", "size"), [("film.IMG", 2 * 2048 * 2048 - 2), ("film.raw", 2 * 2048 * 2048)]
)
def test_another_size_or_ending_is_no_raw_film(tmp_path, densities, name, size) -> None:
    (tmp_path / name).write_bytes(densities.tobytes()[:size])
    with pytest.raises(
        UnsupportedError,
        match=r"the file is no PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF(, HEIC)? or DICOM image, and "
        "no NIfTI, NRRD or MetaImage volume; convert it to PNG",
    ):
        read_image(tmp_path / name)
