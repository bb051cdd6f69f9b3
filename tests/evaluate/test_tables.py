"""The tables of scores."""

from __future__ import annotations

import csv
from dataclasses import replace

from lungseg.evaluate import SliceScores
from lungseg.evaluate.compare import differences
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import (
    Table,
    summarise,
    summarise_confidence,
    summarise_robustness,
    summarise_volumes,
    write_patients,
    write_scores,
    write_table,
)
from made_up_scores import MASK, PLAIN, THROUGH_HEART, scored, with_scores
from written import read_csv

SLICES = SliceScores(0.9, "slice 1", 0.8, 1, 0, 1, 0)


def rows(table: Table) -> dict[str, list[str]]:
    return {name: list(cells) for name, *cells in table.rows}


def test_a_source_is_summed_up() -> None:
    assert summarise([PLAIN], "lungs").header == (
        "cases",
        "n",
        "Dice",
        "5th percentile",
        "worst",
        "under 0.90",
        "right lung",
        "left lung",
        "HD95 (at 1024)",
        "worst HD95",
        "most components",
        "to review",
    )
    worse = with_scores(
        replace(scored("y", 0.85, 30.0), verdict="review"),
        right_lung=replace(MASK, dice=0.87, components=2),
        left_lung=replace(MASK, dice=0.83, components=1),
    )
    assert rows(summarise([PLAIN, worse], "lungs")) == {
        "north": [
            "2",
            "0.9000",
            "0.8550",
            "0.8500",
            "1",
            "0.9200",
            "0.8800",
            "20.0",
            "30.0",
            "2",
            "1",
        ],
    }


def test_sources_questionable_masks_and_lungs_that_are_the_field_stand_apart() -> None:
    south = scored("s", 0.97, source="south")
    questionable = replace(THROUGH_HEART, source="south", notes="questionable")
    table = rows(summarise([PLAIN, south, questionable, THROUGH_HEART], "lungs"))
    assert list(table) == [
        "adults",
        "all lung fields",
        "north",
        "south",
        "south, questionable masks",
    ]
    assert [table[name][0] for name in table] == ["1", "2", "1", "1", "1"]
    assert table["all lung fields"][1] == "0.9600"
    assert table["adults"][5:9] == ["-", "-", "-", "-"]
    assert table["south, questionable masks"][1] == "0.9000"


def test_how_sure_means_are_and_what_postprocessing_does() -> None:
    table = summarise_confidence(summaries([PLAIN, scored("y", 0.85), THROUGH_HEART]))
    assert table.header[-4:] == (
        "Dice, raw",
        "HD95, raw",
        "components",
        "components, raw",
    )
    assert rows(table) == {
        "adults": ["1", "1", "0.9000", "0.9000", "-", "-", "-", "0.8900", "-", "2.00", "4.00"],
        "north": [
            "2",
            "2",
            "0.9000 (0.8500 to 0.9500)",
            "0.9000",
            "5.0 pixels (5.0 to 5.0)",
            "4.5 pixels",
            "0.800",
            "0.9400",
            "8.0 pixels",
            "2.00",
            "3.00",
        ],
    }


def test_the_csv_has_a_line_for_each_case_the_worst_first(tmp_path) -> None:
    write_scores([PLAIN, THROUGH_HEART, scored("z", 1.0)], tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["case"] for line in lines] == ["h", "x", "z"]
    assert (
        lines[0]["lungs_hd95"],
        lines[1]["lungs_hd95"],
        lines[1]["lungs_hd95_at_1024"],
        lines[1]["unit"],
    ) == (
        "nan",
        "5.0000",
        "10.0000",
        "pixels",
    )
    assert (
        lines[1]["lungs_dice"],
        lines[1]["right_lung_dice"],
        lines[1]["left_lung_dice"],
        lines[1]["lungs_raw_dice"],
    ) == (
        "0.9500",
        "0.9700",
        "0.9300",
        "0.9400",
    )
    assert (
        lines[0]["lungs_components"],
        lines[0]["right_lung_components"],
        lines[0]["lungs_raw_components"],
    ) == ("2", "1", "4")
    assert len(lines[0]) == 7 + 4 * 15 + 1


def test_the_csv_of_patients_has_means_over_their_images(tmp_path) -> None:
    scores = [
        scored("a", 0.9, 10, patient="p"),
        scored("b", 0.8, 30, patient="p"),
        scored("c", 0.84, patient="q"),
    ]
    write_patients([replace(scores[0], verdict="review"), *scores[1:]], tmp_path / "patients.csv")
    assert (tmp_path / "patients.csv").read_text().splitlines() == [
        "source,patient,images,lungs_dice,lungs_lowest_dice,lungs_hd95_at_1024,to_review",
        "north,q,1,0.8400,0.8400,10.0000,0",
        "north,p,2,0.8500,0.8000,20.0000,1",
    ]


def test_what_is_not_known_of_an_image_leaves_the_mean_of_its_patient(tmp_path) -> None:
    scores = [
        scored("a", 0.9, 12.0, patient="p"),
        replace(
            scored("b", 0.8, float("nan"), patient="p"), kind="volume", unit="mm", slices=SLICES
        ),
    ]
    write_patients(scores, tmp_path / "patients.csv")
    (line,) = read_csv(tmp_path / "patients.csv")
    assert line["lungs_hd95_at_1024"] == "12.0000"
    assert "nan" not in line.values()


def test_names_that_are_no_text_do_not_lose_the_scores(tmp_path) -> None:
    write_scores([scored("caf\udce9", 0.9)], tmp_path / "scores.csv")
    assert read_csv(tmp_path / "scores.csv")[0]["case"] == r"caf\udce9"


def test_cells_may_hold_what_parts_others(tmp_path) -> None:
    assert Table(("a|b", "c"), [("1", "x|y")]).markdown().splitlines() == [
        r"| a\|b | c |",
        "|---|---|",
        r"| 1 | x\|y |",
    ]
    write_table([{"a": "x,y", "b": 0.12345, "c": float("nan")}], tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'a,b,c\n"x,y",0.1235,nan\n'


def test_robustness_is_summed_up() -> None:
    assert summarise_robustness({"negative": [1.0, 0.97, 0.9, 0.98]}).markdown().splitlines() == [
        "| perturbation | n | mean Dice to the mask of the picture as it is | 5th percentile "
        "| fraction at 0.97 or more |",
        "|---|---|---|---|---|",
        "| negative | 4 | 0.9625 | 0.9105 | 0.750 |",
    ]


def test_perturbations_that_nothing_could_be_judged_by_have_no_metrics() -> None:
    assert summarise_robustness({"negative": []}).rows == [["negative", "0", "-", "-", "-"]]


def test_components_are_those_of_halves_where_there_are_some() -> None:
    whole = with_scores(replace(PLAIN, source="west"))
    whole = replace(whole, scores={"lungs": replace(MASK, components=3)})
    table = rows(summarise([PLAIN, whole], "lungs"))
    assert [cells[-2] for cells in table.values()] == ["1", "1", "3"]


def test_millimetres_and_voxels_have_no_mean() -> None:
    scores = [
        replace(scored(name, 0.9, 3.0), kind="volume", unit=unit, slices=SLICES)
        for name, unit in (("x", "mm"), ("y", "voxels"))
    ]
    table = summarise_volumes({"north": scores}, "lungs")
    assert dict(zip(table.header, table.rows[0], strict=True))["HD95, mm or voxels"] == "-"
    each = summarise_volumes({score.case: [score] for score in scores}, "lungs")
    column = each.header.index("HD95, mm or voxels")
    assert [row[column].split()[1] for row in each.rows] == ["mm", "voxels"]
    assert "hd95" not in [one.metric for one in differences({"a": scores, "b": scores})]
