from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Pillow
from PIL import ImageCms

from lungseg.errors import InputError, UnreadableError, UnsupportedError, UsageError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.provenance import Format
from lungseg.readers import read_image, read_label_map, read_mask
from lungseg.writers.png import mask_png
from picture_files import png_chunk, save


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_grey_of_eight_bits_comes_back_exactly(film, tmp_path, kind):
    path = save(film, tmp_path / "film.dat", kind)  # the ending says nothing
    image = read_image(path)
    assert_array_equal(image.array, film)
    assert image.array.dtype == np.uint8
    assert (image.provenance.format.value, image.source, image.notes, image.geometry.spacing) == (
        kind,
        str(path),
        (),
        None,
    )
    assert image.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_sixteen_bits_comes_back_exactly(deep_film, tmp_path, kind):
    image = read_image(save(deep_film, tmp_path / "film", kind))
    assert_array_equal(image.array, deep_film)
    assert image.array.dtype == np.uint16


def test_jpeg_is_close(film, tmp_path):
    image = read_image(save(film, tmp_path / "film.png", "JPEG", quality=95))
    assert image.provenance.format is Format.JPEG
    assert np.abs(image.array.astype(int) - film).max() <= 4


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, mode)
        for kind in ("PNG", "TIFF", "BMP")
        for mode in ("RGB", "RGBA", "LA", "P", "1")
        if (kind, mode) != ("BMP", "LA")
    ],
)
def test_other_modes(film, tmp_path, kind, mode):
    grey = Pillow.fromarray(film)
    picture = grey.quantize(256) if mode == "P" else grey.convert(mode, dither=Pillow.Dither.NONE)
    image = read_image(save(picture, tmp_path / "film", kind))
    assert_array_equal(image.array, np.asarray(picture.convert("L")))
    assert image.array.dtype == np.uint8


@pytest.mark.parametrize("bits", [2, 4])
def test_palette_of_few_bits(film, tmp_path, bits):
    picture = Pillow.fromarray(film).quantize(2**bits)
    image = read_image(save(picture, tmp_path / "film.png", "PNG", bits=bits))
    assert_array_equal(image.array, np.asarray(picture.convert("L")))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_colour_of_sixteen_bits_keeps_them(deep_film, tmp_path, ending):
    path = tmp_path / f"film{ending}"
    cv2.imwrite(str(path), np.dstack([deep_film] * 3))
    assert_array_equal(read_image(path).array, deep_film)


def test_float_tiff_and_its_nan(film, tmp_path):
    values = film.astype(np.float32) / 7
    assert_array_equal(read_image(save(values, tmp_path / "film.tif", "TIFF")).array, values)
    values[3, 4] = np.nan
    with pytest.raises(InputError, match=r"nan\.tif: the image contains NaN or infinite values"):
        read_image(save(values, tmp_path / "nan.tif", "TIFF"))


def test_signed_tiff_is_shifted_and_says_so(film, tmp_path):
    image = read_image(save(film.astype(np.int16) - 100, tmp_path / "film.tif", "TIFF"))
    assert_array_equal(image.array, film)
    assert image.notes == ("100 added to every pixel, so that none is below 0",)


def write_tiff(path: Path, pixels, *, sample_format: int = 1) -> Path:
    """Grey (rows, columns), or red, green and blue one after the other (3, rows, columns),
    uncompressed."""
    *apart, rows, columns = pixels.shape
    count, size = (3, pixels.nbytes // 3) if apart else (1, pixels.nbytes)
    tags = {
        256: [columns],
        257: [rows],
        258: [8 * pixels.itemsize] * count,
        259: [1],
        262: [2 if apart else 1],
    }
    tags |= {
        273: [1000 + size * i for i in range(count)],
        277: [count],
        279: [size] * count,
        284: [2 if apart else 1],
    }
    content, behind = struct.pack("<2sHIH", b"II", 42, 8, len(tags) + 1), b""
    for tag, numbers in (tags | {339: [sample_format] * count}).items():
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        content += struct.pack("<HHI", tag, 4, len(numbers)) + (
            packed if len(numbers) == 1 else struct.pack("<I", 500 + len(behind))
        )
        behind += packed if len(numbers) > 1 else b""
    path.write_bytes(content.ljust(500, b"\0") + behind.ljust(500, b"\0") + pixels.tobytes())
    return path


def test_tiff_of_numbers_whose_sign_pillow_mistakes(film, tmp_path):
    assert_array_equal(
        read_image(
            write_tiff(tmp_path / "small.tif", (film - 128).view(np.int8), sample_format=2)
        ).array,
        film,
    )
    assert_array_equal(
        read_image(write_tiff(tmp_path / "large.tif", film.astype(np.uint32) << 24)).array,
        film * 2.0**24,
    )
    assert_array_equal(
        read_image(
            write_tiff(tmp_path / "signed.tif", film.astype(np.int32) - 9, sample_format=2)
        ).array,
        film,
    )


def test_tiff_of_colours_apart(film, deep_film, tmp_path):
    assert_array_equal(
        read_image(write_tiff(tmp_path / "film.tif", np.stack([film] * 3))).array, film
    )
    with pytest.raises(
        UnsupportedError,
        match=r"deep\.tif: it is a TIFF of 16-bit colours that are not red, green and blue side "
        r"by side",
    ):
        read_image(write_tiff(tmp_path / "deep.tif", np.stack([deep_film] * 3)))


def test_tiff_whose_zero_is_white(film, deep_film, tmp_path):
    photometric = struct.pack("<HHI", 262, 3, 1)
    for pixels, white in ((film, 255), (deep_film, 65535)):
        path = save(pixels, tmp_path / "film.tif", "TIFF")
        content = path.read_bytes()
        assert content.count(photometric + b"\1\0") == 1
        path.write_bytes(content.replace(photometric + b"\1\0", photometric + b"\0\0"))
        assert_array_equal(read_image(path).array, white - pixels)


TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_tag_is_obeyed_and_noted(film, tmp_path, kind, orientation):
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = read_image(save(film, tmp_path / "film", kind, exif=exif))
    lying = Pillow.fromarray(read_image(save(film, tmp_path / "lying", kind)).array)
    expected = np.asarray(lying.transpose(TURNS[orientation]) if orientation in TURNS else lying)
    assert_array_equal(image.array, expected)
    assert image.geometry.shape == expected.shape
    assert len(image.notes) == (orientation != 1)
    if orientation == 6:
        assert image.notes == ("rotated by 90 degrees clockwise, as its orientation tag asks",)


def write_colour_tiff(path: Path, grey, orientation: int) -> None:
    """Three colours of 16 bits, uncompressed, which Pillow does not write."""
    rows, columns = grey.shape
    pixels = np.dstack([grey] * 3).astype("<u2").tobytes()
    start = 8 + len(pixels)
    entries = [
        (256, 4, 1, columns),
        (257, 4, 1, rows),
        (258, 3, 3, start),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
    ]
    entries += [
        (274, 3, 1, orientation),
        (277, 3, 1, 3),
        (278, 4, 1, rows),
        (279, 4, 1, len(pixels)),
        (284, 3, 1, 1),
    ]
    directory = (
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        + bytes(4)
    )
    path.write_bytes(
        b"II*\0"
        + struct.pack("<I", start + 6)
        + pixels
        + struct.pack("<HHH", 16, 16, 16)
        + directory
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff_in_sixteen_bit_colour(deep_film, tmp_path, orientation):
    write_colour_tiff(tmp_path / "film.tif", deep_film, orientation)
    lying = Pillow.fromarray(deep_film)
    expected = np.asarray(lying.transpose(TURNS[orientation]) if orientation in TURNS else lying)
    assert_array_equal(read_image(tmp_path / "film.tif").array, expected)


def test_resolution_is_not_a_spacing_but_a_stated_one_is(film, tmp_path):
    path = save(film, tmp_path / "film.png", "PNG", dpi=(254, 254))
    assert read_image(path).geometry.spacing is None
    assert read_image(path, spacing=(0.2, 0.3)).geometry.spacing == (0.2, 0.3)
    with pytest.raises(UsageError, match="both above 0"):
        read_image(path, spacing=(0.2, 0))


def test_chunks_that_say_nothing_of_the_pixels_cause_no_chatter(film, tmp_path, capfd):
    path = save(film, tmp_path / "film.png", "PNG")
    content = path.read_bytes()
    # A colour profile on a grey picture, as some photo programs write it, and a gamma that is out
    # of range.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    extra = png_chunk(b"iCCP", b"rgb\0\0" + zlib.compress(profile)) + png_chunk(b"gAMA", bytes(4))
    path.write_bytes(content[:33] + extra + content[33:])
    assert_array_equal(read_image(path).array, film)
    assert capfd.readouterr() == ("", "")


def test_pages_of_a_tiff(film, tmp_path):
    path = tmp_path / "films.tif"
    Pillow.fromarray(film).save(
        path, "TIFF", save_all=True, append_images=[Pillow.fromarray(255 - film)]
    )
    with pytest.raises(
        UnsupportedError,
        match=r"it holds 2 frames.*; choose one with `frame`, from 1 to 2",
    ):
        read_image(path)
    assert_array_equal(read_image(path, frame=1).array, film)
    assert_array_equal(read_image(path, frame=2).array, 255 - film)
    with pytest.raises(
        InputError, match="frame 3 was asked for, and it holds 2; choose one from 1 to 2"
    ):
        read_image(path, frame=3)


def test_a_page_of_a_single_picture(film, tmp_path):
    path = save(film, tmp_path / "film.png", "PNG")
    assert_array_equal(read_image(path, frame=1).array, film)
    with pytest.raises(
        InputError, match=r"frame 2 was asked for, and it holds 1; leave `frame` out"
    ):
        read_image(path, frame=2)


def test_a_mask_may_be_of_one_value(tmp_path):
    path = save(np.zeros((40, 50), np.uint8), tmp_path / "mask.png", "PNG")
    assert_array_equal(read_mask(path), np.zeros((40, 50)))
    with pytest.raises(InputError, match=r"every pixel has the same value \(0\)"):
        read_image(path)


def test_frames_of_a_gif(film, tmp_path):
    frames = [Pillow.fromarray(picture) for picture in (film, film[::-1])]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedError, match="it holds 2 frames"):
        read_image(tmp_path / "film.gif")
    assert_array_equal(read_image(tmp_path / "film.gif", frame=2).array, film[::-1])


def test_a_mask_that_the_package_wrote_gives_its_labels(tmp_path) -> None:
    drawn = radiograph_phantom((96, 128))
    path = tmp_path / "mask.png"
    path.write_bytes(mask_png(drawn.ground_truth))
    assert_array_equal(read_mask(path), drawn.ground_truth.labels)


def test_a_damaged_mask_that_the_package_wrote_is_refused(tmp_path) -> None:
    content = mask_png(radiograph_phantom((96, 128)).ground_truth)
    start = content.index(b"IDAT") - 4
    path = tmp_path / "mask.png"
    path.write_bytes(
        content[:start] + png_chunk(b"IDAT", b"\x78\x9c" + b"\xff" * 50) + png_chunk(b"IEND", b"")
    )
    for reader in (read_mask, read_label_map, read_image):
        with pytest.raises(UnreadableError, match=r"mask\.png: the PNG file is damaged"):
            reader(path)


def test_a_mask_is_loaded_once(tmp_path, monkeypatch) -> None:
    path, loaded = save(np.eye(40, dtype=np.uint8), tmp_path / "mask.png", "PNG"), []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: loaded.append(path.name) or read_bytes(path)
    )
    assert_array_equal(read_mask(path), np.eye(40))
    assert loaded == ["mask.png"]


def test_a_mask_with_another_palette_is_read_by_its_greys(tmp_path) -> None:
    picture = Pillow.fromarray(np.eye(40, dtype=np.uint8))
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "mask.png")
    assert_array_equal(read_mask(tmp_path / "mask.png"), 255 * (1 - np.eye(40)))
