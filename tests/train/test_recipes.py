"""The recipes: each can be read, and states what its reference does."""

from __future__ import annotations

import tomllib

import pytest

from lungseg.errors import UsageError
from lungseg.train.recipes import RECIPES, choose_settings, read_recipe, recipes
from lungseg.train.settings import TrainingSettings, read_settings


def test_settings_come_from_a_recipe_or_a_file_or_are_the_default(tmp_path) -> None:
    assert choose_settings(None, None) == TrainingSettings()
    (tmp_path / "s.toml").write_text("epochs = 3\n")
    assert choose_settings(None, tmp_path / "s.toml") == TrainingSettings(epochs=3)
    assert choose_settings("cxr", None) != TrainingSettings()


def test_there_is_a_recipe_for_each_reference_and_for_the_shipped_model() -> None:
    reference = (
        "r1-unet-512-dilated",
        "r2-unetpp-512",
        "r3-unet-512",
        "r4-ct-unet-512",
        "r5-unet-128-laptop",
    )
    assert {"cxr", "cxr-small", *reference} <= set(recipes())
    assert {read_recipe(name).size for name in reference[:4]} == {512}
    assert {read_recipe(name).layers for name in reference} == {(("lungs",),)}
    for name in recipes():
        assert read_recipe(name) == read_settings(RECIPES / f"{name}.toml")


@pytest.mark.parametrize(
    ("recipe", "stated"),
    [
        (
            "r1-unet-512-dilated",
            {"architecture": "unet", "size": 512, "dilate": 7, "occlusion": 1.0, "intensity": 1.0},
        ),
        (
            "r2-unetpp-512",
            {
                "architecture": "unetpp",
                "size": 512,
                "deep_supervision": True,
                "loss": "bce+dice",
                "batch": 2,
                "epochs": 10,
            },
        ),
        (
            "r2-unetpp-512",
            {
                "test": 0.2,
                "validation": 0.08,
                "rotation": 0.0,
                "shift_x": 0.05,
                "zoom": 0.05,
                "padding": 0.125,
            },
        ),
        ("r3-unet-512", {"architecture": "unet", "size": 512, "modality": "radiograph"}),
        (
            "r4-ct-unet-512",
            {
                "modality": "ct",
                "validation": 0.15,
                "loss": "bce",
                "optimiser": "adam",
                "epochs": 50,
                "batch": 8,
            },
        ),
        (
            "r4-ct-unet-512",
            {
                "monitor": "val_loss",
                "patience": 5,
                "flip": 0.5,
                "mirror": 0.5,
                "rotation": 8.0,
                "zoom": 0.0,
            },
        ),
        (
            "r5-unet-128-laptop",
            {
                "size": 128,
                "loss": "bce+dice",
                "dice_weight": 0.5,
                "optimiser": "adam",
                "learning_rate": 1e-3,
            },
        ),
        (
            "r5-unet-128-laptop",
            {
                "batch": 2,
                "epochs": 3,
                "monitor": "val_dice",
                "validation": 0.1,
                "test": 0.1,
                "schedule": "constant",
            },
        ),
    ],
)
def test_recipes_have_the_settings_of_their_references(recipe, stated) -> None:
    settings = read_recipe(recipe)
    assert {name: getattr(settings, name) for name in stated} == stated


@pytest.mark.parametrize("recipe", ["r1-unet-512-dilated", "r3-unet-512", "r5-unet-128-laptop"])
def test_recipes_state_all_that_changes_samples(recipe) -> None:
    stated = tomllib.loads((RECIPES / f"{recipe}.toml").read_text())
    moving = {
        "rotation",
        "shift_x",
        "shift_y",
        "zoom",
        "warp",
        "mirror",
        "padding",
        "intensity",
        "occlusion",
    }
    assert moving <= set(stated)
    assert any(stated[name] for name in moving) == (recipe == "r1-unet-512-dilated")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "r5-unet-laptop",
            "there is no recipe 'r5-unet-laptop'; did you mean 'r5-unet-128-laptop'.",
        ),
        ("cxr.about", f"there is no recipe 'cxr.about'; there are {', '.join(recipes())}."),
    ],
)
def test_an_unknown_recipe_is_refused_with_the_nearest(name, words) -> None:
    with pytest.raises(UsageError) as refused:
        read_recipe(name)
    assert str(refused.value) == words
