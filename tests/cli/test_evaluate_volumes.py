"""The command that scores models on CT volumes."""

from __future__ import annotations

import csv

import pytest

from command_line import lungseg
from ellipsoids import ellipsoids
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from tiny_model import write_tiny_model
from written import read_csv


def test_volumes_of_a_list_that_dataset_wrote_are_scored(tmp_path) -> None:
    (tmp_path / "scans").mkdir()
    for i in range(3):
        volume, labels = ellipsoids((20, 48, 60 + i), spacing=(10.0, 5.0, 5.0))
        (tmp_path / "scans" / f"p{i}_ct.nii.gz").write_bytes(volume_nifti(volume))
        (tmp_path / "scans" / f"p{i}_lung.nii.gz").write_bytes(
            volume_nifti(Volume(labels, volume.geometry, hounsfield=False))
        )
    listed = lungseg(
        "dataset", tmp_path / "scans", "-o", tmp_path / "volumes.csv", "--split", "67/33"
    )
    assert listed.exit_code == 0, listed.output
    done = lungseg(
        "evaluate",
        write_tiny_model(tmp_path, modality="ct"),
        tmp_path / "volumes.csv",
        "-o",
        tmp_path / "out",
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(
        "| volumes | n | Dice | right lung | left lung | IoU | HD95, mm | ASSD, mm | NSD at 1 |"
    )
    assert len(read_csv(tmp_path / "out" / "scores.csv")) == 1
    spacing = lungseg(
        "evaluate",
        tmp_path / "tiny.onnx",
        tmp_path / "volumes.csv",
        "-o",
        tmp_path / "out",
        "--spacing",
        "1",
    )
    assert spacing.exit_code == 2
    assert (
        "the --spacing of a volume is three numbers, of slices, rows and columns; give three."
        in spacing.stderr
    )


@pytest.mark.slow
@pytest.mark.data
def test_a_real_volume_is_scored_in_space(data_folder, tmp_path) -> None:
    lists = tmp_path / "volumes.csv"
    assert (
        lungseg("dataset", data_folder / "ct" / "lctsc", "-o", lists, "--no-check").exit_code == 0
    )
    done = lungseg("evaluate", "ct", lists, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert (line["case"], line["kind"], line["unit"], line.get("right_lung_dice", "")) == (
        "case3",
        "volume",
        "mm",
        "",
    )
    assert float(line["lungs_dice"]) > 0.97
    assert float(line["lungs_hd95"]) < 7
