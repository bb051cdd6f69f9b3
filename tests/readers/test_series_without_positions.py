"""CT in DICOM whose slices do not say where they lie: what their order is taken from."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import InputError, UnsupportedError
from lungseg.readers import read, read_volume
from phantom_volumes import AFFINE, CHEST, check_chest, ct_slice

SHUFFLED = np.random.default_rng(3).permutation(len(CHEST))


def write(folder, headers, names=None):
    """The chest without positions, each slice with a header of its own."""
    folder.mkdir(exist_ok=True)
    for number, (pixels, header) in enumerate(zip(CHEST, headers, strict=True)):
        name = f"x{SHUFFLED[number]:02}.dcm" if names is None else names[number]
        ct_slice(pixels, (0, 0, 0), **{"ImagePositionPatient": None} | header).save_as(
            folder / name
        )
    return folder


@pytest.mark.parametrize(
    ("header", "names", "words"),
    [
        (lambda i: {"SliceLocation": -90 + 2.5 * i, "InstanceNumber": 20 - i}, 0, "SliceLocation"),
        (lambda i: {"SliceLocation": 0, "InstanceNumber": 1 + i}, 0, "instance numbers"),
        (lambda i: {"InstanceNumber": 1 + i}, 0, "instance numbers"),
        (lambda i: {}, 1, "the names of the files"),
        (lambda i: {"InstanceNumber": 1}, 1, "the names of the files"),
    ],
)
def test_order_is_taken_from_what_there_is_and_millimetres_are_refused(
    tmp_path, header, names, words
):
    count = range(len(CHEST))
    natural = [f"IM{number + 1}" for number in count] if names else None
    volume = read_volume(write(tmp_path / "s", [header(i) for i in count], natural))
    assert_array_equal(volume.array, CHEST)
    assert volume.notes == (
        f"no slice states its position: the order was taken from {words}, which end is the head "
        "is not known, and nothing is given in millimetres",
    )
    assert (volume.geometry.affine, volume.assumed_order, volume.missing_slices) == (None, True, 0)
    assert read(tmp_path / "s", spacing=(2.5, 0.75, 0.5)).geometry.spacing == (2.5, 0.75, 0.5)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (lambda i: {"ImagePositionPatient": [0, 0, 0]}, "instance numbers"),
        (lambda i: {"ImagePositionPatient": [1, 2, 3], "SliceLocation": i}, "SliceLocation"),
    ],
)
def test_one_position_for_all_is_none(tmp_path, header, words):
    headers = [{"InstanceNumber": 9 + i} | header(i) for i in range(len(CHEST))]
    volume = read_volume(write(tmp_path / "s", headers))
    assert_array_equal(volume.array, CHEST)
    assert volume.assumed_order
    assert volume.notes[0].startswith(
        f"all slices state the same position: the order was taken from {words}, "
    )


def test_slices_that_were_scanned_at_one_place_are_no_volume(tmp_path):
    headers = [
        {"InstanceNumber": 9 + i, "ImagePositionPatient": [1, 2, 3]} for i in range(len(CHEST))
    ]
    with pytest.raises(InputError, match="it shows something else at the same place as"):
        read_volume(write(tmp_path / "s", headers))


def test_copies_of_a_slice_count_once(tmp_path):
    folder = write(tmp_path / "s", [{"InstanceNumber": i} for i in range(len(CHEST))])
    shutil.copy(folder / "x04.dcm", folder / "copy.dcm")
    volume = read_volume(folder)
    assert_array_equal(volume.array, CHEST)
    assert "same content at the same position: 1" in volume.notes[-1]


@pytest.mark.parametrize("way", [1, -1])
def test_a_few_without_position_are_placed_by_location(tmp_path, way):
    headers = [
        {
            "SliceLocation": 5 + way * 2.5 * i,
            "ImagePositionPatient": None if i in (0, 7) else list(AFFINE[:3, 3] + [0, 0, 2.5 * i]),
        }
        for i in range(len(CHEST))
    ]
    volume = read_volume(write(tmp_path / "s", headers))
    check_chest(volume)
    assert volume.notes == ("placed by SliceLocation, for want of a position: 2",)
    assert not volume.assumed_order


def test_one_without_position_or_location_is_named(tmp_path):
    headers = [
        {"ImagePositionPatient": None if i == 7 else [0, 0, 2.5 * i]} for i in range(len(CHEST))
    ]
    folder = write(tmp_path / "s", headers)
    with pytest.raises(
        UnsupportedError,
        match=rf"x{SHUFFLED[7]:02}\.dcm: it states no position in the patient, so that its place",
    ):
        read_volume(folder)
    (folder / f"x{SHUFFLED[7]:02}.dcm").unlink()
    assert read_volume(folder).missing_slices == 1


def test_without_positions_only_axial_slices_are_taken(tmp_path):
    headers = [
        {"InstanceNumber": i, "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        for i in range(len(CHEST))
    ]
    with pytest.raises(UnsupportedError, match="it states no position, and does not lie as usual"):
        read_volume(write(tmp_path / "s", headers))
