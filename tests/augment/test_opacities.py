"""Opacities whiten and never darken, and gas stays outside the lungs."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.augment.occlusions import (
    sample_basal_effusion,
)
from lungseg.augment.opacities import BasalEffusion, Consolidation, Effusion, Gas
from lungseg.phantom.radiograph import radiograph_phantom

SHAPE = (96, 96)


OPACITIES = [
    Effusion("right", 0.5, 0.2, 0.05, 0.9),
    Effusion("left", 1.2, 0.0, 0.1, 0.97),
    Consolidation("right", 0.4, 0.05, 1.0),
    Consolidation("left", 1.0, 0.2, 0.7),
]


@pytest.fixture(scope="module")
def lungs() -> dict[str, np.ndarray]:
    labels = radiograph_phantom(SHAPE).ground_truth.labels
    return {"right": labels == 1, "left": labels == 2}


@pytest.fixture
def grey() -> np.ndarray:
    return radiograph_phantom(SHAPE).image.array.astype(np.float32) / 255


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "thing", OPACITIES, ids=lambda thing: f"{type(thing).__name__} {thing.side}"
)
def test_opacities_whiten_their_lung_and_darken_nothing(thing, grey, lungs) -> None:
    for seed in range(5):
        after = thing.paint(grey.copy(), lungs, rng(seed))
        assert after.dtype == np.float32
        assert (after >= grey).all()
        mine = lungs[thing.side]
        other = lungs["left" if thing.side == "right" else "right"]
        assert (after - grey)[mine].mean() > 0.05
        assert (after - grey)[other].mean() < 0.01


def test_a_white_lung_is_as_bright_as_the_tissue_around_it(lungs) -> None:
    grey = np.where((lungs["right"] | lungs["left"]), 0.2, 0.7).astype(np.float32)
    white = Effusion("right", 1.2, 0.0, 0.1, 0.97).paint(grey.copy(), lungs, rng())
    assert np.median(white[lungs["right"]]) == pytest.approx(0.6, abs=0.05)
    assert np.median(white[lungs["left"]]) == pytest.approx(0.2, abs=0.01)


def test_fluid_lies_at_the_bottom(grey, lungs) -> None:
    gain = Effusion("left", 0.3, 0.0, 0.02, 0.9).paint(grey.copy(), lungs, rng()) - grey
    rows = np.flatnonzero(lungs["left"].any(axis=1))
    top, bottom = (
        gain[rows[0] + a : rows[0] + b][lungs["left"][rows[0] + a : rows[0] + b]]
        for a, b in ((0, len(rows) // 2), (-1 + 4 * len(rows) // 5, len(rows)))
    )
    assert top.mean() < 0.02
    assert bottom.mean() > 0.1


def test_an_effusion_hides_the_base_of_its_lung_and_the_diaphragm(lungs) -> None:
    grey = np.where(lungs["right"] | lungs["left"], 0.2, 0.6).astype(np.float32)
    bottom = np.flatnonzero(lungs["left"].any(axis=1))[-1]
    grey[bottom + 1 :] = 0.8  # the belly
    top = np.flatnonzero(lungs["left"].any(axis=1))[0]
    for bright, expected in ((0.0, 0.6), (1.0, 0.8)):
        painted = BasalEffusion("left", 0.4, 0.0, 0.0, 0.01, 1.0, bright, 0.0).paint(
            grey.copy(), lungs, rng()
        )
        assert painted.dtype == np.float32
        base = lungs["left"] & (np.arange(SHAPE[0])[:, np.newaxis] > bottom - 0.2 * (bottom - top))
        assert painted[base].mean() == pytest.approx(expected, abs=0.06)
        edge = painted[bottom - 2 : bottom + 4, lungs["left"][bottom - 2]]
        assert np.ptp(edge) < 0.15  # where the grey went from 0.2 to 0.8 before
        above = lungs["left"] & (
            np.arange(SHAPE[0])[:, np.newaxis] < bottom - 0.65 * (bottom - top)
        )
        np.testing.assert_allclose(painted[above], 0.2, atol=0.02)
        np.testing.assert_allclose(painted[lungs["right"]], 0.2, atol=0.02)


def test_an_effusion_rises_at_the_chest_wall(lungs) -> None:
    grey = np.where((lungs["right"] | lungs["left"]), 0.2, 0.6).astype(np.float32)
    for side, wall in (("right", slice(0, 5)), ("left", slice(-5, None))):
        flat, bent = (
            BasalEffusion(side, 0.3, 0.0, m, 0.01, 1.0, 0.0, 0.0).paint(grey.copy(), lungs, rng())
            - grey
            for m in (0.0, 0.6)
        )
        columns = np.flatnonzero(lungs[side].any(axis=0))[wall]
        assert bent[:, columns].sum() > flat[:, columns].sum() + 0.5


def test_what_is_black_around_the_film_stays_so(grey, lungs) -> None:
    grey[:, -12:] = 0.0
    bottom = np.flatnonzero(lungs["left"].any(axis=1))[-1]
    grey[bottom + 4 :] = 0.0
    painted = BasalEffusion("left", 0.5, 0.0, 0.3, 0.01, 1.0, 0.5, 0.0).paint(
        grey.copy(), lungs, rng()
    )
    assert (painted[bottom + 4 :] == 0).all()
    assert (painted[:, -12:] == 0).all()


def test_consolidations_cover_the_sampled_fraction(grey, lungs) -> None:
    lung = lungs["right"]
    dark = np.where(lung, 0.0, grey).astype(np.float32)
    covered = [
        (
            Consolidation("right", fraction, 0.08, 1.0).paint(dark.copy(), lungs, rng(3))[lung]
            > 0.25
        ).mean()
        for fraction in (0.2, 0.6)
    ]
    assert covered == pytest.approx([0.2, 0.6], abs=0.1)


def test_gas_is_dark_and_outside_the_lungs(grey, lungs) -> None:
    both = lungs["right"] | lungs["left"]
    changed = 0
    for seed in range(10):
        after = Gas(0.5, 0.08, 1.0).paint(grey.copy(), lungs, rng(seed))
        np.testing.assert_array_equal(after[both], grey[both])
        assert (after <= grey).all()
        changed += int((after < grey - 0.05).sum() > 20)
    assert changed == 10


@pytest.mark.parametrize(
    "thing",
    [*OPACITIES, sample_basal_effusion(rng()), Gas(0.5, 0.05, 0.8)],
    ids=lambda thing: type(thing).__name__,
)
def test_without_lungs_there_is_nothing_to_occlude(thing, grey) -> None:
    nowhere = dict.fromkeys(("right", "left"), np.zeros(SHAPE, bool))
    np.testing.assert_array_equal(thing.paint(grey.copy(), nowhere, rng()), grey)
