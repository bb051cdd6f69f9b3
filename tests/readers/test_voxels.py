"""From numbers of any type to Hounsfield units or greys."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import InputError
from lungseg.readers import voxels
from lungseg.readers.voxels import VoxelBuffer, to_voxels

HU = np.concatenate([np.full(500, -1000), np.arange(-150, 150), np.full(9, 2000)]).astype(
    np.float64
)
"""Air, soft tissue and bone."""


def filling(values):
    """What `to_voxels` asks for its voxels, and the types and shifts that were asked for."""
    asked = []

    def fill(target, shift):
        asked.append((target, shift))
        buffer = VoxelBuffer(np.empty(len(values), target))
        done = 0
        for chunk in buffer.chunks():
            buffer.convert(values[done : done + len(chunk)], chunk, shift=shift, source="it")
            done += len(chunk)
        return buffer

    return fill, asked


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_hounsfield_units_become_int16(dtype):
    fill, asked = filling(HU.astype(dtype))
    array, hounsfield, notes = to_voxels(fill)
    assert (array.dtype, hounsfield, notes) == (np.int16, True, ())
    assert_array_equal(array, HU)
    assert asked == [(np.int16, 0.0)]


@pytest.mark.parametrize(("more", "said"), [(0.0009, False), (-0.0009, False), (0.0011, True)])
def test_a_number_that_is_almost_whole_is_whole(more, said):
    values = HU.copy()
    values[700] += more
    array, _, notes = to_voxels(filling(values)[0])
    assert_array_equal(array, HU)
    assert notes == (("rounded to whole Hounsfield units",) if said else ())


@pytest.mark.parametrize(
    ("value", "kept", "said"),
    [
        (-32768, -32768, False),
        (-32769, -32768, True),
        (32767, 32767, False),
        (32768, 32767, True),
        (1e6, 32767, True),
    ],
)
def test_what_is_beyond_16_bits_is_cut_off_and_said(value, kept, said):
    values = HU.copy()
    values[-1] = value
    array, hounsfield, notes = to_voxels(filling(values)[0])
    assert (array[-1], hounsfield) == (kept, True)
    words = "values beyond -32768 and 32767 were set to these"
    assert notes == ((words,) if said else ())


@pytest.mark.parametrize(
    ("values", "dtype", "shift"),
    [
        ([0, 255], "u1", 0),
        ([0, 256], "u2", 0),
        ([0, 65535], "u2", 0),
        ([0, 65536], "f4", 0),
        ([-1, 65534], "u2", 1),
        ([-1, 65535], "f4", 0),
        ([-1, 254], "u2", 1),
        ([5, 9], "u1", 0),
        ([0.5, 9], "f4", 0),
        ([-40000, 3], "u2", 40000),
    ],
)
def test_greys_take_the_smallest_type_that_keeps_them(values, dtype, shift):
    given = np.array(values, np.float64)
    array, hounsfield, notes = to_voxels(filling(given)[0], hounsfield=False)
    assert (array.dtype, hounsfield) == (np.dtype(dtype), False)
    assert_array_equal(array, given + shift)
    words = f"{shift} added to every voxel, so that none is below 0"
    assert notes == ((words,) if shift else ())


def test_whether_they_are_hounsfield_units_may_be_known():
    assert to_voxels(filling(HU)[0], hounsfield=False)[1] is False
    assert to_voxels(filling(np.array([3.0, 4.0]))[0], hounsfield=True)[1] is True
    assert to_voxels(filling(np.array([3.0, 4.0]))[0])[1] is False


def test_a_second_filling_is_asked_for_in_another_type():
    fill, asked = filling(np.array([-3.0, 300.0]))
    to_voxels(fill, hounsfield=False)
    assert asked == [(np.int16, 0.0), (np.uint16, -3.0)]
    fill, asked = filling(np.array([-3.5, 300.0]))
    to_voxels(fill, hounsfield=False)
    assert asked == [(np.int16, 0.0), (np.float32, 0.0)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(bad):
    values = HU.copy()
    values[3] = bad
    words = "^it: the volume contains NaN or infinite values; replace them by finite numbers"
    with pytest.raises(InputError, match=words):
        to_voxels(filling(values)[0])


def test_what_no_grey_value_is_is_refused():
    for bad in (1.1e12, -1.1e12):
        values = HU.copy()
        values[3] = bad
        with pytest.raises(InputError, match=r"^it: its values go from .* which no grey values do"):
            to_voxels(filling(values)[0])


def test_whole_numbers_are_not_rounded_on_their_way():
    big = np.array([2**24 + 1, 2**24 + 3], np.int64) - 2**24
    assert_array_equal(to_voxels(filling(big)[0], hounsfield=False)[0], [1, 3])
    buffer = VoxelBuffer(np.empty(2, np.uint16))
    buffer.convert(np.array([-70, 70_000]), buffer.array, shift=-70.0, source="it")
    assert_array_equal(buffer.array, [0, 65535])
    assert (buffer.low, buffer.high, buffer.whole) == (-70, 70_000, True)


def test_chunks_cover_all_of_it_once(monkeypatch):
    monkeypatch.setattr(voxels, "CHUNK_VOXELS", 4)
    buffer = VoxelBuffer(np.zeros(10, np.int16))
    assert [len(chunk) for chunk in buffer.chunks()] == [4, 4, 2]
    for number, chunk in enumerate(buffer.chunks()):
        chunk[:] = number
    assert_array_equal(buffer.array, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    buffer.note(np.array([5, 7]))
    buffer.note(np.array([-2, 3]))
    assert (buffer.low, buffer.high) == (-2, 7)
