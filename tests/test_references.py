"""The pages of the five references, as they stand: their commands are run one after the other,
shortened, on phantoms in the layouts that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from command_line import lungseg
from lungseg.datasets import discover, read_manifest
from lungseg.train.recipes import DATA
from reference_data import DATA as REFERENCE_DATA

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted((DOCS / "references").glob("r*.md"))
SOURCES = {
    **{page: {"montgomery", "shenzhen"} for page in ("r1", "r2", "r5")},
    "r3": {"gathered"},
    "r4": {"bmp", "finding_lungs"},
}
KAGGLE = "Chest Xray Masks and Labels"
LAYOUTS = {
    "r1": {KAGGLE, "RSNA Pneumonia Detection Challenge"},
    "r2": {KAGGLE},
    "r3": {"folders for training, validation and testing"},
    "r4": {"images and masks, in two folders", "Finding and Measuring Lungs in CT Data"},
    "r5": {"Montgomery, as the NLM ships it", "Shenzhen, as the NLM ships it"},
}
SHORT = "--epochs 1 --width 2 --depth 3 --size 32 --batch 2 --workers 0 --no-calibrate -q"


def commands(page: Path) -> list[list[str]]:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture
def data(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data of a page, which is worked in."""
    for place, write in REFERENCE_DATA[page.stem].items():
        write(tmp_path / place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_there_is_a_page_for_each_reference_with_the_same_parts() -> None:
    assert [page.stem for page in PAGES] == ["r1", "r2", "r3", "r4", "r5"]
    for page in PAGES:
        assert re.findall(r"^## (.*)$", page.read_text("utf-8"), re.M) == [
            "What the reference says",
            "The commands",
            "What came out",
            "What differs, and why",
            "How to go on",
        ]
        assert re.search(r"reference's width is not stated", page.read_text("utf-8"))
        names = [command[:2] for command in commands(page)]
        assert ["lungseg", "train"] in names
        assert ["lungseg", "compare-runs"] in names
        assert ["lungseg", "evaluate"] in names


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_do_what_the_page_says(page, data) -> None:
    named = {place for command in commands(page) for place in command if "data/" in place}
    assert {one.layout for place in named for one in discover(data / place)} == LAYOUTS[page.stem]
    for _, name, *arguments in commands(page):
        short = shlex.split(SHORT) if name == "train" else []
        done = lungseg(name, *arguments, *short)
        assert done.exit_code == 0, f"{name} {arguments}\n{done.output}"
    learnt = {case.source for case in read_manifest(data / "runs" / page.stem / "cases.csv")}
    assert "diseased_adults" not in learnt
    assert learnt == SOURCES[page.stem]
    left = {path.name for path in (data / "runs" / page.stem).iterdir()}
    assert left >= {"curves.png", "model.onnx", "model.json", "run.json", "montage_worst.png"}
    assert (data / f"{page.stem}.png").is_file()
    figure = np.asarray(cv2.imread(str(data / f"{page.stem}.png")))
    assert figure.shape == (1400, 2000, 3)
    assert '"lungs"' in (data / "runs" / page.stem / "model.json").read_text()
    sided = (data / "runs" / f"{page.stem}-sides" / "model.json").read_text()
    assert '"right lung"' in sided


@pytest.mark.parametrize("place", ["empty", "missing", "missing.csv"])
@pytest.mark.parametrize("recipe", DATA)
def test_a_recipe_without_its_data_says_which_folders_it_expects(recipe, place, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    ran = lungseg("train", tmp_path / place, "-o", tmp_path / "r", "--recipe", recipe)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {tmp_path / place}: ")
    assert ran.stderr.endswith(f"{recipe} learns from {DATA[recipe]}.\n")
    assert "Errno" not in ran.stderr
    assert not (tmp_path / "r").exists()


def test_every_reference_says_what_its_recipe_learns_from() -> None:
    assert [name[:2] for name in DATA] == [page.stem for page in PAGES]
