"""The pages of the five references, as they stand: their commands are run one after the other,
shortened, on phantoms in the layouts that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import FileMetaDataset

from command_line import lungseg
from lungseg.datasets import read_manifest
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.train.recipes import DATA
from phantom_radiographs import write_radiographs

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted((DOCS / "references").glob("r*.md"))
SOURCES = {
    **{page: {"montgomery", "shenzhen"} for page in ("r1", "r2", "r5")},
    "r4": {"bmp", "finding_lungs"},
}
SHORT = "--epochs 1 --width 4 --depth 4 --size 64 --batch 2 --workers 0 --no-calibrate -q"


def commands(page: Path) -> list[list[str]]:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [shlex.split(line) for line in block.splitlines()]


def write_two_sets(folder: Path) -> None:
    """Films of Montgomery and of Shenzhen in the layout of the Kaggle set of both, one of them
    without a mask."""
    for name in ("CXR_png", "masks", "test"):
        (folder / name).mkdir(parents=True)
    for i in range(16):
        drawn = radiograph_phantom((64, 64), seed=i)
        name, end = (f"CHNCXR_{i:04d}_0", "_mask") if i % 2 else (f"MCUCXR_{i:04d}_0", "")
        mask = np.where(drawn.ground_truth.labels > 0, 255, 0).astype(np.uint8)
        cv2.imwrite(str(folder / "CXR_png" / f"{name}.png"), drawn.image.array)
        cv2.imwrite(str(folder / "masks" / f"{name}{end}.png"), mask)
    unlabelled = str(folder / "test" / "CHNCXR_0099_0.png")
    cv2.imwrite(unlabelled, radiograph_phantom((64, 64), seed=99).image.array)


def write_slices(folder: Path, *, first_seed: int, ending: str = "png") -> None:
    """Slices of CT in a window for lungs, two of each patient, in the layout of pairs."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(4):
        scan = ct_phantom((12, 128, 128), seed=first_seed + i)
        lungs = scan.ground_truth.labels > 0
        for number in np.argsort(lungs.sum(axis=(1, 2)))[-2:]:
            greys = (np.clip(scan.volume.array[number], -1000, 400) + 1000.0) * (255 / 1400)
            name = f"p{first_seed + i}_{number}.{ending}"
            cv2.imwrite(str(folder / "images" / name), greys.astype(np.uint8))
            cv2.imwrite(str(folder / "masks" / name), lungs[number].astype(np.uint8) * 255)


def write_rsna(folder: Path) -> None:
    """Two films, one of them with a box."""
    (folder / "stage_2_train_images").mkdir(parents=True)
    for i in range(2):
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"1.2.{i + 1}"
        ds.Modality, ds.PatientID, ds.PhotometricInterpretation = "CR", f"p{i}", "MONOCHROME2"
        ds.Rows = ds.Columns = 128
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 7, 0, 1
        ds.PixelData = radiograph_phantom((128, 128), seed=i).image.array.tobytes()
        ds.save_as(folder / "stage_2_train_images" / f"p{i}.dcm", enforce_file_format=True)
    (folder / "stage_2_train_labels.csv").write_text(
        "patientId,x,y,width,height,Target\np0,20,40,30,30,1\np1,,,,,0\n"
    )


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data of all pages, which is worked in."""
    write_two_sets(tmp_path / "data/cxr/masks_and_labels")
    write_radiographs(tmp_path / "data/cxr/diseased_adults", count=2, first_seed=40)
    for i, name in enumerate(("train", "val", "test")):
        write_radiographs(tmp_path / "data/gathered" / name, count=4, first_seed=20 * i)
    write_slices(tmp_path / "data/ct/finding_lungs", first_seed=0)
    write_slices(tmp_path / "data/ct/bmp", first_seed=10, ending="bmp")
    write_slices(tmp_path / "data/ct/covid19", first_seed=20)
    write_rsna(tmp_path / "data/rsna")
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
    for _, name, *arguments in commands(page):
        short = shlex.split(SHORT) if name == "train" else []
        if name in ("train", "evaluate") and "--boxes" not in arguments:
            short += ["--no-check"]  # phantoms of one patient look alike
        done = lungseg(name, *arguments, *short)
        assert done.exit_code == 0, f"{name} {arguments}\n{done.output}"
    learnt = {case.source for case in read_manifest(data / "runs" / page.stem / "cases.csv")}
    assert "diseased_adults" not in learnt
    assert learnt == SOURCES.get(page.stem, learnt)
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
