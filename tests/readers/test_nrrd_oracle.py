"""NRRD files of every kind, made by Hypothesis, read by us, by pynrrd and by SimpleITK: voxel by
voxel and corner by corner."""

from __future__ import annotations

import bz2
import gzip
import re
from dataclasses import dataclass

import nrrd
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lungseg.provenance import Format
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.readers.probe import identify
from lungseg.readers.volume_file import read_volume_file
from random_volumes import (
    check_voxels,
    corners,
    random_affine,
    random_examples,
    random_voxels,
    shapes,
)

pytestmark = pytest.mark.slow

TYPES = {
    "signed char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "unsigned char": "u1",
    "short": "i2",
    "int16": "i2",
    "signed short int": "i2",
    "ushort": "u2",
    "uint16_t": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "unsigned int": "u4",
    "uint32": "u4",
    "longlong": "i8",
    "int64": "i8",
    "ulonglong": "u8",
    "unsigned long long": "u8",
    "float": "f4",
    "double": "f8",
}
SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "LPS": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "RAS": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "LAS": (1, -1, 1),
}
PACKERS = {"raw": bytes, "gzip": gzip.compress, "gz": gzip.compress}
PACKERS |= {"bzip2": bz2.compress, "bz2": bz2.compress}
UNITS = {"": 1.0, "mm": 1.0, "cm": 10.0, "um": 0.001, "m": 1000.0}


@dataclass(frozen=True)
class NrrdFile:
    """What a file is made of."""

    kind: str
    shape: tuple[int, ...]
    big_endian: bool
    encoding: str
    where: str
    space: str
    unit: str
    skip: int
    tilt: float
    seed: int

    @property
    def axes(self) -> int:
        return len(self.shape)

    def fields(self, affine: np.ndarray) -> dict[str, object]:
        """Of the header; `affine` is (x, y, z) to LPS millimetres."""
        scale = np.array(SPACES[self.space]) / UNITS[self.unit]
        steps = [
            f"({','.join(map(repr, (affine[:3, axis] * scale).tolist()))})" for axis in range(3)
        ]
        steps += ["none"] * (self.axes - 3)
        fields = {
            "type": self.kind,
            "dimension": self.axes,
            "space": self.space,
            "sizes": " ".join(map(str, self.shape)),
            "space directions": " ".join(steps),
            "kinds": " ".join(["domain"] * 3 + ["list"] * (self.axes - 3)),
            "endian": "big" if self.big_endian else "little",
            "encoding": self.encoding,
            "space origin": f"({','.join(map(repr, (affine[:3, 3] * scale).tolist()))})",
        }
        if self.unit:
            fields["space units"] = " ".join([f'"{self.unit}"'] * 3)
        return fields


files = st.builds(
    NrrdFile,
    kind=st.sampled_from(list(TYPES)),
    shape=shapes,
    big_endian=st.booleans(),
    encoding=st.sampled_from(list(PACKERS)),
    where=st.sampled_from(["inside", "beside", "LIST", "numbered"]),
    space=st.sampled_from(list(SPACES)),
    unit=st.sampled_from(list(UNITS)),
    skip=st.sampled_from([0, 0, 5, -1]),
    tilt=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)


def written(made: NrrdFile, folder, voxels: np.ndarray, fields: dict[str, object]):
    """The header's path."""
    order = np.dtype(TYPES[made.kind]).newbyteorder("<>"[made.big_endian])
    stored = voxels.astype(order)
    several = made.where in ("LIST", "numbered")
    raw = made.encoding == "raw"
    skip = made.skip if raw or (made.skip > 0 and not several) else 0
    parts = [b"x" * abs(skip) + part.tobytes() for part in (stored if several else [stored])]
    names = [f"it {number:02}.raw" for number in range(len(parts))]
    lines = fields | ({"byte skip": skip} if skip else {})
    if made.where != "inside":
        where = {
            "beside": names[0],
            "LIST": f"LIST {made.axes - 1}\n" + "\n".join(names),
            "numbered": f"it %02d.raw 0 {len(parts) - 1} 1",
        }
        lines |= {"data file": where[made.where]}
    text = "NRRD0005\n# a: comment\n" + "".join(f"{key}: {value}\n" for key, value in lines.items())
    contents = [PACKERS[made.encoding](part) for part in parts]
    path = folder / "it.nhdr"
    inside = b"\n" + contents[0] if made.where == "inside" else b""
    path.write_bytes(text.encode() + inside)
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    return path


@random_examples
@given(made=files)
def test_a_file_is_what_was_put_into_it(made, folder):
    rng = np.random.default_rng(made.seed)
    affine = random_affine(rng, tilt=made.tilt)
    voxels = random_voxels(rng, made.shape[::-1], TYPES[made.kind])
    path = written(made, folder, voxels, made.fields(affine))
    found = identify(path)
    assert found.format is Format.NRRD
    two_axes = sorted(made.shape[:3])[0] == 1 < sorted(made.shape[:3])[1]
    assert found.is_flat is (two_axes and made.axes == 3)
    frames = made.shape[3] if made.axes == 4 else 1
    frame = int(rng.integers(frames)) + 1 if frames > 1 else None
    raw, ours, _, _ = read_volume_file(found, frame=frame, hounsfield=False)
    planes = voxels.reshape(frames, *made.shape[2::-1])[(frame or 1) - 1]
    check_voxels(ours, planes)
    assert raw.notes == ((f"frame {frame} of {frames}",) if frame else ())
    turned = affine[:, (2, 1, 0, 3)]
    assert_allclose(corners(raw.affine, planes.shape), corners(turned, planes.shape), atol=1e-9)


@random_examples
@given(
    made=files.filter(
        lambda made: made.where in ("inside", "beside") and made.axes == 3 and made.skip == 0
    )
)
def test_a_file_is_what_pynrrd_and_simpleitk_say(made, folder):
    rng = np.random.default_rng(made.seed)
    voxels = random_voxels(rng, made.shape[::-1], TYPES[made.kind])
    fields = made.fields(random_affine(rng))
    path = written(made, folder, voxels, fields)
    raw, ours, _, _ = read_volume_file(identify(path), frame=None, hounsfield=False)
    check_voxels(ours, nrrd.read(str(path), index_order="C")[0])
    if "bz" in made.encoding:  # which ITK is built without
        return
    image = SimpleITK.ReadImage(str(path))
    check_voxels(ours, SimpleITK.GetArrayFromImage(image))
    x, y, z = (side - 1 for side in made.shape)
    ends = [(i, j, k) for k in (0, z) for j in (0, y) for i in (0, x)]
    places = np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])
    # ITK does not look at units.
    places *= UNITS[made.unit]
    assert_allclose(corners(raw.affine, voxels.shape), places, atol=1e-5)


@random_examples
@given(made=files.filter(lambda made: made.axes == 3 and made.where == "inside"))
def test_spacings_alone_say_how_large_and_not_where(made, folder):
    rng = np.random.default_rng(made.seed)
    voxels = random_voxels(rng, made.shape[::-1], TYPES[made.kind])
    spacings = rng.uniform(0.3, 5, 3)
    fields = made.fields(np.eye(4))
    for key in ("space", "space directions", "space origin", "space units"):
        fields.pop(key, None)
    scaled = (spacings / UNITS[made.unit]).tolist()
    fields["spacings"] = " ".join(map(repr, scaled))
    fields["units"] = " ".join([f'"{made.unit}"'] * 3)
    path = written(made, folder, voxels, fields)
    raw, ours, _, _ = read_volume_file(identify(path), frame=None, hounsfield=False)
    check_voxels(ours, voxels)
    assert raw.notes == (NO_ORIENTATION,)
    wanted = np.diag([*spacings[::-1], 1.0])[[2, 1, 0, 3]]
    assert_allclose(raw.affine, wanted)
    assert re.search(rb"spacings: ", raw.header)
