"""Settings: written and read as TOML, checked at birth, each with words."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from lungseg.errors import UsageError
from lungseg.train.settings import RANGES, Settings, describe, read_settings

ROOT = Path(__file__).resolve().parent.parent.parent


def test_settings_come_back_from_toml_as_they_were(tmp_path) -> None:
    settings = Settings(
        net="unetpp",
        width=3,
        depth=4,
        size=64,
        norm="none",
        deep_supervision=False,
        learning_rate=1e-05,
        leave_out=("a b", 'c"d'),
        average=0,
    )
    settings.write(tmp_path / "settings.toml")
    assert read_settings(tmp_path / "settings.toml") == settings
    assert len((tmp_path / "settings.toml").read_text().splitlines()) == len(fields(Settings))


def test_what_a_file_does_not_name_keeps_its_default(tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("epochs = 3\nleave_out = ['montgomery']\n")
    assert read_settings(path) == replace(Settings(), epochs=3, leave_out=("montgomery",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lerning_rate = 1", "'lerning_rate' is not a setting; did you mean 'learning_rate'."),
        ("zzz = 1", "'zzz' is not a setting."),
        ("width = ", "the settings cannot be read (Invalid value"),
        ("width = 'wide'", "width is a int, not 'wide'"),
        ("deep_supervision = 1", "deep_supervision is a bool, not 1"),
        ("repeat = ['montgomery']", "repeat is SOURCE=N with N at least 1, not 'montgomery'"),
        ("repeat = ['montgomery=0']", "repeat is SOURCE=N with N at least 1, not 'montgomery=0'"),
        ("leave_out = 'montgomery'", "leave_out is a list, not 'montgomery'"),
    ],
)
def test_a_file_of_settings_is_refused_in_words(tmp_path, text, words) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_settings(path)
    assert words in str(refused.value)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: the settings cannot be read"):
        read_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net": "vnet"}, "net is one of unet, unetpp, not 'vnet'."),
        ({"size": 100}, "size 100 is not a multiple of 32, as depth 6 needs; change one of them."),
        ({"depth": 1}, "as depth 1 needs"),
        ({"depth": 12}, "size 256 is not a multiple of 2048"),
        ({"size": 0}, "size 0 is not a multiple"),
        ({"validation": 1.0}, "validation is a share between 0 and 1, not 1.0."),
        ({"validation": 0}, "validation is a share between 0 and 1, not 0."),
        ({"width": 0}, "width is at least 1, not 0."),
        ({"epochs": 2.5}, "epochs is a int, not 2.5."),
        ({"batch": True}, "batch is a int, not True."),
        ({"workers": -1}, "workers is at least 0, not -1."),
        ({"dice_weight": 1.1}, "dice_weight is 0 to 1, not 1.1."),
        ({"learning_rate": float("nan")}, "learning_rate is at least 0, not nan."),
        ({"max_width": 8}, "max_width is at least width"),
        ({"clip_low": 99.5}, "clip_low is below clip_high"),
    ],
)
def test_values_without_meaning_are_refused_in_words(changes, words) -> None:
    with pytest.raises(UsageError) as refused:
        Settings(**changes)
    assert words in str(refused.value)


def test_every_setting_has_a_type_and_words() -> None:
    described = describe()
    assert [name for name, _, _ in described] == [field.name for field in fields(Settings)]
    assert all(isinstance(meaning, str) and len(meaning.split()) > 1 for _, _, meaning in described)
    assert set(RANGES) < {name for name, _, _ in described}


@pytest.mark.parametrize(
    "recipe",
    sorted(path for path in (ROOT / "recipes").glob("*.toml") if not path.name.endswith(".about.toml")),
    ids=lambda path: path.name,
)
def test_recipes_are_settings(recipe) -> None:
    assert read_settings(recipe).leave_out == ()
