"""The command that users run: from files to masks, tables and records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from command_line import lungseg
from lungseg.cli.main import build
from lungseg.cli.segment import _report
from lungseg.report.texts import INPUT_GONE
from lungseg.runner import Outcome
from tiny_model import dark_ellipses
from written import pictures, table


def test_one_file_gives_mask_overlay_row_and_record(
    films: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = lungseg("segment", films / "x.png", "-o", out, "--model", model)
    assert ran.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "results.jsonl",
        "summary.csv",
        "x_mask.png",
        "x_overlay.png",
    ]
    mask = Picture.open(out / "x_mask.png")
    assert (mask.mode, mask.size) == ("P", (200, 160))
    values = np.array(mask)
    # The patient's right lung is on the left of the image.
    assert (values[80, 56], values[80, 144], values[80, 100]) == (1, 2, 0)
    assert ran.stderr == f"1/1 {films / 'x.png'}: ok\n"
    assert ran.stdout.startswith("1 of 1 segmented, in ")
    assert ran.stdout.endswith(f"Results: {out}\n")


def test_a_folder_is_walked_and_equal_names_keep_apart(
    films: Path, model: Path, tmp_path: Path
) -> None:
    assert (
        lungseg(
            "segment", films, "-o", tmp_path / "out", "--outputs", "mask", "--model", model
        ).exit_code
        == 0
    )
    assert pictures(tmp_path / "out") == ["films_x_mask.png", "sub_x_mask.png", "y_mask.png"]


def test_a_pattern(films: Path, model: Path, tmp_path: Path) -> None:
    assert (
        lungseg(
            "segment",
            films / "*.png",
            "-o",
            tmp_path / "out",
            "--outputs",
            "mask",
            "--model",
            model,
        ).exit_code
        == 0
    )
    assert pictures(tmp_path / "out") == ["x_mask.png", "y_mask.png"]


def test_bad_inputs_are_named_and_the_others_finished(
    films: Path, model: Path, tmp_path: Path
) -> None:
    (films / "bad.png").write_bytes(b"")
    out = tmp_path / "out"
    ran = lungseg(
        "segment",
        films / "bad.png",
        films / "gone.png",
        films / "y.png",
        "-o",
        out,
        "--model",
        model,
    )
    assert ran.exit_code == 1
    assert (
        f"failed: {films / 'bad.png'}: the file is empty; copy or export it again.\n" in ran.stderr
    )
    assert (
        f"failed: {films / 'gone.png'}: there is no such file or folder; check the name.\n"
        in ran.stderr
    )
    assert "1 of 2 segmented, 1 failed, nothing found at 1 path, in " in ran.stdout
    assert [(row["name"], row["verdict"]) for row in table(out)] == [("bad", "failed"), ("y", "ok")]
    assert pictures(out) == ["y_mask.png", "y_overlay.png"]


def test_nothing_but_a_missing_file(model: Path, tmp_path: Path) -> None:
    ran = lungseg("segment", tmp_path / "gone.png", "-o", tmp_path / "out", "--model", model)
    assert ran.exit_code == 1
    assert (
        ran.stderr
        == f"failed: {tmp_path / 'gone.png'}: there is no such file or folder; check the name.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_second_run_leaves_results_alone_and_says_so(
    films: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lungseg("segment", films / "x.png", "-o", out, "--model", model)
    before = (out / "x_mask.png").stat().st_mtime_ns
    ran = lungseg("segment", films / "x.png", films / "y.png", "-o", out, "--model", model)
    assert ran.exit_code == 0
    assert f"1/2 {films / 'x.png'}: skipped (done already)\n" in ran.stderr
    assert "1 of 2 segmented, 1 skipped, in " in ran.stdout
    assert (out / "x_mask.png").stat().st_mtime_ns == before
    assert (
        lungseg("segment", films / "x.png", "-o", out, "--model", model, "--overwrite").exit_code
        == 0
    )
    assert (out / "x_mask.png").stat().st_mtime_ns > before
    assert len(table(out)) == 2


@pytest.mark.parametrize("place", [".", "out"])
def test_results_within_the_input_folder_are_not_taken_for_inputs(
    films: Path, model: Path, place: str
) -> None:
    for _ in range(2):
        ran = lungseg("segment", films, "-o", films / place, "--model", model)
        assert ran.exit_code == 0
    assert "6 left out: results of an earlier run (see results.jsonl beside them).\n" in ran.stderr
    assert "0 of 3 segmented, 3 skipped, in " in ran.stdout
    # Also where the shell names them, and for a third folder.
    ran = lungseg("segment", *films.rglob("*.png"), "-o", films.parent / "third", "--model", model)
    assert "3 of 3 segmented, in " in ran.stdout


def test_only_results_of_an_earlier_run(films: Path, model: Path, tmp_path: Path) -> None:
    lungseg("segment", films, "-o", tmp_path / "out", "--model", model)
    ran = lungseg("segment", tmp_path / "out", "-o", tmp_path / "other", "--model", model)
    assert ran.exit_code == 1
    assert (
        "there is no image to segment; name other files, or a folder that holds some." in ran.stderr
    )


def test_crop_masked_and_binary(films: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lungseg(
        "segment", films / "x.png", "-o", out, "--model", model, "--crop", "--masked", "--binary"
    )
    assert pictures(out) == ["x_crop.png", "x_mask.png", "x_masked.png", "x_overlay.png"]
    mask, masked = (
        cv2.imread(str(out / f"x_{name}.png"), cv2.IMREAD_UNCHANGED) for name in ("mask", "masked")
    )
    assert sorted(np.unique(mask)) == [0, 255]
    np.testing.assert_array_equal(masked, np.where(mask > 0, dark_ellipses(), 0))
    rows, columns = np.nonzero(mask)
    crop = cv2.imread(str(out / "x_crop.png"), cv2.IMREAD_UNCHANGED)
    margin = round(0.02 * max(np.ptp(rows), np.ptp(columns)))
    assert crop.shape == (np.ptp(rows) + 1 + 2 * margin, np.ptp(columns) + 1 + 2 * margin)


def test_dilation_is_in_pixels_or_in_millimetres_of_the_spacing(
    films: Path, model: Path, tmp_path: Path
) -> None:
    top = []
    for name, settings in {
        "plain": (),
        "pixels": ("--dilate", 4),
        "mm": ("--dilate", 4, "--spacing", "0.5,1"),
    }.items():
        lungseg("segment", films / "x.png", "-o", tmp_path / name, "--model", model, *settings)
        mask = np.array(Picture.open(tmp_path / name / "x_mask.png"))
        top.append(int(np.nonzero(mask)[0].min()))
    assert [top[0] - each for each in top] == [0, 4, 8]
    record = json.loads((tmp_path / "mm" / "results.jsonl").read_text())
    assert record["grid"]["spacing_mm"] == [0.5, 1.0]
    (line,) = table(tmp_path / "mm")
    assert (line["lungs_area_mm2"] != "", line["lungs_area_pixels"]) == (True, "")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            ["--outputs", "mask,maks"],
            "there is no output called 'maks'; choose from mask, overlay, crop, masked, "
            "probabilities, viewer.",
        ),
        (
            ["--outputs", ","],
            "no output was asked for; choose from mask, overlay, crop, masked, "
            "probabilities, viewer.",
        ),
        (
            ["--outputs", "overlay", "--binary"],
            "--binary is about the mask, which --outputs leaves out; drop one of the two.",
        ),
        (["--dilate", "-1"], "a mask is widened by a finite radius of at least 0, not by -1.0."),
        (["--dilate", "nan"], "a mask is widened by a finite radius of at least 0, not by nan."),
        (
            ["--spacing", "a"],
            "--spacing a is no spacing; give millimetres, as 0.2, ROWS,COLUMNS or "
            "SLICES,ROWS,COLUMNS.",
        ),
        (["--spacing", "0.1,0"], "(0.1, 0.0) is no spacing"),
        (["--spacing", "1,1,1,1"], "(1.0, 1.0, 1.0, 1.0) is no spacing"),
        (["--series", "1"], "--series is for CT, and this is a radiograph; leave --series out."),
        (
            ["--spacing", "5,1,1"],
            "the --spacing of a radiograph is two numbers, of rows and columns; give two.",
        ),
        (
            ["--modality", "ct"],
            "the model is for radiograph, not for ct; leave out --model or --modality.",
        ),
        (["--model", "nosuch"], "no model named 'nosuch' comes with this package"),
        (["--model", "no/such.onnx"], "there is no such model file"),
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["--frame", "0"], "0 is not in the range x>=1"),
        (["--nosuch"], "No such option"),
    ],
)
def test_wrong_use_is_told_before_anything_is_written(
    films: Path, model: Path, tmp_path: Path, settings: list[str], sentence: str
) -> None:
    named = [] if "--model" in settings else ["--model", model]
    ran = lungseg("segment", films, "-o", tmp_path / "out", *named, *settings)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert not (tmp_path / "out").exists()


def test_output_is_required(films: Path) -> None:
    ran = lungseg("segment", films)
    assert ran.exit_code == 2
    assert "Missing option" in ran.stderr


def test_output_folder_that_cannot_be_made(films: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    ran = lungseg("segment", films, "-o", tmp_path / "out", "--model", model)
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: {tmp_path / 'out'}: is a file, and results need a folder; name another "
        "output folder.\n"
    )


def test_quiet_names_only_what_failed(films: Path, model: Path, tmp_path: Path) -> None:
    (films / "bad.png").write_bytes(b"")
    ran = lungseg("segment", films, "-o", tmp_path / "out", "--model", model, "--quiet")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert (
        ran.stderr
        == f"1/4 failed: {films / 'bad.png'}: the file is empty; copy or export it again.\n"
    )


def test_the_sum_counts_what_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = (
        Outcome(tmp_path / name, "done", {"verdict": verdict, "reasons": ["a reason"]})
        for name, verdict in (("a", "ok"), ("b", "refused"), ("c", "review"))
    )
    _report(SimpleNamespace(command=build("segment")), outcomes, 3, 0, tmp_path, quiet=False)
    said = capsys.readouterr()
    assert said.out.startswith("3 of 3 segmented, 1 of them to review, 1 refused, in ")
    assert f"2/3 {tmp_path / 'b'}: refused (a reason)\n" in said.err


def test_reports_find_inputs_whose_paths_are_short(
    films: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("-o", out, "--model", model, "--relative-to", films)
    assert lungseg("segment", films / "x.png", *arguments).exit_code == 0
    assert [row["input"] for row in table(out)] == ["x.png"]
    ran = lungseg("report", out)
    assert (ran.exit_code, ran.stderr) == (0, f"x.png: {out / 'x_report.html'}\n")
    page = (out / "x_report.html").read_text(encoding="utf-8")
    assert INPUT_GONE not in page
    assert str(films) not in page


def test_an_image_may_come_on_standard_input(films: Path, model: Path, tmp_path: Path) -> None:
    out, content = tmp_path / "out", (films / "x.png").read_bytes()
    arguments = ("segment", "-", "-o", out, "--model", model)
    assert lungseg(*arguments, piped=content).exit_code == 0
    name = f"stdin-{hashlib.sha256(content).hexdigest()[:12]}"
    assert pictures(out) == [f"{name}_mask.png", f"{name}_overlay.png"]
    assert lungseg(*arguments, piped=content).stdout.startswith("0 of 1 segmented, 1 skipped, in ")
    other = cv2.imencode(".png", dark_ellipses((150, 200)))[1].tobytes()
    assert lungseg(*arguments, piped=other).exit_code == 0
    assert len(table(out)) == 2
    # What is missing stops no other, and the same content as a file is done already.
    ran = lungseg(*arguments, films / "x.png", piped=b"")
    assert (ran.exit_code, ran.stderr.splitlines()[0]) == (
        1,
        "failed: standard input is empty; pipe an image into it.",
    )
    assert ran.stdout.startswith("0 of 1 segmented, 1 skipped, nothing found at 1 path, in ")
