"""CT volumes and slices of 16 bits as pictures for training: order, sides, holes, and what is left
out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lungseg.datasets import Case, discover, read_labels
from lungseg.datasets.other_masks import read_other_masks
from lungseg.datasets.slices import SLICES_ABOVE, SLICES_BELOW, slice_cases, split_lungs
from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.phantom.ct import CtPhantom, ct_phantom
from lungseg.readers import read_image, read_volume
from lungseg.structures import HEART
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from lungseg.writers.nifti import nifti_gz
from phantom_volumes import TURNS, enhanced, stored_as, write_series

SHAPE = (24, 96, 96)
STEP = (12.0, 3.7, 3.7)
SAGITTAL = next(
    turn for turn in TURNS if turn.order == (2, 0, 1) and turn.flipped == (True, True, False)
)


@pytest.fixture(scope="module")
def phantom() -> CtPhantom:
    return ct_phantom(SHAPE, spacing=STEP, seed=2, noise=5.0)


def write(path: Path, voxels: np.ndarray, affine: np.ndarray, *, hounsfield: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        volume_nifti(Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=hounsfield))
    )
    return path


def write_case(
    folder: Path,
    phantom: CtPhantom,
    name: str = "p1",
    turn=SAGITTAL,
    labels: np.ndarray | None = None,
) -> Case:
    """An image in one order of axes, and its labels in the order of the phantom."""
    affine = phantom.volume.geometry.affine
    image = write(
        folder / f"{name}_ct.nii.gz",
        *stored_as(phantom.volume.array, affine, turn),
        hounsfield=True,
    )
    lung = phantom.ground_truth.labels if labels is None else labels
    return Case(
        name,
        name,
        image,
        write(folder / f"{name}_lung.nii.gz", lung.astype(np.uint8), affine),
        "north",
    )


def stacked(cases: tuple[Case, ...]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([read_image(case.image).array for case in cases]), np.stack(
        [read_labels(case) for case in cases]
    )


@pytest.mark.parametrize("given", ["both lungs as one", "right is 1", "right is 2"])
def test_a_sagittal_volume_becomes_axial_slices_with_right_and_left(
    phantom, tmp_path, given
) -> None:
    ground_truth = phantom.ground_truth.labels
    stored = {
        "both lungs as one": ground_truth > 0,
        "right is 1": ground_truth,
        "right is 2": np.where(ground_truth > 0, 3 - ground_truth, 0),
    }[given]
    sliced = slice_cases([write_case(tmp_path, phantom, labels=stored)], tmp_path / "slices")
    assert (sliced.problems, len(sliced.of_volumes)) == ((), SHAPE[0])
    assert [case.case for case in sliced.cases] == [
        f"p1_{number:03d}" for number in range(SHAPE[0])
    ]
    assert {(case.patient, case.source, case.mask_left) for case in sliced.cases} == {
        ("p1", "north", None)
    }
    assert sliced.cases[3].image == tmp_path / "slices" / "north" / "images" / "p1_003.png"
    pixels, labels = stacked(sliced.cases)
    clipped = np.clip(phantom.volume.array.astype(float), -1024, 600)
    assert pixels.dtype == np.uint8
    assert_array_equal(pixels, np.rint((clipped + 1024) / 1624 * 255))
    assert_array_equal(np.where(ground_truth > 0, labels, 0), ground_truth)
    lung = [set(np.unique(plane)) for plane in labels]
    assert {0} in lung
    assert {0, 1} in lung or {0, 2} in lung  # a slice with one lung keeps its side


def test_what_the_labels_of_a_volume_decide_its_slices_decide_too(tmp_path) -> None:
    three = ("right lung", "left lung", "heart")
    phantom = ct_phantom(SHAPE, spacing=STEP, seed=2, noise=5.0, layers=(three,))
    case = replace(write_case(tmp_path, phantom), decides=three)
    sliced = slice_cases([case], tmp_path / "slices")
    assert {case.decides for case in sliced.cases} == {three}
    _, labels = stacked(sliced.cases)
    ground_truth = phantom.ground_truth.labels
    assert_array_equal(labels == HEART.number, ground_truth == HEART.number)
    assert_array_equal(np.where(ground_truth > 0, labels, 0), ground_truth)


def test_touching_lungs_are_split_where_they_touch(tmp_path) -> None:
    phantom = ct_phantom(SHAPE, spacing=STEP, seed=2, touching=True)
    ground_truth = phantom.ground_truth.labels
    assert (np.abs(np.diff(ground_truth.astype(int), axis=2)) == 1).any()
    split = split_lungs(ground_truth > 0)
    assert_array_equal(split > 0, ground_truth > 0)
    assert (split != ground_truth).sum() < 0.01 * (ground_truth > 0).sum()


def test_worn_off_until_they_part_and_grown_back() -> None:
    lung = np.zeros((3, 40, 60), bool)
    lung[:, 5:35, 5:28] = lung[:, 5:35, 32:55] = True
    lung[1, 18:23, 28:32] = True  # a bridge of 5 x 4 pixels
    lung[0, 38, 50] = True  # a speck of its own
    labels = split_lungs(lung)
    assert (labels[:, 5:35, 5:28] == 1).all()
    assert (labels[:, 5:35, 32:55] == 2).all()
    assert (labels[0, 38, 50], labels[1, 20, 28], labels[1, 20, 31]) == (2, 1, 2)
    assert_array_equal(labels > 0, lung)


@pytest.mark.parametrize(("columns", "side"), [((5, 20), 1), ((40, 55), 2)])
def test_one_lung_alone_goes_by_the_side_on_which_it_lies(columns, side) -> None:
    lung = np.zeros((1, 40, 60), bool)
    lung[0, 5:35, slice(*columns)] = True
    assert_array_equal(split_lungs(lung), lung * side)
    assert not split_lungs(np.zeros((2, 4, 4), bool)).any()


def test_holes_of_vessels_are_filled_and_larger_ones_stay(phantom, tmp_path) -> None:
    labels = phantom.ground_truth.labels.copy()
    heights = np.flatnonzero((labels == 1).sum(axis=(1, 2)) > 200)
    at = heights[len(heights) // 2]
    row, column = (
        round(c.mean())
        for c in np.nonzero(cv2.erode((labels[at] == 1).astype(np.uint8), np.ones((7, 7))))
    )
    assert (labels[at, row - 3 : row + 4, column - 3 : column + 4] == 1).all()
    small, large = labels.copy(), labels.copy()
    small[:, row - 1 : row + 2, column] = 0  # 41 mm2, through all slices
    large[:, row - 2 : row + 3, column - 2 : column + 3] = 0  # 342 mm2
    for stored, expected in ((small, 1), (large, 0)):
        sliced = slice_cases([write_case(tmp_path, phantom, labels=stored)], tmp_path / "slices")
        assert read_labels(sliced.cases[at])[row, column] == expected


def test_slices_far_from_the_lungs_are_left_out_and_every_nth_can_be_kept(tmp_path) -> None:
    phantom = ct_phantom((90, 32, 32), spacing=(4.0, 11.0, 11.0), seed=1)
    labels = np.zeros(phantom.ground_truth.labels.shape, np.uint8)
    labels[45:50] = phantom.ground_truth.labels[45:50]
    case = write_case(tmp_path, phantom, labels=labels)
    numbers = [int(made.case[-3:]) for made in slice_cases([case], tmp_path / "slices").cases]
    assert numbers == list(range(45 - SLICES_BELOW, 49 + SLICES_ABOVE + 1))
    numbers = [
        int(made.case[-3:]) for made in slice_cases([case], tmp_path / "slices", every=10).cases
    ]
    assert numbers == list(range(45 - SLICES_BELOW, 49 + SLICES_ABOVE + 1, 10))
    with pytest.raises(UsageError, match="every 0th slice cannot be kept"):
        slice_cases([case], tmp_path / "slices", every=0)


def test_what_does_not_fit_is_left_out_in_one_sentence_and_the_others_stay(
    phantom, tmp_path
) -> None:
    affine = phantom.volume.geometry.affine
    good = write_case(tmp_path, phantom)
    labels = phantom.ground_truth.labels
    moved = affine.copy()
    moved[:3, 3] += (37.0, 0.0, 0.0)
    masks = {
        "short": write(tmp_path / "short.nii.gz", labels[:-1], affine),
        "moved": write(tmp_path / "moved.nii.gz", labels, moved),
        "gone": tmp_path / "gone.nii.gz",
        "empty": tmp_path / "empty.nii.gz",
    }
    volume = Volume(labels, VolumeGeometry(labels.shape, affine), hounsfield=False)
    masks["empty"].write_bytes(
        nifti_gz(
            [np.zeros_like(labels)],
            volume,
            (slice(0, SHAPE[0]), slice(0, SHAPE[1]), slice(0, SHAPE[2])),
        )
    )
    sliced = slice_cases(
        [*(replace(good, case=name, mask=mask) for name, mask in masks.items()), good],
        tmp_path / "slices",
    )
    assert {case.patient for case in sliced.cases} == {"p1"}
    assert len(sliced.cases) == SHAPE[0]
    assert [(problem.case, problem.path, problem.message) for problem in sliced.problems] == [
        (
            "short",
            masks["short"],
            "left out: the labels have 23 x 96 x 96 voxels in axial order, their image has 24 x "
            "96 x 96",
        ),
        ("moved", masks["moved"], "left out: the labels lie up to 10 voxels away from their image"),
        ("gone", masks["gone"], "left out: there is no such file"),
        ("empty", masks["empty"], "left out: there is nothing in the labels"),
    ]


def test_a_series_and_its_labels_are_recognised_and_cut(phantom, tmp_path) -> None:
    affine = phantom.volume.geometry.affine
    write_series(tmp_path / "south" / "ct" / "p7", phantom.volume.array[6:18], affine)
    write(tmp_path / "south" / "labels" / "p7.nii.gz", phantom.ground_truth.labels[6:18], affine)
    (found,) = discover(tmp_path / "south")
    assert [(case.case, case.image.name) for case in found.cases] == [("p7", "p7")]
    sliced = slice_cases(found.cases, tmp_path / "slices")
    assert (len(sliced.cases), sliced.problems) == (12, ())
    assert_array_equal(
        np.where(phantom.ground_truth.labels[6:18] > 0, stacked(sliced.cases)[1], 0),
        phantom.ground_truth.labels[6:18],
    )


def test_masks_of_further_structures_are_cut_along(phantom, tmp_path) -> None:
    opacity = np.zeros(SHAPE, np.uint8)
    opacity[10:14, 30:50, 20:40] = 255
    path = write(tmp_path / "opacity.nii.gz", opacity, phantom.volume.geometry.affine)
    whole = replace(write_case(tmp_path, phantom), other_masks=(("opacity", path), ("heart", None)))
    sliced = slice_cases([whole], tmp_path / "slices")
    assert sliced.problems == ()
    found = [read_other_masks(case, SHAPE[1:]) for case in sliced.cases]
    numbers = [int(case.case.rpartition("_")[2]) for case in sliced.cases]
    for number, masks in zip(numbers, found, strict=True):
        assert_array_equal(masks["opacity"], opacity[number] > 0)
        assert not masks["heart"].any()


@pytest.mark.parametrize("kind", ["enhanced", "pair"])
def test_every_slice_of_a_volume_in_whatever_files_has_one_of_its_own(
    phantom, tmp_path, kind
) -> None:
    voxels = phantom.volume.array[6:18]
    affine = phantom.volume.geometry.affine
    (tmp_path / "images").mkdir()
    if kind == "enhanced":
        image = tmp_path / "images" / "p1.dcm"
        places = [affine[:3, 3] + affine[:3, 0] * number for number in range(len(voxels))]
        enhanced(voxels, places, [1] * len(voxels)).save_as(image)
        stated = read_volume(image).geometry.affine
        mask = write(tmp_path / "p1.nii.gz", phantom.ground_truth.labels[6:18], stated)
    else:
        image = tmp_path / "images" / "p1.hdr"
        nib.save(nib.Nifti1Pair(voxels.T, np.diag([3.7, 3.7, 12.0, 1.0])), image)
        mask = tmp_path / "p1.nii.gz"
        labels = np.ascontiguousarray(phantom.ground_truth.labels[6:18].T)
        nib.save(nib.Nifti1Image(labels, np.diag([3.7, 3.7, 12.0, 1.0])), mask)
    sliced = slice_cases([Case("p1", "p1", image, mask, "here")], tmp_path / "slices")
    assert sliced.problems == ()
    assert len({case.image for case in sliced.cases}) == len(sliced.cases) == len(voxels)
    assert len(sliced.of_volumes) == len(voxels)


def test_slices_of_sixteen_bits_become_eight_and_other_pictures_stay(phantom, tmp_path) -> None:
    at = SHAPE[0] // 2
    pixels = (phantom.volume.array[at].astype(np.int32) + 1024).clip(0).astype(np.uint16)
    pixels = cv2.resize(pixels, (384, 384), interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(phantom.ground_truth.labels[at], (384, 384), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(tmp_path / "deep.tif"), pixels)
    cv2.imwrite(str(tmp_path / "mask.png"), (mask > 0) * np.uint8(255))
    cv2.imwrite(str(tmp_path / "flat.png"), (pixels >> 4).astype(np.uint8))
    deep = Case(
        "deep",
        "p3",
        tmp_path / "deep.tif",
        tmp_path / "mask.png",
        "south",
        split="train",
        notes="mine",
    )
    others = [
        replace(deep, case="flat", image=tmp_path / "flat.png"),
        replace(deep, case="alone", mask=None),
    ]
    others.append(replace(deep, case="gone", image=tmp_path / "gone.png"))
    sliced = slice_cases([deep, *others], tmp_path / "slices")
    assert list(sliced.cases[1:]) == others
    assert (sliced.of_volumes, sliced.problems) == (frozenset(), ())
    made = sliced.cases[0]
    folder = tmp_path / "slices" / "south"
    assert made == replace(
        deep, image=folder / "images" / "deep.png", mask=folder / "masks" / "deep.png"
    )
    low, high = np.percentile(pixels, (0.1, 99.9))
    assert (
        np.abs(
            read_image(made.image).array - np.clip((pixels - low) / (high - low), 0, 1) * 255
        ).max()
        <= 0.51
    )
    assert_array_equal(np.where(mask > 0, read_labels(made), 0), mask)
