"""Volumes in NRRD files."""

from __future__ import annotations

import bz2
import gzip
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import nrrd
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import read_label_volume, read_volume
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.writers.nrrd import nrrd as nrrd_file
from phantom_volumes import AFFINE, CHEST, SHAPE, SPACING, check_chest


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


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        *(('"mm"', 1), ('""', 1), ('"???"', 1), ('"millimeters"', 1), ("mm", 1)),
        *(('"cm"', 10), ('"um"', 0.001), ('"μm"', 0.001), ('"microns"', 0.001), ('"m"', 1000)),
    ],
)
def test_units_of_space(tmp_path, unit, scale):
    fields = nrrd_fields()
    numbers = re.compile(r"-?\d+\.\d+")
    for field in ("space directions", "space origin"):
        fields[field] = numbers.sub(lambda found: repr(float(found[0]) / scale), fields[field])
    fields["space units"] = " ".join([unit] * 3)
    path = write_nrrd(tmp_path / "chest.nrrd", CHEST, fields)
    volume = read_volume(path)
    check_chest(volume)
    # What is written on its grid states the same.
    box = tuple(slice(0, side) for side in volume.array.shape)
    path.write_bytes(nrrd_file([(volume.array > 0).astype(np.uint8)], volume, box))
    labels, grid = read_label_volume(path)
    assert_array_equal(labels, volume.array > 0)
    assert_allclose(grid.affine, volume.geometry.affine)


def test_each_axis_may_have_its_own_unit(tmp_path):
    fields = nrrd_fields(**{"space units": '"mm" "cm" "m"'})
    fields["space directions"] = "(0.5,0,0) (0,0.075,0) (0,0,0.0025)"
    fields["space origin"] = "(-30,1.25,0.1)"
    check_chest(read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields)))
    fields = nrrd_fields(spacings="0.5 0.075 2500", units='"mm" "cm" "um"')
    for key in ("space", "space directions", "space origin"):
        del fields[key]
    volume = read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields))
    assert_allclose(volume.geometry.spacing, SPACING)


@pytest.mark.parametrize("field", ["space units", "units"])
def test_an_unknown_unit_is_refused(tmp_path, field):
    fields = nrrd_fields(**{field: '"furlong" "mm" "mm"'})
    if field == "units":
        fields["spacings"] = "1 1 1"
        for key in ("space", "space directions", "space origin"):
            del fields[key]
    with pytest.raises(
        UnsupportedError, match=r"measures in 'furlong', which is no length.*state mi"
    ):
        read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields))


@pytest.mark.parametrize("name", ["Größe.raw", "mit Leerzeichen.raw", "数据.raw"])
def test_data_files_may_have_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(CHEST.tobytes())
    path = write_nrrd(tmp_path / "c.nhdr", np.zeros(0), nrrd_fields() | {"data file": name})
    check_chest(read_volume(path))
    path.write_bytes(path.read_bytes().replace(b"data file", b"datafile"))
    check_chest(read_volume(path))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("share", [1, 4])
def test_voxels_in_a_list_of_files(tmp_path, encoding, share):
    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    names = [f"plane {number}.raw" for number in range(20 // share)]
    for number, name in enumerate(names):
        content = CHEST[number * share : (number + 1) * share].tobytes()
        (tmp_path / name).write_bytes(pack(content))
    fields = nrrd_fields(encoding=encoding) | {"data file": "LIST 2"}
    path = write_nrrd(tmp_path / "c.nhdr", np.zeros(0), fields)
    header = path.read_bytes().rstrip() + b"\n"
    path.write_bytes(header + "\n".join(names).encode())
    volume = read_volume(path)
    check_chest(volume)
    assert volume.source_header == header
    path.write_bytes(header + "\n".join(names[1:]).encode())
    with pytest.raises(UnreadableError, match=r"the file ends before|voxels are damaged"):
        read_volume(path)
    (tmp_path / names[3]).unlink()
    with pytest.raises(UnreadableError, match=r"its voxels are in plane 3\.raw, and that is"):
        read_volume(path)


@pytest.mark.parametrize("pattern", ["plane%03d.raw 1 20 1", "plane%03d.raw 1 20 1 2"])
@pytest.mark.parametrize("skip", [0, 6, -1])
def test_voxels_in_numbered_files(tmp_path, pattern, skip):
    for number, plane in enumerate(CHEST, start=1):
        before = b"before" if skip else b""
        (tmp_path / f"plane{number:03}.raw").write_bytes(before + plane.tobytes())
    fields = nrrd_fields() | {"byte skip": skip, "data file": pattern}
    check_chest(read_volume(write_nrrd(tmp_path / "c.nhdr", np.zeros(0), fields)))


def test_what_is_skipped_in_packed_voxels_is_skipped_unpacked(tmp_path):
    fields = nrrd_fields(encoding="gzip") | {"byte skip": 6}
    path = write_nrrd(
        tmp_path / "c.nrrd", CHEST, fields, pack=lambda content: gzip.compress(b"before" + content)
    )
    check_chest(read_volume(path))
    path = write_nrrd(tmp_path / "c.nrrd", CHEST, fields | {"byte skip": -1}, pack=gzip.compress)
    with pytest.raises(UnsupportedError, match="something else before its packed voxels; save it"):
        read_volume(path)


def test_a_single_channel_is_no_axis(tmp_path):
    fields = nrrd_fields()
    fields |= {
        "dimension": 4,
        "sizes": "1 40 34 20",
        "kinds": "list domain domain domain",
        "space directions": "none " + fields["space directions"],
    }
    check_chest(read_volume(write_nrrd(tmp_path / "chest.nrrd", CHEST, fields)))
