"""Cases as arrays: what the network is given, in training and in validation."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lungseg.datasets.convention import allowed_classes
from lungseg.errors import InputError
from lungseg.prepare import to_network
from lungseg.read import read
from lungseg.train.data import CaseArrays

SIZE = (64, 64)
CLIP = (0.5, 99.5)


def test_validation_gives_what_inference_would_see(cases) -> None:
    data = CaseArrays(cases[:3], SIZE, CLIP, seed=None)
    assert len(data) == 3
    for case, (x, allowed) in zip(cases, (data[i] for i in range(3)), strict=False):
        assert (x.shape, x.dtype, allowed.dtype) == ((1, *SIZE), torch.float32, torch.uint8)
        np.testing.assert_allclose(x.numpy(), to_network(read(case.image).pixels, SIZE, CLIP), atol=0.02)  # greys of 8 bits
        np.testing.assert_array_equal(allowed.numpy(), allowed_classes(read(case.mask).pixels, "lung"))


def test_a_sample_depends_on_seed_epoch_and_index_alone(cases) -> None:
    one, other = (CaseArrays(cases[:3], (32, 32), CLIP, seed=5) for _ in range(2))
    torch.testing.assert_close(one[2], other[2], rtol=0, atol=0)
    other[0]
    torch.testing.assert_close(one[2], other[2], rtol=0, atol=0)
    one.epoch.fill_(1)
    assert not torch.equal(one[2][0], other[2][0])
    other.epoch.fill_(1)
    torch.testing.assert_close(one[2], other[2], rtol=0, atol=0)
    assert not torch.equal(one[2][0], CaseArrays(cases[:3], (32, 32), CLIP, seed=6)[2][0])


def test_training_samples_are_kept_larger_than_the_input(cases) -> None:
    data = CaseArrays(cases[:1], (32, 32), CLIP, seed=0)
    assert data.pictures.shape == data.allowed.shape == (1, 48, 48)
    x, allowed = data[0]
    assert (x.shape, allowed.shape) == ((1, 32, 32), (32, 32))


def test_sets_are_never_averaged(tmp_path, cases) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10:50, 4:28] = mask[10:50, 36:60] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    data = CaseArrays([replace(cases[0], mask=tmp_path / "mask.png", convention="lung and heart")], (32, 32), CLIP, seed=None)
    assert set(np.unique(data.allowed)) == {1, 2, 4, 10, 12}
    assert data.allowed[0, 15, 2] == 2
    assert data.allowed[0, 15, 29] == 4


def test_a_case_that_cannot_be_read_is_named(tmp_path, cases) -> None:
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"broken\.png"):
        CaseArrays([replace(cases[0], image=tmp_path / "broken.png")], SIZE, CLIP, seed=None)
