"""NIfTI files of every kind, made by Hypothesis, read by us and by nibabel: voxel by voxel and
corner by corner."""

from __future__ import annotations

import bz2
import gzip
import itertools
import struct
from dataclasses import dataclass

import nibabel
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.geometry import rotation, to_ras
from lungseg.provenance import Format
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.readers.probe import identify
from lungseg.readers.volume_file import read_volume_file
from random_volumes import (
    check_voxels,
    corners,
    finite,
    random_affine,
    random_examples,
    random_voxels,
    shapes,
)

pytestmark = pytest.mark.slow

TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
PACKERS = {"none": bytes, "deflate": gzip.compress, "bzip2": bz2.compress}


@dataclass(frozen=True)
class NiftiFile:
    """What a header is made of; `forms` are the codes of qform and sform."""

    version: int
    order: str
    dtype: str
    shape: tuple[int, ...]
    forms: tuple[int, int]
    unit: int
    scaling: tuple[float, float]
    packing: str
    extension: int
    qfac: float
    seed: int

    def content(self) -> tuple[bytes, bytes]:
        """Header and voxels."""
        rng = np.random.default_rng(self.seed)
        header = nibabel.Nifti2Header if self.version == 2 else nibabel.Nifti1Header
        made = header(endianness=self.order)
        made.set_data_dtype(np.dtype(self.dtype))
        made.set_data_shape(self.shape)
        scale = 1 / UNITS[self.unit]
        quaternion = rng.normal(size=4)
        quaternion /= np.linalg.norm(quaternion) * np.sign(quaternion[0] or 1)
        spacing = rng.uniform(0.3, 5, 3) * scale
        sform = random_affine(rng, tilt=0.3)
        sform[:3] *= scale
        made["pixdim"][:4] = [self.qfac, *spacing]
        for axis, name in enumerate(("quatern_b", "quatern_c", "quatern_d"), start=1):
            made[name] = quaternion[axis]
        for axis, name in enumerate(("qoffset_x", "qoffset_y", "qoffset_z")):
            made[name] = rng.uniform(-300, 300) * scale
            made[f"srow_{'xyz'[axis]}"] = sform[axis]
        made["qform_code"], made["sform_code"] = self.forms
        made["xyzt_units"] = self.unit | 8
        made["scl_slope"], made["scl_inter"] = self.scaling
        made["vox_offset"] = made.single_vox_offset + self.extension
        made["magic"] = made.single_magic
        voxels = random_voxels(rng, self.shape[::-1], self.dtype)
        gap = bytes(4) + b"E" * self.extension
        return made.binaryblock + gap, voxels.astype(
            np.dtype(self.dtype).newbyteorder(self.order)
        ).tobytes()


files = st.builds(
    NiftiFile,
    version=st.sampled_from([1, 2]),
    order=st.sampled_from("<>"),
    dtype=st.sampled_from(TYPES),
    shape=shapes,
    forms=st.tuples(st.sampled_from([0, 1, 2, 4]), st.sampled_from([0, 1, 2, 4])),
    unit=st.sampled_from(list(UNITS)),
    scaling=st.one_of(
        st.sampled_from([(0.0, 3.0), (np.nan, 3.0), (np.nan, np.nan), (np.inf, 3.0), (1.0, 0.0)]),
        st.tuples(
            st.sampled_from([1.0, 2.5, -0.5, 1e-3]), st.sampled_from([0.0, -1024.0, 0.25, 7.0])
        ),
    ),
    packing=st.sampled_from(list(PACKERS)),
    extension=st.sampled_from([0, 16, 48, 2**16]),
    qfac=st.sampled_from([-1.0, 0.0, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
"""Of three axes, or with frames as a fourth."""
PLAIN = NiftiFile(1, "<", "i2", (4, 3, 2), (1, 1), 2, (1.0, 0.0), "none", 0, 1.0, 1)


def nibabel_affine(content: bytes, version: int) -> np.ndarray:
    image = (nibabel.Nifti2Image if version == 2 else nibabel.Nifti1Image).from_bytes(content)
    return np.array(image.affine)


@random_examples
@given(made=files, frame=st.integers(1, 3))
@example(made=PLAIN, frame=1)
def test_a_file_is_what_nibabel_says(made, frame):
    header, voxels = made.content()
    plain = header + voxels
    found = identify(PACKERS[made.packing](plain))
    assert (found.format, found.packing) == (Format.NIFTI, made.packing)
    assert found.is_flat is (sorted(made.shape[:3])[0] == 1 < sorted(made.shape[:3])[1])
    frames = made.shape[3] if len(made.shape) > 3 else 1
    frame = min(frame, frames)
    raw, ours, _, _ = read_volume_file(found, frame=frame if frames > 1 else None, hounsfield=False)
    image = (nibabel.Nifti2Image if made.version == 2 else nibabel.Nifti1Image).from_bytes(plain)
    theirs = scaled(np.asarray(image.dataobj.get_unscaled()), made)
    theirs = theirs.reshape(*made.shape[:3], frames)[..., frame - 1].T
    check_voxels(ours, theirs)
    assert raw.header == plain[: len(image.header.binaryblock)]
    assert (raw.dtype, raw.shape) == (np.dtype(made.order + made.dtype), theirs.shape)
    assert (f"frame {frame} of {frames}" in raw.notes) is (frames > 1)
    affine = np.array(image.affine)
    if made.forms == (0, 0):
        assert NO_ORIENTATION in raw.notes
        affine[:3, 3] = 0  # nibabel puts it into the middle
    affine[:3] *= UNITS[made.unit]
    assert_allclose(
        corners(raw.affine, theirs.shape), corners(to_ras(affine), theirs.shape), atol=1e-3
    )


def scaled(stored: np.ndarray, made: NiftiFile) -> np.ndarray:
    """As nifti1.h has it: no slope, or 0, is none."""
    slope, intercept = made.scaling
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1, 0):
        return stored
    header = np.float32 if made.version == 1 else np.float64
    return stored * np.float64(header(slope)) + np.float64(header(intercept))


@random_examples
@given(made=files)
def test_a_pair_is_what_nibabel_says(made, folder):
    header, voxels = made.content()
    length = {1: 348, 2: 540}[made.version]
    header = bytearray(header[:length])
    offset = {1: ("<f", 108), 2: ("<q", 168)}[made.version]
    start = made.extension // 4
    struct.pack_into(made.order + offset[0][1], header, offset[1], start)
    place = {1: 344, 2: 4}[made.version]
    header[place : place + 3] = {1: b"ni1", 2: b"ni2"}[made.version]
    path = folder / "pair.hdr"
    path.write_bytes(bytes(header))
    path.with_suffix(".img").write_bytes(b"E" * start + voxels)
    frames = made.shape[3] if len(made.shape) > 3 else 1
    raw, ours, _, _ = read_volume_file(
        identify(path), frame=frames if frames > 1 else None, hounsfield=False
    )
    order = np.dtype(made.dtype).newbyteorder(made.order)
    theirs = np.frombuffer(voxels, order).reshape(frames, *raw.shape)[-1]
    check_voxels(ours, scaled(theirs, made))
    assert raw.data == (path.with_suffix(".img"),)


@random_examples
@given(seed=st.integers(0, 2**32 - 1), qfac=st.sampled_from([-1.0, 1.0]))
def test_simpleitk_and_we_see_the_same_corners(seed, qfac, folder):
    import SimpleITK

    rng = np.random.default_rng(seed)
    voxels = rng.integers(-1000, 1000, (3, 4, 5)).astype(np.int16)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    axes[:, 0] *= np.sign(np.linalg.det(axes)) * qfac
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetDirection(axes.ravel().tolist())
    image.SetSpacing(rng.uniform(0.3, 5, 3).tolist())
    image.SetOrigin(rng.uniform(-300, 300, 3).tolist())
    path = folder / "sitk.nii.gz"
    SimpleITK.WriteImage(image, str(path))
    raw, ours, _, _ = read_volume_file(identify(path), frame=None, hounsfield=True)
    assert_array_equal(ours, voxels)
    for corner in itertools.product((0, 2), (0, 3), (0, 4)):
        place = image.TransformIndexToPhysicalPoint([int(index) for index in corner[::-1]])
        assert_allclose((raw.affine @ [*corner, 1])[:3], place, atol=1e-3)


@given(numbers=st.tuples(finite, finite, finite))
def test_a_quaternion_turns_as_nibabel_says(numbers):
    quaternion = np.array([1.0, *numbers])
    quaternion /= np.linalg.norm(quaternion)
    theirs = nibabel.quaternions.quat2mat(quaternion)
    assert_allclose(rotation(*quaternion[1:]), theirs, atol=1e-9)
