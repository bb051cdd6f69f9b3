"""The command that judges models."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from command_line import lungseg
from lungseg.datasets import discover_cases, write_manifest
from lungseg.writers.lock import only_writer
from phantom_radiographs import write_radiographs
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources "north", six patients, and "south", two."""
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=12)
    write_radiographs(folder / "south", count=4)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def split(films: Path, tmp_path: Path) -> Path:
    """A CSV of all films, of which the two of patient p0 are for validation."""
    cases = [
        replace(case, split="validation" if case.patient == "p0" else "train")
        for case in discover_cases(films)
    ]
    write_manifest(cases, tmp_path / "cases.csv")
    return tmp_path / "cases.csv"


def scored(folder: Path) -> list[tuple[str, str]]:
    with (folder / "scores.csv").open(newline="") as stream:
        return sorted((line["source"], line["case"]) for line in csv.DictReader(stream))


def test_it_scores_the_validation_split_and_prints_what_it_writes(model, split, tmp_path) -> None:
    done = lungseg("evaluate", model, split, "-o", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (tmp_path / "out" / "scores.md").read_text()
    assert scored(tmp_path / "out") == [
        (source, f"p0_{film}") for source in ("north", "south") for film in "ab"
    ]


def test_a_folder_that_another_program_writes_into_is_left_alone(model, split, tmp_path) -> None:
    with only_writer(tmp_path / "out"):
        done = lungseg("evaluate", model, split, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {tmp_path / 'out'}: another program writes here (proc")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_takes_a_split_and_sources(model, films, split, tmp_path) -> None:
    def of(*arguments: object) -> list[tuple[str, str]]:
        done = lungseg("evaluate", model, *arguments, "-o", tmp_path / "out", "--workers", 2)
        assert done.exit_code == 0, done.output
        return scored(tmp_path / "out")

    assert len(of(films, "--split", "all")) == 16
    assert {source for source, _ in of(films, "--split", "all", "--source", "south")} == {"south"}
    assert len(of(split, "--split", "train")) == 12
    assert (
        len(of(films)) == 2
    )  # as `train` would split the folder by default: 0.15 of six patients and of two


@pytest.mark.slow
def test_a_list_of_cases_without_a_column_for_left_masks_is_read(model, split, tmp_path) -> None:
    lines = [line.split(",") for line in split.read_text().splitlines()]
    assert lines[0][-3:] == ["mask_left", "decides", "labels"]
    split.write_text("\n".join(",".join(line[:-3]) for line in lines) + "\n")
    done = lungseg("evaluate", model, split, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert len(scored(tmp_path / "out")) == 4


@pytest.mark.slow
def test_several_models_are_compared(model, split, tmp_path) -> None:
    pytest.importorskip("scipy")
    done = lungseg(
        "evaluate",
        model,
        write_tiny_model(tmp_path, name="dull", steepness=0.8),
        split,
        "-o",
        tmp_path / "out",
    )
    assert done.exit_code == 0, done.output
    assert "| north | Dice | 2 | 1 | tiny | dull |" in done.stdout


def test_what_could_not_be_scored_is_named_and_changes_the_status(model, split, tmp_path) -> None:
    lines = split.read_text().splitlines()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    row = f"x,px,{broken},{broken},north,validation,field,,,lungs"
    split.write_text(
        "\n".join(
            [*lines, row, row.replace("x,px", "y,py").replace(f"{broken},{broken}", f"{broken},")]
        )
        + "\n"
    )
    done = lungseg("evaluate", model, split, "-o", tmp_path / "out")
    assert done.exit_code == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(f"left out: {broken}: ")
    assert second == "1 cases have no mask to be judged by, and are left out."
    assert len(scored(tmp_path / "out")) == 4


def test_robustness_and_card(model, split, tmp_path) -> None:
    copy = write_tiny_model(tmp_path, name="copy")
    done = lungseg(
        "evaluate",
        copy,
        split,
        "-o",
        tmp_path / "out",
        "--robustness",
        "--card",
        "--source",
        "south",
    )
    assert done.exit_code == 0, done.output
    assert "| mirrored |" in done.stdout
    assert '"scores": {\n    "south": {\n      "cases": 2,' in copy.with_suffix(".json").read_text()


def test_a_spacing_gives_millimetres(model, split, tmp_path) -> None:
    done = lungseg("evaluate", model, split, "-o", tmp_path / "out", "--spacing", 2.5)
    assert done.exit_code == 0, done.output
    assert " mm" in done.stdout
    assert " pixels" not in done.stdout


@pytest.fixture
def rsna(tmp_path: Path) -> Path:
    """Two films in the layout of the RSNA challenge; one has two boxes."""
    folder = tmp_path / "rsna"
    (folder / "stage_2_train_images").mkdir(parents=True)
    for name in ("a1", "b2"):
        cv2.imwrite(str(folder / "stage_2_train_images" / f"{name}.png"), dark_ellipses())
    rows = [
        "patientId,x,y,width,height,Target",
        "a1,46,70,20,20,1",
        "a1,100,60,80,40,1",
        "b2,,,,,0",
    ]
    (folder / "stage_2_train_labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_films_without_masks_but_with_boxes_are_scored_by_these(model, rsna, tmp_path) -> None:
    plain = lungseg("evaluate", model, rsna, "-o", tmp_path / "out")
    assert plain.exit_code == 0, plain.output
    assert "| as it is | 2 | 1 | 1 |" in plain.stdout
    assert "| widened by 10 pixels | 2 | 1 | 1 |" in plain.stdout
    asked = lungseg(
        "evaluate", model, rsna, "-o", tmp_path / "out", "--boxes", "--dilate", 3, "--spacing", 0.5
    )
    assert "| widened by 3 mm | 2 | 1 | 1 |" in asked.stdout


def test_boxes_without_their_layout_say_which_one_is_expected(model, rsna, tmp_path) -> None:
    words = (
        "a folder as the RSNA Pneumonia Detection Challenge has it: stage_2_train_images with the "
        "films, each named by its patientId, and beside it stage_2_train_labels.csv with patientId"
    )
    (rsna / "stage_2_train_images").rename(rsna / "films")
    moved = lungseg("evaluate", model, rsna, "-o", tmp_path / "out", "--boxes")
    assert f"Error: {rsna}: no film with a list of boxes was found; give {words}" in moved.stderr
    (rsna / "films").rename(rsna / "stage_2_train_images")
    (rsna / "stage_2_train_labels.csv").unlink()
    listless = lungseg("evaluate", model, rsna, "-o", tmp_path / "out", "--boxes")
    assert f"give cases with masks, or {words}" in listless.stderr
    gone = lungseg("evaluate", model, rsna / "gone", "-o", tmp_path / "out", "--boxes")
    assert "no such folder or list" in gone.stderr


def test_a_cross_dataset_table_of_models_that_are_there(model, split, tmp_path) -> None:
    done = lungseg("evaluate", f"north={model}", split, "-o", tmp_path / "out", "--cross-dataset")
    assert done.exit_code == 0, done.output
    assert done.stdout == (tmp_path / "out" / "cross_dataset.md").read_text()
    assert [cell.endswith("n=2") for cell in done.stdout.splitlines()[4].split(" | ")[1:2]] == [
        True
    ]
    assert "**, n=2 | " in done.stdout  # of north only the validation patient
    assert ", n=4 |" in done.stdout  # of south every film


@pytest.mark.slow
def test_a_cross_dataset_evaluation_trains_what_is_not_there_and_keeps_it(
    model, split, tmp_path, monkeypatch
) -> None:
    pytest.importorskip("lightning")
    trained: list[tuple[str, set[str], int, bool]] = []

    def fit(cases, folder, settings, *, resume=False):
        trained.append((folder.name, {case.source for case in cases}, settings.epochs, resume))
        folder.mkdir(parents=True, exist_ok=True)
        settings.write(folder / "settings.toml")
        write_manifest(cases, folder / "cases.csv")
        (folder / "last.ckpt").touch()

    def finalise(folder, *, with_quality_model):
        assert not with_quality_model
        if folder.name == "south" and len(trained) == 2:
            raise KeyboardInterrupt
        write_tiny_model(folder, name="model")

    monkeypatch.setattr("lungseg.train.fit.fit", fit)
    monkeypatch.setattr("lungseg.train.finalise.finalise", finalise)
    (tmp_path / "s.toml").write_text("epochs = 3\n")
    command = (
        "evaluate",
        split,
        "-o",
        tmp_path / "out",
        "--cross-dataset",
        "--settings",
        tmp_path / "s.toml",
    )
    stopped = lungseg(*command)
    assert stopped.exit_code == 130
    assert stopped.stderr.endswith("Stopped. The same command goes on from the last whole epoch.\n")
    done = lungseg(*command)
    assert done.exit_code == 0, done.output
    runs = tmp_path / "out" / "runs"
    assert (
        done.stderr
        == f"north: trained before, in {runs / 'north'}\nsouth: training in {runs / 'south'}\n"
    )
    assert trained == [
        ("north", {"north"}, 3, False),
        ("south", {"south"}, 3, False),
        ("south", {"south"}, 3, True),
    ]
    assert done.stdout.count("**, n=2 |") == 4
    other = lungseg(*command[:-2])
    assert other.exit_code == 2
    assert other.stderr == (
        f"Error: {runs / 'north'}: this run was trained with other settings; choose "
        "another folder, or remove the run.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("{cases}",),
            "there is no model to evaluate; name it before the cases: lungseg evaluate cxr "
            "cases.csv -o report.",
        ),
        (
            ("{model}",),
            "{model} is a model, and no cases are named behind it; name a CSV of cases, or a "
            "folder of data sets, as the last.",
        ),
        (
            ("{model}", "{cases}", "--cross-dataset", "--boxes"),
            "--cross-dataset and --boxes are two questions; ask them one after the other.",
        ),
        (
            ("a={model}", "{cases}", "--cross-dataset", "--card"),
            "--robustness and --card need masks, and no --cross-dataset or --boxes; ",
        ),
        (
            ("{model}", "{cases}", "--boxes", "--robustness"),
            "--robustness and --card need masks, and no --cross-dataset or --boxes; ",
        ),
        (
            ("{model}", "{cases}", "--recipe", "cxr"),
            "--recipe and --settings are for models that --cross-dataset trains; ",
        ),
        (
            ("a={model}", "{cases}", "--cross-dataset", "--recipe", "cxr"),
            "--recipe and --settings are for models that --cross-dataset trains; ",
        ),
        (
            ("{cases}", "--cross-dataset", "--recipe", "cxr", "--settings", "s.toml"),
            "--recipe and --settings both say how to train; ",
        ),
        (
            ("{model}", "{cases}", "--cross-dataset"),
            "{model} does not say what the model was trained on; write SOURCE=FILE, as "
            "montgomery=mine.",
        ),
        (
            ("../a={model}", "{cases}", "--cross-dataset"),
            "../a={model} does not say what the model was trained on; ",
        ),
        (
            ("a={model}", "a={model}", "{cases}", "--cross-dataset"),
            "two models have the same name; name each after what it was trained on.",
        ),
        (
            ("{model}", "{model}", "{cases}", "--boxes"),
            "boxes are scored with one model, not with 2; ",
        ),
        (
            ("{model}", "{cases}", "--boxes"),
            "{cases}: there are neither masks nor a list of boxes (stage_2_train_labels.csv "
            "beside ",
        ),
        (
            ("{model}", "{cases}", "--dilate", "3"),
            "--dilate is for --boxes: with masks, those of the model are scored as they are; "
            "leave it out.",
        ),
        (
            ("{model}", "{cases}", "--spacing", "0"),
            "--spacing 0 is not a spacing; give millimetres between pixels, such as 0.143.",
        ),
        (
            ("{model}", "{cases}", "--split", "test"),
            "{cases}: there is no case of split 'test' of north, south; give another --split, ",
        ),
        (
            ("{model}", "{cases}", "--source", "east", "--source", "west"),
            "{cases}: there is no case of source east, west; choose of north, south.",
        ),
        (
            ("{model}", "{model}", "{cases}"),
            "models to be compared need names of their own; give each model once, ",
        ),
    ],
)
def test_wrong_use_is_said_in_a_sentence(model, split, tmp_path, arguments, words) -> None:
    filled = [argument.format(model=model, cases=split) for argument in arguments]
    done = lungseg("evaluate", *filled, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {words.format(model=model, cases=split)}")
    assert len(done.stderr.splitlines()) == 1


def test_help_shows_an_example() -> None:
    assert "Example: lungseg evaluate cxr mine.onnx runs/mine/cases.csv -o report" in " ".join(
        lungseg("evaluate", "--help").output.split()
    )


@pytest.mark.slow
def test_it_needs_no_torch(films, tmp_path) -> None:
    code = (
        "import sys\nfor name in ('torch', 'lightning', 'monai', 'onnx', 'scipy'): "
        "sys.modules[name] = None\n"
        "from lungseg.cli.main import app\napp(sys.argv[1:])"
    )
    arguments = (
        "evaluate",
        write_tiny_model(tmp_path),
        films,
        "-o",
        tmp_path / "scores",
        "--source",
        "south",
        "--split",
        "all",
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(os.fspath, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| south | 4 |" in done.stdout
