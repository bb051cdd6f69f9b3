"""Trained on by tested on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.datasets import Case, discover_cases
from lungseg.errors import InputError
from lungseg.evaluate import cross_dataset, evaluate_cross_dataset
from lungseg.evaluate.cross_dataset import EXPLANATION, Cell, choose, cross_dataset_table
from made_up_scores import scored
from phantom_radiographs import write_radiographs
from tiny_model import write_tiny_model


def case(source: str, name: str, split: str = "") -> Case:
    return Case(name, name, Path("i"), Path("m"), source, split=split)


ALL = [case(source, name) for source in ("north", "south") for name in "abc"]


def names(cases: list[Case]) -> list[str]:
    return [f"{each.source[0]}{each.case}" for each in cases]


def test_of_its_own_source_a_model_is_asked_what_its_run_kept_back() -> None:
    run = [
        case("north", "a", "train"),
        case("north", "b", "validation"),
        case("north", "c", "test"),
    ]
    chosen, own = choose("north", ALL, run)
    assert (names(chosen), own) == (["nb", "nc", "sa", "sb", "sc"], {"north"})
    chosen, own = choose("whatever it is called", ALL, run)
    assert (names(chosen), own) == (["nb", "nc", "sa", "sb", "sc"], {"north"})


def test_of_images_without_a_mask_nothing_was_learnt() -> None:
    run = [
        case("north", "a", "train"),
        case("north", "b", "validation"),
        replace(case("south", "d", "train"), mask=None),
    ]
    chosen, own = choose("north", ALL, run)
    assert (names(chosen), own) == (["nb", "sa", "sb", "sc"], {"north"})


def test_a_source_that_a_run_left_out_is_tested_whole() -> None:
    run = [
        case("north", "a", "train"),
        case("north", "b", "validation"),
        case("south", "a", "test"),
        case("south", "b", "test"),
    ]
    chosen, own = choose("without south", ALL, run)
    assert (names(chosen), own) == (["nb", "sa", "sb", "sc"], {"north"})


def test_without_its_run_a_model_is_taken_at_its_name() -> None:
    split = [
        *ALL[:3],
        *(
            replace(each, split=s)
            for each, s in zip(ALL[3:], ("train", "validation", "train"), strict=True)
        ),
    ]
    chosen, own = choose("south", split, None)
    assert (names(chosen), own) == (["na", "nb", "nc", "sb"], {"south"})


def test_the_table_has_rows_of_training_and_columns_of_testing() -> None:
    cells = [
        Cell("south", "south", True, 2, 2, "lungs", 0.95, 10.04),
        Cell("south", "north", False, 30, 20, "lungs", 0.9, float("nan")),
        Cell("all", "south", True, 2, 2, "lungs", 0.96, 9.0),
    ]
    table = cross_dataset_table(cells, "dice")
    assert table.header == ("trained on", "north", "south")
    assert table.rows == [
        ["south", "0.9000, n=30", "**0.9500**, n=2"],
        ["all", "-", "**0.9600**, n=2"],
    ]
    assert cross_dataset_table(cells, "hd95_at_1024").rows[0] == ["south", "-", "**10.0**, n=2"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=4)
    write_radiographs(folder / "south", count=2)
    return discover_cases(folder)


def test_every_model_meets_every_source(films, tmp_path) -> None:
    models = {
        name: write_tiny_model(tmp_path, name=name, steepness=s)
        for name, s in (("north", 8.0), ("south", 0.8))
    }
    runs = {
        "north": [
            replace(each, split="validation" if each.patient == "p1" else "train")
            for each in films
            if each.source == "north"
        ],
        "south": [replace(each, split="train") for each in films if each.source == "south"],
    }
    asked = [
        *films,
        replace(films[0], case="q", notes="questionable"),
        replace(films[0], case="bare", mask=None),
    ]
    evaluation = evaluate_cross_dataset(models, asked, tmp_path / "out", runs=runs, workers=2)
    out = tmp_path / "out"
    assert (evaluation.failures, evaluation.without_mask) == ((), 1)
    assert sorted(path.name for path in out.iterdir()) == [
        "cross_dataset.csv",
        "cross_dataset.md",
        "north",
        "report.html",
        "south",
    ]
    with (out / "cross_dataset.csv").open(newline="") as stream:
        cells = [
            (c["trained"], c["tested"], c["own"], c["n"], c["patients"])
            for c in csv.DictReader(stream)
        ]
    assert cells == [
        ("north", "north", "True", "2", "1"),
        ("north", "south", "False", "2", "1"),
        ("south", "north", "False", "4", "2"),
    ]
    assert (out / "cross_dataset.md").read_text() == evaluation.text + "\n"
    assert evaluation.text.startswith(
        "Dice\n\n| trained on | north | south |\n|---|---|---|\n| north | **0.2"
    )
    assert "\n\nHD95 (at 1024)\n\n| trained on | north | south |" in evaluation.text
    assert evaluation.text.endswith(EXPLANATION)
    page = (out / "report.html").read_text()
    assert page.count('<td class="strong">') == 2
    assert "**" not in page


def test_a_film_that_cannot_be_read_is_named_once(films, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    models = {name: write_tiny_model(tmp_path, name=name) for name in ("a", "b")}
    evaluation = evaluate_cross_dataset(
        models, [replace(films[0], image=broken), *films[1:]], tmp_path / "out", runs={}
    )
    (why,) = evaluation.failures
    assert why.startswith(f"{broken}: ")
    assert evaluation.text.endswith(f"1 cases could not be scored and are left out: {why}")


def test_a_model_must_have_something_to_be_asked(films, tmp_path) -> None:
    north = [each for each in films if each.source == "north"]
    with pytest.raises(InputError) as refused:
        evaluate_cross_dataset(
            {"north": write_tiny_model(tmp_path)}, north, tmp_path / "out", runs={}
        )
    words = (
        "there is no case that shows what the model of north predicts; give cases of other "
        "sources, or with their splits."
    )
    assert str(refused.value) == words


def test_cases_that_show_nothing_are_not_enough(films, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        cross_dataset,
        "score_cases",
        lambda *_, **__: ([replace(scored("x", 1.0), is_empty=True)], ()),
    )
    with pytest.raises(
        InputError, match="there is no case that shows what the model of mine predicts;"
    ):
        evaluate_cross_dataset(
            {"mine": write_tiny_model(tmp_path)}, films, tmp_path / "out", runs={}
        )
    assert not (tmp_path / "out").exists()
