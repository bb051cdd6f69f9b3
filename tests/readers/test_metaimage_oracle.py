"""MetaImage files of every kind, made by Hypothesis, read by us and by SimpleITK: voxel by voxel
and corner by corner."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lungseg.provenance import Format
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
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


@dataclass(frozen=True)
class MetaFile:
    """What a file is made of."""

    kind: str
    shape: tuple[int, ...]
    big_endian: bool
    packed: bool
    where: str
    skip: int
    names: tuple[str, str, str]
    tilt: float
    shuffled: int
    seed: int

    @property
    def axes(self) -> int:
        return len(self.shape)

    def fields(self, affine: np.ndarray, rng: np.random.Generator) -> dict[str, str]:
        """The lines of the header but the last; `affine` is (x, y, z) to LPS."""
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        whole = np.eye(self.axes)
        whole[:3, :3] = (affine[:3, :3] / lengths).T
        matrix, origin, spacing = self.names
        fields = {
            "ObjectType": "Image",
            "NDims": str(self.axes),
            "BinaryData": "True",
            "BinaryDataByteOrderMSB": str(self.big_endian),
            "CompressedData": str(self.packed),
            matrix: " ".join(map(repr, whole.ravel().tolist())),
            origin: " ".join(map(repr, [*affine[:3, 3].tolist(), 0.0][: self.axes])),
            spacing: " ".join(map(repr, [*lengths.tolist(), 1.0][: self.axes])),
            "DimSize": " ".join(map(str, self.shape)),
            "ElementType": self.kind,
        }
        if self.skip:
            fields["HeaderSize"] = str(self.skip)
        first = [(key, fields.pop(key)) for key in ("ObjectType", "NDims")]
        others = list(fields.items())
        rng.shuffle(others)
        return dict([*first, *(others if self.shuffled else fields.items())])


files = st.builds(
    MetaFile,
    kind=st.sampled_from(list(TYPES)),
    shape=shapes,
    big_endian=st.booleans(),
    packed=st.booleans(),
    where=st.sampled_from(["LOCAL", "beside", "LIST", "numbered"]),
    skip=st.sampled_from([0, 0, 5, -1]),
    names=st.tuples(
        st.sampled_from(["TransformMatrix", "Orientation", "Rotation"]),
        st.sampled_from(["Offset", "Position", "Origin"]),
        st.sampled_from(["ElementSpacing", "ElementSpacing", "ElementSize"]),
    ),
    tilt=st.sampled_from([0.0, 0.0, 0.2]),
    shuffled=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)


def written(made: MetaFile, folder, voxels: np.ndarray, fields: dict[str, str]):
    """The header's path."""
    order = np.dtype(TYPES[made.kind]).newbyteorder("><"[not made.big_endian])
    stored = voxels.astype(order)
    several = made.where in ("LIST", "numbered")
    parts = list(stored) if several else [stored]
    contents = [
        zlib.compress(part.tobytes()) if made.packed else b"x" * abs(made.skip) + part.tobytes()
        for part in parts
    ]
    names = [f"it {number:02}.raw" for number in range(len(parts))]
    ending = {
        "LOCAL": "LOCAL",
        "beside": names[0],
        "LIST": f"LIST {made.axes - 1}",
        "numbered": f"it %02d.raw 0 {len(parts) - 1} 1",
    }[made.where]
    text = "".join(f"{key} = {value}\n" for key, value in fields.items())
    if made.packed and len(parts) == 1:
        text += f"CompressedDataSize = {len(contents[0])}\n"
    text += f"ElementDataFile = {ending}\n"
    if made.where == "LIST":
        text += "".join(f"{name}\n" for name in names)
    path = folder / "it.mhd"
    path.write_bytes(text.encode() + (contents[0] if made.where == "LOCAL" else b""))
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    return path


@random_examples
@given(made=files)
def test_a_file_is_what_was_put_into_it(made, folder):
    rng = np.random.default_rng(made.seed)
    affine = random_affine(rng, tilt=made.tilt)
    voxels = random_voxels(rng, made.shape[::-1], TYPES[made.kind])
    path = written(made, folder, voxels, made.fields(affine, rng))
    found = identify(path)
    assert found.format is Format.METAIMAGE
    assert found.is_flat is (
        sorted(made.shape[:3])[0] == 1 < sorted(made.shape[:3])[1] and made.axes == 3
    )
    frames = made.shape[3] if made.axes == 4 else 1
    raw, ours, _, _ = read_volume_file(
        found, frame=frames if frames > 1 else None, hounsfield=False
    )
    planes = voxels.reshape(frames, *made.shape[2::-1])[-1]
    check_voxels(ours, planes)
    assert raw.notes == ((f"frame {frames} of {frames}",) if frames > 1 else ())
    turned = affine[:, (2, 1, 0, 3)]
    assert_allclose(corners(raw.affine, planes.shape), corners(turned, planes.shape), atol=1e-9)


@random_examples
@given(made=files.filter(lambda made: made.where in ("LOCAL", "beside") and made.skip == 0))
def test_a_file_is_what_simpleitk_says(made, folder):
    rng = np.random.default_rng(made.seed)
    voxels = random_voxels(rng, made.shape[::-1], TYPES[made.kind])
    path = written(made, folder, voxels, made.fields(random_affine(rng), rng))
    frames = made.shape[3] if made.axes == 4 else 1
    raw, ours, _, _ = read_volume_file(
        identify(path), frame=frames if frames > 1 else None, hounsfield=False
    )
    image = SimpleITK.ReadImage(str(path))
    theirs = SimpleITK.GetArrayFromImage(image).reshape(frames, *made.shape[2::-1])[-1]
    check_voxels(ours, theirs)
    x, y, z = (side - 1 for side in made.shape[:3])
    ends = [[i, j, k] for k in (0, z) for j in (0, y) for i in (0, x)]
    places = [image.TransformIndexToPhysicalPoint([*end, 0][: made.axes])[:3] for end in ends]
    assert_allclose(corners(raw.affine, theirs.shape), places, atol=1e-6)
