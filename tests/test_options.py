"""Options: what they may be, for which modality, and their way to the record."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lungseg.errors import UsageError
from lungseg.options import ALL, OverlayStyle, SegmentOptions

OTHERS: dict[str, Any] = {
    "modality": "ct",
    "model": Path("/models/mine.onnx"),
    "structures": ("heart", "opacity"),
    "frame": 2,
    "series": "1.2.3",
    "spacing": (5.0, 0.7, 0.7),
    "skip_damaged": True,
    "dilate": 3.0,
    "lung_extent": "through-heart",
    "hull": True,
    "crop_square": True,
    "crop_size": 512,
    "overlay_style": OverlayStyle(0.5, 3, (255, 136, 0)),
    "overlay_size": 1024,
    "binary": True,
    "skip_quality": True,
    "skip_refused": True,
}
"""A value of each that is not its default."""


def test_every_option_reaches_the_record_and_comes_back() -> None:
    assert list(OTHERS) == [option.name for option in fields(SegmentOptions)]
    for name, value in OTHERS.items():
        entry = json.loads(json.dumps(SegmentOptions(**{name: value}).record()))
        assert list(entry) == list(OTHERS)
        assert {key for key in entry if entry[key] != SegmentOptions().record()[key]} == {name}
        if name not in ("model", "series"):  # of which less is recorded
            assert SegmentOptions.from_record(entry) == SegmentOptions(**{name: value})


def test_numbers_of_other_libraries_are_plain_ones() -> None:
    """So they reach a record as what they are."""
    given = {
        "frame": np.int64(2),
        "series": 3,
        "dilate": np.float32(1.5),
        "hull": np.bool_(True),
        "crop_size": np.uint16(256),
        "overlay_style": OverlayStyle(np.float64(0.5), np.int64(2)),
    }
    options = SegmentOptions(**given)
    assert json.loads(json.dumps(options.record())) == options.record()
    assert [type(getattr(options, name)) for name in given] == [
        int,
        str,
        float,
        bool,
        int,
        OverlayStyle,
    ]
    assert options.overlay_style == OverlayStyle(0.5, 2)


def test_a_record_does_not_tell_where_a_model_lies() -> None:
    assert SegmentOptions(model="/home/me/mine.onnx").record()["model"] == "mine.onnx"
    assert SegmentOptions(model="cxr").record()["model"] == "cxr"


def test_the_record_does_not_say_what_a_series_is_called() -> None:
    assert SegmentOptions(series="2").record()["series"] == "2"
    record = SegmentOptions(series="CHEST OF J. DOE").record()
    assert record["series"].startswith("sha256:")
    assert "DOE" not in record["series"]
    assert SegmentOptions.from_record(record).record() == record
    assert SegmentOptions(series="CHEST OF J. ROE").record() != record


def test_every_option_says_what_it_is_and_for_which_modality() -> None:
    said = {option.name: option.metadata["modalities"] for option in fields(SegmentOptions)}
    assert {name for name, meant in said.items() if meant == ("ct",)} == {"series", "skip_damaged"}
    assert {name for name, meant in said.items() if meant == ("radiograph",)} == {
        "dilate",
        "lung_extent",
        "hull",
        "crop_square",
        "crop_size",
    }
    assert set(said.values()) == {
        ("ct",),
        ("radiograph",),
        ("radiograph", "ct"),
    }
    assert all(option.metadata["about"].endswith(".") for option in fields(SegmentOptions))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"modality": "mri"}, "there is no modality called 'mri'; choose from radiograph, ct."),
        (
            {"lung_extent": "all"},
            "lungs cannot follow 'all'; choose from field, through-heart.",
        ),
        ({"frame": 0}, "frames are counted from 1, and `frame` is 0."),
        ({"dilate": -1.0}, "a mask is widened by a finite radius of at least 0, not by -1.0."),
        (
            {"dilate": float("inf")},
            "a mask is widened by a finite radius of at least 0, not by inf.",
        ),
        (
            {"spacing": (1.0,)},
            "(1.0,) is no spacing; give millimetres between rows and columns, of a volume between "
            "slices first.",
        ),
        (
            {"spacing": (1.0, 0.0)},
            "(1.0, 0.0) is no spacing; give millimetres between rows and columns, of a volume "
            "between slices first.",
        ),
        ({"crop_size": 16}, "`crop_size` is 32 to 8192 pixels, not 16."),
        ({"overlay_size": 9999}, "`overlay_size` is 32 to 8192 pixels, not 9999."),
        (
            {"overlay_style": "tint, colour=red"},
            "'colour=red' is no style of an overlay; give outline, tint, or with commas between "
            "opacity=0.5, outline=3, colour=#ff8800.",
        ),
        ({"overlay_style": "opacity=2"}, "opacity is between 0 and 1, not 2.0."),
        ({"crop_size": 256.0}, "`crop_size` is a whole number, not 256.0."),
        ({"frame": "1"}, "`frame` is a whole number, not '1'."),
        ({"dilate": "wide"}, "`dilate` is a number, not 'wide'."),
        ({"hull": "no"}, "`hull` is True or False, not 'no'."),
        ({"series": 1.5}, "`series` is a text or a whole number, not 1.5."),
        ({"overlay_style": {}}, "`overlay_style` is a style or its text, not {}."),
        ({"structures": 3}, "`structures` is names of structures, not 3."),
        (
            {"modality": "ct", "hull": True},
            "`hull` is for radiographs, and this is CT; leave `hull` out.",
        ),
        (
            {"modality": "radiograph", "skip_damaged": True},
            "`skip_damaged` is for CT, and this is a radiograph; leave `skip_damaged` out.",
        ),
        (
            {"modality": "radiograph", "spacing": (1.0, 1.0, 1.0)},
            "the `spacing` of a radiograph is two numbers, of rows and columns; give two.",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_at_birth(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        SegmentOptions(**values)
    assert str(refused.value) == sentence


def test_the_input_is_named_where_it_decides() -> None:
    with pytest.raises(UsageError) as refused:
        SegmentOptions(dilate=2.0).check_for("ct", "scan.nii.gz")
    assert str(refused.value) == (
        "scan.nii.gz: `dilate` is for radiographs, and this is CT; leave `dilate` out."
    )
    SegmentOptions(dilate=2.0).check_for("radiograph")


def test_options_are_values() -> None:
    options = SegmentOptions(spacing=[1, 2], dilate=3)  # type: ignore[arg-type]
    assert options.spacing == (1.0, 2.0)
    assert {options: "a key"}[SegmentOptions(spacing=(1.0, 2.0), dilate=3.0)] == "a key"
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("text", "style", "again"),
    [
        ("outline", OverlayStyle(opacity=0.0), "opacity=0"),
        ("tint", OverlayStyle(outline=0), "opacity=0.25, outline=0"),
        (
            "Opacity=.5, outline=3,color=#FF8800",
            OverlayStyle(0.5, 3, (255, 136, 0)),
            "opacity=0.5, outline=3, colour=#ff8800",
        ),
    ],
)
def test_a_style_is_a_text_and_back(text: str, style: OverlayStyle, again: str) -> None:
    assert SegmentOptions(overlay_style=text).overlay_style == style  # type: ignore[arg-type]
    assert str(style) == again
    assert OverlayStyle.parse(again) == style


def test_structures_are_named_in_any_way_and_a_plural_names_both() -> None:
    names = ("right lung", "left lung", "heart")
    for given in ("lungs, heart", ["lungs", "heart"], names):
        assert SegmentOptions(structures=given).structures == names
    assert SegmentOptions(structures="all") == SegmentOptions(structures=("all",))
    assert SegmentOptions.from_record(SegmentOptions(structures="all").record()).structures == ALL
    with pytest.raises(UsageError, match="'spleen' is no structure; there are right lung"):
        SegmentOptions(structures=("spleen",))
    with pytest.raises(UsageError, match="no structure is named"):
        SegmentOptions(structures=())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"outline": -1}, "outline is 0 to 999 pixels, not -1."),
        ({"outline": 1.5}, "`outline` is a whole number, not 1.5."),
        ({"colour": (300, 0, 0)}, "colour is red, green and blue, 0 to 255 each, not (300, 0, 0)."),
        ({"colour": (1, 2)}, "colour is red, green and blue, 0 to 255 each, not (1, 2)."),
    ],
)
def test_a_style_without_meaning_is_refused_at_birth(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        OverlayStyle(**values)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("opacity", [0.0, 0.00001, 0.1, 1 / 3, 1.0])
def test_every_style_comes_back_from_its_record(opacity: float) -> None:
    options = SegmentOptions(overlay_style=OverlayStyle(opacity))
    again = SegmentOptions.from_record(options.record())
    assert again.overlay_style is not None
    assert again.overlay_style.opacity == pytest.approx(opacity, abs=1e-4)
