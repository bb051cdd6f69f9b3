"""The segment command on folders and archives as scanners and archives leave them, with a tiny
network on drawn lungs."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import cv2
import pytest

from command_line import lungseg
from ellipsoids import ellipsoids
from lungseg.phantom.radiograph import radiograph_phantom
from phantom_volumes import ct_slice, write_series

pytestmark = pytest.mark.usefixtures("embedded")


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A folder with a series, two films in it, and other things."""
    folder = tmp_path / "in" / "patient"
    volume = ellipsoids((6, 64, 64))[0]
    write_series(folder, volume.array, volume.geometry.affine)
    film = radiograph_phantom((256, 256)).image.array
    cv2.imwrite(str(folder / "film.png"), film)
    dataset = ct_slice(
        film.astype("int16"),
        (0, 0, 0),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1",
        Modality="CR",
        RescaleIntercept=0,
    )
    dataset.save_as(folder / "chest.dcm", enforce_file_format=True)
    for number in range(3):
        ct_slice(volume.array[0], (0, 0, 0), Modality="PT", SeriesInstanceUID="1.2.5").save_as(
            folder / f"0{number}.pet.dcm", enforce_file_format=True
        )
    (folder / "VERSION").write_text("1")
    return folder


def rows(folder: Path) -> dict[str, str]:
    with (folder / "summary.csv").open(newline="") as stream:
        return {row["input"]: row["verdict"] for row in csv.DictReader(stream)}


def test_every_file_of_a_folder_is_told_of(patient: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = lungseg("segment", patient.parent, "-o", out, "--outputs", "mask")
    assert ran.exit_code == 0
    assert ran.stderr.splitlines()[-1] == (
        f'left out in {patient}: 1 no image (VERSION), 3 of modality PT (series 2 "LUNG")'
    )
    assert ran.stdout.startswith("3 of 3 segmented, ")
    assert ", 4 left out, in " in ran.stdout
    told = rows(out)
    assert {path: verdict == "left_out" for path, verdict in told.items()} == {
        str(patient): False,
        str(patient / "chest.dcm"): False,
        str(patient / "film.png"): False,
        str(patient / "VERSION"): True,
        **{str(patient / f"0{number}.pet.dcm"): True for number in range(3)},
    }
    again = lungseg("segment", patient.parent, "-o", out, "--outputs", "mask")
    assert "0 of 3 segmented, 3 skipped, 4 left out" in again.stdout
    assert rows(out) == told
    quiet = lungseg("segment", patient.parent, "-o", out, "--outputs", "mask", "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_reports_are_of_inputs_alone(patient: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert lungseg("segment", patient, "-o", out, "--report").exit_code == 0
    assert "VERSION" not in (out / "report.html").read_text()
    assert lungseg("report", out).exit_code == 0


def test_results_in_the_folder_of_the_inputs_are_not_listed(patient: Path) -> None:
    for _ in range(2):
        ran = lungseg("segment", patient, "-o", patient, "--outputs", "mask", "--report")
        assert ran.exit_code == 0
        assert ", 4 left out, in " in ran.stdout
    assert len(rows(patient)) == 7


def test_only_the_first_folders_are_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), radiograph_phantom((256, 256)).image.array)
    for number in range(12):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "notes.txt").write_text("a note")
    ran = lungseg("segment", tmp_path, "-o", tmp_path / "out", "--outputs", "mask")
    said = [line for line in ran.stderr.splitlines() if line.startswith("left out in")]
    assert len(said) == 11
    assert said[-1] == "left out in 2 more folders: see summary.csv"


@pytest.mark.parametrize("packing", ["zip", "gztar"])
def test_an_archive_is_segmented_under_the_names_in_it(
    patient: Path, tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "temporary"
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    archive = Path(shutil.make_archive(str(tmp_path / "scans"), packing, patient.parent))
    out = tmp_path / "out"
    ran = lungseg("segment", archive, "-o", out, "--report")
    assert (ran.exit_code, ran.stdout[:18]) == (0, "3 of 3 segmented, "[:18])
    assert f"left out in {archive}/patient: 1 no image (VERSION)" in ran.stderr
    assert str(here) not in ran.stderr + (out / "results.jsonl").read_text()
    assert {path.name for path in out.glob("*_mask*")} == {
        "patient_mask.nii.gz",
        "chest_mask.png",
        "film_mask.png",
    }
    assert rows(out)[str(archive / "patient" / "film.png")] in ("ok", "review", "refused")
    assert list(here.iterdir()) == []
    assert lungseg("report", out).exit_code == 0
    again = lungseg("segment", archive, "-o", out, "--report")
    assert "0 of 3 segmented, 3 skipped" in again.stdout


def test_an_archive_that_leads_out_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../evil.png", b"x")
    ran = lungseg("segment", tmp_path / "evil.zip", "-o", tmp_path / "out")
    assert ran.exit_code == 1
    assert "a name in the archive leads out of it, and nothing was unpacked" in ran.stderr
    assert not (tmp_path / "evil.png").exists()


def test_a_series_that_is_no_ct_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mr").mkdir()
    for number in range(5):
        ct_slice(ellipsoids((1, 64, 64))[0].array[0], (0, 0, number), Modality="MR").save_as(
            tmp_path / "mr" / f"{number}.dcm", enforce_file_format=True
        )
    for paths in ([tmp_path / "mr"], sorted((tmp_path / "mr").iterdir())):
        ran = lungseg("segment", *paths, "-o", tmp_path / "out")
        assert ran.exit_code == 1
        assert len(ran.stderr.splitlines()) == 1
        assert '5 of modality MR (series 2 "LUNG")' in ran.stderr


def test_slices_without_positions_are_for_review(tmp_path: Path) -> None:
    volume = ellipsoids((6, 64, 64))[0]
    write_series(tmp_path / "s", volume.array, volume.geometry.affine, ImagePositionPatient=None)
    ran = lungseg("segment", tmp_path / "s", "-o", tmp_path / "out", "--outputs", "mask")
    assert ran.exit_code == 0
    record = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    assert "assumed_order" in record["codes"]
    assert record["verdict"] == "review"
    assert record["grid"]["spacing_mm"] is None
    assert {entry["unit"] for entry in record["measurements"]} <= {
        "voxels",
        "slices",
        "1",
        "HU",
        "percent",
    }
