from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from lungseg.batch import without_own_outputs
from lungseg.batch.inputs import name_inputs
from made_up_records import made_up

OUT = Path("/out")


def named(*paths: str, known: dict[str, str] | None = None, folder: Path = OUT) -> list[str]:
    files = [Path(path) for path in paths]
    names = name_inputs(files, known or {}, folder)
    return [names[file] for file in files]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("/d/a/x.png", "/d/a/y.png"), ["x", "y"]),
        (("/d/a/x.png", "/d/b/x.png", "/d/b/y.png"), ["a_x", "b_x", "y"]),
        (("/d/a/x.png", "/d/a/x.jpg"), ["x_png", "x_jpg"]),
        (("/d/a/x.png", "/d/a/x.jpg", "/d/b/x.png"), ["x_png", "x_jpg", "x"]),
        (("/p1/s1/v.jpg", "/p2/s1/v.jpg", "/p2/s2/v.jpg"), ["p1_s1_v", "p2_s1_v", "s2_v"]),
        (("/d/a/x.png", "/d/b/x.png", "/d/a_x.png"), ["d_a_x", "b_x", "a_x"]),
        (("/d/a/X.png", "/d/b/x.png"), ["a_X", "b_x"]),
        (("/d/1.2.3.4", "/d/1.2.3.5"), ["1.2.3.4", "1.2.3.5"]),
    ],
)
def test_names(paths: tuple[str, ...], expected: list[str]) -> None:
    assert named(*paths) == expected


def test_names_that_no_folder_tells_apart_get_a_number_of_their_own() -> None:
    names = named("/a_b/x.png", "/a/b_x.png", "/c/x.png", "/c/b_x.png")
    assert len({name.casefold() for name in names}) == 4
    assert names == named("/a_b/x.png", "/a/b_x.png", "/c/x.png", "/c/b_x.png")


def test_long_names_are_cut_and_stay_apart() -> None:
    long = "x" * 240
    names = named(f"/d/{long}.png", f"/d/{long}y.png", f"/d/{'é' * 120}.png", "/d/x.png")
    assert [len(name.encode()) for name in names] == [200, 200, 199, 1]
    assert [name[:191] for name in names[:2]] == ["x" * 191] * 2
    assert len(set(names)) == 4
    assert names[:1] == named(f"/d/{long}.png")


def test_the_order_of_the_files_does_not_matter() -> None:
    paths = ["/d/a/x.png", "/d/b/x.png", "/d/b/x.jpg", "/d/c/y.png"]
    assert dict(zip(paths, named(*paths), strict=True)) == dict(
        zip(paths[::-1], named(*paths[::-1]), strict=True)
    )


def test_names_of_earlier_runs_are_kept_and_given_to_nobody_else() -> None:
    known = {"/d/a/x.png": "x", "/gone/y.png": "y"}
    assert named("/d/a/x.png", "/d/b/x.png", "/d/b/y.png", known=known) == ["x", "b_x", "b_y"]


def test_no_output_gets_the_path_of_an_input() -> None:
    assert named("/d/x.png", "/d/x_mask.png", folder=Path("/d")) == ["d_x", "x_mask"]


def test_no_two_inputs_of_many_share_a_name() -> None:
    files = [
        Path(f"/data/p{patient}/s{study}/{view}.png")
        for patient in range(5)
        for study in range(3)
        for view in ("front", "Front", "side")
    ]
    names = sorted(name.casefold() for name in name_inputs(files, {}, OUT).values())
    assert len(names) == 45
    assert all(first != second for first, second in pairwise(names))


def test_outputs_that_the_record_beside_them_lists_are_no_inputs(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("x.png", "x_mask.png", "y_mask.png")] + [
        tmp_path / "sub" / "x_mask.png"
    ]
    outputs = {"mask": "x_mask.png", "overlay": "x_overlay.png"}
    entry = made_up("/x.png", outputs=outputs)
    (tmp_path / "results.jsonl").write_text(json.dumps(entry) + "\n")
    assert without_own_outputs(files) == [files[0], files[2], files[3]]


def test_where_the_record_cannot_be_read_nothing_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").mkdir()
    assert without_own_outputs([tmp_path / "x.png"]) == [tmp_path / "x.png"]


def test_the_small_pictures_of_a_report_are_no_inputs(tmp_path: Path) -> None:
    files = [
        tmp_path / "out" / "report_thumbnails" / "x.jpg",
        tmp_path / "report_thumbnails" / "x.jpg",
    ]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl").write_text("")
    assert without_own_outputs(files) == [files[1]]
