"""What lies on the patient or the film, and what is sampled of it and of opacities; no label is
ever touched."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.augment.occlusions import (
    Arrow,
    Block,
    Text,
    Tube,
    sample_basal_effusion,
    sample_occlusions,
)
from lungseg.augment.opacities import Consolidation, Effusion, Gas
from lungseg.phantom.radiograph import radiograph_phantom

SHAPE = (96, 96)


@pytest.fixture(scope="module")
def lungs() -> dict[str, np.ndarray]:
    labels = radiograph_phantom(SHAPE).ground_truth.labels
    return {"right": labels == 1, "left": labels == 2}


@pytest.fixture
def grey() -> np.ndarray:
    return radiograph_phantom(SHAPE).image.array.astype(np.float32) / 255


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_tube_brightens_along_its_curve(grey, lungs) -> None:
    points = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])
    gain = Tube(points, 2, 0.5).paint(grey.copy(), lungs, rng()) - grey
    assert (gain >= 0).all()
    assert gain[48, 48] > 0.2
    assert gain[10, 86] == 0


def test_text_arrows_and_blocks_have_their_grey_and_place(grey, lungs) -> None:
    written = Text("L", (0.5, 0.9), 1.0, 2, 1.0).paint(grey.copy(), lungs, rng())
    changed = np.argwhere(written != grey)
    assert len(changed) > 10
    assert (changed.min(axis=0) >= [50, 45]).all()
    assert (changed.max(axis=0) <= [90, 80]).all()

    arrow = Arrow(np.array([0.2, 0.2]), np.array([0.8, 0.2]), 1, 0.0).paint(
        grey.copy(), lungs, rng()
    )
    assert (arrow[19, 25:70] == 0).all()
    np.testing.assert_array_equal(arrow[60:], grey[60:])

    block = Block(np.array([0.25, 0.75]), np.array([0.1, 0.2]), 0.5).paint(
        grey.copy(), lungs, rng()
    )
    assert (block[64:80, 20:28] == 0.5).all()
    np.testing.assert_array_equal(block[:60], grey[:60])


def test_nothing_touches_its_inputs(grey, lungs) -> None:
    before_grey, before = grey.copy(), {side: lung.copy() for side, lung in lungs.items()}
    for seed in range(60):
        for thing in (*sample_occlusions(rng(seed)), sample_basal_effusion(rng(seed))):
            thing.paint(grey, lungs, rng(seed))
    for side, lung in lungs.items():
        np.testing.assert_array_equal(lung, before[side])
    np.testing.assert_array_equal(grey, before_grey)


def test_every_kind_is_sampled_and_some_samples_stay_clear() -> None:
    sampled = [sample_occlusions(rng(seed)) for seed in range(300)]
    assert {type(thing) for things in sampled for thing in things} == {
        Effusion,
        Consolidation,
        Gas,
        Tube,
        Text,
        Arrow,
        Block,
    }
    assert 0.2 < np.mean([not things for things in sampled]) < 0.4
    sides = [
        {thing.side for thing in things if isinstance(thing, Effusion | Consolidation)}
        for things in sampled
    ]
    assert {frozenset(side) for side in sides} == {
        frozenset(),
        frozenset({"right"}),
        frozenset({"left"}),
        frozenset({"right", "left"}),
    }
