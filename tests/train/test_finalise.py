"""What becomes of the best weights: a model, predictions and sheets; and what one broken case
costs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lungseg.card import read_card
from lungseg.datasets import Case, write_manifest
from lungseg.datasets.label_sets import mediastinal_band
from lungseg.draw.picture import CAPTION, GAP
from lungseg.errors import UsageError
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import count
from lungseg.train import finalise as finish_module
from lungseg.train.export import ExportedModel
from lungseg.train.finalise import FinalisedRun, _names, finalise
from lungseg.train.module import build_network
from lungseg.train.pictures import BESIDE, TILE
from lungseg.train.settings import TrainingSettings
from tiny_model import write_tiny_model

SETTINGS = TrainingSettings(width=4, depth=3, size=64, precision="32-true", workers=0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run whose weights are exported as the tiny model that takes what is dark for lung."""

    def exported(checkpoint: Path, output: Path, *, name: str) -> ExportedModel:
        model = write_tiny_model(output.parent, name=output.stem)
        replace(read_card(model.with_suffix(".json")), name=name).write(model.with_suffix(".json"))
        return ExportedModel(model, model.with_suffix(".json"), 0.0)

    monkeypatch.setattr(finish_module, "export", exported)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "best.ckpt").touch()
    return folder


def finished(folder: Path, cases: list[Case]) -> FinalisedRun:
    write_manifest(cases, folder / "cases.csv")
    return finalise(folder, with_quality_model=False)


def with_split(cases: list[Case], splits: str) -> list[Case]:
    """The first cases, each of a patient of its own, a letter of t (test), v (validation), n
    (train) for each."""
    names = {"t": "test", "v": "validation", "n": "train"}
    return [
        replace(case, patient=case.case, split=names[letter])
        for case, letter in zip(cases, splits, strict=False)
    ]


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def rows(picture: Path, columns: int) -> int:
    """How many cases are on a sheet."""
    height, width, _ = cv2.imread(str(picture)).shape
    beside = (width - GAP) / (columns * (TILE + GAP))
    assert beside in (1, BESIDE)
    assert (height - GAP) % (TILE + CAPTION + GAP) == 0
    return int(beside) * ((height - GAP) // (TILE + CAPTION + GAP))


def test_test_cases_are_predicted_through_the_pipeline_and_shown(run, cases) -> None:
    given = with_split(cases, "ttttvvnn")
    done = finished(run, given)
    assert files(run) == [
        "best.ckpt",
        "cases.csv",
        "model.json",
        "model.onnx",
        *(f"montage_{name}.png" for name in ("best", "median", "worst")),
        *(f"predictions/{case.case}_mask.png" for case in given[:4]),
    ]
    assert (done.split, done.failed, len(done.predictions)) == ("test", (), 4)
    assert [path.name for path in done.pictures] == [
        "montage_best.png",
        "montage_median.png",
        "montage_worst.png",
    ]
    segmenter, dices = RadiographSegmenter(run / "model.onnx"), []
    for case, path in zip(given, done.predictions, strict=False):
        found = segmenter(case.image).mask
        np.testing.assert_array_equal(indices(path), found)
        dices.append(count(cv2.imread(str(case.mask), cv2.IMREAD_UNCHANGED) > 0, found > 0).dice)
    assert done.dice == {"lungs": pytest.approx(np.mean(dices))}
    assert 0.1 < done.dice["lungs"] < 1
    assert read_card(run / "model.json").name == "mine"


def indices(path: Path) -> np.ndarray:
    """What a label PNG holds, not what it looks like."""
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.mode == "P"
        return np.asarray(picture)


def shown(
    run: Path, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[tuple[str, ...]]]:
    """The captions of each row of each sheet."""
    sheets: dict[str, list[tuple[str, ...]]] = {}
    monkeypatch.setattr(
        finish_module,
        "write_sheet",
        lambda rows, path: sheets.update(
            {path.stem: [tuple(text for _, text in row) for row in rows]}
        ),
    )
    finished(run, cases)
    return sheets


def test_each_sheet_has_a_third_of_the_cases_the_best_and_the_worst_first(
    run, cases, monkeypatch
) -> None:
    north = [case for case in cases if case.source == "north"]
    sheets = shown(run, with_split(north, "tttttttt"), monkeypatch)
    assert list(sheets) == ["montage_best", "montage_median", "montage_worst"]
    best, median, worst = (
        [float(row[-1].removeprefix("Dice ")) for row in sheet] for sheet in sheets.values()
    )
    assert (len(best), len(median), len(worst)) == (3, 3, 3)
    assert best == sorted(best, reverse=True)
    assert worst == sorted(worst)
    assert best[-1] >= median[0] >= median[-1] >= worst[-1]
    names = {row[0] for sheet in sheets.values() for row in sheet}
    assert names == {case.case for case in north}
    assert {row[1:3] for sheet in sheets.values() for row in sheet} == {
        ("ground truth", "prediction")
    }


def test_a_sheet_has_at_most_so_many_rows(run, cases, monkeypatch) -> None:
    monkeypatch.setattr(finish_module, "MAX_CASES", 2)
    nobody = replace(cases[0], mask=None)
    given = with_split(cases, "tttttttt") + [
        replace(nobody, case=f"extra{i}", patient="extra") for i in range(3)
    ]
    done = finished(run, given)
    assert [rows(path, 4) for path in done.pictures[:3]] == [2, 2, 2]
    assert rows(done.pictures[3], 3) == 2
    assert len(done.predictions) == 11


def test_without_test_cases_those_of_validation_are_shown(run, cases) -> None:
    done = finished(run, with_split(cases, "nnvv"))
    assert (done.split, len(done.predictions)) == ("validation", 2)


def test_cases_without_a_mask_are_predicted_and_shown_whatever_their_split(
    run, cases, monkeypatch
) -> None:
    given = [
        replace(case, mask=None) if i in (0, 3) else case
        for i, case in enumerate(with_split(cases, "tnvtn"))
    ]
    sheets = shown(run, given, monkeypatch)
    assert [row[0] for row in sheets["montage_unlabelled"]] == [given[0].case, given[3].case]
    assert {row[1:] for row in sheets["montage_unlabelled"]} <= {
        ("prediction", "verdict: ok"),
        ("prediction", "verdict: review"),
    }
    assert [row[0] for row in sheets["montage_best"]] == [
        given[2].case
    ]  # no test case has a mask: so validation it is
    done = finalise(run, with_quality_model=False)
    assert {path.name for path in done.predictions} == {
        f"{given[i].case}_mask.png" for i in (0, 2, 3)
    }


def test_where_nothing_has_a_mask_there_is_no_dice(run, cases) -> None:
    done = finished(run, [replace(case, mask=None) for case in with_split(cases, "tv")])
    assert done.dice == {}
    assert [path.name for path in done.pictures] == ["montage_unlabelled.png"]


def test_a_broken_case_is_named_and_the_others_are_finished(run, cases, tmp_path, caplog) -> None:
    broken, small = tmp_path / "broken.png", tmp_path / "small.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    cv2.imwrite(str(small), np.eye(32, dtype=np.uint8) * 255)
    given = with_split(cases, "tttt")
    given[1] = replace(given[1], image=broken)
    given[2] = replace(given[2], mask=small)
    with caplog.at_level(logging.WARNING, "lungseg"):
        done = finished(run, given)
    assert len(done.failed) == 2
    assert done.failed[0].startswith(f"north {given[1].case}: {broken}: ")
    assert done.failed[1] == (
        f"north {given[2].case}: {small}: the mask has shape (32, 32), its image (64, "
        "64); correct the pair."
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"case left out: {sentence}" for sentence in done.failed
    ]
    scored = [given[0], given[3]]
    assert [rows(path, 4) for path in done.pictures] == [1, 1, 1]
    assert {f"{case.case}_mask.png" for case in scored} <= {path.name for path in done.predictions}
    assert set(done.dice) == {"lungs"}


def test_masks_that_draw_through_the_heart_do_not_judge_it(run, cases, monkeypatch) -> None:
    case = replace(with_split(cases, "t")[0], lung_extent="through-heart")
    sheets = shown(run, [case], monkeypatch)
    done = finalise(run, with_quality_model=False)
    found = RadiographSegmenter(run / "model.onnx")(case.image).mask > 0
    labels = finish_module.read_labels(case)
    judged = ~mediastinal_band(labels)
    assert (
        done.dice["lungs"]
        == count((labels > 0)[judged], found[judged]).dice
        != count(labels > 0, found).dice
    )
    assert sheets["montage_best"] == [
        (
            case.case,
            "ground truth",
            "prediction",
            f"Dice {done.dice['lungs']:.3f}, inner borders not judged",
        )
    ]


def test_questionable_masks_are_predicted_and_do_not_count(run, cases) -> None:
    given = with_split(cases, "tt")
    alone = finished(run, given[:1]).dice
    both = finished(run, [given[0], replace(given[1], notes="questionable")])
    assert (both.dice, len(both.predictions)) == (alone, 2)


def test_files_of_cases_never_share_a_name(run, cases) -> None:
    north, south = (
        next(case for case in cases if case.source == source) for source in ("north", "south")
    )
    assert north.case == south.case
    assert _names([north, south, cases[1]]) == [
        f"north_{north.case}",
        f"south_{south.case}",
        cases[1].case,
    ]
    odd = [replace(north, case=name) for name in ("a/b", "A b", "../x", "1.2.3", "2_a_b")]
    assert _names(odd) == ["a_b", "2_A_b", ".._x", "1.2.3", "2_2_a_b"]
    alike = [replace(north, case=name) for name in ("x?y", "x!y", "x_y_0", "X.y")]
    assert _names(alike) == ["x_y", "2_x_y", "x_y_0", "X.y"]
    done = finished(run, [replace(case, split="test") for case in (north, south)])
    assert [path.name for path in done.predictions] == [
        f"north_{north.case}_mask.png",
        f"south_{south.case}_mask.png",
    ]


def test_it_may_be_repeated(run, cases) -> None:
    first = finished(run, with_split(cases, "tt"))
    before = {name: (run / name).read_bytes() for name in files(run)}
    assert finalise(run, with_quality_model=False) == first
    assert {name: (run / name).read_bytes() for name in files(run)} == before


@pytest.mark.slow
def test_a_quality_model_is_fitted_to_validation_cases(run, cases, monkeypatch) -> None:
    monkeypatch.setattr("lungseg.calibrate.run.MAX_DEGRADED", 6)
    monkeypatch.setattr("lungseg.calibrate.out_of_distribution.DRAWINGS", 1)
    write_manifest(with_split(cases, "ttvvvvnn"), run / "cases.csv")
    done = finalise(run)
    assert (run / "model.judge.json").is_file()
    assert done.notes[0] == "4 patients are few: the intervals of the expected Dice are rough"
    result = RadiographSegmenter(run / "model.onnx")(cases[0].image)
    assert 0 < result.measurements["expected_dice", "lungs"].value <= 1


def test_of_too_few_validation_cases_none_is_and_that_of_earlier_weights_goes(run, cases) -> None:
    (run / "model.judge.json").write_text("of other weights")
    write_manifest(with_split(cases, "ttn"), run / "cases.csv")
    (note,) = finalise(run).notes
    assert note.startswith("the model has no quality model: no case with a mask is of the splits ")
    assert not (run / "model.judge.json").exists()


def test_there_must_be_weights(tmp_path) -> None:
    with pytest.raises(UsageError) as refused:
        finalise(tmp_path)
    assert (
        str(refused.value)
        == f"{tmp_path}: there are no weights to finish the run with; train for at least one epoch."
    )


@pytest.mark.slow
def test_real_weights_are_exported(tmp_path, cases) -> None:
    SETTINGS.write(tmp_path / "settings.toml")
    state = {f"net.{name}": value for name, value in build_network(SETTINGS).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    done = finished(tmp_path, with_split(cases, "nt"))
    assert done.model == tmp_path / "model.onnx"
    assert [entry["images"] for entry in read_card(tmp_path / "model.json").data] == [1]
    assert len(done.predictions) == 1


@pytest.mark.parametrize("decides", [("right lung", "left lung"), ("heart",)])
def test_only_what_a_mask_decides_is_scored(run, cases, tmp_path, monkeypatch, decides) -> None:
    def exported(checkpoint: Path, output: Path, *, name: str) -> ExportedModel:
        model = write_tiny_model(output.parent, name=output.stem, heart=True)
        return ExportedModel(model, model.with_suffix(".json"), 0.0)

    monkeypatch.setattr(finish_module, "export", exported)
    labels = np.zeros((64, 64), np.uint8)
    labels[10:40, 8:24], labels[10:40, 40:56], labels[30:50, 26:38] = 1, 2, 3
    labels[
        ~np.isin(labels, [{"right lung": 1, "left lung": 2, "heart": 3}[n] for n in decides])
    ] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), labels)
    case = replace(with_split(cases, "t")[0], mask=tmp_path / "mask.png", decides=decides)
    done = finished(run, [case])
    result = RadiographSegmenter(run / "model.onnx")(case.image)
    (name,) = ["heart"] if "heart" in decides else ["lungs"]
    assert done.dice == {name: count(labels > 0, result.segmentation.mask(name)).dice}
