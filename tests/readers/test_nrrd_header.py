"""NRRD headers field by field (teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import InputError, UnreadableError, UnsupportedError
from lungseg.readers.notes import NO_ORIENTATION, NO_SPACING
from lungseg.readers.nrrd import is_flat, read_nrrd

NAMES = {
    "i1": ["signed char", "int8", "int8_t"],
    "u1": ["uchar", "unsigned char", "uint8", "uint8_t"],
    "i2": ["short", "short int", "signed short", "signed short int", "int16", "int16_t"],
    "u2": ["ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"],
    "i4": ["int", "signed int", "int32", "int32_t"],
    "u4": ["uint", "unsigned int", "uint32", "uint32_t"],
    "i8": ["longlong", "long long", "long long int", "signed long long", "signed long long int"],
    "u8": ["ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"],
    "f4": ["float", "FLOAT"],
    "f8": ["double"],
}
NAMES["i8"] += ["int64", "int64_t"]
DIRECTIONS = "(2,0.1,0) (0,3,0.2) (0.3,0,4)"
FIELDS = {
    "type": "short",
    "dimension": 3,
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": DIRECTIONS,
    "endian": "little",
    "encoding": "raw",
    "space origin": "(7,8,9)",
}
AFFINE = np.array([[0.3, 0, 2, 7], [0, 3, 0.1, 8], [4, 0.2, 0, 9], [0, 0, 0, 1]])


def text(without=(), **fields):
    found = FIELDS | {key.replace("_", " "): value for key, value in fields.items()}
    lines = [f"{key}: {value}" for key, value in found.items() if key not in without]
    return "\n".join(["NRRD0005", "# it", *lines, "", ""]).encode()


def read(content, *, frame=None):
    return read_nrrd(content, source="it", frame=frame)


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for dtype, names in NAMES.items() for name in names]
)
def test_types(name, dtype):
    assert read(text(type=name)).dtype == np.dtype("<" + dtype)
    assert read(text(type=name, endian="big")).dtype == np.dtype(">" + dtype)


def test_a_header_is_kept_and_the_voxels_follow_it():
    raw = read(text() + b"voxels")
    assert (raw.start, raw.skip, raw.header) == (len(text()), 0, text())
    assert (raw.shape, raw.notes, raw.frames) == ((3, 4, 5), (), 1)
    assert_allclose(raw.affine, AFFINE)


@pytest.mark.parametrize(
    ("encoding", "packing"),
    [
        *(("raw", "none"), ("RAW", "none"), ("gzip", "deflate"), ("gz", "deflate")),
        *(("bzip2", "bzip2"), ("bz2", "bzip2")),
    ],
)
def test_encodings(encoding, packing):
    assert read(text(encoding=encoding)).packing == packing


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": "ascii"},
        {"encoding": "hex"},
        {"type": "block"},
        {"line skip": 3},
        {"lineskip": 1},
    ],
)
def test_what_is_not_read(wrong):
    with pytest.raises(UnsupportedError, match="its type or encoding of voxels is not read; save"):
        read(text(**wrong))


@pytest.mark.parametrize("wrong", [{"sizes": "5 4"}, {"sizes": "5 4 0"}, {"sizes": "5 4 x"}])
def test_headers_that_contradict_themselves(wrong):
    with pytest.raises(UnreadableError, match="it: the NRRD header is damaged or incomplete; copy"):
        read(text(**wrong))


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        *(("left-posterior-superior", (1, 1, 1)), ("lps", (1, 1, 1)), ("LPS", (1, 1, 1))),
        *(("right-anterior-superior", (-1, -1, 1)), ("ras", (-1, -1, 1))),
        *(("left-anterior-superior", (1, -1, 1)), ("las", (1, -1, 1))),
    ],
)
def test_spaces(space, signs):
    raw = read(text(space=space))
    assert_allclose(raw.affine[:3], AFFINE[:3] * np.array(signs)[:, None])
    assert raw.notes == ()
    four = text(
        space=f"{space}-time",
        dimension=4,
        sizes="5 4 3 2",
        space_directions="(2,0.1,0,0) (0,3,0.2,0) (0.3,0,4,0) (0,0,0,1)",
        space_origin="(7,8,9,0)",
    )
    raw = read(four, frame=2)
    assert_allclose(raw.affine[:3], AFFINE[:3] * np.array(signs)[:, None])
    assert (raw.notes, raw.skip, raw.frames) == (("frame 2 of 2",), 3 * 4 * 5 * 2, 2)


def test_a_space_that_is_not_the_patient_s():
    for fields in (text(space="3D-right-handed"), text(without=["space"])):
        raw = read(fields)
        assert_allclose(raw.affine, AFFINE)
        assert raw.notes == (NO_ORIENTATION,)


def test_an_origin_that_is_missing_or_no_place():
    for fields in (text(without=["space origin"]), text(space_origin="(nan,8,9)")):
        assert_array_equal(read(fields).affine[:3, 3], (0, 0, 0))


def test_without_any_distance_there_is_no_affine():
    raw = read(text(without=["space", "space directions", "space origin"]))
    assert (raw.affine, raw.notes, raw.shape) == (None, (NO_SPACING,), (3, 4, 5))
    raw = read(text(without=["space", "space directions", "space origin"], spacings="2 3 4"))
    assert_array_equal(raw.affine[:3, :3], [[0, 0, 2], [0, 3, 0], [4, 0, 0]])
    assert raw.notes == (NO_ORIENTATION,)


def test_directions_that_cannot_be_inverted():
    for directions in ("(1,0,0) (1,0,0) (0,0,1)", "(0,0,0) (0,1,0) (0,0,1)"):
        with pytest.raises(
            UnreadableError, match="its space directions cannot be inverted; repair"
        ):
            read(text(space_directions=directions))


@pytest.mark.parametrize(
    ("sizes", "directions", "shape", "frames"),
    [
        ("5 4", "(2,0) (0,3)", (1, 4, 5), 1),
        ("5 4 3", DIRECTIONS, (3, 4, 5), 1),
        ("5 4 3 1", f"{DIRECTIONS} none", (3, 4, 5), 1),
        ("5 4 3 6", f"{DIRECTIONS} none", (3, 4, 5), 6),
        ("1 5 4 3", f"none {DIRECTIONS}", (3, 4, 5), 1),
        ("1 5 4 3 6", f"none {DIRECTIONS} none", (3, 4, 5), 6),
    ],
)
def test_axes(sizes, directions, shape, frames):
    fields = text(dimension=len(sizes.split()), sizes=sizes, space_directions=directions)
    if frames > 1:
        with pytest.raises(UnsupportedError, match=f"it holds {frames} frames"):
            read(fields)
    raw = read(fields, frame=frames if frames > 1 else None)
    assert (raw.shape, raw.frames, raw.skip) == (shape, frames, (frames - 1) * 120)
    if len(sizes.split()) == 2:
        assert_array_equal(raw.affine[:3, :3], [[0, 0, 2], [0, 3, 0], [1, 0, 0]])
    else:
        assert_allclose(raw.affine, AFFINE)


@pytest.mark.parametrize(
    ("sizes", "directions", "words"),
    [
        ("3 5 4 3", f"none {DIRECTIONS}", "its voxels are colours or vectors; save one number"),
        ("3 5 4", "none (2,0) (0,3)", "its voxels are colours or vectors"),
        ("5 4 3 2 2", f"{DIRECTIONS} none none", "it has 5 axes, and a volume has 3; save one"),
        ("5 3 4 3", "(2,0.1,0) none (0,3,0.2) (0.3,0,4)", "it has 4 axes, and a volume has 3"),
        ("5", "(2,0,0)", "it has 1 axes"),
    ],
)
def test_axes_that_are_no_volume(sizes, directions, words):
    with pytest.raises(UnsupportedError, match=f"^it: {words}"):
        read(text(dimension=len(sizes.split()), sizes=sizes, space_directions=directions))


@pytest.mark.parametrize(
    ("sizes", "flat"),
    [
        *(("5 4", True), ("5 4 1", True), ("5 1 4", True), ("1 5 4", True)),
        *(("5 4 3", False), ("5 1 1", False), ("5", False), ("5 4 1 1", False)),
        *(("5 1", False), ("5 9999999999", False)),
    ],
)
def test_two_axes_are_flat(sizes, flat):
    assert is_flat(text(sizes=sizes)) is flat
    assert not is_flat(text(without=["sizes"]) + b"sizes: 5 4\n")


@pytest.mark.parametrize("name", ["byte skip", "byteskip"])
def test_bytes_before_the_voxels(name):
    for skip, start in ((0, 0), (7, 7)):
        content = text(**{name: skip})
        assert (read(content).start, read(content).skip) == (len(content) + start, 0)
        packed = text(**{name: skip}, encoding="gzip")
        assert (read(packed).start, read(packed).skip) == (len(packed), start)
    assert read(text(**{name: -1})).start == -1


def test_only_some_files_may_be_named(tmp_path):
    with pytest.raises(UnsupportedError, match="its voxels are in another file; give the path"):
        read(text(data_file="it.raw"))
    path = tmp_path / "it.nhdr"
    for name, error, words in (
        ("../it.raw", UnsupportedError, "its voxels are in another folder"),
        ("/it.raw", UnsupportedError, "its voxels are in another folder"),
        ("it.raw", UnreadableError, r"its voxels are in it\.raw, and that is missing"),
        ("LIST", UnreadableError, "its header names 0 files with its voxels"),
        ("it%d.raw 5 1 1", UnreadableError, "the NRRD header is damaged or incomplete"),
    ):
        path.write_bytes(text(data_file=name))
        with pytest.raises(error, match=words):
            read_nrrd(path, source="it", frame=None)
    names = ["a.raw", "b.raw", "c.raw"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(40))
    for packed in ("raw", "gzip"):
        lines = text(encoding=packed, data_file="LIST").rstrip() + b"\n" + "\n".join(names).encode()
        path.write_bytes(lines)
        raw = read_nrrd(path, source="it", frame=None)
        assert raw.data == tuple(tmp_path / name for name in names)
        assert (raw.start, raw.bytes_each) == (0, 40)
        path.write_bytes(lines.replace(b"endian", b"byte skip: 3\nendian"))
        if packed == "raw":
            assert read_nrrd(path, source="it", frame=None).start == 3
            continue
        with pytest.raises(UnsupportedError, match="something else before its packed voxels"):
            read_nrrd(path, source="it", frame=None)


def test_frames_that_are_not_there():
    with pytest.raises(InputError, match="frame 2 was asked for, and it holds 1"):
        read(text(), frame=2)


def test_a_data_file_is_named_before_the_empty_line_only():
    """What looks like a field among the voxels is none."""
    for ending in (b"\n", b"\r\n"):
        content = text().replace(b"\n", ending) + b"\ndata file: it.raw\n" + bytes(200)
        assert read(content).data == (content,)


def test_a_spacing_that_is_no_number_is_no_axis():
    without = ["space", "space directions", "space origin"]
    fields = text(without, dimension=4, sizes="5 4 3 1", spacings="2 3 4 nan")
    assert read(fields).shape == (3, 4, 5)
    with pytest.raises(UnsupportedError, match="it has 4 axes, and a volume has 3"):
        read(text(without, dimension=4, sizes="5 4 3 1", spacings="2 nan 4 5"))


def test_lines_may_end_as_on_windows():
    content = text(space_units='"cm" "cm" "cm"').replace(b"\n", b"\r\n")
    raw = read(content + b"voxels")
    assert raw.start == len(content)
    assert_allclose(raw.affine[:3], AFFINE[:3] * 10)
