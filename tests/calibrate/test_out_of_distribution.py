"""Inputs that no model is made for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from ellipsoids import ellipsoids
from lungseg.calibrate.ct import STACK_SLICES
from lungseg.calibrate.out_of_distribution import (
    DRAWINGS,
    DRAWN_VOLUMES,
    MAX_FILES,
    drawn_pictures,
    drawn_volumes,
    pictures_in,
    projection,
    volumes_in,
)
from lungseg.calibrate.radiograph import as_image
from lungseg.writers import volume_nifti


def test_pictures_are_drawn_of_each_kind_and_the_same_again() -> None:
    one, other = list(drawn_pictures()), list(drawn_pictures())
    kinds = ("noise", "clouds", "ramps", "text", "ellipses")
    assert Counter(item.group for item in one) == dict.fromkeys(kinds, DRAWINGS)
    assert len({item.key for item in one}) == len({item.patient for item in one}) == len(one)
    for first, second in zip(one, other, strict=True):
        assert first.kind == "out_of_distribution"
        np.testing.assert_array_equal(first.image, second.image)
        as_image(first.image)


def test_volumes_are_drawn_of_each_kind() -> None:
    items = list(drawn_volumes())
    assert Counter(item.group for item in items) == dict.fromkeys(
        ("noise", "clouds", "head"), DRAWN_VOLUMES
    )
    for item in items:
        assert 12 <= len(item.stack.grey) <= STACK_SLICES
        assert item.stack.hounsfield
        assert not item.stack.lungs.any()


def test_pictures_of_a_folder_are_taken_whatever_their_colours(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "knee12_a.png"), colour)
    (tmp_path / "below").mkdir()
    cv2.imwrite(str(tmp_path / "below" / "knee12_b.png"), colour[:, :, 0])
    (tmp_path / "notes.txt").write_text("no picture")
    items = list(pictures_in(tmp_path))
    assert [Path(item.key).name for item in items] == ["knee12_b.png", "knee12_a.png"]
    assert {(item.patient, item.group) for item in items} == {("knee12", tmp_path.name)}
    assert as_image(items[1].image).array.shape == (40, 50)


def test_of_many_files_some_are_taken_evenly_spread(tmp_path: Path) -> None:
    for i in range(2 * MAX_FILES + 1):
        cv2.imwrite(str(tmp_path / f"{i:03}.png"), np.eye(16, dtype=np.uint8) * 255)
    names = [Path(item.key).stem for item in pictures_in(tmp_path)]
    assert names == [f"{i:03}" for i in range(0, 2 * MAX_FILES + 1, 3)]


def test_a_volume_is_cut_and_projected_for_radiographs_and_whole_for_ct(tmp_path: Path) -> None:
    volume, _ = ellipsoids((20, 110, 96))
    (tmp_path / "chest_ct.nii.gz").write_bytes(volume_nifti(volume))
    groups = Counter(item.group for item in pictures_in(tmp_path))
    assert groups == {
        "axial cuts": 3,
        "coronal cuts": 1,
        "sagittal cuts": 2,
        "lateral projections": 6,
    }
    (item,) = volumes_in(tmp_path)
    assert item.stack.hounsfield
    assert 12 <= len(item.stack.grey) <= STACK_SLICES
    assert not item.stack.lungs.any()


def test_a_projection_is_brighter_where_rays_go_through_more() -> None:
    density = np.zeros((10, 60, 60), np.float32)
    density[:, 20:40, 10:50] = 1000
    frontal, lateral = (projection(density, (2.0, 1.0, 1.0), angle) for angle in (0, 90))
    assert frontal.shape == lateral.shape == (20, 60)
    assert frontal.max() == np.uint16(60000 * (1 - np.exp(-0.07 * 2)))
    assert lateral.max() > 1.5 * frontal.max()
    assert np.count_nonzero(frontal[10]) > 1.5 * np.count_nonzero(lateral[10])
