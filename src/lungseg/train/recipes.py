"""The recipes, settings that come with the package; and how settings differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

from lungseg.errors import UsageError
from lungseg.train.allowed_values import suggestion
from lungseg.train.settings import TrainingSettings, read_settings

RECIPES = Path(__file__).parent.parent / "recipes"
"""The folder of the settings that come with the package."""


_TWO_SETS: Final = (
    "Montgomery (CXR_png, ManualMask/leftMask, ManualMask/rightMask) and Shenzhen (CXR_png, mask "
    "with files that end in _mask), or the Kaggle set of both (CXR_png, masks, test)"
)

DATA: Final = {
    "r1-unet-512-dilated": _TWO_SETS,
    "r2-unetpp-512": _TWO_SETS,
    "r3-unet-512": "folders train, val and test, each with images (DICOM or PNG) and masks",
    "r4-ct-unet-512": "slices and masks of the same names in images and masks, or in 2d_images and "
    "2d_masks",
    "r5-unet-128-laptop": f"{_TWO_SETS}, or Chest-X-Ray/image and Chest-X-Ray/mask with "
    "MetaData.csv",
}
"""What the recipes of references learn from: data sets with the folders that they come in."""


def recipes() -> tuple[str, ...]:
    """Names of the recipes that come with the package, sorted."""
    return tuple(
        sorted(path.stem for path in RECIPES.glob("*.toml") if not path.stem.endswith(".about"))
    )


def read_recipe(name: str) -> TrainingSettings:
    """The settings of a recipe that comes with the package.

    Raises:
        UsageError: there is no such recipe; the nearest one is named.
    """
    if name not in recipes():
        raise UsageError(
            f"there is no recipe {name!r}",
            cure=suggestion(name, recipes()) or f"there are {', '.join(recipes())}",
        )
    return read_settings(RECIPES / f"{name}.toml")


def choose_settings(recipe: str | None, file: Path | None) -> TrainingSettings:
    """The settings of a recipe or of a file; the defaults where neither is given.

    Raises:
        UsageError: both are given, or the one that is cannot be used.
    """
    if recipe and file:
        raise UsageError("`recipe` and `settings` both say how to train", cure="give one of them")
    return read_recipe(recipe) if recipe else read_settings(file) if file else TrainingSettings()


def difference(theirs: TrainingSettings, ours: TrainingSettings, names: Sequence[str] = ()) -> str:
    """The first of the settings of those names, or of all, that is another one in a run that is
    there, in words; empty where all are alike.
    """
    for name in names or [field.name for field in fields(TrainingSettings)]:
        there, here = getattr(theirs, name), getattr(ours, name)
        if there != here:
            return f"{name} is {there} there, and {here} here"
    return ""
