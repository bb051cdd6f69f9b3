"""Verdicts on CT: each reason by the one thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lungseg.findings import Confidence, Verdict
from lungseg.geometry import AXIAL, Grid
from lungseg.judge_volume import REASONS, judge_volume
from lungseg.measure_volume import measure_volume
from lungseg.phantom_ct import ct_phantom
from lungseg.volume import Volume

SHAPE = (50, 50, 60)
RIGHT, LEFT = (1, slice(10, 40), slice(10, 40), slice(8, 26)), (2, slice(10, 40), slice(10, 40), slice(34, 52))
Box = tuple[int, slice, slice, slice]


def verdict(*boxes: Box, spacing: float | None = 5.0, sure: float = 0.97, gaps: int = 0, shape: tuple[int, int, int] = SHAPE) -> Verdict:
    """Of a volume with boxes of a label; two of 16200 voxels are 2 L each at a spacing of 5 mm."""
    labels = np.zeros(shape, np.uint8)
    for number, *box in boxes:
        labels[tuple(box)] = number
    affine = None
    if spacing is not None:
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * spacing
    voxels = np.where(labels > 0, -800, 50).astype(np.int16)
    voxels[0, 0, 0] = -1000
    volume = Volume(voxels, Grid(shape, affine), hounsfield=True, gaps=gaps)
    segmentation = volume.with_labels(labels)
    return judge_volume(volume, segmentation, measure_volume(volume, segmentation, Confidence(sure, sure, sure)))


def test_two_ordinary_lungs_are_ok():
    assert verdict(RIGHT, LEFT) == Verdict("ok", ())
    phantom = ct_phantom((30, 64, 64))
    measurements = measure_volume(phantom.volume, phantom.truth, Confidence(1.0, 1.0, 1.0))
    assert judge_volume(phantom.volume, phantom.truth, measurements) == Verdict("ok", ())


@pytest.mark.parametrize(
    ("name", "boxes", "spacing"),
    [
        ("no lung", (), 5.0),
        ("one lung", (RIGHT,), 5.0),
        ("cut off", ((1, slice(20, 50), *RIGHT[2:]), LEFT), 5.0),
        ("cut off", (RIGHT, (2, slice(0, 30), *LEFT[2:])), 5.0),
        ("edge", ((1, slice(10, 40), slice(10, 40), slice(0, 18)), LEFT), 5.0),
        ("edge", (RIGHT, (2, slice(10, 40), slice(20, 50), slice(34, 52))), 5.0),
        ("small", (RIGHT, LEFT), 2.9),
        ("large", (RIGHT, LEFT), 7.2),
        ("asymmetric", (RIGHT, (2, slice(10, 40), slice(10, 40), slice(34, 41))), 5.0),
    ],
)
def test_each_reason(name, boxes, spacing):
    assert verdict(*boxes, spacing=spacing) == Verdict("review", (REASONS[name],))


def test_missing_slices():
    assert verdict(RIGHT, LEFT, gaps=1) == Verdict("review", (REASONS["gaps"],))


def test_a_network_that_is_unsure():
    assert verdict(RIGHT, LEFT, sure=0.89) == Verdict("review", (REASONS["uncertain"],))
    assert verdict(RIGHT, LEFT, sure=0.9).status == "ok"


def test_what_is_not_known_is_no_reason():
    assert verdict(RIGHT, LEFT, spacing=None) == Verdict("ok", ())


def test_a_tip_in_the_last_slice_is_not_cut_off():
    assert verdict(RIGHT, LEFT, (1, slice(40, 50), slice(20, 23), slice(16, 21))) == Verdict("ok", ())


def test_one_slice_is_not_cut_off_and_its_lungs_may_differ():
    boxes = (1, slice(0, 1), slice(10, 40), slice(8, 26)), (2, slice(0, 1), slice(10, 20), slice(34, 52))
    assert verdict(*boxes, shape=(1, 50, 60)) == Verdict("ok", ())
    edge = (1, slice(0, 1), slice(10, 40), slice(0, 26)), boxes[1]
    assert verdict(*edge, shape=(1, 50, 60)).reasons == (REASONS["edge"],)
    assert verdict(boxes[0], shape=(1, 50, 60)).reasons == (REASONS["one lung"],)


def test_first_and_last_slice_are_those_of_the_patient():
    """Of a stack of sagittal slices, cut off at the patient's top."""
    labels = np.zeros((60, 50, 50), np.uint8)
    labels[8:26, 10:40, 20:50], labels[34:52, 10:40, 10:40] = 1, 2
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 5.0  # slices to the left, rows to the back, columns to the head
    volume = Volume(np.where(labels > 0, -800, 50).astype(np.int16), Grid(labels.shape, affine), hounsfield=True)
    segmentation = volume.with_labels(labels)
    measurements = measure_volume(volume, segmentation, Confidence(1.0, 1.0, 1.0))
    assert judge_volume(volume, segmentation, measurements) == Verdict("review", (REASONS["cut off"],))


def test_several_reasons_are_all_given():
    names = ("one lung", "cut off", "gaps", "small", "uncertain")
    assert verdict((1, slice(0, 20), *RIGHT[2:]), spacing=4.0, gaps=3, sure=0.5).reasons == tuple(REASONS[name] for name in names)


def test_every_reason_stands_in_the_page():
    page = (Path(__file__).resolve().parent.parent / "docs" / "measurements.md").read_text(encoding="utf-8")
    table = page.split("### Verdict on CT")[1].split("\n## ")[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:] == list(REASONS.values())
