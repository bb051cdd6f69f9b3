"""The tables of scores."""

from __future__ import annotations

import csv
from dataclasses import replace

from lungseg.evaluate import CaseScore, summarise, write_scores
from lungseg.evaluate.tables import summarise_changes

NAN = float("nan")
PLAIN = CaseScore("x", "north", "lung", "", 0.95, 0.9, 0.94, 0.96, 0.97, 0.93, 10.0, 1, "ok")
HEART = replace(PLAIN, case="h", source="adults", convention="lung and heart", dice=0.9, dice_right=NAN, dice_left=NAN, hd95=NAN)


def rows(text: str) -> dict[str, list[str]]:
    head, rule, *lines = text.splitlines()
    assert head == (
        "| cases | n | Dice | 5th percentile | worst | under 0.90 | right | left | HD95 (of 1024) | worst HD95 | most components "
        "| to review |"
    )
    assert rule == "|---" * 12 + "|"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: values for name, *values in cells}


def test_a_source_is_summed_up() -> None:
    worse = replace(PLAIN, case="y", dice=0.85, dice_right=0.87, dice_left=0.83, hd95=30.0, components=2, verdict="review")
    assert rows(summarise([PLAIN, worse])) == {
        "north": ["2", "0.9000", "0.8550", "0.8500", "1", "0.9200", "0.8800", "20.0", "30.0", "2", "1"],
    }


def test_sources_questionable_masks_and_what_leaves_the_heart_out_stand_apart() -> None:
    south = replace(PLAIN, source="south", dice=0.97)
    questionable = replace(HEART, source="south", notes="questionable", dice=0.5)
    table = rows(summarise([PLAIN, south, questionable, HEART]))
    assert list(table) == ["adults", "all that leave the heart out", "north", "south", "south, questionable masks"]
    assert [table[name][0] for name in table] == ["1", "2", "1", "1", "1"]
    assert table["all that leave the heart out"][1] == "0.9600"
    assert table["adults"][5:9] == ["-", "-", "-", "-"]
    assert table["south, questionable masks"][1] == "0.5000"


def test_the_csv_has_a_line_for_each_case_the_worst_first(tmp_path) -> None:
    write_scores([PLAIN, HEART, replace(PLAIN, case="z", dice=1.0)], tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["case"] for line in lines] == ["h", "x", "z"]
    assert (lines[0]["hd95"], lines[1]["hd95"], lines[1]["dice"], lines[1]["components"]) == ("nan", "10.0000", "0.9500", "1")


def test_changes_are_summed_up() -> None:
    assert summarise_changes({"negative": [1.0, 0.97, 0.9, 0.98]}).splitlines() == [
        "| change | mean Dice to the plain mask | 5th percentile | share at 0.97 or more |",
        "|---|---|---|---|",
        "| negative | 0.9625 | 0.9105 | 0.750 |",
    ]
