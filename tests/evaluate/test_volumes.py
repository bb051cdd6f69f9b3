"""Scores of CT volumes and slices, exact on drawn masks, in every order of axes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ellipsoids import ellipsoids, turned
from lungseg.card import ModelCard
from lungseg.datasets import Case
from lungseg.datasets.ground_truth import VolumeGroundTruth
from lungseg.errors import InputError
from lungseg.evaluate import CaseScore, MaskScore, SliceScores
from lungseg.evaluate.volumes import score_ct
from lungseg.geometry import VolumeGeometry
from lungseg.measurement import Measurements
from lungseg.result import Result
from lungseg.structures import HEART, LUNGS, OPACITY, Structure
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from made_up_probabilities import probabilities_of
from phantom_volumes import TURNS, stored_as

SHAPE = (20, 40, 48)
SPACING = (5.0, 2.0, 2.0)
VOXEL = 5.0 * 2.0 * 2.0 / 1000  # mL
VOLUME, LABELS = ellipsoids(SHAPE, spacing=SPACING)


def result(
    labels: np.ndarray,
    *,
    volume: Volume = VOLUME,
    raw: np.ndarray | None = None,
    structures: tuple[Structure, ...] = LUNGS,
) -> Result:
    """A result with these labels; `raw` is what thresholding alone would give, the same if not
    given."""
    raw = labels if raw is None else raw
    names = tuple(structure.name for structure in structures)
    card = ModelCard("m", "0", "ct", (names,), "none", (64, 64), "")
    return Result(
        volume,
        volume.with_labels(labels, structures),
        Measurements(),
        Verdict("review", ()),
        card,
        probabilities_of(volume, raw, inside=128, structures=structures),
        {},
    )


def case(folder: Path, labels: np.ndarray, *, volume: Volume = VOLUME) -> Case:
    """A case whose mask has these labels, on the volume's grid."""
    path = folder / "lung.nii.gz"
    path.write_bytes(
        volume_nifti(Volume(labels.astype(np.uint8), volume.geometry, hounsfield=False))
    )
    return Case("c", "p", folder / "c.nii.gz", path, "here")


def test_unevenly_spaced_slices_count_with_the_space_that_they_stand_for(
    tmp_path, monkeypatch
) -> None:
    # Ten slices 2 mm apart, then ten 10 mm apart, of which the last eight are missed.
    places = np.append(np.arange(10) * 2.0, 28.0 + np.arange(10) * 10.0)
    step = places[-1] / (SHAPE[0] - 1)
    affine = np.array(VOLUME.geometry.affine)
    affine[:3, 0] *= step / SPACING[0]
    grid = VolumeGeometry(SHAPE, affine, tuple(places / step), 0)
    volume = replace(VOLUME, geometry=grid)
    inside = np.zeros(SHAPE, np.uint8)
    inside[:, 10:20, 10:20] = 1
    found = inside.copy()
    found[12:] = 0
    known = VolumeGroundTruth(inside, sides=True)
    monkeypatch.setattr("lungseg.evaluate.volumes.read_volume_labels", lambda *_: known)
    where = Case("c", "p", tmp_path / "c.nii.gz", tmp_path / "m.nii.gz", "here")
    score = score_ct(where, result(found, volume=volume)).scores["lungs"]
    space = grid.widths(0) * step * 2.0 * 2.0 * 100 / 1000
    assert score.volume_error == pytest.approx(-space[12:].sum())
    assert score.relative_area_error == pytest.approx(-space[12:].sum() / space.sum())
    assert score.hd == pytest.approx(places[-1] - places[11], abs=5.0)


@pytest.mark.parametrize("turn", [None, TURNS[13]])
def test_a_mask_of_its_own_is_the_ground_truth_of_its_structure(tmp_path, turn) -> None:
    opacity = np.zeros(SHAPE, np.uint8)
    opacity[5:12, 10:20, 10:18] = 1
    path = tmp_path / "opacity.nii.gz"
    voxels, affine = opacity, VOLUME.geometry.affine
    if turn is not None:
        voxels, affine = stored_as(opacity, affine, turn)
    path.write_bytes(
        volume_nifti(Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=False))
    )
    found = VOLUME.with_layers([LABELS, opacity * OPACITY.number], [LUNGS, (OPACITY,)])
    probabilities = probabilities_of(
        VOLUME, np.where(opacity, OPACITY.number, LABELS), inside=255, structures=(*LUNGS, OPACITY)
    )
    both = replace(result(LABELS), segmentation=found, probabilities=probabilities)
    where = replace(case(tmp_path, LABELS), other_masks=(("opacity", path),))
    scored = score_ct(where, both)
    assert (scored.scores["lungs"].dice, scored.scores["opacity"].dice) == (1.0, 1.0)
    none = score_ct(replace(where, other_masks=(("opacity", None),)), both)
    assert none.scores["opacity"].dice == 0.0


def test_slices_too_are_not_judged_beneath_an_opacity(tmp_path) -> None:
    """Neither is a lung that is opaque throughout a slice claimed there."""
    lung = np.where(LABELS == 1, LABELS, 0)
    hidden = np.where(np.arange(SHAPE[0])[:, None, None] < 10, lung > 0, False)
    drawn = np.where(hidden, OPACITY.number, LABELS)
    where = replace(case(tmp_path, drawn), decides=(*(one.name for one in LUNGS), OPACITY.name))
    scored = score_ct(where, result(LABELS))
    assert scored.scores["lungs"].dice == 1.0
    assert scored.slices is not None
    assert (scored.slices.slice_dice, scored.slices.slices_claimed) == (1.0, 0)


def test_of_a_part_of_the_lungs_only_that_part_is_judged(tmp_path) -> None:
    part = np.where(np.arange(SHAPE[1])[:, None] < 20, LABELS, 0)
    partly = replace(case(tmp_path, part), lung_extent="aerated")
    assert score_ct(partly, result(LABELS)).scores["lungs"].dice == 1.0
    assert score_ct(replace(partly, lung_extent="field"), result(LABELS)).first.dice < 0.9


def test_a_perfect_mask(tmp_path) -> None:
    found = score_ct(case(tmp_path, LABELS), result(LABELS))
    assert (found.case, found.patient, found.source, found.verdict) == ("c", "p", "here", "review")
    assert (found.kind, found.unit, found.is_empty) == ("volume", "mm", False)
    best = MaskScore(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0.0)
    assert math.isnan(best.hd95_at_1024)
    both = replace(best, components=2)
    assert found.scores == {"lungs": both, "right lung": best, "left lung": best}
    assert found.raw == {"lungs": both}
    with_lung = int(np.count_nonzero(LABELS.any(axis=(1, 2))))
    assert found.slices is not None
    assert replace(found.slices, worst_slice="") == SliceScores(
        1.0, "", 1.0, with_lung, 0, SHAPE[0] - with_lung, 0
    )


def test_distances_are_millimetres_in_space_and_volumes_millilitres(tmp_path) -> None:
    labels = np.roll(LABELS, 1, axis=0)
    labels[LABELS == 1] = 0
    labels[labels == 1] = 0  # no right lung, and the left one a slice too high
    found = score_ct(case(tmp_path, LABELS), result(labels))
    _, right, left = np.bincount(LABELS.ravel()).tolist()
    assert (
        found.scores["left lung"].hd,
        found.scores["left lung"].nsd_1 < 1,
        found.scores["left lung"].volume_error,
    ) == (5.0, True, 0.0)
    assert (
        found.scores["right lung"].dice,
        found.scores["right lung"].hd,
        found.scores["right lung"].relative_area_error,
    ) == (0, math.inf, -1)
    assert found.scores["right lung"].volume_error == pytest.approx(-right * VOXEL)
    assert found.first.volume_error == pytest.approx(-right * VOXEL)
    assert found.first.relative_area_error == pytest.approx(-right / (right + left))
    assert (
        found.first.components,
        found.scores["right lung"].components,
        found.scores["left lung"].components,
    ) == (1, 0, 1)
    overlap = int(((labels == 2) & (LABELS == 2)).sum())
    assert found.first.dice == pytest.approx(2 * overlap / (right + left + left))


@pytest.mark.parametrize("turn", TURNS[5::7], ids=str)
def test_scores_do_not_depend_on_the_order_in_which_a_volume_is_stored(turn, tmp_path) -> None:
    labels = LABELS.copy()
    heights = np.flatnonzero(LABELS.any(axis=(1, 2)))
    labels[heights[-1]] = 0  # the topmost slice with lung is missed
    labels[heights[0] - 1, 20:22, 12:15] = 1  # and something is claimed below the lungs
    plain = score_ct(case(tmp_path, LABELS), result(labels))
    assert plain.slices is not None
    assert (plain.slices.slices_missed, plain.slices.slices_claimed) == (1, 1)
    assert (plain.slices.worst_slice, plain.slices.worst_slice_dice) == (
        f"slice {heights[-1]}",
        0.0,
    )
    volume = turned(VOLUME, turn)
    stored = score_ct(
        case(tmp_path, turn.apply(LABELS), volume=volume),
        result(np.ascontiguousarray(turn.apply(labels)), volume=volume),
    )
    assert stored.slices is not None
    axis = turn.order.index(0)
    own = SHAPE[0] - 1 - heights[-1] if turn.flipped[axis] else heights[-1]
    assert stored.slices.worst_slice == f"{('slice', 'row', 'column')[axis]} {own}"
    for mine, theirs in zip(metrics(stored), metrics(plain), strict=True):
        assert mine == pytest.approx(theirs, nan_ok=True)


def metrics(found: CaseScore) -> list[float]:
    scores = [
        getattr(score, name)
        for score in (*found.scores.values(), *found.raw.values())
        for name in MaskScore.__slots__
    ]
    assert len(scores) == 4 * 17
    assert found.slices is not None
    return [
        *scores,
        found.slices.slice_dice,
        found.slices.slices_present,
        found.slices.slices_absent,
    ]


def test_each_structure_that_the_mask_decides_is_scored(tmp_path) -> None:
    ground_truth = LABELS.copy()
    ground_truth[8:12, 18:26, 20:28] = HEART.number
    labels = ground_truth.copy()
    labels[8] = np.where(labels[8] == HEART.number, 0, labels[8])  # a quarter of the heart
    three = result(labels, structures=(*LUNGS, HEART))
    one = replace(case(tmp_path, ground_truth), decides=("right lung", "left lung", "heart"))
    found = score_ct(one, three)
    assert list(found.scores) == ["lungs", "heart", "right lung", "left lung"]
    assert list(found.raw) == ["lungs", "heart"]
    assert (found.name, found.first.dice, found.scores["heart"].recall) == ("lungs", 1, 0.75)
    assert found.scores["heart"].volume_error == pytest.approx(-64 * VOXEL)
    assert found.slices is not None
    assert found.slices.slice_dice == 1  # of the lungs

    heart_alone = score_ct(
        replace(case(tmp_path, ground_truth == HEART.number), decides=("heart",)), three
    )
    assert list(heart_alone.scores) == ["heart"]
    assert heart_alone.slices is not None
    assert (heart_alone.slices.slices_present, heart_alone.slices.slices_missed) == (4, 1)


def test_where_the_ground_truth_does_not_tell_sides_single_lungs_have_no_score(tmp_path) -> None:
    swapped = np.where(LABELS > 0, 3 - LABELS, 0).astype(np.uint8)
    found = score_ct(case(tmp_path, (LABELS > 0) * 255), result(swapped))
    assert found.first.dice == 1
    assert math.isnan(found.scores["right lung"].dice)
    assert math.isnan(found.scores["left lung"].hd95)
    assert (found.scores["right lung"].components, found.scores["left lung"].components) == (1, 1)


def test_sides_that_the_ground_truth_calls_the_other_way_round_are_put_straight(tmp_path) -> None:
    swapped = np.where(LABELS > 0, 3 - LABELS, 0)
    assert score_ct(case(tmp_path, swapped), result(LABELS)).scores["right lung"].dice == 1
    assert (
        score_ct(case(tmp_path, LABELS), result(swapped.astype(np.uint8))).scores["right lung"].dice
        == 0
    )


def test_labels_as_luna16_has_them(tmp_path) -> None:
    stored = np.array([0, 4, 3])[LABELS]
    assert score_ct(case(tmp_path, stored), result(LABELS)).scores["right lung"].dice == 1
    stored[2:5, 4:6, 20:24] = 5  # the trachea
    found = score_ct(case(tmp_path, stored), result(LABELS))
    assert (found.scores["left lung"].dice, found.first.dice) == (1, 1)


def test_a_mask_of_each_lung(tmp_path) -> None:
    right = case(tmp_path, LABELS == 1)
    left = tmp_path / "left.nii.gz"
    left.write_bytes(
        volume_nifti(Volume((LABELS == 2).astype(np.uint8), VOLUME.geometry, hounsfield=False))
    )
    found = score_ct(replace(right, mask_left=left), result(LABELS))
    assert (found.scores["right lung"].dice, found.scores["left lung"].dice) == (1, 1)


def test_what_postprocessing_changes_is_seen(tmp_path) -> None:
    raw = LABELS.copy()
    raw[0, 0, :3] = 2
    found = score_ct(case(tmp_path, LABELS), result(LABELS, raw=raw))
    assert (found.first.components, found.raw["lungs"].components) == (2, 3)
    assert found.raw["lungs"].volume_error == pytest.approx(3 * VOXEL)
    assert found.slices is not None
    assert found.slices.slices_claimed == 0


def test_without_spacing_distances_are_in_voxels_and_there_are_no_millilitres(tmp_path) -> None:
    volume = Volume(VOLUME.array, VolumeGeometry(SHAPE), hounsfield=True)
    one = case(tmp_path, LABELS)
    found = score_ct(one, result(np.roll(LABELS, 1, axis=1), volume=volume))
    assert (found.unit, found.first.hd) == ("voxels", 1.0)
    assert math.isnan(found.first.volume_error)


@pytest.mark.parametrize(
    ("spacing", "unit", "distance"), [((3.0, 0.5, 0.5), "mm", 1.0), (None, "pixels", 2.0)]
)
def test_a_slice_is_scored_as_a_picture(spacing, unit, distance, tmp_path) -> None:
    labels = LABELS[10:11]
    affine = None if spacing is None else np.diag([*spacing, 1.0])[[2, 1, 0, 3]]
    volume = Volume(
        np.array(VOLUME.array[10:11]), VolumeGeometry((1, *SHAPE[1:]), affine), hounsfield=True
    )
    found = score_ct(
        case(tmp_path, labels, volume=volume), result(np.roll(labels, 2, axis=1), volume=volume)
    )
    assert (found.kind, found.unit, found.slices) == ("slice", unit, None)
    assert found.first.hd == distance
    assert found.first.hd95_at_1024 == 2 * 1024 / SHAPE[2]
    assert math.isnan(found.first.volume_error)


def test_a_ground_truth_without_lung(tmp_path) -> None:
    nothing = np.zeros_like(LABELS)
    one = case(tmp_path, LABELS)
    one.mask.write_bytes(volume_nifti_of_nothing())  # type: ignore[union-attr]
    right, wrong = (score_ct(one, result(labels)) for labels in (nothing, LABELS))
    assert (right.is_empty, right.first.dice, right.first.hd95) == (True, 1, 0)
    assert (wrong.is_empty, wrong.first.dice, wrong.first.hd95) == (True, 0, math.inf)
    assert right.slices is not None
    assert wrong.slices is not None
    assert (right.slices.slices_claimed, wrong.slices.slices_claimed) == (
        0,
        int(LABELS.any(axis=(1, 2)).sum()),
    )
    assert (right.slices.worst_slice, math.isnan(right.slices.slice_dice)) == ("", True)


def volume_nifti_of_nothing() -> bytes:
    """Zeros alone, which `Volume` would refuse."""
    from lungseg.writers.nifti import nifti_gz

    return nifti_gz([np.zeros(SHAPE, np.uint8)], VOLUME, tuple(slice(0, side) for side in SHAPE))


def test_labels_on_another_grid_are_refused(tmp_path) -> None:
    short = Volume(
        LABELS[:-1], VolumeGeometry((19, 40, 48), VOLUME.geometry.affine), hounsfield=False
    )
    with pytest.raises(
        InputError,
        match="the labels have 19 x 40 x 48 voxels in axial order, their image has 20 x 40 x 48; "
        "give labels",
    ):
        score_ct(case(tmp_path, LABELS[:-1], volume=short), result(LABELS))
    with pytest.raises(InputError, match="the case has no mask; leave it out, or give it one"):
        score_ct(replace(case(tmp_path, LABELS), mask=None), result(LABELS))
