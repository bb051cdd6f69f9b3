"""MetaImage headers field by field."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers.metaimage import is_flat, read_metaimage
from metaimage_files import meta_fields


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *(("MET_CHAR", "i1"), ("MET_UCHAR", "u1"), ("MET_SHORT", "i2"), ("MET_USHORT", "u2")),
        *(("MET_INT", "i4"), ("MET_UINT", "u4"), ("MET_LONG", "i4"), ("MET_ULONG", "u4")),
        *(("MET_LONG_LONG", "i8"), ("MET_ULONG_LONG", "u8")),
        *(("MET_FLOAT", "f4"), ("MET_DOUBLE", "f8")),
    ],
)
def test_types(kind, dtype, big_endian):
    for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"):
        fields = meta_fields(ElementType=kind, BinaryDataByteOrderMSB="False", BinaryData="True")
        raw = read_fields(fields | {key: str(big_endian)})
        assert raw.dtype == np.dtype("<>"[big_endian] + dtype)


def read_fields(fields, *, frame=None):
    """What a header of these fields says, read from memory."""
    fields = dict(fields)
    fields["ElementDataFile"] = fields.pop("ElementDataFile")
    content = "".join(f"{key} = {value}\n" for key, value in fields.items()).encode()
    return read_metaimage(content, source="it", frame=frame)


@pytest.mark.parametrize("word", ["True", "true", "T", "t", "1"])
def test_words_of_truth(word):
    assert read_fields(meta_fields(CompressedData=word)).packing == "deflate"
    assert read_fields(meta_fields(BinaryData=word)).packing == "none"
    for no in ("False", "F", "0", "yes"):
        assert read_fields(meta_fields(CompressedData=no)).packing == "none"
        with pytest.raises(UnsupportedError, match="colours, vectors or text; save one 16-bit"):
            read_fields(meta_fields(BinaryData=no))


@pytest.mark.parametrize("missing", ["BinaryData", "CompressedData", "BinaryDataByteOrderMSB"])
def test_fields_that_may_be_missing(missing):
    fields = meta_fields()
    del fields[missing]
    raw = read_fields(fields)
    assert (raw.packing, raw.dtype) == ("none", np.dtype("<i2"))


@pytest.mark.parametrize("missing", ["NDims", "DimSize", "ElementType"])
def test_fields_that_may_not_be_missing(missing):
    fields = meta_fields()
    del fields[missing]
    with pytest.raises(UnreadableError, match="it: the MetaImage header is damaged or incomplete"):
        read_fields(fields)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"DimSize": "40 34 0"}, {"DimSize": "40 34 -1"}, {"DimSize": "a b c"}, {"NDims": "2"}),
        *({"HeaderSize": "much"}, {"ElementNumberOfChannels": "many"}, {"ElementSpacing": "1 1"}),
        *({"TransformMatrix": "1 0 0 1"}, {"Offset": "1 2"}),
    ],
)
def test_fields_that_contradict_each_other(wrong):
    with pytest.raises(UnreadableError, match="it: the MetaImage header is damaged or incomplete"):
        read_fields(meta_fields(**wrong))


def test_kinds_that_are_not_read():
    for wrong in ({"ElementType": "MET_STRING"}, {"ElementNumberOfChannels": "2"}):
        with pytest.raises(UnsupportedError, match="its voxels are colours, vectors or text"):
            read_fields(meta_fields(**wrong))
    assert read_fields(meta_fields(ElementNumberOfChannels="1")).shape == (20, 34, 40)


@pytest.mark.parametrize(
    ("sizes", "shape", "frames"),
    [
        ("40 34", (1, 34, 40), 1),
        ("40 34 20", (20, 34, 40), 1),
        ("40 34 20 1", (20, 34, 40), 1),
        ("40 34 20 3", (20, 34, 40), 3),
    ],
)
def test_axes(sizes, shape, frames):
    axes = len(sizes.split())
    fields = meta_fields(NDims=axes, DimSize=sizes, Offset=" ".join(["5"] * axes))
    fields |= {
        "TransformMatrix": " ".join(map(str, np.eye(axes).ravel())),
        "ElementSpacing": " ".join(["2", "3", "4", "9"][:axes]),
    }
    raw = read_fields(fields, frame=frames if frames > 1 else None)
    assert (raw.shape, raw.frames) == (shape, frames)
    assert raw.skip == (frames - 1) * 20 * 34 * 40 * 2
    assert raw.notes == (("frame 3 of 3",) if frames > 1 else ())
    steps = [2, 3, 4 if axes > 2 else 1]
    wanted = np.diag([*steps[::-1], 1.0])[[2, 1, 0, 3]]
    wanted[:3, 3] = [5, 5, 5 if axes > 2 else 0]
    assert_array_equal(raw.affine, wanted)
    head = "".join(f"{key} = {value}\n" for key, value in fields.items()).encode()
    assert is_flat(head) is (axes == 2)


@pytest.mark.parametrize("sizes", ["40", "40 34 20 3 2"])
def test_axes_that_are_too_few_or_too_many(sizes):
    axes = len(sizes.split())
    fields = meta_fields(NDims=axes, DimSize=sizes)
    fields |= {"TransformMatrix": " ".join(map(str, np.eye(axes).ravel()))}
    fields |= {"ElementSpacing": " ".join(["2"] * axes), "Offset": " ".join(["2"] * axes)}
    with pytest.raises(UnsupportedError, match=f"it has {axes} axes, and a volume has 3; save one"):
        read_fields(fields)


@pytest.mark.parametrize(
    ("sizes", "flat"),
    [
        *(("40 34", True), ("40 34 1", True), ("40 1 34", True), ("1 40 34", True)),
        *(("40 34 2", False), ("40 1 1", False), ("40", False), ("40 34 1 1", False)),
        *(("40 x", False), ("40 34 -1", False), ("40 9999999999 1", False)),
    ],
)
def test_two_axes_are_flat(sizes, flat):
    assert is_flat(f"NDims = 3\nDimSize = {sizes}\n".encode()) is flat
    assert not is_flat(b"NDims = 2\n")


@pytest.mark.parametrize(
    ("key", "skip", "start"), [("HeaderSize", 0, 0), ("HeaderSize", 7, 7), ("HeaderSize", -1, -1)]
)
def test_where_voxels_begin(key, skip, start):
    fields = meta_fields(**{key: skip})
    raw = read_fields(fields)
    length = len("".join(f"{name} = {value}\n" for name, value in fields.items()))
    assert raw.start == (start if start < 0 else length + start)
    packed = read_fields(fields | {"CompressedData": "True"})
    assert packed.start == length - len("False") + len("True")
    assert raw.header == b""


def test_spacing_before_size_of_an_element():
    fields = meta_fields(ElementSize="9 9 9")
    assert read_fields(fields).affine[2, 0] == 2.5
    del fields["ElementSpacing"]
    raw = read_fields(fields)
    assert (raw.affine[2, 0], raw.notes) == (9, ())
