"""The table: the same columns whatever was found, and cells that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lungseg.writers import Record
from lungseg.writers.table import COLUMNS, columns, measured, row, table
from made_up_records import failed, made_up
from made_up_records import measured as entry

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"


def rows(records: list[Record]) -> list[dict[str, str]]:
    text = table(records, measured(records)).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_of_a_modality_do_not_depend_on_what_was_found() -> None:
    film, scan = columns({"radiograph": set()}), columns({"ct": set()})
    assert columns({}) == list(COLUMNS)
    assert film[: len(COLUMNS)] == scan[: len(COLUMNS)] == list(COLUMNS)
    assert film[len(COLUMNS) :][:7] == [
        "right_lung_area_mm2",
        "right_lung_area_pixels",
        "right_lung_image_fraction_percent",
        "right_lung_height_mm",
        "right_lung_height_pixels",
        "right_lung_width_mm",
        "right_lung_width_pixels",
    ]
    assert film[-7:] == [
        "lungs_confidence",
        "lungs_asymmetry_percent",
        "lungs_expected_dice",
        "lungs_expected_dice_low",
        "lungs_expected_dice_high",
        "lungs_opacity_fraction_percent",
        "cardiothoracic_ratio",
    ]
    assert scan[len(COLUMNS) :][:2] == ["right_lung_volume_mL", "right_lung_volume_voxels"]
    assert {"lungs_std_HU", "left_lung_laa950_percent", "lungs_mass_g"} < set(scan)


def test_of_both_kinds_both_blocks_are_there_and_no_column_twice() -> None:
    film, scan = columns({"radiograph": set()}), columns({"ct": set()})
    both = columns({"ct": set(), "radiograph": set()})
    assert both == film + [name for name in scan if name not in film]


def test_a_structure_that_was_measured_has_columns_behind_those_of_the_lungs() -> None:
    lungs = columns({"radiograph": set()})
    more = columns({"radiograph": {"opacity", "heart", "lungs"}})
    assert more[: len(lungs)] == lungs
    assert more[len(lungs) :][:2] == ["heart_area_mm2", "heart_area_pixels"]
    assert more[-1] == "opacity_confidence"
    assert "heart_asymmetry_percent" not in more


def test_a_record_fills_its_cells_and_leaves_the_others_empty() -> None:
    film = made_up(
        "/a/b.png",
        verdict="review",
        codes=["one_lung", "cut_off"],
        reasons=["only one", "cut off"],
        notes=["a", "b"],
        sides="assigned",
        measurements=[
            entry("area", 1234.5678, "mm2", "right lung", "detector plane"),
            entry("asymmetry", -7.0, "percent"),
            entry("confidence", None, "1"),
            entry("height", 5.0, "mm", restriction="detector plane"),
            entry("width", 5.0, "mm", restriction="implausible spacing"),
        ],
        outputs={"mask": "b_mask.png", "report": "b_report.html", "pdf": "b_report.pdf"},
    )
    (found,) = rows([film])
    assert {name: cell for name, cell in found.items() if cell} == {
        "input": "/a/b.png",
        "name": "b",
        "sha256": "b-sha",
        "modality": "radiograph",
        "verdict": "review",
        "codes": "one_lung;cut_off",
        "reasons": "only one; cut off",
        "sides": "assigned",
        "restrictions": "detector plane;implausible spacing",
        "notes": "a; b",
        "report": "b_report.html",
        "right_lung_area_mm2": "1234.57",
        "lungs_asymmetry_percent": "-7",
        "lungs_height_mm": "5",
        "lungs_width_mm": "5",
    }
    assert list(found) == columns({"radiograph": set()})


def test_a_failure_has_its_row_and_brings_no_block() -> None:
    assert rows([failed("/a/c.png", "is empty")]) == [
        dict.fromkeys(COLUMNS, "")
        | {
            "input": "/a/c.png",
            "name": "c",
            "verdict": "failed",
            "codes": "unreadable",
            "reasons": "is empty",
        }
    ]


def test_of_sides_that_nobody_knows_or_that_an_earlier_version_did_not_say_no_cell_tells() -> None:
    for record in (made_up("/a", sides=None), made_up("/a")):
        assert row(record)["sides"] == ""


def test_a_pdf_alone_is_the_report() -> None:
    assert row(made_up("/b", outputs={"pdf": "b_report.pdf"}))["report"] == "b_report.pdf"


def test_no_text_begins_as_a_formula_does_and_numbers_stay_numbers() -> None:
    for start in ("=", "+", "-", "@", "\t", "\r", "\n"):
        cells = row(
            made_up(
                "/a",
                name=f"{start}1",
                notes=[f"{start}2", "=3"],
                measurements=[entry("mean", -860.0, "HU")],
            )
        )
        assert (cells["name"], cells["notes"]) == (f"'{start}1", f"'{start}2; =3")
        assert cells["lungs_mean_HU"] == "-860"


def test_a_name_that_is_no_utf8_is_written_escaped() -> None:
    (found,) = rows([made_up("/a/\udcff,\n.png")])
    assert found["input"] == "/a/\\udcff,\n.png"


def test_a_quantity_that_this_version_does_not_know_has_no_column() -> None:
    (found,) = rows([made_up("/a", measurements=[entry("breath", 3.0, "1")])])
    assert "lungs_breath" not in found


def test_the_page_of_outputs_lists_the_first_columns() -> None:
    listed = PAGE.read_text(encoding="utf-8").split("## `summary.csv`")[1].split("\n## ")[0]
    assert [line.split("`")[1] for line in listed.splitlines() if line.startswith("| `")] == [
        *COLUMNS
    ]
