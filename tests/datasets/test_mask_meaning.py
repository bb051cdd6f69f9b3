"""Masks as other tools write them: greys, colours, palettes, enlarged, compressed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Picture

from lungseg.datasets import Case, read_labels
from lungseg.datasets.ground_truth import read_labels_and_notes, read_volume_labels
from lungseg.errors import UnknownLabelsError, UnsupportedError
from lungseg.geometry import VolumeGeometry
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.structures import HEART
from lungseg.volume import Volume
from lungseg.writers.nifti import nifti_gz

SIDE = 160
THREE = ("right lung", "left lung", "heart")
CHEST = radiograph_phantom((SIDE, SIDE), seed=3, layers=(THREE,)).ground_truth.labels
TRUTH = np.where(HEART.number == CHEST, 0, CHEST).astype(np.uint8)
GREYS = np.array([0, 127, 255, 60], np.uint8)
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


def case_of(path: Path, **more: Any) -> Case:
    return Case("x", "x", path.with_name("image.png"), path, "s", **more)


def saved(tmp_path: Path, pixels: np.ndarray, name: str = "m.png", **more: Any) -> Case:
    Picture.fromarray(pixels).save(tmp_path / name, **more)
    return case_of(tmp_path / name)


def with_palette(tmp_path: Path, indices: np.ndarray, *colours: tuple[int, int, int]) -> Case:
    picture = Picture.fromarray(indices)
    flat = [part for colour in colours for part in colour]
    picture.putpalette(flat + [0] * (768 - len(flat)))
    picture.save(tmp_path / "m.png")
    return case_of(tmp_path / "m.png")


@pytest.mark.parametrize("levels", [(0, 127, 255), (0, 100, 200), (0, 128, 255), (0, 1000, 2000)])
def test_two_greys_are_refused_with_their_counts_and_what_to_declare(tmp_path, levels) -> None:
    kind = np.uint8 if max(levels) < 256 else np.uint16
    case = saved(tmp_path, np.array(levels, kind)[TRUTH])
    with pytest.raises(UnknownLabelsError) as refused:
        read_labels(case)
    counts = [int((label == TRUTH).sum()) for label in (0, 1, 2)]
    told = [f"{value} ({count} pixels)" for value, count in zip(levels, counts, strict=True)]
    assert refused.value.what == (
        f"the mask has the greys {told[0]}, {told[1]} and {told[2]}, and nothing says which "
        "structures these are"
    )
    declared = f"{levels[1]}=right lung,{levels[2]}=left lung"
    assert f"--labels '{declared}'" in str(refused.value.cure)
    assert_array_equal(read_labels(replace(case, labels=declared)), TRUTH)


def test_what_is_proposed_lies_side_by_side_and_is_alike_in_size(tmp_path) -> None:
    with pytest.raises(UnknownLabelsError, match="'127=left lung,255=right lung'"):
        read_labels(saved(tmp_path, GREYS[np.array([0, 2, 1])[TRUTH]]))
    heart_and_lungs = np.array([0, 255, 255, 127], np.uint8)[CHEST]
    with pytest.raises(UnknownLabelsError, match="'127=STRUCTURE,255=STRUCTURE'"):
        read_labels(saved(tmp_path, heart_and_lungs))
    told = replace(case_of(tmp_path / "m.png"), labels="127=heart; 255=lungs", decides=THREE)
    assert_array_equal(read_labels(told), CHEST)


def test_a_body_around_the_lungs_is_no_lung(tmp_path) -> None:
    body = cv2.dilate((TRUTH > 0).view(np.uint8), np.ones((31, 31), np.uint8))
    greys = np.where(TRUTH > 0, 255, body * 78).astype(np.uint8)
    assert_array_equal(read_labels(saved(tmp_path, greys)) > 0, TRUTH > 0)


def test_colours_are_told_apart_and_one_alone_is_both_lungs(tmp_path) -> None:
    case = saved(tmp_path, COLOURS[TRUTH])
    with pytest.raises(UnknownLabelsError, match=r"colours #000000 \(\d+ pixels\), #00ff00 \("):
        read_labels(case)
    named = replace(case, labels="#ff0000=right lung; #00ff00=left lung")
    assert_array_equal(read_labels(named), TRUTH)
    assert_array_equal(read_labels(saved(tmp_path, COLOURS[(TRUTH > 0) * 1])) > 0, TRUTH > 0)
    white = np.where(TRUTH[..., np.newaxis] > 0, COLOURS[3], 255).astype(np.uint8)
    assert_array_equal(read_labels(saved(tmp_path, white)) > 0, TRUTH > 0)


def test_a_photograph_is_no_mask(tmp_path) -> None:
    wild = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    with pytest.raises(UnsupportedError, match="it is a colour picture, not a mask"):
        read_labels(saved(tmp_path, wild))


@pytest.mark.parametrize(
    "colours",
    [
        [(0, 0, 0), (128, 0, 0), (0, 128, 0)],  # labelme, CVAT, VOC
        [(255, 255, 255), (128, 0, 0), (0, 128, 0)],
        [(0, 0, 0), (10, 60, 10), (60, 10, 10)],  # dark
    ],
)
def test_indices_of_a_palette_are_labels(tmp_path, colours) -> None:
    assert_array_equal(read_labels(with_palette(tmp_path, TRUTH, *colours)), TRUTH)


def test_a_palette_of_greys_is_grey_and_one_whose_outside_is_not_0_is_colours(tmp_path) -> None:
    white_first = with_palette(tmp_path, (TRUTH == 0).view(np.uint8), (255,) * 3, (0,) * 3)
    assert_array_equal(read_labels(white_first) > 0, TRUTH > 0)
    order = np.array([2, 0, 1], np.uint8)[TRUTH]
    case = with_palette(tmp_path, order, (255, 0, 0), (0, 255, 0), (0, 0, 0))
    named = replace(case, labels="#ff0000=right lung; #00ff00=left lung")
    assert_array_equal(read_labels(named), TRUTH)


def test_outlines_that_voc_leaves_open_are_given_to_what_is_nearest(tmp_path) -> None:
    ring = cv2.morphologyEx((TRUTH > 0).view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    indices = np.where(ring > 0, np.uint8(255), TRUTH)
    found = read_labels(with_palette(tmp_path, indices, (0, 0, 0), (128, 0, 0), (0, 128, 0)))
    assert np.mean(found != TRUTH) < 0.02
    assert set(np.unique(found)) == {0, 1, 2}


@pytest.mark.parametrize("factor", [1.5, 2.7, 4, 8])
def test_rims_of_interpolation_are_given_to_their_neighbours_and_named(tmp_path, factor) -> None:
    size = (round(SIDE * factor),) * 2
    smooth = cv2.resize(TRUTH, size, interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(TRUTH, size, interpolation=cv2.INTER_NEAREST_EXACT)
    labels, notes = read_labels_and_notes(saved(tmp_path, smooth))
    lying = np.sum((smooth == 1) & (nearest != 1))
    assert np.sum((labels == 1) & (nearest != 1)) < 0.2 * lying
    assert np.mean(labels != nearest) < 0.01
    (note,) = notes
    assert note.startswith("label 1 forms a rim round label 2, ")
    assert note.endswith("resized with interpolation, and given to its neighbours")


def test_a_heart_between_lungs_gets_no_rim_and_plain_labels_stay(tmp_path) -> None:
    plain = replace(saved(tmp_path, CHEST.astype(np.uint8)), decides=THREE)
    labels, notes = read_labels_and_notes(plain)
    assert_array_equal(labels, CHEST)
    assert notes == ()
    smooth = cv2.resize(CHEST.astype(np.uint8), (480, 480), interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(CHEST.astype(np.uint8), (480, 480), interpolation=cv2.INTER_NEAREST_EXACT)
    found, notes = read_labels_and_notes(replace(saved(tmp_path, smooth), decides=THREE))
    assert np.mean(found != nearest) < 0.01
    assert any(note.startswith("label 2 forms a rim round label 3") for note in notes)


def test_greys_that_were_enlarged_keep_their_sides(tmp_path) -> None:
    size = (430, 430)
    smooth = cv2.resize(GREYS[TRUTH], size, interpolation=cv2.INTER_CUBIC)
    nearest = cv2.resize(TRUTH, size, interpolation=cv2.INTER_NEAREST_EXACT)
    case = replace(saved(tmp_path, smooth), labels="127=right lung; 255=left lung")
    labels, notes = read_labels_and_notes(case)
    assert np.mean(labels != nearest) < 0.01
    assert len(notes) == 1
    assert notes[0].endswith("pixels lie between two values, and were given to the nearer")


@pytest.mark.parametrize("quality", [60, 90])
def test_greys_and_colours_survive_jpeg(tmp_path, quality) -> None:
    grey = saved(tmp_path, GREYS[TRUTH], "grey.jpg", quality=quality)
    with pytest.raises(UnknownLabelsError, match="the mask has the greys 0 "):
        read_labels(grey)
    for case, labels in (
        (grey, "127=right lung; 255=left lung"),
        (
            saved(tmp_path, COLOURS[TRUTH], "colour.jpg", quality=quality),
            "#ff0000=right lung; #00ff00=left lung",
        ),
    ):
        assert np.mean(read_labels(replace(case, labels=labels)) != TRUTH) < 0.02


def test_labels_in_a_jpeg_are_refused(tmp_path) -> None:
    case = saved(tmp_path, TRUTH, "m.jpg", quality=75)
    with pytest.raises(UnknownLabelsError, match="cannot be told apart in a file whose compress"):
        read_labels(case)
    with pytest.raises(UnknownLabelsError, match="export the masks again as PNG"):
        read_labels(replace(case, mask_left=case.mask))
    assert not read_labels(saved(tmp_path, TRUTH * 0, "empty.jpg")).any()
    white = saved(tmp_path, (TRUTH > 0) * np.uint8(255), "white.jpg", quality=60)
    assert np.mean((read_labels(white) > 0) != (TRUTH > 0)) < 0.01


def test_what_is_opaque_is_inside_where_nothing_else_tells(tmp_path) -> None:
    opacity = np.where(TRUTH > 0, 255, 0).astype(np.uint8)
    for colour in (0, 255):
        shades = np.full((SIDE, SIDE, 3), colour, np.uint8)
        case = saved(tmp_path, np.dstack([shades, opacity]))
        assert_array_equal(read_labels(case) > 0, TRUTH > 0)
    drawn = saved(tmp_path, np.dstack([COLOURS[TRUTH], opacity]))
    named = replace(drawn, labels="#ff0000=right lung; #00ff00=left lung")
    assert_array_equal(read_labels(named), TRUTH)


def test_what_is_declared_to_be_something_else_is_background(tmp_path) -> None:
    case = saved(tmp_path, CHEST.astype(np.uint8))
    with pytest.raises(UnknownLabelsError, match="--labels 3=STRUCTURE or 3=background"):
        read_labels(case)
    assert_array_equal(
        read_labels(replace(case, labels="1=right lung; 2=left lung; 3=background")), TRUTH
    )
    with pytest.raises(UnknownLabelsError, match="the greys 3, of which it is not declared"):
        read_labels(replace(case, labels="1=right lung; 2=left lung"))
    with pytest.raises(UnknownLabelsError, match="the greys 3, of which it is not declared"):
        read_labels(replace(case, labels="1=right lung; 2=left lung; 3=?"))
    turned = replace(case, labels="2=right lung; 1=left lung; 3=heart", decides=THREE)
    assert_array_equal(read_labels(turned), np.array([0, 2, 1, 3])[CHEST])


def test_values_between_labels_are_named(tmp_path) -> None:
    case = saved(tmp_path, TRUTH.astype(np.float32) * 0.75, "m.tif")
    with pytest.raises(UnknownLabelsError, match=r"between labels, such as 0\.75: it was res"):
        read_labels(case)


@pytest.mark.parametrize(("right", "left"), [(127, 255), (10, 11), (1000, 2000)])
def test_labels_of_volumes_are_declared_and_refused_in_the_same_way(tmp_path, right, left) -> None:
    box = np.zeros((8, 40, 40), np.uint16)
    box[1:7, 8:32, 4:16], box[1:7, 8:32, 24:36] = right, left
    volume = Volume(box, VolumeGeometry(box.shape), hounsfield=False)
    whole = tuple(slice(0, side) for side in box.shape)
    (tmp_path / "m.nii.gz").write_bytes(nifti_gz([box], volume, whole))
    case = case_of(tmp_path / "m.nii.gz")
    with pytest.raises(UnknownLabelsError, match="nothing says which structures these are"):
        read_volume_labels(case, volume.geometry)
    told = replace(case, labels=f"{right}=right lung; {left}=left lung")
    found = read_volume_labels(told, volume.geometry)
    assert (found.sides, found.swapped) == (True, False)
    assert_array_equal(found.labels, (box == right) + 2 * (box == left))
    either = read_volume_labels(
        replace(case, labels=f"{right}=lungs; {left}=lung"), volume.geometry
    )
    assert not either.sides
    assert_array_equal(either.labels, box > 0)
