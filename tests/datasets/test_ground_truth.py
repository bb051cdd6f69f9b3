"""Masks as label maps."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.datasets import Case, read_labels
from lungseg.datasets.ground_truth import VolumeGroundTruth, read_volume_labels, sizes_and_centres
from lungseg.errors import InputError
from lungseg.geometry import VolumeGeometry
from lungseg.readers import read_image
from lungseg.structures import HEART
from lungseg.volume import Volume
from lungseg.writers.nifti import nifti_gz
from lungseg.writers.png import mask_png


def write(path: Path, mask: np.ndarray) -> Path:
    cv2.imwrite(str(path), mask)
    return path


def mask(value: int, *columns: int, dtype: type = np.uint8) -> np.ndarray:
    """(36, 40), `value` in the given columns of rows 10 to 29."""
    drawn = np.zeros((36, 40), dtype)
    drawn[10:30, list(columns)] = value
    return drawn


RIGHT, LEFT = (5, 6, 7), (30, 31)
LABELS = mask(1, *RIGHT) + mask(2, *LEFT)


@pytest.mark.parametrize(
    "drawn",
    [
        mask(255, *RIGHT, *LEFT),
        mask(1, *RIGHT, *LEFT),
        mask(40000, *RIGHT, *LEFT, dtype=np.uint16),
        LABELS,
    ],
)
def test_one_mask(tmp_path, drawn) -> None:
    case = Case("x", "x", tmp_path / "x.png", write(tmp_path / "m.png", drawn), "s")
    assert_array_equal(read_labels(case), LABELS)


def test_a_label_map_of_our_own_says_the_side_of_a_lung_alone(tmp_path) -> None:
    image = read_image(np.arange(36 * 40, dtype=np.uint16).reshape(36, 40))
    for labels in (mask(1, *LEFT), mask(1, *RIGHT, *LEFT), mask(2, *RIGHT), mask(0, *LEFT)):
        path = tmp_path / "m.png"
        path.write_bytes(mask_png(image.with_labels(labels)))
        assert_array_equal(read_labels(Case("x", "x", tmp_path / "x.png", path, "s")), labels)


def test_a_label_map_of_our_own_is_loaded_once(tmp_path, monkeypatch) -> None:
    image = read_image(np.arange(36 * 40, dtype=np.uint16).reshape(36, 40))
    path = tmp_path / "m.png"
    path.write_bytes(mask_png(image.with_labels(LABELS)))
    read_bytes, loaded = Path.read_bytes, []
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: loaded.append(path.name) or read_bytes(path)
    )
    assert_array_equal(read_labels(Case("x", "x", tmp_path / "x.png", path, "s")), LABELS)
    assert loaded == ["m.png"]


def test_labels_one_and_two_say_which_side(tmp_path) -> None:
    case = Case(
        "x",
        "x",
        tmp_path / "x.png",
        write(tmp_path / "m.png", mask(2, *RIGHT) + mask(1, *LEFT)),
        "s",
    )
    assert_array_equal(read_labels(case), mask(2, *RIGHT) + mask(1, *LEFT))


def test_of_greys_the_lighter_half_is_lung(tmp_path) -> None:
    drawn = mask(255, *RIGHT, *LEFT)
    drawn[drawn == 0] = 78
    drawn[:, 15] = 127
    assert_array_equal(
        read_labels(Case("x", "x", tmp_path / "x.png", write(tmp_path / "m.png", drawn), "s")),
        LABELS,
    )


def test_a_mask_of_each_lung(tmp_path) -> None:
    right, left = (
        write(tmp_path / "r.png", mask(255, *RIGHT)),
        write(tmp_path / "l.png", mask(255, *LEFT)),
    )
    assert_array_equal(
        read_labels(Case("x", "x", tmp_path / "x.png", right, "s", mask_left=left)), LABELS
    )


def test_a_slice_without_lung_is_a_ground_truth_like_any_other(tmp_path) -> None:
    case = Case("x", "x", tmp_path / "x.png", write(tmp_path / "m.png", mask(0)), "s")
    assert_array_equal(read_labels(case, (36, 40)), mask(0))


def test_sizes_that_differ_are_refused(tmp_path) -> None:
    right, left = (
        write(tmp_path / "r.png", mask(255, *RIGHT)),
        write(tmp_path / "l.png", mask(255, *LEFT)[:, :38]),
    )
    with pytest.raises(InputError) as refused:
        read_labels(Case("x", "x", tmp_path / "x.png", right, "s"), (36, 41))
    assert (
        str(refused.value)
        == f"{right}: the mask has shape (36, 40), its image (36, 41); correct the pair."
    )
    with pytest.raises(InputError) as refused:
        read_labels(Case("x", "x", tmp_path / "x.png", right, "s", mask_left=left))
    assert (
        str(refused.value)
        == f"{left}: the mask of the left lung has shape (36, 38), that of the right (36, 40)."
    )


def test_a_case_without_a_mask_is_refused(tmp_path) -> None:
    with pytest.raises(
        InputError, match=r"x\.png: the case has no mask; leave it out, or give it one\."
    ):
        read_labels(Case("x", "x", tmp_path / "x.png", None, "s"))


@pytest.mark.parametrize(
    ("image", "shape"), [("JPCLN001.IMG", (2048, 2048)), ("JPCLN001.png", (1024, 1024))]
)
def test_masks_of_scr_are_brought_to_the_grid_of_raw_films(tmp_path, image, shape) -> None:
    from PIL import Image as Pillow

    drawn = np.zeros((1024, 1024), np.uint8)
    drawn[300:700, 200:400] = drawn[300:700, 600:800] = 255
    Pillow.fromarray(drawn).save(tmp_path / "m.gif")
    labels = read_labels(Case("x", "x", tmp_path / image, tmp_path / "m.gif", "jsrt"), shape)
    scale = shape[0] // 1024
    assert_array_equal(
        np.flatnonzero(labels[300 * scale] == 1), np.arange(200 * scale, 400 * scale)
    )
    assert_array_equal(
        np.flatnonzero(labels[700 * scale - 1] == 2), np.arange(600 * scale, 800 * scale)
    )
    assert not labels[300 * scale - 1].any()


def test_sizes_and_mean_columns_of_pieces() -> None:
    numbers = np.zeros((3, 4, 10), np.int32)
    numbers[:, 1:3, 2:5], numbers[1, 0, 9] = 1, 3
    sizes, centres = sizes_and_centres(numbers)
    assert_array_equal(sizes, [18, 0, 1])
    assert_array_equal(centres, [3, np.nan, 9])
    assert [found.size for found in sizes_and_centres(np.zeros((2, 3, 4), np.uint8))] == [0, 0]


def test_large_labels_take_no_more_memory_than_a_slice_needs() -> None:
    numbers = np.ones((60, 64, 64), np.uint8)
    tracemalloc.start()
    sizes_and_centres(numbers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < numbers.nbytes


CHEST = ("right lung", "left lung", "heart")


def decided(tmp_path: Path, drawn: np.ndarray, *decides: str) -> np.ndarray:
    path = write(tmp_path / "m.png", drawn)
    return read_labels(Case("x", "x", tmp_path / "x.png", path, "s", decides=decides))


def test_a_label_map_says_all_that_the_case_decides(tmp_path) -> None:
    whole = LABELS + mask(3, 15, 16)
    assert_array_equal(decided(tmp_path, whole, *CHEST), whole)
    alone = mask(1, *RIGHT)  # without heart and left lung, which is no mask of both lungs
    assert_array_equal(decided(tmp_path, alone, *CHEST), alone)
    assert_array_equal(decided(tmp_path, mask(3, 15), *CHEST), mask(3, 15))


@pytest.mark.parametrize("value", [1, 3, 255])
def test_of_one_structure_a_mask_is_enough(tmp_path, value) -> None:
    assert_array_equal(decided(tmp_path, mask(value, 15, 16), "heart"), mask(3, 15, 16))


def test_a_label_of_nothing_that_is_decided_is_refused(tmp_path) -> None:
    whole = LABELS + mask(3, 15, 16)
    with pytest.raises(InputError) as refused:
        decided(tmp_path, whole, "right lung", "left lung")
    assert str(refused.value) == (
        f"{tmp_path / 'm.png'}: the mask has the label 3, which is none that the case decides "
        "(1 right lung, 2 left lung); name its structure in the column decides, take it out of "
        "the mask, or say what it is, as in --labels 3=STRUCTURE or 3=background."
    )
    with pytest.raises(InputError, match=r"the label 1, which is none .*\(3 heart, 4 trachea\)"):
        decided(tmp_path, whole, "heart", "trachea")


def test_a_label_map_of_our_own_is_held_to_what_is_decided_too(tmp_path) -> None:
    image = read_image(np.arange(36 * 40, dtype=np.uint16).reshape(36, 40))
    path = tmp_path / "m.png"
    path.write_bytes(mask_png(image.with_labels(mask(3, 15), [HEART])))
    assert_array_equal(
        read_labels(Case("x", "x", tmp_path / "x.png", path, "s", decides=("heart",))), mask(3, 15)
    )
    with pytest.raises(InputError, match="the label 3, which is none that the case decides"):
        read_labels(Case("x", "x", tmp_path / "x.png", path, "s"))


def in_space(tmp_path: Path, drawn: np.ndarray, *decides: str) -> VolumeGroundTruth:
    voxels = np.arange(drawn.size, dtype=np.int16).reshape(drawn.shape)
    volume = Volume(voxels, VolumeGeometry(drawn.shape), hounsfield=True)
    path = tmp_path / "m.nii.gz"
    path.write_bytes(nifti_gz([drawn], volume, tuple(slice(0, side) for side in drawn.shape)))
    case = Case("x", "x", tmp_path / "x.nii.gz", path, "s", decides=decides)
    return read_volume_labels(case, volume.geometry)


def test_volumes_of_luna16_have_a_trachea_where_it_is_decided(tmp_path) -> None:
    drawn = np.zeros((8, 32, 32), np.uint8)
    drawn[:, :, 4], drawn[:, :, 16], drawn[:, :, 28] = 4, 5, 3
    lungs = in_space(tmp_path, drawn, "right lung", "left lung")
    assert lungs.labels[7, 31, 4::12].tolist() == [1, 0, 2]
    all_of_it = in_space(tmp_path, drawn, "right lung", "left lung", "trachea")
    assert all_of_it.labels[7, 31, 4::12].tolist() == [1, 4, 2]
    assert (all_of_it.sides, all_of_it.swapped) == (True, False)


def test_volumes_have_the_numbers_of_what_is_decided(tmp_path) -> None:
    drawn = np.zeros((8, 32, 32), np.uint8)
    drawn[:, :, 4], drawn[:, :, 16], drawn[:, :, 28] = 2, 3, 1  # the sides are swapped
    found = in_space(tmp_path, drawn, "right lung", "left lung", "heart")
    assert found.labels[7, 31, 4::12].tolist() == [1, 3, 2]
    assert (found.sides, found.swapped) == (True, True)
    alone = in_space(tmp_path, (drawn == 3).astype(np.uint8), "heart")
    assert alone.labels[7, 31, 4::12].tolist() == [0, 3, 0]
    with pytest.raises(InputError, match="the label 3, which is none that the case decides"):
        in_space(tmp_path, drawn, "right lung", "left lung")


def test_a_mask_that_does_not_tell_structures_apart_is_refused(tmp_path) -> None:
    with pytest.raises(InputError) as refused:
        decided(tmp_path, mask(255, *RIGHT, 15, *LEFT), *CHEST)
    assert str(refused.value) == (
        f"{tmp_path / 'm.png'}: the mask does not tell right lung, left lung, heart apart; give a "
        "label map: 1 right lung, 2 left lung, 3 heart; or say which value is which, as in "
        '--labels 127="right lung",255="left lung".'
    )


def test_a_mask_for_each_lung_decides_the_lungs_alone(tmp_path) -> None:
    right, left = (write(tmp_path / f"{side}.png", mask(255, 5)) for side in "rl")
    case = Case("x", "x", tmp_path / "x.png", right, "s", mask_left=left, decides=CHEST)
    with pytest.raises(InputError) as refused:
        read_labels(case)
    assert str(refused.value) == (
        f"{left}: a mask for each lung does not decide right lung, left lung, heart; decide the "
        "lungs alone, or give one label map."
    )
