"""Volumes in MetaImage files."""

from __future__ import annotations

import hashlib
import unicodedata
import zlib

import numpy as np
import pytest

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read_volume
from metaimage_files import meta_fields, write_meta
from phantom_volumes import AFFINE, CHEST, TURNS, check_chest, stored_as


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
    with pytest.raises(UnreadableError, match="its header names 0 files with its voxels"):
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


@pytest.mark.parametrize("name", ["Größe.raw", "mit Leerzeichen.raw", "数据.raw"])
def test_data_files_may_have_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(CHEST.tobytes())
    check_chest(read_volume(write_meta(tmp_path / "chest.mhd", meta_fields(ElementDataFile=name))))


def test_a_name_in_latin_1_is_read_as_that(tmp_path):
    (tmp_path / "Größe.raw").write_bytes(CHEST.tobytes())
    path = write_meta(tmp_path / "chest.mhd", meta_fields(ElementDataFile="Größe.raw"))
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    check_chest(read_volume(path))


@pytest.mark.parametrize(("named", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_may_be_spelt_otherwise_in_the_header_than_on_disk(tmp_path, named, on_disk):
    folder, name = (unicodedata.normalize(on_disk, word) for word in ("Höhe", "Größe.raw"))
    (tmp_path / folder).mkdir()
    (tmp_path / folder / name).write_bytes(CHEST.tobytes())
    name = f"{unicodedata.normalize(named, 'Höhe')}/{unicodedata.normalize(named, 'Größe.raw')}"
    path = write_meta(tmp_path / "chest.mhd", meta_fields(ElementDataFile=name))
    check_chest(read_volume(path))
    assert find_inputs([tmp_path]).left_out == []


@pytest.mark.parametrize("ending", ["mha", "mhd"])
def test_a_byte_order_mark_before_the_header_says_nothing(tmp_path, ending):
    (tmp_path / "c.raw").write_bytes(CHEST.tobytes())
    is_apart = ending == "mhd"
    fields = meta_fields(ElementDataFile="c.raw" if is_apart else "LOCAL")
    path = write_meta(tmp_path / f"c.{ending}", fields, b"" if is_apart else CHEST.tobytes())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    check_chest(read_volume(path))


@pytest.mark.parametrize("share", [1, 2, 20])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ahead", ["", "before"])
def test_slices_in_a_list_of_files(tmp_path, share, packed, ahead):
    if packed and ahead:
        ahead = ""
    names = [f"Schicht {number}.raw" for number in range(20 // share)]
    for number, name in enumerate(names):
        content = CHEST[number * share : (number + 1) * share].tobytes()
        (tmp_path / name).write_bytes(
            ahead.encode() + (zlib.compress(content) if packed else content)
        )
    fields = meta_fields(CompressedData=str(packed), HeaderSize=len(ahead), ElementDataFile="LIST")
    path = write_meta(tmp_path / "chest.mhd", fields, "\n".join(names).encode() + b"\n\n")
    check_chest(read_volume(path))
    if not packed:
        fields = meta_fields(HeaderSize=-1, ElementDataFile="LIST 2")
        write_meta(tmp_path / "chest.mhd", fields, "\r\n".join(names).encode())
        check_chest(read_volume(path))
    (tmp_path / names[-1]).write_bytes((tmp_path / names[-1]).read_bytes()[:-9])
    with pytest.raises(UnreadableError, match="the file ends before all voxels"):
        read_volume(path)
    (tmp_path / names[-1]).unlink()
    with pytest.raises(
        UnreadableError, match=f"its voxels are in {names[-1]}, and that is missing"
    ):
        read_volume(path)


def test_the_check_sum_is_of_all_files(tmp_path):
    for number, plane in enumerate(CHEST):
        (tmp_path / f"{number:03}.raw").write_bytes(plane.tobytes())
    path = write_meta(tmp_path / "c.mhd", meta_fields(ElementDataFile="%03d.raw 0 19 1"))
    whole = hashlib.sha256(path.read_bytes() + CHEST.tobytes()).hexdigest()
    assert read_volume(path).provenance.sha256 == whole


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("slice%03d.raw 1 20 1", [f"slice{number:03}.raw" for number in range(1, 21)]),
        ("slice%03d.raw 1 20", [f"slice{number:03}.raw" for number in range(1, 21)]),
        ("of it %d.raw 2 40 2", [f"of it {number}.raw" for number in range(2, 41, 2)]),
        ("%4i 19 0 -1", [f"{number:4d}" for number in range(19, -1, -1)]),
    ],
)
def test_slices_in_numbered_files(tmp_path, pattern, names):
    for name, plane in zip(names, CHEST, strict=True):
        (tmp_path / name).write_bytes(plane.tobytes())
    check_chest(read_volume(write_meta(tmp_path / "c.mhd", meta_fields(ElementDataFile=pattern))))


@pytest.mark.parametrize("pattern", ["%d.raw 20 1 1", "%d.raw 0 1000000 1", "%d.raw 1 2 0"])
def test_numbers_that_are_none_or_too_many(tmp_path, pattern):
    with pytest.raises(UnreadableError, match="the MetaImage header is damaged or incomplete"):
        read_volume(write_meta(tmp_path / "c.mhd", meta_fields(ElementDataFile=pattern)))


@pytest.mark.parametrize("name", ["../a.raw", "/etc/passwd", "a/../../b.raw", "\\a.raw"])
def test_a_list_names_no_file_elsewhere(tmp_path, name):
    fields = meta_fields(ElementDataFile="LIST")
    path = write_meta(tmp_path / "c.mhd", fields, f"{name}\n".encode() * 20)
    with pytest.raises(UnsupportedError, match="its voxels are in another folder"):
        read_volume(path)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("mm", 1),
        ("?", 1),
        ("cm", 10),
        ("um", 0.001),
        ("Microns", 0.001),
        ("m", 1000),
        ("inch", 25.4),
    ],
)
def test_units(tmp_path, unit, scale):
    lengths = [np.linalg.norm(AFFINE[:3, axis]) / scale for axis in (2, 1, 0)]
    fields = meta_fields(
        DistanceUnits=unit,
        ElementSpacing=" ".join(f"{length:.12g}" for length in lengths),
        Offset=" ".join(f"{number / scale:.12g}" for number in AFFINE[:3, 3]),
    )
    check_chest(read_volume(write_meta(tmp_path / "c.mha", fields, CHEST.tobytes())))


def test_an_unknown_unit_is_refused(tmp_path):
    fields = meta_fields(DistanceUnits="furlong")
    with pytest.raises(
        UnsupportedError, match="measures in 'furlong', which is no length that is k"
    ):
        read_volume(write_meta(tmp_path / "c.mha", fields, CHEST.tobytes()))


def test_fields_in_any_order_with_any_blanks(tmp_path):
    fields = {"Comment": "a = b"} | {key: meta_fields()[key] for key in reversed(meta_fields())}
    fields["ElementDataFile"] = "local"
    path = write_meta(tmp_path / "c.mha", fields, CHEST.tobytes())
    check_chest(read_volume(path))
    text, _, voxels = path.read_bytes().partition(b"ElementDataFile = local\n")
    text = text.replace(b" = ", b"  =\t").replace(b"\n", b"\r\n")
    path.write_bytes(text + b"ElementDataFile=local\r\n" + voxels)
    check_chest(read_volume(path))
