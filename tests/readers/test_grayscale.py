"""Modality LUT or rescale, then VOI LUT or window, then inversion."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from lungseg.readers import read_image

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
"""All of twelve bits: (value - 2047.5) / 4095 + 0.5 = value / 4095."""


def stretched(pixels, highest=4095):
    return np.rint(pixels / highest * 65535).astype(np.uint16)


def test_order_is_rescale_then_window_then_inversion(write_dicom, deep_film):
    header = {
        "RescaleSlope": 2,
        "RescaleIntercept": -1000,
        "WindowCenter": 3000,
        "WindowWidth": 2001,
    }
    image = read_image(write_dicom(deep_film, PhotometricInterpretation="MONOCHROME1", **header))
    rescaled = deep_film * 2.0 - 1000
    shown = np.clip((rescaled - 2999.5) / 2000 + 0.5, 0, 1)
    assert_array_equal(image.array, np.rint((1 - shown) * 65535))
    assert image.notes == (
        "rescaled by 2 and -1000",
        "window 3000 / 2001",
        "inverted, as the header asks",
    )


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", None, False),
    ],
)
def test_inverted_once_at_most(write_dicom, film, photometric, shape, inverted):
    image = read_image(
        write_dicom(film, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    )
    assert_array_equal(image.array, 255 - film if inverted else film)
    assert image.array.dtype == np.uint8


def test_window_functions(write_dicom, deep_film):
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    exact = read_image(write_dicom(deep_film, VOILUTFunction="LINEAR_EXACT", **window))
    assert_array_equal(
        exact.array, np.rint(np.clip((deep_film - 2000.0) / 1000 + 0.5, 0, 1) * 65535)
    )
    assert exact.notes == ("window 2000 / 1000 LINEAR_EXACT",)
    sigmoid = read_image(write_dicom(deep_film, VOILUTFunction="SIGMOID", **window))
    assert_array_equal(
        sigmoid.array, np.rint(65535 / (1 + np.exp(-4 * (deep_film - 2000.0) / 1000)))
    )
    step = read_image(write_dicom(deep_film, WindowCenter=2000, WindowWidth=1))
    assert_array_equal(step.array, np.where(deep_film >= 2000, 65535, 0))


@pytest.mark.parametrize("order", [1, -1])
def test_widest_of_several_windows_that_shows_the_image(write_dicom, deep_film, order):
    centres, widths = [2048, 1200, 100][::order], [4096, 1500, 50][::order]
    image = read_image(write_dicom(deep_film, WindowCenter=centres, WindowWidth=widths))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == ("window 2048 / 4096, the widest of 3 that shows the image",)


def test_full_range_where_no_window_of_several_shows_the_image(write_dicom, deep_film):
    image = read_image(write_dicom(deep_film, WindowCenter=[100, 4000], WindowWidth=[50, 90]))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == (
        "windows 100 / 50 and 4000 / 90 show too little of the image, full range used",
    )


def test_eight_bits_and_a_narrow_window_do_not_lose_steps(write_dicom, film):
    image = read_image(write_dicom(film, WindowCenter=128, WindowWidth=4096))
    assert image.array.dtype == np.uint16
    assert len(np.unique(image.array)) == len(np.unique(film))
    plain = read_image(write_dicom(film, WindowCenter=128, WindowWidth=256))
    assert plain.array.dtype == np.uint8
    assert_array_equal(plain.array, film)


@pytest.mark.parametrize(
    ("window", "note"),
    [
        ((60000, 10), "window 60000 / 10 left nothing to see, full range used"),
        ((2048, 0), "window width 0 is not possible, full range used"),
        ((2048, -5), "window width -5 is not possible, full range used"),
    ],
)
def test_useless_window_gives_the_full_range(write_dicom, deep_film, window, note):
    image = read_image(write_dicom(deep_film, WindowCenter=window[0], WindowWidth=window[1]))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == (note,)


def test_full_range_of_signed_pixels_without_padding(write_dicom, deep_film):
    pixels = deep_film.astype(np.int16) - 1000
    pixels[:5] = -2000
    header = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": -2000}
    image = read_image(write_dicom(pixels, **header))
    inside = deep_film[5:] - float(deep_film[5:].min())
    assert_array_equal(image.array[5:], np.rint(inside / inside.max() * 65535))
    assert image.array[:5].max() == 0


def lut(first, bits, entries):
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = entries
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return [item]


def test_voi_lut_of_eight_bits_over_many_entries(write_dicom, deep_film):
    entries = [min(255, i // 8) for i in range(4000)]
    image = read_image(write_dicom(deep_film, VOILUTSequence=lut(50, 8, entries), **WINDOW))
    expected = np.array(entries)[np.clip(deep_film.astype(int) - 50, 0, 3999)]
    assert_array_equal(image.array, np.rint(expected / 255 * 65535))
    assert image.notes == ("VOI LUT applied",)


@pytest.mark.parametrize("bits", [0, 8])
def test_voi_lut_that_states_fewer_bits_than_its_entries_have(write_dicom, deep_film, bits):
    image = read_image(write_dicom(deep_film, VOILUTSequence=lut(0, bits, list(range(4096)))))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == ("VOI LUT applied",)


NARROW = lut(1990, 12, [i * 205 for i in range(20)])
"""Black up to 1990, and almost white from 2009 on."""


@pytest.mark.parametrize("order", [1, -1])
def test_widest_of_several_voi_luts_that_shows_the_image(write_dicom, deep_film, order):
    luts = [*NARROW, *lut(0, 12, list(range(4096)))][::order]
    image = read_image(write_dicom(deep_film, VOILUTSequence=luts))
    assert_array_equal(image.array, stretched(deep_film))
    number = 2 if order == 1 else 1
    assert image.notes == (f"VOI LUT {number} of 2 applied, the widest that shows the image",)


def test_window_where_no_voi_lut_shows_the_image(write_dicom, deep_film):
    image = read_image(write_dicom(deep_film, VOILUTSequence=NARROW, **WINDOW))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == ("window 2048 / 4096; the VOI LUT shows too little of the image",)


@pytest.mark.parametrize(
    ("window", "note"),
    [
        ({}, "each of 2 VOI LUTs shows too little of the image, full range used"),
        (
            {"WindowCenter": 100, "WindowWidth": 50},
            "window 100 / 50 shows too little of the image, full range used; each of 2 VOI LUTs "
            "shows too little of the image",
        ),
    ],
)
def test_full_range_where_no_voi_lut_or_window_shows_the_image(
    write_dicom, deep_film, window, note
):
    image = read_image(write_dicom(deep_film, VOILUTSequence=[*NARROW, *NARROW], **window))
    assert_array_equal(image.array, stretched(deep_film))
    assert image.notes == (note,)


def test_voi_lut_that_stands_alone_is_believed(write_dicom, deep_film):
    image = read_image(write_dicom(deep_film, VOILUTSequence=NARROW))
    assert np.isin(image.array, (image.array.min(), image.array.max())).mean() > 0.9
    assert image.notes == ("VOI LUT applied",)


@pytest.mark.parametrize("order", ["little", "big"])
def test_modality_lut_then_window(write_dicom, deep_film, tmp_path, order):
    entries = [(i * i) // 4096 for i in range(4096)]
    sequence = lut(0, 12, entries)
    sequence[0].ModalityLUTType = "US"
    data = np.array(entries, "<u2" if order == "little" else ">u2").tobytes()
    del sequence[0].LUTData
    sequence[0].add_new("LUTData", "OW", data)
    path = write_dicom(deep_film, ModalityLUTSequence=sequence, RescaleSlope=None, **WINDOW)
    if order == "big":
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset.PixelData = deep_film.astype(">u2").tobytes()
        pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    image = read_image(path)
    assert_array_equal(image.array, stretched(np.array(entries)[deep_film]))
    assert image.notes == ("modality LUT applied", "window 2048 / 4096")


def test_pixels_of_32_bits(write_dicom, deep_film):
    pixels = deep_film.astype(np.uint32) * 1000
    image = read_image(write_dicom(pixels, BitsStored=32, HighBit=31))
    assert_array_equal(image.array, stretched(deep_film))


def test_overlay_in_the_unused_bits_is_taken_out(write_dicom, deep_film):
    drawn = deep_film.copy()
    drawn[10:20, 10:20] |= 1 << 12
    path = write_dicom(drawn, **WINDOW)
    dataset = pydicom.dcmread(path)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 12)
    dataset.save_as(path)
    assert_array_equal(read_image(path).array, stretched(deep_film))


@pytest.mark.parametrize("type_", [np.uint16, np.int16])
def test_pixels_at_the_top_of_their_words(write_dicom, deep_film, type_):
    pixels = deep_film.astype(type_) - type_(0 if type_ is np.uint16 else 2048)
    window = WINDOW if type_ is np.uint16 else {"WindowCenter": 0, "WindowWidth": 4096}
    assert_array_equal(
        read_image(write_dicom(pixels << 4, HighBit=15, **window)).array, stretched(deep_film)
    )
    assert_array_equal(
        read_image(write_dicom(pixels, HighBit=15, **window)).array, stretched(deep_film)
    )
