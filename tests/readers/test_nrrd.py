"""Volumes in NRRD files."""

from __future__ import annotations

import bz2
import gzip
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import nrrd
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_volume
from lungseg.readers.dicom_pixels import quiet_pydicom
from phantom_volumes import AFFINE, CHEST, SHAPE, check_chest


def write_nrrd(path, voxels, fields, *, pack=lambda content: content):
    text = (
        "NRRD0004\n# drawn\n" + "".join(f"{key}: {value}\n" for key, value in fields.items()) + "\n"
    )
    path.write_bytes(text.encode() + pack(voxels.tobytes()))
    return path


def nrrd_fields(signs=(1, 1, 1), **more):
    steps = [tuple(np.array(signs) * AFFINE[:3, axis]) for axis in (2, 1, 0)]
    directions = " ".join(
        "(" + ",".join(f"{float(number)}" for number in step) + ")" for step in steps
    )
    origin = "(" + ",".join(f"{float(number)}" for number in np.array(signs) * AFFINE[:3, 3]) + ")"
    fields = {
        "type": "short",
        "dimension": 3,
        "sizes": "40 34 20",
        "endian": "little",
        "encoding": "raw",
    }
    return (
        fields
        | {
            "space": "left-posterior-superior",
            "space directions": directions,
            "space origin": origin,
        }
        | more
    )


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("raw", bytes), ("gzip", gzip.compress), ("gz", gzip.compress), ("bzip2", bz2.compress)],
)
def test_nrrd_encodings(tmp_path, encoding, pack):
    path = write_nrrd(tmp_path / "chest.nrrd", CHEST, nrrd_fields(encoding=encoding), pack=pack)
    volume = read_volume(path)
    check_chest(volume)
    assert (volume.provenance.format, volume.notes) == (Format.NRRD, ())
    assert volume.source_header == path.read_bytes().split(b"\n\n")[0] + b"\n\n"


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("LPS", (1, 1, 1)),
    ],
)
def test_nrrd_spaces(tmp_path, space, signs):
    check_chest(
        read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, nrrd_fields(signs, space=space)))
    )


def test_nrrd_without_space(tmp_path):
    fields = nrrd_fields(spacings="0.5 0.75 2.5")
    for key in ("space", "space directions", "space origin"):
        del fields[key]
    volume = read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields))
    assert_array_equal(volume.array, CHEST)
    assert_allclose(volume.geometry.affine[:3, :3], AFFINE[:3, :3])
    assert volume.notes == ("it states no orientation, so that right and left are only assumed",)
    del fields["spacings"]
    volume = read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields))
    assert volume.geometry.affine is None
    assert volume.notes[0].startswith("it states no spacing; its slices are taken as axial ones")


def test_nrrd_with_its_voxels_elsewhere(tmp_path):
    path = write_nrrd(
        tmp_path / "chest.nhdr", np.zeros(0), nrrd_fields(endian="big") | {"data file": "chest.raw"}
    )
    with pytest.raises(UnreadableError, match=r"its voxels are in chest\.raw, and that is missing"):
        read_volume(path)
    (tmp_path / "chest.raw").write_bytes(b"before" + CHEST.astype(">i2").tobytes())
    path.write_text(path.read_text().replace("encoding: raw", "encoding: raw\nbyte skip: -1"))
    check_chest(read_volume(path))


def test_warning_filters_are_left_alone_though_dicom_is_read_at_the_same_time(
    tmp_path, monkeypatch
):
    path = write_nrrd(tmp_path / "chest.nrrd", CHEST, nrrd_fields())
    filters, read_header, begun, leave = list(warnings.filters), nrrd.read_header, Event(), Event()

    def slow(stream):
        begun.set()
        leave.wait(10)
        return read_header(stream)

    monkeypatch.setattr(nrrd, "read_header", slow)
    with ThreadPoolExecutor(1) as pool:
        with quiet_pydicom():
            reading = pool.submit(read_volume, path)
            begun.wait(0.2)  # which it must not
        leave.set()
        check_chest(reading.result())
    assert warnings.filters == filters


def test_nrrd_of_vectors_frames_and_text(tmp_path):
    fields = nrrd_fields()
    vector = fields | {
        "dimension": 4,
        "sizes": "3 40 34 20",
        "space directions": "none " + fields["space directions"],
    }
    with pytest.raises(UnsupportedError, match="its voxels are colours or vectors"):
        read_volume(write_nrrd(tmp_path / "v.nrrd", np.zeros((*SHAPE, 3), np.int16), vector))
    frames = fields | {
        "dimension": 4,
        "sizes": "40 34 20 2",
        "space directions": fields["space directions"] + " none",
    }
    path = write_nrrd(tmp_path / "f.nrrd", np.stack([CHEST[::-1], CHEST]), frames)
    with pytest.raises(UnsupportedError, match="it holds 2 frames"):
        read_volume(path)
    check_chest(read_volume(path, frame=2))
    with pytest.raises(UnsupportedError, match="its type or encoding of voxels is not read"):
        read_volume(write_nrrd(tmp_path / "t.nrrd", CHEST, nrrd_fields(encoding="ascii")))
    with pytest.raises(UnreadableError, match="the NRRD header is damaged or incomplete"):
        read_volume(write_nrrd(tmp_path / "d.nrrd", CHEST, nrrd_fields(sizes="40 34")))
    with pytest.raises(UnreadableError, match="the file ends before all voxels"):
        read_volume(write_nrrd(tmp_path / "c.nrrd", CHEST[:-1], nrrd_fields()))
