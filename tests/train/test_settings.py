"""TrainingSettings: written and read as TOML, checked at birth, each with words; the page that
lists them; the recipes.

Run as a program, this file writes the page anew.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from lungseg.augment.parameters import RANGES
from lungseg.errors import UsageError
from lungseg.train.settings import GROUPS, TrainingSettings, describe, read_settings

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "settings.md"


def page() -> str:
    """docs/settings.md, from the settings themselves."""
    lines = [
        "# All settings of a training run",
        "",
        (
            "Each is a flag of `lungseg train`, with `--` before and `-` in place of `_`, "
            "and a line of the TOML that `--settings` takes and"
        ),
        (
            "that every run leaves as `settings.toml`. The [page on training](training.md) "
            "says which matter most."
        ),
    ]
    for name, kind, meaning in describe():
        if name in GROUPS:
            lines += [
                "",
                f"## {GROUPS[name][0].upper()}{GROUPS[name][1:]}",
                "",
                "| setting | default | |",
                "|---|---|---|",
            ]
        default = getattr(TrainingSettings(), name)
        choices = (
            f": {', '.join(f'`{choice}`' for choice in get_args(kind))}"
            if get_origin(kind) is Literal
            else ""
        )
        lines.append(
            f"| `{name}` | {f'`{json.dumps(default)}`' if default not in ((), '') else ''} | "
            f"{meaning}{choices} |"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "name", ["daten/\U00020bb7\u7530", "a\x7fb", 'quote"\\back', "Gr\u00f6\u00dfe"]
)
def test_any_name_comes_back_from_toml(tmp_path, name) -> None:
    TrainingSettings(cache=name).write(tmp_path / "settings.toml")
    assert read_settings(tmp_path / "settings.toml").cache == name


def test_a_name_that_is_no_text_is_refused_before_anything_is_learnt(tmp_path) -> None:
    with pytest.raises(UsageError, match="bytes that are no text; rename the file or folder"):
        TrainingSettings(cache="odd\udcff").write(tmp_path / "settings.toml")
    assert not (tmp_path / "settings.toml").exists()


def test_settings_come_back_from_toml_as_they_were(tmp_path) -> None:
    settings = TrainingSettings(
        layers=(("heart",), ("right lung", "left lung")),
        architecture="unetpp",
        width=3,
        depth=4,
        size=64,
        norm="none",
        deep_supervision=False,
        learning_rate=1e-05,
        leave_out=("a b", 'c"d'),
        ema_decay=0,
    )
    settings.write(tmp_path / "settings.toml")
    assert read_settings(tmp_path / "settings.toml") == settings
    lines = (tmp_path / "settings.toml").read_text().splitlines()
    assert [line.split(" = ")[0] for line in lines if " = " in line] == [
        field.name for field in fields(TrainingSettings)
    ]
    assert [line for line in lines if " = " not in line and line] == [
        f"# {group}" for group in GROUPS.values()
    ]


def test_what_a_file_does_not_name_keeps_its_default(tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("epochs = 3\nleave_out = ['montgomery']\n")
    assert read_settings(path) == replace(TrainingSettings(), epochs=3, leave_out=("montgomery",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lerning_rate = 1", "'lerning_rate' is not a setting; did you mean 'learning_rate'."),
        ("zzz = 1", "'zzz' is not a setting."),
        ("width = ", "the settings cannot be read (Invalid value"),
        ("width = 'wide'", "s.toml: width is a whole number, not 'wide'."),
        ("deep_supervision = 1", "deep_supervision is true or false, not 1"),
        (
            "oversample = ['montgomery']",
            "oversample is SOURCE=N with N from 1 to 999999, not 'montgomery'",
        ),
        (f"oversample = ['a={'9' * 5000}']", "N from 1 to 999999, not 'a=999"),
        (f"layers = {'[' * 100_000}", "s.toml: the settings cannot be read (maximum recursion"),
        (
            "oversample = ['montgomery=0']",
            "oversample is SOURCE=N with N from 1 to 999999, not 'montgomery=0'",
        ),
        ("leave_out = 'montgomery'", "leave_out is a list of texts, not 'montgomery'"),
        ("leave_out = [1]", "leave_out is a list of texts, not (1,)"),
        ("zoom = true", "zoom is a number, not True"),
        ("cache = 1", "cache is a text in quotes, not 1"),
        (
            "size = 100",
            "s.toml: size 100 is not a multiple of 32, as depth 6 needs; change one of them.",
        ),
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
        (
            {"architecture": "vnet"},
            "architecture is one of unet, unetpp, not 'vnet'; take one of them, or one of your own "
            "as mypackage.module:Name.",
        ),
        (
            {"architecture": "mine.nets:Net", "freeze": 2},
            "freeze is for unet and unetpp, whose contracting path is known; leave it out.",
        ),
        ({"size": 100}, "size 100 is not a multiple of 32, as depth 6 needs; change one of them."),
        ({"depth": 1}, "depth is at least 2, not 1."),
        ({"seed": 2**32}, "seed is 0 to 4294967295, not 4294967296."),
        ({"rotation": float("inf")}, "rotation is at least 0, not inf."),
        ({"depth": 12}, "size 256 is not a multiple of 2048"),
        ({"depth": 10**40}, "size 256 is not a multiple of 18446744073709551616, as depth 1000000"),
        ({"size": 0}, "size 0 is not a multiple"),
        (
            {"size": 32},
            "size 32 leaves a single pixel at depth 6; take a larger size or a smaller depth.",
        ),
        ({"validation": 1.0}, "validation is a fraction between 0 and 1, not 1.0."),
        ({"validation": 0}, "validation is a fraction between 0 and 1, not 0."),
        ({"width": 0}, "width is at least 1, not 0."),
        ({"epochs": 2.5}, "epochs is a whole number, not 2.5."),
        ({"batch": True}, "batch is a whole number, not True."),
        ({"workers": -1}, "workers is at least 0, not -1."),
        ({"dice_weight": 1.1}, "dice_weight is 0 to 1, not 1.1."),
        ({"learning_rate": float("nan")}, "learning_rate is at least 0, not nan."),
        ({"max_width": 8}, "max_width is at least width"),
        ({"clip_low": 99.5}, "clip_low is below clip_high"),
        (
            {"test": 0.85},
            "test is a fraction that leaves something to train on beside validation 0.15, not "
            "0.85.",
        ),
        (
            {"test": -0.1},
            "test is a fraction that leaves something to train on beside validation 0.15, not "
            "-0.1.",
        ),
        (
            {"layers": (("lung",),)},
            "layers name 'lung', which is no structure; there are right lung, left lung, heart, "
            "trachea, opacity, lungs.",
        ),
        ({"layers": ()}, "layers name no structure, or one of them names none."),
        (
            {"layers": ("right lung",)},
            "layers are lists of names of structures, one for each layer.",
        ),
        ({"layers": (("heart",), ("heart",))}, "layers name 'heart' twice."),
        (
            {"layers": (("right lung", "heart"),)},
            "right lung is learnt in one layer with left lung; name both.",
        ),
        ({"ema_decay": 1}, "ema_decay is at least 0 and below 1, not 1."),
        ({"intensity": 1.5}, "intensity is 0 to 1, not 1.5."),
        ({"accumulate": 0}, "accumulate is at least 1, not 0."),
        ({"devices": 0}, "devices is at least 1, not 0."),
        (
            {"loss": "hinge"},
            "loss is one of bce, dice, bce+dice, focal, tversky, boundary, not 'hinge'; take one",
        ),
        (
            {"monitor": "val_dise"},
            "'val_dise' is no metric that can be monitored; did you mean 'val_dice'.",
        ),
        ({"monitor": "zzz"}, "'zzz' is no metric that can be monitored."),
        ({"monitor": "val_heart_dice"}, "'val_heart_dice' is no metric that can be monitored"),
        (
            {"class_weights": ("heart=2",)},
            "class_weights are CLASS=W, not 'heart=2'; name one of background, right lung, left "
            "lung, mediastinum.",
        ),
        (
            {"class_weights": ("left lung=x",)},
            "the weight of a class is a number above 0, not 'x'; write, for example, 'left "
            "lung=2'.",
        ),
        ({"class_weights": ("left lung=0",)}, "the weight of a class is a number above 0, not '0'"),
    ],
)
def test_values_without_meaning_are_refused_in_words(changes, words) -> None:
    with pytest.raises(UsageError) as refused:
        TrainingSettings(**changes)
    assert words in str(refused.value)


def test_the_dice_of_a_structure_can_be_monitored_where_there_are_several() -> None:
    layers = (("right lung", "left lung"), ("heart",))
    for monitor in ("val_heart_dice", "val_lungs_dice", "val_dice_montgomery"):
        assert TrainingSettings(layers=layers, monitor=monitor).mode == "max"


def test_every_setting_has_a_type_and_words() -> None:
    described = describe()
    assert [name for name, _, _ in described] == [field.name for field in fields(TrainingSettings)]
    assert all(isinstance(meaning, str) and len(meaning.split()) > 1 for _, _, meaning in described)
    assert set(RANGES) < {name for name, _, _ in described}


def test_the_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew: python tests/train/test_settings.py"
    )


def test_groups_begin_with_the_first_setting() -> None:
    names = [field.name for field in fields(TrainingSettings)]
    assert [name for name in names if name in GROUPS] == list(GROUPS)
    assert next(iter(GROUPS)) == names[0]


def test_less_loss_and_more_of_all_else_is_better() -> None:
    metrics = (
        "train_loss",
        "val_loss",
        "val_dice",
        "val_dice_montgomery",
        "val_dice_no_loss",
        "train_accuracy",
    )
    modes = [TrainingSettings(monitor=metric).mode for metric in metrics]
    assert modes[:2] == ["min", "min"]
    assert set(modes[2:]) == {"max"}


def test_classes_that_are_not_named_weigh_one() -> None:
    assert TrainingSettings().weights() == ()
    assert TrainingSettings(class_weights=("left lung=2.5", "background=0.1")).weights() == (
        0.1,
        1,
        2.5,
        1,
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
