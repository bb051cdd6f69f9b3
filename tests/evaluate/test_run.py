"""A whole evaluation, with networks of a few weights on a few phantoms."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lungseg.datasets import Case, discover_cases
from lungseg.draw.picture import CAPTION
from lungseg.errors import InputError, ModelError, OutputError, UsageError
from lungseg.evaluate import evaluate, pictures, score_cases
from lungseg.evaluate import run as module
from lungseg.evaluate.run import name_models
from lungseg.evaluate.scoring import EVERYTHING
from lungseg.options import SegmentOptions
from lungseg.predict import Predictor
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.segmenter import Segmenter
from phantom_radiographs import write_radiographs
from tiny_model import dark_ellipses, write_tiny_model
from written import read_csv


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=6, side=96)
    write_radiographs(folder / "diseased_adults", count=2, side=96)
    return discover_cases(folder)


def test_it_leaves_tables_a_sheet_of_the_worst_and_a_page(cases, model, tmp_path) -> None:
    evaluation = evaluate([model], cases, tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"
    names = ["patients.csv", "report.html", "scores.csv", "scores.md", "summary.csv", "worst.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "scores.md").read_text() == evaluation.text + "\n"
    assert (evaluation.failures, evaluation.without_mask) == ((), 0)
    for table in evaluation.text.split("\n\n"):
        assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
            "diseased_adults",
            "north",
        ]
    lines = read_csv(out / "scores.csv")
    assert {(line["source"], line["case"]) for line in lines} == {
        (case.source, case.case) for case in cases
    }
    assert len(read_csv(out / "patients.csv")) == 3 + 1
    means = {
        (line["cases"], line["structure"], line["metric"]): line["mean"]
        for line in read_csv(out / "summary.csv")
        if line["stage"] == "final"
    }
    north = [float(line["left_lung_dice"]) for line in lines if line["source"] == "north"]
    assert float(means["north", "left lung", "dice"]) == pytest.approx(np.mean(north), abs=2e-4)
    assert json.loads(model.with_suffix(".json").read_text())["scores"] == {}
    sheet = cv2.imread(str(out / "worst.png"))
    assert sheet.shape == (4 + 2 * (320 + CAPTION + 4), 4 + 5 * (320 + 4), 3)


def test_the_page_holds_the_tables_and_the_worst_as_pictures(
    cases, model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(pictures, "WORST_CASES", 3)
    evaluate([model], cases, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    worst = [line["case"] for line in read_csv(tmp_path / "out" / "scores.csv")[:3]]
    assert re.findall(r"<figcaption>[\d.]+ (\S+)</figcaption>", page) == worst
    codes = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(codes) == 3
    for code in codes:
        tile = cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), cv2.IMREAD_COLOR)[
            ..., ::-1
        ]
        assert tile.shape == (320, 320, 3)
        assert (
            np.abs(tile.astype(int) - pictures.GROUND_TRUTH_COLOUR).max(axis=2) < 60
        ).sum() > 200
    assert "Evaluation of tiny" in page
    assert "human against human, 0.973" in page


def test_every_structure_that_is_scored_is_outlined(tmp_path) -> None:
    labels = np.where(dark_ellipses() < 100, np.where(np.arange(200) < 100, 1, 2), 0)
    labels[100:140, 90:110] = 3
    cv2.imwrite(str(tmp_path / "c.png"), dark_ellipses())
    cv2.imwrite(str(tmp_path / "m.png"), labels.astype(np.uint8))
    three = ("right lung", "left lung", "heart")
    case = Case("c", "p", tmp_path / "c.png", tmp_path / "m.png", "here", decides=three)
    yellow = []
    for heart in (True, False):
        segmenter = Segmenter(write_tiny_model(tmp_path, heart=heart))
        scores, _ = score_cases(segmenter, [case])
        ((_, picture),) = pictures.worst(segmenter, [case], scores, EVERYTHING)
        yellow.append((picture == pictures.GROUND_TRUTH_COLOUR).all(axis=2))
    # Of 160 x 200 pixels 256 x 320 are shown.
    assert [drawn[158:163, 152:168].any() for drawn in yellow] == [True, False]
    assert [drawn[:, 48:96].any() for drawn in yellow] == [True, True]


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_workers(cases, model, tmp_path) -> None:
    evaluate([model], cases, tmp_path / "one", workers=1)
    evaluate([model], cases, tmp_path / "three", workers=3)
    for name in (
        "scores.csv",
        "scores.md",
        "summary.csv",
        "patients.csv",
        "worst.png",
        "report.html",
    ):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(cases, model, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    evaluation = evaluate(
        [model],
        [replace(cases[0], image=broken), *cases[1:], replace(cases[0], case="bare", mask=None)],
        tmp_path / "out",
    )
    (why,) = evaluation.failures
    assert why.startswith(f"{broken}: ")
    assert evaluation.without_mask == 1
    assert evaluation.text.endswith(f"\n\n1 of 8 cases could not be scored and are left out: {why}")
    assert len(read_csv(tmp_path / "out" / "scores.csv")) == 7
    assert str(broken) in (tmp_path / "out" / "report.html").read_text()


def test_there_must_be_something_to_score(cases, model, tmp_path) -> None:
    with pytest.raises(
        InputError, match="none of the 2 cases has a mask to be judged by; give cases with masks"
    ):
        evaluate([model], [replace(case, mask=None) for case in cases[:2]], tmp_path / "out")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=f"none of 1 cases could be scored; the first: {broken}: "):
        evaluate([model], [replace(cases[0], image=broken)], tmp_path / "out")


@pytest.mark.slow
def test_several_models_are_compared_case_by_case(cases, model, tmp_path) -> None:
    pytest.importorskip("scipy")
    other = write_tiny_model(tmp_path, name="dull", steepness=0.8)
    evaluation = evaluate([model, other], cases, tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.csv",
        "dull",
        "report.html",
        "scores.md",
        "tiny",
    ]
    assert sorted(path.name for path in (out / "dull").iterdir()) == [
        "patients.csv",
        "scores.csv",
        "summary.csv",
        "worst.png",
    ]
    page = (out / "report.html").read_text()
    assert re.findall("<h2>(The worst of .*)</h2>", page) == [
        "The worst of tiny",
        "The worst of dull",
    ]
    lines = read_csv(out / "comparison.csv")
    assert [(line["cases"], line["metric"], line["first"], line["second"]) for line in lines] == [
        ("diseased_adults", "dice", "tiny", "dull"),
        ("north", "dice", "tiny", "dull"),
        ("north", "hd95_at_1024", "tiny", "dull"),
    ]
    means = {
        name: np.mean(
            [
                float(x["lungs_dice"])
                for x in read_csv(out / name / "scores.csv")
                if x["source"] == "north"
            ]
        )
        for name in ("tiny", "dull")
    }
    assert float(lines[1]["difference"]) == pytest.approx(means["dull"] - means["tiny"], abs=2e-4)
    assert evaluation.text.startswith("| cases | metric |")
    assert "\n\ntiny:\n\n| cases | n |" in evaluation.text
    assert "\n\ndull:\n\n| cases | n |" in evaluation.text
    page = (out / "report.html").read_text()
    assert "<h2>Compared</h2>" in page
    assert page.count("data:image/jpeg") == 8 + 8  # of either model


def test_a_model_that_is_missing_is_noticed_before_the_work(cases, model, tmp_path) -> None:
    with pytest.raises(ModelError, match="there is no such model file"):
        evaluate([model, tmp_path / "none.onnx"], cases, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_of_one_file_name_are_told_by_their_folders() -> None:
    assert name_models(["cxr", "a/mine.onnx"]) == {"cxr": "cxr", "mine": "a/mine.onnx"}
    assert list(name_models(["runs/a/model.onnx", "runs/b/model.onnx"])) == ["a-model", "b-model"]
    for models in ([], ["cxr", "cxr"]):
        with pytest.raises(
            UsageError, match="models to be compared need names of their own; give each model once"
        ):
            name_models(models)


def test_robustness_is_measured_when_asked_for(cases, model, tmp_path) -> None:
    evaluation = evaluate([model], cases[-2:], tmp_path / "out", robustness=True)
    table, _, perturbed = evaluation.text.split("\n\n")
    assert len(table.splitlines()) == 2 + 1
    means = {
        name.strip(): float(mean)
        for _, name, mean, *_ in (line.split("|") for line in perturbed.splitlines()[2:])
    }
    assert len(means) == 11
    assert means["mirrored"] > 0.95
    assert "tiny: Robustness" in (tmp_path / "out" / "report.html").read_text()


def test_deep_pictures_are_perturbed_as_they_are_shown(cases, model, tmp_path, monkeypatch) -> None:
    def measure_robustness(segmenter, pictures):
        given.extend(pictures)
        return {"none": [1.0]}

    given: list[np.ndarray] = []
    monkeypatch.setattr(module, "measure_robustness", measure_robustness)
    deep = tmp_path / "deep.png"
    cv2.imwrite(
        str(deep), cv2.imread(str(cases[-1].image), cv2.IMREAD_UNCHANGED).astype(np.uint16) * 257
    )
    evaluate([model], [replace(cases[-1], image=deep)], tmp_path / "out", robustness=True)
    (picture,) = given
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)


@pytest.mark.slow
def test_scores_are_entered_into_the_card_and_questionable_masks_are_not(
    cases, model, tmp_path
) -> None:
    questionable = replace(cases[-1], source="south", notes="questionable")
    evaluate(
        [model],
        [*cases[:-1], replace(cases[-1], notes="questionable"), questionable],
        tmp_path / "out",
        enter=True,
    )
    scores = Predictor(model).card.scores
    assert set(scores) == {"diseased_adults", "north"}
    assert {name: entry["cases"] for name, entry in scores.items()} == {
        "diseased_adults": 2,
        "north": 5,
    }
    for entry in scores.values():
        assert set(entry) == {"cases", "lung_extent", "lungs"}
    assert scores["diseased_adults"]["lung_extent"] == "through-heart"
    assert set(scores["diseased_adults"]["lungs"]) == {"dice", "dice_p05"}
    assert set(scores["north"]["lungs"]) == {"dice", "dice_p05", "hd95_at_1024_pixels"}
    lines = read_csv(tmp_path / "out" / "scores.csv")
    dice = [
        float(line["lungs_dice"])
        for line in lines
        if line["source"] == "north" and not line["notes"]
    ]
    assert scores["north"]["lungs"]["dice"] == pytest.approx(np.mean(dice), abs=1e-4)


def test_a_file_in_place_of_the_folder_is_named(cases, model, tmp_path) -> None:
    taken = tmp_path / "out"
    taken.write_text("mine")
    with pytest.raises(OutputError, match="is a file, and results need a folder"):
        evaluate([model], cases, taken)
    assert taken.read_text() == "mine"


def test_lungs_drawn_through_the_heart_are_scored_whole_on_masks_that_are(tmp_path) -> None:
    model = write_tiny_model(tmp_path, mediastinum=True)
    picture = dark_ellipses()
    drawn = RadiographSegmenter(model, threads=1)(
        picture, SegmentOptions(lung_extent="through-heart")
    )
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "m.png"), drawn.mask)
    case = Case(
        *("a", "a", tmp_path / "a.png", tmp_path / "m.png", "v7"), lung_extent="through-heart"
    )
    field = replace(case, case="b", patient="b", lung_extent="field")
    out = tmp_path / "out"
    evaluation = evaluate([model], [case, field], out, lung_extent="through-heart")
    assert (evaluation.without_mask, evaluation.other_extent) == (0, 1)
    assert module.HOW_JUDGED_THROUGH_HEART in (out / "report.html").read_text()
    (line,) = read_csv(out / "scores.csv")
    assert (line["case"], line["lungs_dice"], line["lungs_hd95"]) == ("a", "1.0000", "0.0000")
    evaluate([model], [case], tmp_path / "banded")
    assert "lungs_hd95" not in read_csv(tmp_path / "banded" / "scores.csv")[0]
    with pytest.raises(InputError, match="none of the 1 cases has a mask that is drawn through"):
        evaluate([model], [field], out, lung_extent="through-heart")
    with pytest.raises(
        UsageError, match="cards and robustness are of lungs as they are by default"
    ):
        evaluate([model], [case], out, lung_extent="through-heart", robustness=True)
