"""The cardiothoracic ratio and opacity fractions of drawn masks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.radiograph.findings import RATIO, measure_findings, no_ratio, of_frontal
from lungseg.radiograph.orientation import View
from lungseg.segmentation import Segmentation, without_sides
from lungseg.structures import HEART, LUNGS, LUNGS_AS_ONE, OPACITY
from lungseg.verdict import Verdict, verdict_of

SHAPE = (90, 120)


def layers(*, heart: bool = True, left: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Lungs of 60 x 30 in columns 10 to 39 and 80 to 109, a heart of 45 columns, and opacity in
    half of the upper third of the right lung and all of the lower third of the left."""
    labels, opacity = np.zeros((2, *SHAPE), np.uint8)
    labels[15:75, 10:40] = 1
    if left:
        labels[15:75, 80:110] = 2
    if heart:
        labels[50:70, 42:79] = 3
        labels[60:64, 40:85] = np.where(labels[60:64, 40:85] == 2, 2, 3)
        labels[60, 40] = 3
    opacity[15:35, 10:25] = 5
    if left:
        opacity[55:75, 80:110] = 5
    return labels, opacity


def segmented(*planes: np.ndarray) -> Segmentation[ImageGeometry]:
    grey = np.indices(planes[0].shape).sum(axis=0).astype(np.uint8)
    image = Image(grey, ImageGeometry(planes[0].shape, None))
    return image.with_layers(planes, ((*LUNGS, HEART), (OPACITY,))[: len(planes)])


def test_the_ratio_of_the_widest_heart_and_the_widest_chest() -> None:
    found = measure_findings(segmented(*layers()))[RATIO]
    assert found.value == pytest.approx(40 / 100)  # columns 40 to 79, and 10 to 109
    assert (found.unit, found.structure) == ("1", "")
    assert [column for _, column in found.points] == [40, 79, 10, 109]
    labels = layers()[0]
    assert [labels[int(row), int(column)] for row, column in found.points] == [3, 3, 1, 2]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_a_chest_on_its_side_has_the_same_ratio_and_thirds(turns: int, *, mirrored: bool) -> None:
    view = View(turns, mirrored)
    upright = layers()
    given = [np.ascontiguousarray(view.undone(plane)) for plane in upright]
    found = measure_findings(segmented(*given), view)
    expected = measure_findings(segmented(*upright))
    assert {key: one.value for key, one in found.items()} == {
        key: one.value for key, one in expected.items()
    }
    assert [given[0][int(row), int(column)] for row, column in found[RATIO].points] == [3, 3, 1, 2]


def test_opacity_of_each_lung_of_both_and_of_thirds() -> None:
    found = measure_findings(segmented(*layers()))
    values = {key: one.value for key, one in found.items() if key != RATIO}
    assert values == pytest.approx(
        {
            ("opacity_fraction", "right lung"): 100 / 6,
            ("opacity_fraction", "left lung"): 100 / 3,
            ("opacity_fraction", "lungs"): 25,
            ("opacity_fraction_upper", "right lung"): 50,
            ("opacity_fraction_middle", "right lung"): 0,
            ("opacity_fraction_lower", "right lung"): 0,
            ("opacity_fraction_upper", "left lung"): 0,
            ("opacity_fraction_middle", "left lung"): 0,
            ("opacity_fraction_lower", "left lung"): 100,
        }
    )
    assert {one.unit for key, one in found.items() if key != RATIO} == {"percent"}


def test_without_a_lung_or_a_heart_there_is_no_ratio_and_it_is_said() -> None:
    alone = segmented(*layers(left=False))
    assert no_ratio(alone) == "there is no cardiothoracic ratio: no left lung was found"
    found = measure_findings(alone)
    assert RATIO not in found
    assert math.isnan(found["opacity_fraction", "left lung"].value)
    without = segmented(*layers(heart=False))
    assert no_ratio(without) == "there is no cardiothoracic ratio: no heart was found"
    assert no_ratio(segmented(*layers())) is None


def test_of_lungs_without_sides_none_is_no_ratio_either() -> None:
    labels, _ = layers()
    empty = np.zeros_like(labels)
    image = Image(np.indices(SHAPE).sum(axis=0).astype(np.uint8), ImageGeometry(SHAPE, None))
    none = image.with_layers(
        [empty, (labels == HEART.number) * labels], [(LUNGS_AS_ONE,), (HEART,)]
    )
    assert no_ratio(none) == "there is no cardiothoracic ratio: no lungs was found"
    assert RATIO not in measure_findings(none)


def test_what_was_not_looked_for_is_not_measured() -> None:
    labels, _ = layers(heart=False)
    grey = np.indices(SHAPE).sum(axis=0).astype(np.uint8)
    lungs = Image(grey, ImageGeometry(SHAPE, None)).with_labels(labels)
    assert len(measure_findings(lungs)) == 0
    assert no_ratio(lungs) is None


def test_a_picture_that_is_no_frontal_chest_has_no_ratio_but_opacities() -> None:
    segmentation = segmented(*layers())
    found = measure_findings(segmentation)
    refused = verdict_of("radiograph", {"not_frontal": True})
    rest, notes = of_frontal(found, segmentation, refused)
    assert set(rest) == set(found) - {RATIO}
    assert notes == ("there is no cardiothoracic ratio: this is no frontal chest radiograph",)
    kept, notes = of_frontal(found, segmentation, Verdict("ok"))
    assert (set(kept), notes) == (set(found), ())


def test_lungs_whose_sides_nobody_knows_have_a_ratio_and_one_fraction() -> None:
    labels, opacity = layers()
    sided = measure_findings(segmented(labels, opacity))
    maps, structures = without_sides((labels, opacity), ((*LUNGS, HEART), (OPACITY,)))
    found = measure_findings(
        Image(labels + opacity, ImageGeometry(SHAPE, None)).with_layers(maps, structures)
    )
    assert list(found) == [RATIO, ("opacity_fraction", "lungs")]
    assert found[RATIO].value == sided[RATIO].value
    assert found["opacity_fraction", "lungs"] == sided["opacity_fraction", "lungs"]
