"""The page of examples and those of other pages, as they stand: each block runs on phantoms and
finds their lungs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest

from lungseg.phantom.ct import CtPhantom, ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.scores import dice

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "examples.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## (.*?)\n.*?^```python\n(.*?)^```$", PAGE, re.M | re.S))


@pytest.fixture(scope="module")
def phantom() -> CtPhantom:
    return ct_phantom()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the block under a title, in a folder of its own, and gives its names."""

    def run_block(title: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile(BLOCKS[title], f"docs/examples.md: {title}", "exec"), names)
        return names

    monkeypatch.chdir(tmp_path)
    return run_block


def save_nifti(phantom: CtPhantom) -> None:
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = to_ras @ phantom.volume.geometry.affine[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(phantom.volume.array.T, affine), "ct.nii.gz")


def ground_truth_of(phantom: CtPhantom) -> Any:
    return phantom.ground_truth.layers[0]


def test_every_example_is_run_here() -> None:
    assert list(BLOCKS) == [
        "A CT from NumPy",
        "With nibabel",
        "With SimpleITK",
        "A PyTorch DataLoader that feeds masks",
    ]


def test_a_ct_from_numpy(run, phantom, capsys) -> None:
    np.save("ct.npy", phantom.volume.array)
    scan = run("A CT from NumPy")["scan"]
    mask = np.load("lungs.npy")
    assert mask.dtype == np.uint8
    assert all(dice(ground_truth_of(phantom) == lung, mask == lung) > 0.97 for lung in (1, 2))
    assert capsys.readouterr().out == f"{scan.measurements['volume', 'lungs'].value:.0f} mL, ok\n"


def test_with_nibabel(run, phantom) -> None:
    save_nifti(phantom)
    run("With nibabel")
    image, lungs = nibabel.load("ct.nii.gz"), nibabel.load("lungs.nii.gz")
    assert np.array_equal(image.affine, lungs.affine)
    mask = np.asarray(lungs.dataobj).T
    assert all(dice(ground_truth_of(phantom) == lung, mask == lung) > 0.97 for lung in (1, 2))


def test_with_simpleitk(run, phantom) -> None:
    save_nifti(phantom)
    names = run("With SimpleITK")
    image, mask = names["image"], names["mask"]
    assert (mask.GetSpacing(), mask.GetOrigin(), mask.GetDirection()) == (
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
    )
    lungs = np.asarray(nibabel.load("lungs_only.nii.gz").dataobj).T
    assert (lungs[ground_truth_of(phantom) == 0] == -1024).mean() > 0.99
    assert (lungs[ground_truth_of(phantom) > 0] == -1024).mean() < 0.05


def python_of(page: str, number: int = 0) -> str:
    """A block of Python on another page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)[number]


def test_a_ct_on_its_own_page(phantom, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_nifti(phantom)
    Path("ct.nii.gz").rename("volume.nii.gz")
    names: dict[str, Any] = {}
    for line in python_of("ct.md").splitlines():
        if line:
            exec(line, names)  # each stands for itself, so each is seen to work
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "volume_mask.nii.gz",
        "volume_overlay.png",
    ]


def test_radiographs_on_other_pages(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/b.png", "a/c.png", "chest.png"):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, radiograph_phantom((256, 256)).image.array)
    for page, number in (("outputs.md", 2), ("outputs.md", 3), ("report.md", 0)):
        exec(python_of(page, number), {})
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {
        "out/other_crop.png",
        "out/b_mask.png",
        "out/c_mask.png",
        "chest.html",
        "chest.pdf",
    } <= written


def test_folders_and_archives_on_their_page(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("archive").mkdir()
    cv2.imwrite("archive/film.png", radiograph_phantom((256, 256)).image.array)
    Path("archive/VERSION").write_text("1")
    shutil.make_archive("scans", "zip", "archive")
    names: dict[str, Any] = {}
    exec(python_of("folders.md"), names)
    assert [str(path) for path in names["found"].files] == [
        "archive/film.png",
        "scans.zip/film.png",
    ]
    assert names["image"].source == str(tmp_path / "scans.zip" / "film.png")
    assert capsys.readouterr().out == (
        "archive/VERSION no_image no image\nscans.zip/VERSION no_image no image\n"
    )


def test_a_dataloader_that_feeds_masks(run, tmp_path) -> None:
    (tmp_path / "films").mkdir()
    phantoms = [radiograph_phantom((256, 256), seed=seed) for seed in range(2)]
    for number, film in enumerate(phantoms):
        cv2.imwrite(f"films/{number}.png", film.image.array)
    names = run("A PyTorch DataLoader that feeds masks")
    assert names["inside"].shape == (2, 1, 256, 256)
    for film, lungs in zip(phantoms, names["lungs"].numpy(), strict=True):
        assert dice(film.ground_truth.layers[0] > 0, lungs[0] > 0) > 0.95
