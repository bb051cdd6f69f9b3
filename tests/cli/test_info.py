"""What the command line tells of itself, and its demonstration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import lungseg
from lungseg.predict import embedded_models
from lungseg.writers import record_schema
from tiny_model import write_tiny_model
from written import pictures


def test_info_prints_the_schema_of_records() -> None:
    assert json.loads(lungseg("info", "--schema").stdout) == record_schema()


def test_info_lists_what_there_is() -> None:
    known = json.loads(lungseg("info", "--json").stdout)
    assert [model["name"] for model in known["models"]] == list(embedded_models())
    assert [(entry["number"], entry["name"]) for entry in known["structures"]] == [
        (0, "background"),
        (1, "right lung"),
        (2, "left lung"),
        (3, "heart"),
        (4, "trachea"),
        (5, "opacity"),
    ]
    assert [output["name"] for output in known["outputs"]] == [
        "mask",
        "overlay",
        "crop",
        "masked",
        "probabilities",
        "viewer",
    ]
    assert known["formats"] == [
        "AVIF",
        "BMP",
        "DICOM",
        "GIF",
        "JPEG",
        "JSRT",
        "MetaImage",
        "NIfTI",
        "NRRD",
        "PNG",
        "TIFF",
        "WebP",
    ]
    text = lungseg("info").stdout
    assert "  1 right lung (SCT 39607008 Lung, SCT 24028007 Right)\n" in text
    assert "  AVIF, BMP, DICOM, GIF, JPEG, JSRT, MetaImage, NIfTI, NRRD, PNG, TIFF, WebP\n" in text


def test_version_and_help() -> None:
    assert lungseg("--version").stdout == "lungseg 0.1.0\n"
    for command in ("segment", "demo", "info"):
        assert "Example: lungseg " in lungseg(command, "--help").stdout
        assert lungseg(command, "-h").stdout == lungseg(command, "--help").stdout


def test_demo_and_info_with_a_model_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lungseg.predict.MODELS", tmp_path)
    write_tiny_model(tmp_path, name="cxr")
    ran = lungseg("demo", "-o", tmp_path / "demo", "--seed", 3)
    assert ran.exit_code == 0
    assert pictures(tmp_path / "demo") == ["phantom.png", "phantom_mask.png", "phantom_overlay.png"]
    assert ran.stdout.count("Dice to ground truth") == 3
    assert (
        f"Pictures: {tmp_path / 'demo' / 'phantom.png'}, {tmp_path / 'demo' / 'phantom_mask.png'}, "
        in ran.stdout
    )
    assert (
        "  cxr 0: radiograph, three by three mean and a threshold, 64 x 64; "
        in lungseg("info").stdout
    )
    assert json.loads(lungseg("info", "--json").stdout)["models"][0]["name"] == "cxr"


@pytest.mark.slow
def test_demo_finds_the_lungs_it_drew(tmp_path: Path) -> None:
    ran = lungseg("demo", "-o", tmp_path)
    assert ran.exit_code == 0
    assert pictures(tmp_path) == [
        "phantom.png",
        "phantom_ct_overlay.png",
        "phantom_mask.png",
        "phantom_overlay.png",
    ]
    found = [
        (line.partition(" Dice")[0].strip(), float(line.split()[-1]))
        for line in ran.stdout.splitlines()
        if "Dice" in line
    ]
    assert [label for label, _ in found] == ["right lung", "left lung", "lungs"] * 2
    assert min(dice for _, dice in found) > 0.9
    assert f"Pictures: {tmp_path / 'phantom.png'}, " in ran.stdout
