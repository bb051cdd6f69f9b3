"""Cases as arrays: what the network is given, in training and in validation."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lungseg.augment.parameters import NO_AUGMENTATION
from lungseg.datasets import read_labels
from lungseg.datasets.label_sets import LUNG_LAYERS, allowed_sets, layer_classes
from lungseg.errors import InputError
from lungseg.preprocess import to_network
from lungseg.readers import read_image
from lungseg.train.data import CaseArrays

SIZE = (64, 64)
CLIP = (0.5, 99.5)


def test_validation_gives_what_inference_would_see(cases) -> None:
    data = CaseArrays(cases[:3], SIZE, CLIP, seed=None)
    assert len(data) == 3
    for case, (x, allowed) in zip(cases, (data[i] for i in range(3)), strict=False):
        assert (x.shape, x.dtype, allowed.dtype) == ((1, *SIZE), torch.float32, torch.uint8)
        np.testing.assert_allclose(
            x.numpy(), to_network(read_image(case.image).array, SIZE, CLIP), atol=0.02
        )  # greys of 8 bits
        expected = allowed_sets(
            read_labels(case), LUNG_LAYERS, decides=case.decides, lung_extent="field"
        )
        np.testing.assert_array_equal(allowed.numpy(), expected)


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
    assert [array.shape for array in data.as_kept(0)] == [(48, 48), (1, 48, 48)]
    x, allowed = data[0]
    assert (x.shape, allowed.shape) == ((1, 32, 32), (1, 32, 32))


def test_sets_are_never_averaged(tmp_path, cases) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10:50, 4:28] = mask[10:50, 36:60] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    data = CaseArrays(
        [replace(cases[0], mask=tmp_path / "mask.png", lung_extent="through-heart")],
        (32, 32),
        CLIP,
        seed=None,
    )
    (allowed,) = data.as_kept(0)[1]
    assert set(np.unique(allowed)) == {1, 2, 4, 10, 12}
    assert (allowed[15, 2], allowed[15, 29]) == (2, 4)


def test_a_repeated_case_is_kept_once_and_augmented_each_time(cases) -> None:
    data = CaseArrays([cases[0], cases[1], cases[0]], (32, 32), CLIP, seed=5)
    for one, other in zip(data.as_kept(0), data.as_kept(2), strict=True):
        assert one.ctypes.data == other.ctypes.data
    assert not torch.equal(data[0][0], data[2][0])


def test_augmentation_settings_reach_the_samples(cases) -> None:
    still = CaseArrays(cases[:2], SIZE, CLIP, seed=5, augmentation=NO_AUGMENTATION)
    unchanged = CaseArrays(cases[:2], SIZE, CLIP, seed=None)
    for (x, sets), (expected, own) in zip(
        (still[0], still[1]), (unchanged[0], unchanged[1]), strict=True
    ):
        assert float((x - expected).abs().mean()) < 0.1  # kept larger, and brought back
        assert float((sets != own).float().mean()) < 0.02


@pytest.mark.parametrize("seed", [None, 0])
def test_lungs_are_widened_by_pixels_of_the_network(tmp_path, cases, seed) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:20] = mask[20:40, 44:54] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    case = replace(cases[0], mask=tmp_path / "mask.png")
    narrow, wide = (
        CaseArrays([case], (32, 32), CLIP, seed=seed, augmentation=NO_AUGMENTATION, dilate=by)[0][
            1
        ][0].numpy()
        for by in (0, 3)
    )
    for sets, by in ((narrow, 0), (wide, 3)):
        for bit, columns in ((2, (5, 9)), (4, (22, 26))):
            found = np.argwhere(sets == bit)
            np.testing.assert_allclose(
                [found.min(axis=0), found.max(axis=0)],
                [(10 - by, columns[0] - by), (19 + by, columns[1] + by)],
                atol=1 if seed == 0 else 0,
            )


def test_a_mask_of_another_size_is_refused(tmp_path, cases) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.eye(48, dtype=np.uint8) * 255)
    with pytest.raises(
        InputError, match=r"mask\.png: the mask has shape \(48, 48\), its image \(64, 64\)"
    ):
        CaseArrays([replace(cases[0], mask=tmp_path / "mask.png")], SIZE, CLIP, seed=None)


def test_a_case_without_a_mask_is_refused(cases) -> None:
    with pytest.raises(InputError, match="the case has no mask"):
        CaseArrays([replace(cases[0], mask=None)], SIZE, CLIP, seed=None)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_cache_changes_nothing(tmp_path, cases, seed) -> None:
    memory = CaseArrays(cases[:4], (32, 32), CLIP, seed=seed)
    for _ in range(2):  # written, then read
        cached = CaseArrays(cases[:4], (32, 32), CLIP, seed=seed, cache=tmp_path / "cache")
        for index in range(4):
            for one, other in zip(memory[index], cached[index], strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_a_second_start_decodes_nothing(tmp_path, cases, monkeypatch) -> None:
    first = CaseArrays(cases[:2], SIZE, CLIP, seed=0, cache=tmp_path)[1]
    monkeypatch.setattr(
        "lungseg.train.data.read_image", lambda path: pytest.fail(f"{path} was decoded")
    )
    torch.testing.assert_close(
        CaseArrays(cases[:2], SIZE, CLIP, seed=0, cache=tmp_path)[1], first, rtol=0, atol=0
    )
    with pytest.raises(pytest.fail.Exception, match="was decoded"):
        CaseArrays(cases[:2], SIZE, CLIP, seed=0, dilate=1, cache=tmp_path)


def test_worker_processes_read_the_cache(tmp_path, cases) -> None:
    data = CaseArrays(cases[:4], (32, 32), CLIP, seed=3, cache=tmp_path)
    batches = list(DataLoader(data, batch_size=2, num_workers=2))
    expected = list(DataLoader(CaseArrays(cases[:4], (32, 32), CLIP, seed=3), batch_size=2))
    torch.testing.assert_close(batches, expected, rtol=0, atol=0)


def test_a_case_that_cannot_be_read_is_named(tmp_path, cases) -> None:
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"broken\.png"):
        CaseArrays([replace(cases[0], image=tmp_path / "broken.png")], SIZE, CLIP, seed=None)


def test_each_layer_has_its_sets_and_what_is_not_decided_is_open(tmp_path, cases) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:20], mask[20:40, 44:54], mask[30:50, 24:40] = 1, 2, 3
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    layers = layer_classes((("right lung", "left lung"), ("heart", "trachea")))
    decides = ("right lung", "left lung", "heart")
    case = replace(cases[0], mask=tmp_path / "mask.png", decides=decides)
    data = CaseArrays([case], SIZE, CLIP, seed=None, layers=layers, cache=tmp_path / "cache")
    allowed = data[0][1].numpy()
    assert allowed.shape == (2, *SIZE)
    assert [allowed[:, y, x].tolist() for y, x in ((0, 0), (30, 15), (30, 50), (40, 30))] == [
        [9, 5],  # background or mediastinum; background or trachea
        [2, 5],
        [4, 5],
        [9, 2],
    ]
    other = CaseArrays([case], SIZE, CLIP, seed=None, cache=tmp_path / "cache")
    assert other[0][1].shape == (1, *SIZE)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_masks_of_further_structures_are_learnt_in_their_layers(tmp_path, cases) -> None:
    mask = np.zeros(read_image(cases[0].image).array.shape, np.uint8)
    mask[: mask.shape[0] // 2] = 255
    path = tmp_path / "heart.png"
    cv2.imwrite(str(path), mask)
    layers = layer_classes((("right lung", "left lung"), ("heart",), ("opacity",)))
    case = replace(cases[0], other_masks=(("heart", path), ("opacity", None)))
    (_, sets), (_, plain) = (
        CaseArrays([one], SIZE, CLIP, seed=None, layers=layers)[0] for one in (case, cases[0])
    )
    assert torch.equal(sets[0], plain[0])
    assert set(plain[1:].unique().tolist()) == {3}
    rows = torch.arange(SIZE[0])[:, None].expand(SIZE)
    assert torch.equal(sets[1], torch.where(rows < SIZE[0] // 2, 2, 1).to(torch.uint8))
    assert set(sets[2].unique().tolist()) == {1}
    cv2.imwrite(str(path), mask[1:])
    with pytest.raises(InputError, match=r"heart\.png: the mask of the heart has shape"):
        CaseArrays([case], SIZE, CLIP, seed=None, layers=layers)
