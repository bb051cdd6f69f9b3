"""MetaImage and NRRD files that SimpleITK writes, read by us."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

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


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
@random_examples
@given(
    kind=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]),
    shape=shapes,
    packed=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_simpleitk_writes_is_read(kind, shape, packed, ending, seed, folder):
    rng = np.random.default_rng(seed)
    voxels = random_voxels(rng, shape[2::-1], kind)
    image = SimpleITK.GetImageFromArray(voxels)
    affine = random_affine(rng)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((affine[:3, :3] / lengths).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    path = folder / f"sitk{ending}"
    SimpleITK.WriteImage(image, str(path), useCompression=packed)
    raw, ours, _, _ = read_volume_file(identify(path), frame=None, hounsfield=False)
    check_voxels(ours, voxels)
    turned = affine[:, (2, 1, 0, 3)]
    assert_allclose(corners(raw.affine, voxels.shape), corners(turned, voxels.shape), atol=1e-6)
