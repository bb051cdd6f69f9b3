"""Volumes in MetaImage files."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_volume
from phantom_volumes import AFFINE, CHEST, TURNS, check_chest, stored_as


def meta_fields(**more):
    steps = [AFFINE[:3, axis] for axis in (2, 1, 0)]
    lengths = [np.linalg.norm(step) for step in steps]
    matrix = " ".join(
        f"{number:g}"
        for step, length in zip(steps, lengths, strict=True)
        for number in step / length
    )
    fields = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
    }
    fields |= {
        "TransformMatrix": matrix,
        "Offset": " ".join(f"{number:g}" for number in AFFINE[:3, 3]),
    }
    fields |= {
        "ElementSpacing": " ".join(f"{length:g}" for length in lengths),
        "DimSize": "40 34 20",
        "ElementType": "MET_SHORT",
    }
    return fields | more | {"ElementDataFile": more.get("ElementDataFile", "LOCAL")}


def write_meta(path, fields, content=b""):
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # the last line
    path.write_bytes(
        "".join(f"{key} = {value}\n" for key, value in fields.items()).encode() + content
    )
    return path


def test_metaimage_in_one_file_and_beside(tmp_path):
    volume = read_volume(write_meta(tmp_path / "a.mha", meta_fields(), CHEST.tobytes()))
    check_chest(volume)
    assert (volume.provenance.format, volume.notes) == (Format.METAIMAGE, ())
    packed = zlib.compress(CHEST.tobytes())
    check_chest(
        read_volume(
            write_meta(
                tmp_path / "b.mha",
                meta_fields(CompressedData="True", CompressedDataSize=len(packed)),
                packed,
            )
        )
    )
    (tmp_path / "c.zraw").write_bytes(packed)
    check_chest(
        read_volume(
            write_meta(
                tmp_path / "c.mhd", meta_fields(CompressedData="True", ElementDataFile="c.zraw")
            )
        )
    )
    (tmp_path / "d.raw").write_bytes(b"skip" + CHEST.astype(">i2").tobytes())
    fields = meta_fields(BinaryDataByteOrderMSB="True", HeaderSize=-1, ElementDataFile="d.raw")
    check_chest(read_volume(write_meta(tmp_path / "d.mhd", fields)))


@pytest.mark.parametrize("turn", TURNS[::7], ids=lambda turn: f"{turn.order}{turn.flipped}")
def test_metaimage_orientation(tmp_path, turn):
    voxels, affine = stored_as(CHEST, AFFINE, turn)
    steps = [affine[:3, axis] for axis in (2, 1, 0)]
    fields = meta_fields(
        TransformMatrix=" ".join(
            f"{number:g}" for step in steps for number in step / np.linalg.norm(step)
        ),
        ElementSpacing=" ".join(f"{np.linalg.norm(step):g}" for step in steps),
        Offset=" ".join(f"{number:.9g}" for number in affine[:3, 3]),
        DimSize=" ".join(str(side) for side in voxels.shape[::-1]),
    )
    check_chest(read_volume(write_meta(tmp_path / "chest.mha", fields, voxels.tobytes())))


def test_metaimage_refusals(tmp_path):
    path = tmp_path / "chest.mhd"
    with pytest.raises(UnreadableError, match=r"its voxels are in gone\.raw, and that is missing"):
        read_volume(write_meta(path, meta_fields(ElementDataFile="gone.raw")))
    with pytest.raises(UnsupportedError, match="its voxels are spread over several files"):
        read_volume(write_meta(path, meta_fields(ElementDataFile="LIST")))
    with pytest.raises(UnsupportedError, match="its voxels are colours, vectors or text"):
        read_volume(write_meta(path, meta_fields(ElementNumberOfChannels=3)))
    with pytest.raises(UnreadableError, match="the MetaImage header is damaged or incomplete"):
        read_volume(write_meta(path, meta_fields(DimSize="40 34")))
    with pytest.raises(UnreadableError, match="its directions cannot be inverted"):
        read_volume(
            write_meta(path, meta_fields(TransformMatrix="1 0 0 1 0 0 0 0 1"), CHEST.tobytes())
        )
    fields = meta_fields()
    del fields["ElementSpacing"]
    volume = read_volume(write_meta(path, fields, CHEST.tobytes()))
    assert volume.geometry.affine is None
    assert volume.notes[0].startswith("it states no spacing")
