"""Series whose slices are not evenly spaced: solids of known measures, cut at any heights."""

from __future__ import annotations

import math

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.ct.judge import judge_volume
from lungseg.ct.measure import measure_volume
from lungseg.ct.slices import fill_between, sampled_slices
from lungseg.errors import UsageError
from lungseg.geometry import Reorientation, VolumeGeometry
from lungseg.readers import read_volume
from lungseg.readers.slice_stack import _missing as missing_slices
from lungseg.volume import Volume
from lungseg.writers.outputs import save
from phantom_volumes import ct_slice, stored_as

SIDE, PIXEL = 64, 4.0
MIDDLES = {"right lung": (-60.0, 5.0, 77.0), "left lung": (62.0, 0.0, 72.0)}
HALVES = {"right lung": (45.0, 60.0, 66.0), "left lung": (35.0, 55.0, 58.0)}
"""Millimetres of two ellipsoids: x, y, z."""
SURE = {"right lung": 0.98, "left lung": 0.97, "lungs": 0.99}


def plane(height):
    """Labels (rows, columns) at a height in millimetres."""
    y, x = ((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * PIXEL).reshape(2, SIDE, SIDE)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for number, name in enumerate(MIDDLES, start=1):
        (a, b, c), (u, v, w) = MIDDLES[name], HALVES[name]
        labels[((x - a) / u) ** 2 + ((y - b) / v) ** 2 + ((height - c) / w) ** 2 < 1] = number
    return labels


def steps(*parts):
    """Heights from 0 on: so many slices at such a distance, part by part."""
    return np.append(0.0, np.cumsum(np.concatenate([[step] * count for count, step in parts])))


def series(folder, heights, **headers):
    """Lung of -850 HU in tissue of 40, a file for each height; the names follow no order."""
    for number, height in enumerate(heights):
        header = {"PixelSpacing": [PIXEL, PIXEL], "SliceThickness": 3}
        header |= {key: of[number] for key, of in headers.items()}
        pixels = np.where(plane(height) > 0, -850, 40).astype(np.int16)
        pixels[0] = -1000
        name = f"{number * 7919 % 10007:05}.dcm"
        ct_slice(pixels, (10, 20, height), **header).save_as(folder / name)
    return read_volume(folder)


def found(volume):
    labels = np.zeros(volume.array.shape, np.uint8)
    columns = np.arange(SIDE)
    labels[(volume.array < -800) & (np.arange(SIDE)[:, np.newaxis] > 0)] = 2
    labels[(labels > 0) & (columns < SIDE / 2)] = 1
    return volume.with_labels(labels)


EVEN = steps((50, 3.0))
PROTOCOLS = {
    "chest 5, rest 3": steps((15, 3.0), (12, 5.0), (15, 3.0)),
    "3, then 2.2": steps((25, 3.0), (35, 2.2)),
    "2.2, then 3": steps((35, 2.2), (25, 3.0)),
    "4, then 5": steps((18, 4.0), (16, 5.0)),
    "6, then 3": steps((13, 6.0), (25, 3.0)),
    "drift": np.cumsum(np.append(0, np.linspace(2.9, 3.1, 52))),
}
PIECES = {
    "overlap": np.sort(np.append(steps((25, 3.0)), 73.7 + steps((25, 3.0)))),
    "descending": EVEN[::-1],
    "doubled": np.append(EVEN, EVEN[20:30]),
}


@pytest.mark.parametrize("name", [*PROTOCOLS, *PIECES])
def test_each_slice_counts_with_the_space_it_stands_for(tmp_path, name):
    volume = series(tmp_path, (PROTOCOLS | PIECES)[name])
    assert volume.missing_slices == 0
    check_measures(volume)
    verdict = judge_volume(volume, found(volume), measure_volume(volume, found(volume), SURE))
    assert ("slices_uneven" in verdict.codes) == (name not in ("descending", "doubled"))
    assert "slices_missing" not in verdict.codes


@pytest.mark.parametrize(("missing", "count"), [([15], 1), ([10, 25, 35], 3), (range(20, 23), 3)])
def test_missing_slices_leave_their_space_to_their_neighbours(tmp_path, missing, count):
    volume = series(tmp_path, np.delete(EVEN, missing))
    assert volume.missing_slices == count
    check_measures(volume)
    verdict = judge_volume(volume, found(volume), measure_volume(volume, found(volume), SURE))
    assert "slices_missing" in verdict.codes
    assert "slices_uneven" not in verdict.codes


def test_a_slice_is_missing_from_a_series_of_two_distances(tmp_path):
    heights = np.delete(PROTOCOLS["chest 5, rest 3"], [7, 20, 21])
    volume = series(tmp_path, heights)
    assert volume.missing_slices == 3
    segmentation = found(volume)
    codes = judge_volume(volume, segmentation, measure_volume(volume, segmentation, SURE)).codes
    assert {"slices_missing", "slices_uneven"} <= set(codes)


def test_what_is_covered_by_thicker_slices_is_not_missing(tmp_path):
    heights = steps((10, 3.0), (2, 6.0), (10, 3.0))
    assert series(tmp_path, heights).missing_slices == 2
    thick = np.where((heights > 29) & (heights < 43), 6, 3).tolist()
    assert missing_slices(np.diff(heights), thick) == 0


def test_thicker_slices_between_thinner_ones_are_one_volume(tmp_path):
    heights = PROTOCOLS["chest 5, rest 3"]
    thick = np.where((heights > 46) & (heights < 106), 5, 3).tolist()
    volume = series(tmp_path, heights, SliceThickness=thick)
    assert len(volume.array) == len(heights)
    check_measures(volume)


def check_measures(volume):
    """Volumes within 1 %, heights within the distance of two slices."""
    measured = measure_volume(volume, found(volume), SURE)
    for name, halves in HALVES.items():
        exact = 4 / 3 * math.pi * math.prod(halves) / 1000
        assert measured["volume", name].value == pytest.approx(exact, rel=0.01)
        assert measured["height", name].value == pytest.approx(2 * halves[2], abs=6.5)
        assert measured["mass", name].value == pytest.approx(0.15 * exact, rel=0.01)
        assert measured["mean", name].value == pytest.approx(-850)
    both = measured["asymmetry", "lungs"].value
    right, left = (math.prod(HALVES[name]) for name in HALVES)
    assert both == pytest.approx(100 * (right - left) / (right + left), abs=0.5)


def test_densities_are_weighted_by_the_space_of_slices(tmp_path):
    heights = PROTOCOLS["chest 5, rest 3"]
    volume = series(tmp_path, heights)
    voxels = volume.array.copy()
    chest = (heights > 46) & (heights < 104)  # all but the ends of the stretch of 5 mm
    voxels[chest] = np.where(voxels[chest] < -800, -900, voxels[chest])
    labels = found(volume).labels
    denser = Volume(voxels, volume.geometry, hounsfield=True)
    measured = measure_volume(denser, denser.with_labels(labels), SURE)
    each = np.count_nonzero(labels, axis=(1, 2)) * volume.geometry.widths(0)
    share = each[chest].sum() / each.sum()
    assert measured["mean", "lungs"].value == pytest.approx(-850 - 50 * share)
    assert measured["std", "lungs"].value == pytest.approx(50 * math.sqrt(share * (1 - share)))
    assert measured["perc15", "lungs"].value == -900


def test_slices_lie_where_their_positions_are(tmp_path):
    heights = PROTOCOLS["3, then 2.2"]
    volume = series(tmp_path, heights)
    step = volume.geometry.affine[:3, 0]
    places = volume.geometry.affine[:3, 3] + np.outer(volume.geometry.places(0), step)
    assert_allclose(places, [(10, 20, height) for height in heights], atol=1e-3)
    assert volume.geometry.widths(0).sum() * step[2] == pytest.approx(heights[-1] + 2.6)


def test_a_slice_far_from_the_others_stands_for_no_more_outwards_than_they_do():
    planes = np.append(np.arange(9.0), 40.0) * 9 / 40
    grid = VolumeGeometry((10, 5, 6), np.eye(4), tuple(planes))
    widths = grid.widths(0) * 40 / 9
    assert_allclose(widths, [1, 1, 1, 1, 1, 1, 1, 1, 16.5, 16.5])
    assert_allclose(VolumeGeometry((2, 5, 6), np.eye(4)).widths(0), [1, 1])
    assert_allclose(VolumeGeometry((1, 5, 6), np.eye(4)).widths(0), [1])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("flipped", [(False, True, False), (True, False, True)])
def test_turning_keeps_the_planes(order, flipped):
    affine = np.diag([3.0, 0.5, 0.75, 1])
    planes = (0.0, 0.5, 2.0, 3.0)
    grid = VolumeGeometry((4, 5, 6), affine, planes)
    turn = Reorientation(order, flipped)
    turned = turn.geometry(grid)
    axis = order.index(0)
    assert turned.uneven_axis == axis
    points = turned.affine[:3, 3] + np.outer(turned.places(axis), turned.affine[:3, axis])
    height = np.flatnonzero(affine[:3, 0])[0]
    expected = 3.0 * np.array(planes)
    assert_allclose(points[:, height], expected[::-1] if flipped[axis] else expected)


def test_measures_do_not_depend_on_how_the_volume_is_stored(tmp_path):
    volume = series(tmp_path, PROTOCOLS["chest 5, rest 3"])
    labels = found(volume).labels
    before = measure_volume(volume, volume.with_labels(labels), SURE)
    turn = Reorientation((2, 0, 1), (True, True, False))
    voxels, _ = stored_as(volume.array, volume.geometry.affine, turn)
    turned = Volume(voxels, turn.geometry(volume.geometry), hounsfield=True)
    after = measure_volume(turned, turned.with_labels(turn.apply(labels)), SURE)
    for key, measurement in before.items():
        assert after[key].value == pytest.approx(measurement.value, nan_ok=True)


def test_a_nifti_is_on_an_even_grid_that_is_said(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    heights = PROTOCOLS["chest 5, rest 3"]
    volume = series(folder, heights)
    segmentation = found(volume)
    paths = save(volume, segmentation, tmp_path / "out", ("mask", "masked"))
    mask = nibabel.load(paths["mask"])
    assert mask.shape == nibabel.load(paths["masked"]).shape == (SIDE, SIDE, 51)
    assert mask.affine[2, 2] == pytest.approx(3.0)
    assert volume.notes == (
        "slices stand unevenly, 3.00 to 5.00 mm apart; each counts with the space it stands for",
        "files of the volume have 51 slices, 3 mm apart, each of them the nearest one of the "
        "series",
    )
    for number in (0, 16, 25, 38, 50):
        at = float(mask.affine[2, 3] + 3.0 * number)
        nearest = heights[np.abs(heights - at).argmin()]
        assert_array_equal(np.asarray(mask.dataobj)[:, :, number].T, plane(nearest))
    exact = sum(4 / 3 * math.pi * math.prod(halves) for halves in HALVES.values())
    voxel = abs(np.linalg.det(mask.affine[:3, :3]))
    assert np.count_nonzero(mask.dataobj) * voxel == pytest.approx(exact, rel=0.01)


def test_the_network_sees_no_gap_larger_than_needed():
    planes = tuple(np.append(0.0, np.cumsum([0.5] * 8 + [4.0, 1.0, 1.5])) * 11 / 10.5)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [10.5 / 11, 0, 0]])
    grid = VolumeGeometry((12, 64, 64), affine, planes)
    seen = sampled_slices(grid)
    assert seen.tolist() == [0, 6, 8, 9, 11]
    probabilities = np.zeros((12, 1, 1, 1), np.uint8)
    probabilities[8], probabilities[9], probabilities[11] = 100, 200, 50
    fill_between(probabilities, seen, grid.places(0))
    assert probabilities.ravel().tolist() == [0, 0, 0, 0, 0, 0, 0, 50, 100, 200, 140, 50]


def test_planes_that_are_none_are_refused():
    for planes in ((0.0, 1.0), (0.0, 2.0, 1.0, 3.0), (0.0, 1.0, 2.0, 4.0)):
        with pytest.raises(UsageError, match="planes have a position each"):
            VolumeGeometry((4, 5, 6), np.eye(4), planes)
