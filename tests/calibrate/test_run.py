"""A calibration from a list of cases to the file beside the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.calibrate import run
from lungseg.calibrate.radiograph import RadiographItem
from lungseg.calibrate.run import calibrate, choose_cases
from lungseg.datasets import Case
from lungseg.errors import InputError, ModelError, OutputError, UsageError
from lungseg.quality.files import (
    encode_quality_model,
    quality_model_path,
    read_quality_model,
)
from lungseg.quality.model import FrontalModel
from lungseg.segmenter import Segmenter
from lungseg.writers import volume_nifti
from lungseg.writers.lock import Lock
from tiny_model import dark_ellipses, write_tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path)


@pytest.fixture
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lungseg.calibrate.out_of_distribution.DRAWINGS", 1)
    monkeypatch.setattr(run, "MAX_DEGRADED", 3)


def test_by_default_cases_are_those_that_no_weights_were_fitted_to(films: list[Case]) -> None:
    assert choose_cases(films) == films[:10]
    assert choose_cases(films, ["train"]) == films[10:]
    none = [replace(case, split="") for case in films]
    assert choose_cases(none) == none
    assert choose_cases(none, ["train"]) == none


def test_cases_whose_masks_do_not_say_all_of_the_lungs_are_not_taken(films: list[Case]) -> None:
    films = [
        replace(films[0], mask=None),
        replace(films[1], notes="questionable"),
        replace(films[2], lung_extent="aerated"),
        *films[3:],
    ]
    assert choose_cases(films) == films[3:10]


def test_there_must_be_cases_and_splits(films: list[Case]) -> None:
    with pytest.raises(
        UsageError,
        match=r"^no case with a mask is of the splits test; give "
        r"cases ",
    ):
        choose_cases(films[:4], ["test"])
    with pytest.raises(UsageError, match=r"^there is no split 'val'; choose from train, "):
        choose_cases(films, ["val"])


@pytest.mark.slow
def test_a_model_without_expected_dice_has_one_after_it(model: Path, films: list[Case]) -> None:
    before = set(Segmenter(model)(films[0].image).measurements)
    done = calibrate(model, films[:10], workers=2)
    result = Segmenter(model)(films[0].image)
    assert set(result.measurements) - before == {
        ("expected_dice", "lungs"),
        ("expected_dice_low", "lungs"),
        ("expected_dice_high", "lungs"),
    }
    low, value, high = (
        result.measurements[f"expected_dice{end}", "lungs"].value for end in ("_low", "", "_high")
    )
    assert 0.85 < low <= value <= high <= 1
    assert (done.path, done.patients, done.failed) == (quality_model_path(model), 5, ())
    assert 90 < done.masks <= 110  # each film as it is, and ten times degraded
    assert 30 < done.out_of_distribution <= 60
    assert done.quality.frontal is not None
    assert done.notes == ("5 patients are few: the intervals of the expected Dice are rough",)
    assert read_quality_model(model, done.quality.model) is not None
    assert sorted(path.name for path in model.parent.iterdir()) == [
        "tiny.json",
        "tiny.judge.json",
        "tiny.onnx",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawn")
def test_masks_are_judged_anew_and_other_pictures_told_as_before(
    model: Path, films: list[Case]
) -> None:
    fitted = calibrate(model, films[:10]).quality
    before = replace(fitted, frontal=FrontalModel(fitted.dice, refuse=-2, doubt=-1, clear=3))
    quality_model_path(model).write_bytes(encode_quality_model(before))
    written = read_quality_model(model, before.model)
    again = calibrate(model, films[2:12], keep_frontal=True)
    assert written is not None
    assert again.quality.frontal == written.frontal
    assert again.quality.dice != before.dice
    assert again.out_of_distribution == 0
    with pytest.raises(UsageError, match="give no pictures that are no chest"):
        calibrate(model, films, out_of_distribution=[model.parent], keep_frontal=True)


def test_without_a_quality_model_there_is_nothing_to_keep(model: Path, films: list[Case]) -> None:
    with pytest.raises(UsageError, match=r"nothing that tells frontal radiographs .* can be kept"):
        calibrate(model, films, keep_frontal=True)


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawn")
def test_the_quality_model_that_lay_there_does_not_count(model: Path, films: list[Case]) -> None:
    first = calibrate(model, films[:10]).path.read_bytes()
    assert calibrate(model, films[:10]).path.read_bytes() == first
    quality_model_path(model).write_text("broken")
    assert calibrate(model, films[:10]).path.read_bytes() == first


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawn")
def test_an_interrupted_run_goes_on(
    model: Path, films: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    measure = run.radiograph.measure_radiograph

    def watched(segmenter: object, item: RadiographItem) -> object:
        seen.append(item.key)
        return measure(segmenter, item)  # type: ignore[arg-type]

    def stop(count: int) -> None:
        if count == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.radiograph, "measure_radiograph", watched)
    with pytest.raises(KeyboardInterrupt):
        calibrate(model, films[:10], workers=1, progress=stop)
    kept = model.with_suffix(".samples.jsonl")
    before = [json.loads(line)["key"] for line in kept.read_text().splitlines() if line]
    assert len(before) == 20
    with kept.open("a") as stream:
        stream.write('\n{"model": "half of a li')
    seen.clear()
    counts: list[int] = []
    done = calibrate(model, films[:10], workers=1, progress=counts.append)
    assert not set(before) & set(seen)
    assert counts == list(range(1, len(before) + len(seen) + 1))
    assert not kept.exists()
    seen.clear()
    assert calibrate(model, films[:10], workers=1).quality == done.quality
    assert len(seen) == len(counts)


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawn")
def test_a_model_that_another_program_calibrates_is_left_alone(
    model: Path, films: list[Case]
) -> None:
    with (
        Lock(model.with_name(".tiny.lungseg.lock")),
        pytest.raises(OutputError, match=r"another program writes here \(process "),
    ):
        calibrate(model, films)


def test_what_another_model_found_is_not_used_again(model: Path, films: list[Case]) -> None:
    kept = model.with_suffix(".samples.jsonl")
    content = run.content_of(next(iter(run.radiograph.case_items(films[0], degraded=0))))
    entry = {"model": "0" * 64, "key": "north/0", "content": content, "samples": []}
    kept.write_text(json.dumps(entry))
    masks = calibrate(model, films[:10]).masks
    assert calibrate(model, films[:10]).masks == masks
    kept.write_text(json.dumps(entry | {"model": Segmenter(model).card("radiograph").sha256}))
    assert calibrate(model, films[:10]).masks == masks - 1
    changed = entry | {"model": Segmenter(model).card("radiograph").sha256, "content": content + 1}
    kept.write_text(json.dumps(changed))  # measured when the mask was another one
    assert calibrate(model, films[:10]).masks == masks


@pytest.mark.usefixtures("few_drawn")
def test_a_case_that_cannot_be_read_costs_no_other(
    model: Path, films: list[Case], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    done = calibrate(model, [*films[:10], replace(films[0], image=tmp_path / "broken.png")])
    assert done.masks == calibrate(model, films[:10]).masks
    (sentence,) = done.failed
    assert sentence.startswith(f"north 0: {tmp_path / 'broken.png'}: ")


@pytest.mark.usefixtures("few_drawn")
def test_too_few_cases_are_refused_and_nothing_is_written(model: Path, films: list[Case]) -> None:
    with pytest.raises(InputError, match=r"^8 masks of 1 patients are too few to calibrate "):
        calibrate(model, films[:2])
    assert sorted(path.name for path in model.parent.iterdir()) == ["tiny.json", "tiny.onnx"]


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawn")
def test_pictures_of_folders_are_shown_beside_those_that_are_drawn(
    model: Path, films: list[Case], tmp_path: Path
) -> None:
    folder = tmp_path / "knees"
    folder.mkdir()
    for i in range(3):
        grain = np.random.default_rng(i).integers(0, 255, (60, 60), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), grain)
    plain = calibrate(model, films[:10]).out_of_distribution
    assert (
        calibrate(model, films[:10], out_of_distribution=[folder]).out_of_distribution == plain + 3
    )
    with pytest.raises(UsageError, match=r"nowhere: there is no such folder of inputs\.$"):
        calibrate(model, films[:10], out_of_distribution=[tmp_path / "nowhere"])


def test_a_model_that_is_not_there(films: list[Case]) -> None:
    with pytest.raises(ModelError, match="there is no such model file"):
        calibrate(Path("nowhere.onnx"), films)


def test_a_model_without_both_lungs(films: list[Case], tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    card = model.with_suffix(".json")
    heart = {"layers": [["heart"]], "outputs": ["background", "heart"]}
    card.write_text(json.dumps(json.loads(card.read_text()) | heart))
    with pytest.raises(UsageError, match="the model does not predict both lungs, whose masks are"):
        calibrate(model, films)


@pytest.fixture
def volumes(tmp_path: Path) -> list[Case]:
    """Three volumes for the tiny model."""
    cases = []
    for i, (shape, move) in enumerate((((20, 64, 72), 0), ((24, 72, 72), 2), ((28, 64, 80), 4))):
        volume, labels = ellipsoids(shape, lung=-930)
        mask = volume.with_labels(np.roll(labels, move, axis=1))
        image, ground_truth = tmp_path / f"{i}.nii.gz", tmp_path / f"{i}_mask.nii.gz"
        image.write_bytes(volume_nifti(volume))
        ground_truth.write_bytes(volume_nifti(replace(volume, array=mask.labels, hounsfield=False)))
        cases.append(Case(f"v{i}", f"v{i}", image, ground_truth, "lctsc", "validation"))
    return cases


@pytest.mark.slow
def test_volumes_calibrate_slices_and_volumes(
    volumes: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DEGRADED_STACKS", 6)
    model = write_tiny_model(tmp_path, modality="ct")
    done = calibrate(model, volumes, workers=2)
    assert set(done.quality.curves) == {"slice", "volume"}
    assert done.quality.frontal is None
    assert done.out_of_distribution > 6
    result = Segmenter(model)(volumes[0].image)
    expected = result.measurements["expected_dice", "lungs"].value
    assert 0.6 < expected <= 1
    seen = calibrate(model, [replace(case, split="train") for case in volumes], workers=2)
    assert seen.quality.dice == done.quality.dice
    assert seen.quality.curves["volume"].low[-1] < done.quality.curves["volume"].low[-1]


@pytest.mark.slow
def test_single_slices_calibrate_no_volumes(tmp_path: Path) -> None:
    cases = []
    for i in range(12):
        image, mask = tmp_path / f"s{i}.png", tmp_path / f"s{i}_mask.png"
        grain = np.random.default_rng(i).integers(-15, 15, (96, 96))
        pixels = dark_ellipses((96, 96))
        cv2.imwrite(str(image), (pixels + grain).astype(np.uint8))
        cv2.imwrite(str(mask), np.where(pixels < 100, 255, 0).astype(np.uint8))
        cases.append(Case(f"s{i}", f"p{i}", image, mask, "slices"))
    done = calibrate(write_tiny_model(tmp_path, modality="ct"), cases, workers=2)
    assert set(done.quality.curves) == {"slice"}
    assert done.notes[1:] == (
        "too few volumes were among the cases, so only single slices get an expected Dice",
    )
