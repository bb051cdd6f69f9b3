"""Films for the settings of CT, and slices for those of films, are told before a run begins."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import lungseg
from lungseg.datasets import Case, discover_cases
from lungseg.errors import UsageError
from lungseg.phantom.ct import ct_phantom
from lungseg.train.kind import SAMPLE, check_kind, plain_kind
from lungseg.train.settings import TrainingSettings
from phantom_radiographs import write_radiographs

FILMS, CT = TrainingSettings(), TrainingSettings(modality="ct")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return discover_cases(write_radiographs(tmp_path_factory.mktemp("films"), count=10))


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("slices")
    scan = ct_phantom((24, 128, 128), seed=1)
    lungs = scan.ground_truth.labels > 0
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(7, 17):
        greys = (np.clip(scan.volume.array[number], -1000, 400) + 1000.0) * (255 / 1400)
        cv2.imwrite(str(folder / f"images/p{number}.png"), greys.astype(np.uint8))
        cv2.imwrite(str(folder / f"masks/p{number}.png"), lungs[number].astype(np.uint8) * 255)
    return discover_cases(folder)


def test_films_are_no_slices_and_slices_no_films(films, slices) -> None:
    check_kind(films, FILMS, Path("films"))
    check_kind(slices, CT, Path("slices"))
    with pytest.raises(UsageError) as refused:
        check_kind(films, CT, Path("films"))
    assert str(refused.value) == (
        "films: 10 of 10 pictures that were looked at are plainly radiographs, and the settings "
        "are for slices of CT; take a recipe for radiographs, or `modality` radiograph; or, where "
        "the settings are right, give --no-check."
    )
    with pytest.raises(UsageError, match=r"10 of 10 .* plainly slices of CT, .* for radiographs;"):
        check_kind(slices, FILMS, Path("slices"))


def test_mixed_sets_and_those_in_doubt_pass(films, slices, tmp_path) -> None:
    for settings in (FILMS, CT):
        check_kind([*films[:9], slices[0]], settings, tmp_path)
        check_kind([*slices[:9], films[0]], settings, tmp_path)
        check_kind([], settings, tmp_path)
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((64, 64), 90, np.uint8))
    assert plain_kind(grey) == plain_kind(tmp_path / "none.png") == ""


def test_a_few_of_many_are_looked_at(films, monkeypatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr("lungseg.train.kind.plain_kind", lambda image: looked.append(image) or "")
    check_kind(films * 30, CT, Path("films"))
    assert len(looked) == SAMPLE
    assert {case.image for case in films} == set(looked)


@pytest.mark.parametrize(
    ("recipe", "of"), [("r4-ct-unet-512", "films"), ("r5-unet-128-laptop", "slices")]
)
def test_a_recipe_for_the_other_kind_stops_before_training(recipe, of, request, tmp_path) -> None:
    place = request.getfixturevalue(of)[0].image.parent.parent
    run = ("train", place, "-o", tmp_path / "run", "--recipe", recipe, "--size", 64, "--depth", 4)
    refused = lungseg(*run)
    assert refused.exit_code == 2
    assert "10 of 10 pictures that were looked at are plainly" in refused.stderr
    assert not (tmp_path / "run").exists()
    asked = lungseg(*run, "--no-check", "--show-augmented", 1)
    assert "plainly" not in asked.stderr
