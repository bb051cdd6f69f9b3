"""NIfTI headers field by field, as nifti1.h and nifti2.h have them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import InputError, UnreadableError, UnsupportedError
from lungseg.geometry import to_ras
from lungseg.readers.nifti import header_of_pair, is_flat, read_nifti
from lungseg.readers.notes import NO_ORIENTATION

SFORM = [[2.0, 0.1, 0.0, -7.0], [0.0, 3.0, 0.2, 8.0], [0.3, 0.0, 4.0, 9.0]]
BOTH = pytest.mark.parametrize("version", [1, 2])
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def header(
    version=1,
    order="<",
    *,
    dim=(3, 5, 4, 3),
    datatype=4,
    pixdim=(1, 2, 3, 4),
    offset=None,
    slope=1.0,
    intercept=0.0,
    units=2,
    qform=0,
    sform=1,
    quaternion=(0.0, 0.0, 0.0, 5.0, 6.0, 7.0),
    rows=SFORM,
    magic=None,
):
    """The bytes, with what comes between header and voxels."""
    length = {1: 348, 2: 540}[version]
    made = bytearray(length + 4)
    h, f, i = {1: ("h", "f", "h"), 2: ("q", "d", "i")}[version]

    def put(place, layout, *values):
        struct.pack_into(order + layout, made, place, *values)

    put(0, "i", length)
    first = version == 1
    put(40 if first else 16, f"{len(dim)}{h}", *dim)
    put(70 if first else 12, "h", datatype)
    put(76 if first else 104, f"{len(pixdim)}{f}", *pixdim)
    stated = length + 4 if offset is None else offset
    put(108 if first else 168, "f" if first else "q", stated)
    put(112 if first else 176, f"2{f}", slope, intercept)
    put(252 if first else 344, f"2{i}", qform, sform)
    put(256 if first else 352, f"6{f}", *quaternion)
    put(280 if first else 400, f"12{f}", *np.ravel(rows))
    put(123 if first else 500, "b" if first else "i", units)
    kind = magic or {1: b"n+1\0", 2: b"n+2\0\r\n\x1a\n"}[version]
    place = 344 if first else 4
    made[place : place + len(kind)] = kind
    return bytes(made)


def read(content, *, frame=None, packing="none", source="it"):
    return read_nifti(content, content, source=source, packing=packing, frame=frame)


@BOTH
@ORDERS
@pytest.mark.parametrize(
    ("code", "dtype"),
    [
        *((2, "u1"), (4, "i2"), (8, "i4"), (16, "f4"), (64, "f8")),
        *((256, "i1"), (512, "u2"), (768, "u4"), (1024, "i8"), (1280, "u8")),
    ],
)
def test_types(version, order, code, dtype):
    assert read(header(version, order, datatype=code)).dtype == np.dtype(order + dtype)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        *((128, r"its voxels are colours \(NIfTI datatype 128\); save it as 16-bit whole"),),
        *((2304, r"its voxels are colours \(NIfTI datatype 2304\)"),),
        *((32, r"numbers of a kind that CT does not have \(NIfTI datatype 32\)"),),
        *((1, r"numbers of a kind"), (0, r"numbers of a kind"), (1536, r"numbers of a kind")),
    ],
)
def test_types_that_are_not_read(code, words):
    with pytest.raises(UnsupportedError, match=words):
        read(header(datatype=code))


@BOTH
@ORDERS
@pytest.mark.parametrize(
    ("units", "scale"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (8 | 1, 1000), (16 | 3, 0.001)]
)
def test_units(version, order, units, scale):
    raw = read(header(version, order, units=units))
    wanted = np.vstack([np.array(SFORM) * scale, (0, 0, 0, 1)])
    assert_allclose(to_ras(raw.affine), wanted, rtol=1e-6)


@BOTH
@ORDERS
def test_where_voxels_begin(version, order):
    length = {1: 348, 2: 540}[version]
    for stated, begins in (
        (length, length),
        (length + 20, length + 20),
        (2**28, 2**28),
        (2**28 + 256, length + 4),
        (length - 1, length + 4),
        (0, length + 4),
        (-20, length + 4),
    ):
        raw = read(header(version, order, offset=stated))
        assert (raw.skip, raw.start, raw.shape) == (begins, 0, (3, 4, 5))
        assert raw.header == header(version, order, offset=stated)[:length]
        assert raw.data == (header(version, order, offset=stated),)


@BOTH
@ORDERS
def test_a_pair_begins_where_it_says(tmp_path, version, order):
    magic = {1: b"ni1\0", 2: b"ni2\0\r\n\x1a\n"}[version]
    for ending in (".img", ".IMG"):
        voxels = (tmp_path / "it.hdr").with_suffix(ending)
        voxels.touch()
        for stated, begins in ((0, 0), (7, 7), (-1, 0), (2**28 + 256, 0)):
            path = tmp_path / "it.hdr"
            content = header(version, order, offset=stated, magic=magic)
            path.write_bytes(content)
            raw = read_nifti(path, content, source=str(path), packing="none", frame=None)
            assert (raw.skip, raw.data) == (begins, (voxels,))
        assert header_of_pair(voxels) == path
        voxels.unlink()
    with pytest.raises(UnreadableError, match=r"its voxels are in it\.img, and that is missing"):
        read_nifti(path, content, source=str(path), packing="none", frame=None)
    with pytest.raises(UnsupportedError, match="its voxels are in another file; give the path"):
        read(content)


def test_only_an_img_with_a_nifti_header_beside_it_is_of_a_pair(tmp_path):
    (tmp_path / "it.img").touch()
    assert header_of_pair(tmp_path / "it.img") is None
    (tmp_path / "it.hdr").write_bytes(bytes(348))
    assert header_of_pair(tmp_path / "it.img") is None
    (tmp_path / "it.hdr").write_bytes(header(magic=b"ni1\0"))
    assert header_of_pair(tmp_path / "it.img") == tmp_path / "it.hdr"
    assert header_of_pair(tmp_path / "it.hdr") is None
    (tmp_path / "large.IMG").touch()
    (tmp_path / "large.HDR").write_bytes(header(magic=b"ni1\0"))
    assert header_of_pair(tmp_path / "large.IMG") == tmp_path / "large.HDR"
    (tmp_path / "other.hdr").mkdir()
    assert header_of_pair(tmp_path / "other.img") is None


@pytest.mark.parametrize(
    ("dim", "shape", "frames"),
    [
        ((2, 5, 4), (1, 4, 5), 1),
        ((3, 5, 4, 3), (3, 4, 5), 1),
        ((4, 5, 4, 3, 1), (3, 4, 5), 1),
        ((4, 5, 4, 3, 6), (3, 4, 5), 6),
        ((5, 5, 4, 3, 6, 1), (3, 4, 5), 6),
        ((7, 5, 4, 3, 1, 1, 1, 1), (3, 4, 5), 1),
        ((3, 5, 4, 3, 9, 9), (3, 4, 5), 1),
    ],
)
@BOTH
@ORDERS
def test_sizes(version, order, dim, shape, frames):
    content = header(version, order, dim=dim)
    if frames == 1:
        raw = read(content)
        assert (raw.shape, raw.notes) == (shape, ())
        return
    with pytest.raises(UnsupportedError, match=f"it holds {frames} frames, and only one"):
        read(content)
    start = {1: 352, 2: 544}[version]
    for frame in (1, 2, frames):
        raw = read(content, frame=frame)
        assert (raw.shape, raw.notes) == (shape, (f"frame {frame} of {frames}",))
        assert raw.skip == start + (frame - 1) * 60 * 2
    with pytest.raises(InputError, match=f"frame {frames + 1} was asked for"):
        read(content, frame=frames + 1)


@pytest.mark.parametrize(
    "dim", [(1, 5), (0,), (8, 5, 4, 3), (-3, 5, 4, 3), (3, 5, 0, 3), (3, 5, 4, -3), (2, 0, 4)]
)
def test_impossible_sizes(dim):
    with pytest.raises(UnreadableError, match="it: the NIfTI header states no possible size; copy"):
        read(header(dim=dim))
    assert not is_flat(header(dim=dim))


@pytest.mark.parametrize("dim", [(5, 5, 4, 3, 1, 2), (6, 5, 4, 3, 1, 1, 2)])
def test_more_axes_than_a_volume_has(dim):
    with pytest.raises(
        UnsupportedError, match=f"it has {dim[0]} axes, and a volume has 3; save one"
    ):
        read(header(dim=dim))
    assert not is_flat(header(dim=dim))


@BOTH
@ORDERS
def test_two_axes_are_flat(version, order):
    for dim, flat in (
        ((2, 5, 4), True),
        ((3, 5, 4, 1), True),
        ((3, 5, 1, 4), True),
        ((3, 1, 5, 4), True),
        ((4, 5, 4, 1, 3), True),
        ((3, 5, 4, 3), False),
        ((3, 5, 1, 1), False),
        ((2, 5, 1), False),
    ):
        assert is_flat(header(version, order, dim=dim)) is flat
    assert not is_flat(header(version, order)[:200])


@BOTH
@ORDERS
@pytest.mark.parametrize(
    ("slope", "intercept", "means"),
    [
        (2.5, 7.0, (2.5, 7.0)),
        (-1.0, 0.0, (-1.0, 0.0)),
        (0.0, 7.0, (1.0, 0.0)),
        (np.nan, 7.0, (1.0, 0.0)),
        (np.inf, 7.0, (1.0, 0.0)),
        (3.0, np.nan, (3.0, 0.0)),
        (3.0, np.inf, (3.0, 0.0)),
        (1.0, -1024.0, (1.0, -1024.0)),
    ],
)
def test_scaling(version, order, slope, intercept, means):
    raw = read(header(version, order, slope=slope, intercept=intercept))
    assert (raw.slope, raw.intercept) == means


def test_packing_is_handed_on():
    for packing in ("none", "deflate", "bzip2", "zstd"):
        assert read(header(), packing=packing).packing == packing


@BOTH
@ORDERS
def test_a_qform_is_a_rotation_a_spacing_and_a_place(version, order):
    half = np.sqrt(0.5)
    for quaternion, pixdim, axes in (
        ((0, 0, 0), (1, 2, 3, 4), [[2, 0, 0], [0, 3, 0], [0, 0, 4]]),
        ((0, 0, 0), (0, 2, 3, 4), [[2, 0, 0], [0, 3, 0], [0, 0, 4]]),
        ((0, 0, 0), (-1, 2, 3, 4), [[2, 0, 0], [0, 3, 0], [0, 0, -4]]),
        ((1, 0, 0), (1, 2, 3, 4), [[2, 0, 0], [0, -3, 0], [0, 0, -4]]),
        ((0, 0, half), (1, 2, 3, 4), [[0, -3, 0], [2, 0, 0], [0, 0, 4]]),
        ((0, half, 0), (-1, 2, 3, 4), [[0, 0, -4], [0, 3, 0], [-2, 0, 0]]),
        ((half, 0, 0), (1, 2, 3, 4), [[2, 0, 0], [0, 0, -4], [0, 3, 0]]),
    ):
        content = header(
            version, order, qform=1, sform=0, quaternion=(*quaternion, 5, 6, 7), pixdim=pixdim
        )
        affine = to_ras(read(content).affine)
        assert_allclose(affine[:3, :3], axes, atol=1e-6)
        assert_allclose(affine[:3, 3], (5, 6, 7))


@BOTH
def test_which_form_is_taken(version):
    plain = np.diag([2.0, 3.0, 4.0, 1.0])
    plain[:3, 3] = (5, 6, 7)
    sform = np.vstack([SFORM, (0, 0, 0, 1)])
    for qform_code, sform_code, wanted in (
        (1, 1, sform),
        (2, 4, sform),
        (1, 0, plain),
        (0, 3, sform),
    ):
        raw = read(header(version, qform=qform_code, sform=sform_code))
        assert_allclose(to_ras(raw.affine), wanted, rtol=1e-6)
        assert raw.notes == ()
    for codes in ((0, 0), (-1, -1)):
        raw = read(header(version, qform=codes[0], sform=codes[1], pixdim=(1, -2, -3, -4)))
        assert_array_equal(to_ras(raw.affine), np.diag([-2.0, 3.0, 4.0, 1.0]))
        assert raw.notes == (NO_ORIENTATION,)


def test_forms_that_contradict_each_other_or_cannot_be():
    mirrored = [[-number for number in SFORM[0]], *SFORM[1:]]
    raw = read(header(qform=1, sform=1, rows=mirrored))
    assert raw.notes[0].startswith("its sform and its qform are mirror images of each other")
    assert_allclose(to_ras(raw.affine)[:3], mirrored, rtol=1e-6)
    assert read(header(qform=0, sform=1, rows=mirrored)).notes == ()
    flat = [SFORM[0], SFORM[0], SFORM[2]]
    raw = read(header(qform=1, sform=1, rows=flat))
    assert raw.notes == ("its sform cannot be inverted, so that its qform was taken",)
    assert_allclose(to_ras(raw.affine), [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
    raw = read(header(qform=1, sform=1, pixdim=(1, 0, 3, 4)))
    assert_allclose(to_ras(raw.affine)[:3], SFORM, rtol=1e-6)
    assert raw.notes == ()
    for form, words in (
        ({"qform": 1, "sform": 1}, "its sform and qform cannot be inverted, so that nobody knows"),
        ({"qform": 0, "sform": 1}, "its sform cannot be inverted, so that"),
        ({"qform": 1, "sform": 0}, "its qform cannot be inverted, so that"),
        ({"qform": 0, "sform": 0}, "its spacing cannot be inverted, so that"),
    ):
        with pytest.raises(UnreadableError, match=f"^it: {words}"):
            read(header(rows=flat, pixdim=(1, 2, 0, 4), **form))


@BOTH
@ORDERS
def test_a_short_header_is_refused(version, order):
    content = header(version, order)
    length = {1: 348, 2: 540}[version]
    read(content[:length])
    for damaged in (content[: length - 1], b"", bytes(4) + content[4:]):
        with pytest.raises(UnreadableError, match="the NIfTI header is damaged or truncated; copy"):
            read(damaged)
