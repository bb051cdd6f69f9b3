"""Verdicts on CT: each reason by the one thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lungseg.ct.judge import is_disordered, judge_volume
from lungseg.ct.measure import measure_volume
from lungseg.ct.plausible_size import has_odd_proportions
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.measurement import Measurement, Measurements
from lungseg.phantom.ct import ct_phantom
from lungseg.verdict import REASONS, Verdict
from lungseg.volume import Volume
from verdicts import given

SHAPE = (50, 50, 60)
RIGHT, LEFT = (
    (1, slice(10, 40), slice(10, 40), slice(8, 26)),
    (2, slice(10, 40), slice(10, 40), slice(34, 52)),
)
Box = tuple[int, slice, slice, slice]


def verdict(
    *boxes: Box,
    spacing: float | None = 5.0,
    sure: float = 0.97,
    missing_slices: int = 0,
    assumed_order: bool = False,
    shape: tuple[int, int, int] = SHAPE,
    values: tuple[int, int] = (-800, -800),
    hounsfield: bool = True,
    spine: slice | None = None,
    evidence: tuple[str, ...] = (),
    expected: float | None = None,
    air: int | None = None,
) -> Verdict:
    """Of a volume with boxes of a label; two of 16200 voxels are 2 L each at a spacing of 5 mm.

    `values` are those of right and left lung, `spine` the rows of a bone between them, `expected`
    an expected Dice, `air` that in front."""
    labels = np.zeros(shape, np.uint8)
    for number, *box in boxes:
        labels[tuple(box)] = number
    affine = None
    if spacing is not None:
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * spacing
    voxels = np.array([50, *values], np.int16)[labels]
    voxels[0, 0, 0] = -1000
    if air is not None:
        voxels[:, :5] = air
    if spine is not None:
        voxels[:, spine, 28:32] = 400
    volume = Volume(
        voxels if hounsfield else voxels.astype(np.float32),
        VolumeGeometry(shape, affine),
        hounsfield=hounsfield,
        missing_slices=missing_slices,
        assumed_order=assumed_order,
    )
    segmentation = volume.with_labels(labels)
    measurements = measure_volume(
        volume, segmentation, {"right lung": sure, "left lung": sure, "lungs": sure}
    )
    if expected is not None:
        measurements |= Measurements([Measurement("expected_dice", "lungs", expected, "1")])
    return judge_volume(volume, segmentation, measurements, evidence)


def test_two_ordinary_lungs_are_ok():
    assert verdict(RIGHT, LEFT) == Verdict("ok")
    phantom = ct_phantom((30, 64, 64))
    measurements = measure_volume(
        phantom.volume, phantom.ground_truth, {"right lung": 1.0, "left lung": 1.0, "lungs": 1.0}
    )
    assert judge_volume(phantom.volume, phantom.ground_truth, measurements) == Verdict("ok")


@pytest.mark.parametrize(
    ("name", "boxes", "spacing"),
    [
        ("one_lung", (RIGHT,), 5.0),
        ("cut_off_above", ((1, slice(20, 50), *RIGHT[2:]), LEFT), 5.0),
        ("cut_off_below", (RIGHT, (2, slice(0, 30), *LEFT[2:])), 5.0),
        ("cut_off_side", ((1, slice(10, 40), slice(10, 40), slice(0, 18)), LEFT), 5.0),
        ("cut_off_side", (RIGHT, (2, slice(10, 40), slice(20, 50), slice(34, 52))), 5.0),
        ("small", (RIGHT, LEFT), 2.9),
        ("large", (RIGHT, LEFT), 7.2),
        ("asymmetric", (RIGHT, (2, slice(10, 40), slice(10, 40), slice(34, 41))), 5.0),
        ("asymmetric", ((1, slice(10, 40), slice(10, 40), slice(14, 25)), LEFT), 5.0),
        ("orientation_mismatch", ((2, *RIGHT[1:]), (1, *LEFT[1:])), 5.0),
    ],
)
def test_each_reason(name, boxes, spacing):
    assert verdict(*boxes, spacing=spacing) == given("ct", "review", name)


def test_no_lungs_in_a_volume_refuse_it_and_in_a_slice_send_it_to_review():
    assert verdict() == given("ct", "refused", "no_lung")
    assert verdict(shape=(1, 50, 60)) == given("ct", "review", "no_lung_in_slice")


def test_what_is_too_small_or_of_the_wrong_density_is_no_chest():
    names = ("no_chest", "small")
    assert verdict(RIGHT, LEFT, spacing=1.4) == given("ct", "refused", *names)
    bases = [(number, slice(0, 2), *box) for number, _, *box in (RIGHT, LEFT)]
    names = ("cut_off_below", "small")
    assert verdict(*bases, spacing=2.5) == given("ct", "review", *names)
    names = ("no_chest", "one_lung", "implausible_density")
    assert verdict(RIGHT, values=(-990, 0)) == given("ct", "refused", *names)
    names = ("no_chest", "small", "implausible_density")
    assert verdict(RIGHT, LEFT, values=(-980, -980), spacing=2.5) == given("ct", "refused", *names)
    everywhere = [
        (number, slice(0, 50), slice(0, 50), columns) for number, *_, columns in (RIGHT, LEFT)
    ]
    names = ("no_chest", "cut_off_above", "cut_off_below", "cut_off_side", "implausible_density")
    assert verdict(*everywhere, values=(-300, -300)) == given("ct", "refused", *names)
    # A piece cut out of a chest reaches everywhere too.
    names = ("cut_off_above", "cut_off_below", "cut_off_side")
    assert verdict(*everywhere) == given("ct", "review", *names)
    single = (1, slice(0, 1), *RIGHT[2:])
    names = ("one_lung", "implausible_density")
    assert verdict(single, values=(-990, 0), shape=(1, 50, 60)) == given("ct", "review", *names)
    assert verdict(RIGHT, LEFT, expected=0.49) == given("ct", "refused", "no_chest")
    assert verdict(RIGHT, LEFT, expected=0.5) == Verdict("ok")


@pytest.mark.parametrize(
    ("value", "speaks"), [(-940, True), (-920, False), (-410, False), (-390, True), (200, True)]
)
def test_the_density_of_lungs(value, speaks):
    expected = given("ct", "review", "implausible_density") if speaks else Verdict("ok")
    assert verdict(RIGHT, LEFT, values=(value, value)) == expected


@pytest.mark.parametrize(
    ("value", "speaks"),
    [(-1224, True), (-1050, False), (-1000, False), (-920, False), (-880, True), (-2048, False)],
)
def test_the_density_of_air_around_the_patient(value, speaks):
    expected = given("ct", "review", "implausible_density") if speaks else Verdict("ok")
    assert verdict(RIGHT, LEFT, air=value) == expected


def test_an_airless_lung():
    """A fifth of the right lung may hold no air, not more."""
    soft = [(0, slice(10, last), slice(10, 40), slice(8, 26)) for last in (16, 19)]
    for box, status in zip(soft, ("ok", "review"), strict=True):
        labels = np.zeros(SHAPE, np.uint8)
        for number, *lung in (RIGHT, LEFT):
            labels[tuple(lung)] = number
        voxels = np.where(labels > 0, -800, 50).astype(np.int16)
        voxels[tuple(box[1:])] = 30
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * 5.0
        volume = Volume(voxels, VolumeGeometry(SHAPE, affine), hounsfield=True)
        segmentation = volume.with_labels(labels)
        found = judge_volume(
            volume,
            segmentation,
            measure_volume(
                volume, segmentation, {"right lung": 1.0, "left lung": 1.0, "lungs": 1.0}
            ),
        )
        assert found == (given("ct", "review", "opaque") if status == "review" else Verdict("ok"))


def test_a_spine_before_the_lungs():
    assert verdict(RIGHT, LEFT, spine=slice(32, 38)) == Verdict("ok")
    assert verdict(RIGHT, LEFT, spine=slice(12, 18)) == given(
        "ct", "review", "orientation_mismatch"
    )
    # Where nothing states an orientation, none can be wrong.
    assert verdict(RIGHT, LEFT, spine=slice(12, 18), spacing=None) == Verdict("ok")


def test_greys_are_a_reason_for_volumes_only():
    assert verdict(RIGHT, LEFT, hounsfield=False) == given("ct", "review", "not_hounsfield")
    boxes = [(number, slice(0, 1), *box) for number, _, *box in (RIGHT, LEFT)]
    assert verdict(*boxes, hounsfield=False, shape=(1, 50, 60)) == Verdict("ok")


def test_an_order_that_positions_do_not_tell():
    assert verdict(RIGHT, LEFT, assumed_order=True, spacing=None) == given(
        "ct", "review", "assumed_order"
    )


def test_missing_slices():
    assert verdict(RIGHT, LEFT, missing_slices=1) == given("ct", "review", "slices_missing")


def test_a_network_that_is_unsure():
    assert verdict(RIGHT, LEFT, sure=0.89) == given("ct", "review", "uncertain")
    assert verdict(RIGHT, LEFT, sure=0.9).status == "ok"
    # An expected Dice knows better.
    assert verdict(RIGHT, LEFT, sure=0.89, expected=0.97) == Verdict("ok")
    assert verdict(RIGHT, LEFT, expected=0.8, evidence=("uncertain",)) == given(
        "ct", "review", "uncertain"
    )


def test_what_is_not_known_is_no_reason():
    assert verdict(RIGHT, LEFT, spacing=None) == Verdict("ok")


def test_a_tip_in_the_last_slice_is_not_cut_off():
    assert verdict(RIGHT, LEFT, (1, slice(40, 50), slice(20, 23), slice(16, 21))) == Verdict(
        "ok", ()
    )


def test_one_slice_is_not_cut_off_and_its_lungs_may_differ():
    boxes = (
        (1, slice(0, 1), slice(10, 40), slice(8, 26)),
        (2, slice(0, 1), slice(10, 20), slice(34, 52)),
    )
    assert verdict(*boxes, shape=(1, 50, 60)) == Verdict("ok")
    edge = (1, slice(0, 1), slice(10, 40), slice(0, 26)), boxes[1]
    assert verdict(*edge, shape=(1, 50, 60)).codes == ("cut_off_side",)
    assert verdict(boxes[0], shape=(1, 50, 60)).codes == ("one_lung",)


def test_first_and_last_slice_are_those_of_the_patient():
    """Of a stack of sagittal slices, cut off at the patient's top."""
    labels = np.zeros((60, 50, 50), np.uint8)
    labels[8:26, 10:40, 20:50], labels[34:52, 10:40, 10:40] = 1, 2
    affine = np.eye(4)
    affine[:3, :3] = (
        np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 5.0
    )  # slices to the left, rows to the back, columns to the head
    volume = Volume(
        np.where(labels > 0, -800, 50).astype(np.int16),
        VolumeGeometry(labels.shape, affine),
        hounsfield=True,
    )
    segmentation = volume.with_labels(labels)
    measurements = measure_volume(
        volume, segmentation, {"right lung": 1.0, "left lung": 1.0, "lungs": 1.0}
    )
    assert judge_volume(volume, segmentation, measurements) == given(
        "ct", "review", "cut_off_above"
    )


def test_several_reasons_are_all_given():
    names = ("one_lung", "cut_off_below", "slices_missing", "small", "uncertain")
    assert (
        verdict((1, slice(0, 20), *RIGHT[2:]), spacing=4.0, missing_slices=3, sure=0.5).codes
        == names
    )


def test_every_reason_stands_in_the_page():
    page = (Path(__file__).resolve().parents[2] / "docs" / "verdicts_ct.md").read_text(
        encoding="utf-8"
    )
    rows = [
        line.split(" | ")
        for line in page.split("## Reasons")[1].split("\n## ")[0].splitlines()
        if line.startswith("| ")
    ][1:]
    assert [tuple(row[:3]) for row in rows] == [
        (f"| `{reason.code}`", reason.sentence, "refused" if reason.refuses else "review")
        for reason in REASONS["ct"]
    ]


@pytest.mark.parametrize("apart", [1, 3])
def test_slices_in_the_wrong_order_are_to_be_looked_at(apart):
    labels = ct_phantom((48, 64, 64), spacing=(7.0, 5.0, 5.0)).ground_truth.labels[::apart]
    numbers = np.arange(len(labels))
    by_name = np.array(sorted(numbers + 1, key=str)) - 1
    odd_before_even = np.r_[numbers[::2], numbers[1::2]]
    foreign = numbers.copy()
    foreign[len(numbers) // 2] = 0
    assert not is_disordered(labels)
    for order in (by_name, odd_before_even, foreign):
        assert is_disordered(labels[order])
    assert not is_disordered(labels * 0)
    gap = [(number, slices, *box) for number, _, *box in (RIGHT, LEFT) for slices in PARTS]
    assert verdict(*gap) == given("ct", "review", "slices_disordered")
    # what is no lung has no order
    assert verdict(*gap, expected=0.49) == given("ct", "refused", "no_chest")


PARTS = (slice(10, 24), slice(25, 40))


@pytest.mark.parametrize(("step", "odd"), [(5.0, False), (2.3, True), (12.0, True)])
def test_lungs_of_odd_proportions_are_to_be_looked_at(step, odd):
    labels = np.zeros(SHAPE, np.uint8)
    for number, *box in (RIGHT, LEFT):
        labels[tuple(box)] = number
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * (step, 5.0, 5.0)
    volume = Volume(
        np.where(labels, -800, 50).astype(np.int16), VolumeGeometry(SHAPE, affine), hounsfield=True
    )
    assert has_odd_proportions(volume.with_labels(labels), labels) is odd
    assert not has_odd_proportions(volume.with_labels(labels), np.minimum(labels, 1))
