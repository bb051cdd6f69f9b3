"""What a person should look at in volumes and their labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.datasets import Case
from lungseg.datasets.checks import TILE, DataProblem, check_cases, suspicious_sheet
from lungseg.draw.picture import CAPTION, GAP
from lungseg.geometry import VolumeGeometry
from lungseg.structures import HEART
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from lungseg.writers.nifti import nifti_gz
from phantom_volumes import TURNS, stored_as

SHAPE = (20, 48, 60)
VOLUME, LABELS = ellipsoids(SHAPE, spacing=(10.0, 5.0, 5.0))
LABELS = np.where(np.indices(SHAPE)[0] < 14, LABELS, 0)
"""Lungs whose apices are cut off, so that they are no mirror image of themselves."""
VOXELS = np.where((LABELS == 0) & (VOLUME.array < -500), 40, VOLUME.array).astype(np.int16)


def write(path: Path, voxels: np.ndarray, *, hounsfield: bool = False) -> Path:
    volume = Volume(VOXELS, VOLUME.geometry, hounsfield=True)
    box = tuple(slice(0, side) for side in SHAPE)
    path.write_bytes(nifti_gz([voxels.astype(np.int16 if hounsfield else np.uint8)], volume, box))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("volumes")
    return Case(
        "c",
        "p",
        write(folder / "c_ct.nii.gz", VOXELS, hounsfield=True),
        write(folder / "c_lung.nii.gz", LABELS),
        "north",
    )


def problems(case: Case) -> list[str]:
    problems = check_cases([case])
    assert all(
        (problem.case, problem.source, problem.path) == ("c", "north", case.mask)
        for problem in problems
    )
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS > 0, (LABELS > 0) * 255, np.array([0, 4, 3])[LABELS]],
    ids=["sides", "one", "255", "luna"],
)
def test_good_labels_are_good(good, labels, tmp_path) -> None:
    assert problems(replace(good, mask=write(tmp_path / "m.nii.gz", labels))) == []


def test_labels_of_other_structures_are_good_where_they_are_decided(good, tmp_path) -> None:
    labels = LABELS.copy()
    labels[4:6, 10:12, 10:12][labels[4:6, 10:12, 10:12] == 0] = HEART.number
    assert (labels == HEART.number).any()
    both = ("right lung", "left lung")
    case = replace(good, mask=write(tmp_path / "m.nii.gz", labels), decides=(*both, "heart"))
    assert problems(case) == []
    heart = write(tmp_path / "h.nii.gz", labels == HEART.number)
    assert problems(replace(good, mask=heart, decides=("heart",))) == []
    empty = replace(good, mask=write(tmp_path / "e.nii.gz", labels * 0), decides=("heart",))
    assert problems(empty) == ["mask empty: there is no heart in it"]


def test_labels_in_another_order_of_axes_are_good(good, tmp_path) -> None:
    assert VOLUME.geometry.affine is not None
    voxels, affine = stored_as(LABELS.astype(np.uint8), VOLUME.geometry.affine, TURNS[29])
    (tmp_path / "m.nii.gz").write_bytes(
        volume_nifti(Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=False))
    )
    assert problems(replace(good, mask=tmp_path / "m.nii.gz")) == []


BOX = np.zeros(SHAPE)
BOX[5:9, 5:20, 25:35] = 1
SMALL = np.zeros(SHAPE)
SMALL[8, 24:30, 15:20] = 1


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (np.zeros(SHAPE), "mask empty: there is no lung in it"),
        (SMALL, "mask nearly empty: it holds 7.5 mL"),
        (np.indices(SHAPE)[0] < 19, "mask full, or nearly: it covers 95% of the volume"),
        (
            (LABELS == 0) & (np.indices(SHAPE)[0] < 8),
            "outside labelled as lung: the mask takes up 40% of the volume's sides",
        ),
        (
            LABELS[::-1],
            "mask mirrored: turned over head to foot it lies on voxels of -960 HU, as it is of -",
        ),
        (BOX, "mask beside the lungs: its voxels have 12 HU on average"),
        (
            np.where((LABELS == 2) & (np.indices(SHAPE)[0] != 2), 0, LABELS),
            "one lung only: the left one has 1% of the mask",
        ),
        (
            np.where(LABELS > 0, 3 - LABELS, 0),
            "right and left swapped: the lung of label 1 lies further to the patient's left, ",
        ),
        (
            LABELS * 50,
            "labels not known: the mask has the greys 0 (47644 pixels), 50 (4978 pixels) and 100 "
            "(4978 pixels), and nothing says which structures these are; say so, as in --labels "
            "'50=right lung,100=left lung'",
        ),
        (
            np.where((LABELS == 2) & (np.indices(SHAPE)[0] == 2), 3, LABELS),
            "labels not known: the mask has the label 3, which is none that the case decides "
            "(1 right lung, 2 left lung)",
        ),
    ],
)
def test_a_problem_is_said(good, labels, problem, tmp_path) -> None:
    (found,) = problems(replace(good, mask=write(tmp_path / "m.nii.gz", labels)))
    assert found.startswith(problem)


def test_a_third_piece(good, tmp_path) -> None:
    labels = LABELS.copy()
    labels[:, :, 12:14] = labels[:, :, 40:42] = 0  # each lung is cut in two
    (found,) = problems(replace(good, mask=write(tmp_path / "m.nii.gz", labels)))
    assert found.startswith(
        "mask of more than two components: beside the two largest there is one with "
    )


def test_files_that_cannot_be_used(good, tmp_path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"")
    (image,) = check_cases([replace(good, image=broken)])
    assert (image.path, image.message) == (broken, "image cannot be used: the file is empty")
    assert problems(replace(good, mask=broken)) == ["mask cannot be used: the file is empty"]
    short = Volume(
        LABELS[:-1].astype(np.uint8),
        VolumeGeometry((19, *SHAPE[1:]), VOLUME.geometry.affine),
        hounsfield=False,
    )
    (tmp_path / "short.nii.gz").write_bytes(volume_nifti(short))
    (found,) = problems(replace(good, mask=tmp_path / "short.nii.gz"))
    assert found == (
        "masks do not fit: the labels have 19 x 48 x 60 voxels in axial order, their "
        "image has 20 x 48 x 60"
    )


def test_the_sheet_shows_a_coronal_plane(good, tmp_path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"")
    cases = [replace(good, case=name) for name in "abc"]
    cases[1], cases[2] = replace(cases[1], image=broken), replace(cases[2], mask=broken)
    sheet = suspicious_sheet(
        cases, [DataProblem(case.case, "north", case.image, "odd") for case in cases]
    )
    assert sheet.shape[1] == 3 * TILE + 4 * GAP
    assert sheet.shape[0] == TILE + CAPTION + 2 * GAP
    tiles = [sheet[:-CAPTION, GAP + i * (TILE + GAP) :][:, :TILE] for i in range(3)]
    assert [bool((tile.max(axis=2) != tile.min(axis=2)).any()) for tile in tiles] == [
        True,
        False,
        False,
    ]
    assert [bool(tile.any()) for tile in tiles] == [True, False, True]
