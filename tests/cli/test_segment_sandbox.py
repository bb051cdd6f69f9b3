"""segment --sandbox: the same files, made by processes that are confined."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK

from command_line import lungseg
from ellipsoids import ellipsoids
from lungseg.batch.confined import confinement_of
from lungseg.confine import lacking
from lungseg.options import SegmentOptions
from lungseg.runner import RunOptions
from phantom_volumes import write_series
from tiny_model import dark_ellipses, write_tiny_model
from written import table

can_confine = pytest.mark.skipif(lacking() is not None, reason=f"nothing confines: {lacking()}")


def both(out: Path, *arguments: object) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What is written without and with --sandbox, but for the seconds that it took."""
    written = []
    for name, flags in (("open", ()), ("confined", ("--sandbox",))):
        ran = lungseg("segment", *arguments, "-o", out / name, *flags)
        assert ran.exit_code == 0, ran.stderr
        paths = sorted(path for path in (out / name).rglob("*") if path.is_file())
        files = {path.name: path.read_bytes() for path in paths}
        del files["results.jsonl"]
        written.append(files)
    return written[0], written[1]


@pytest.mark.slow
@can_confine
def test_films_come_out_the_same(films: Path, model: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(films / "sub" / "x.png", elsewhere / "z.png")
    (films / "sub" / "z.png").symlink_to(elsewhere / "z.png")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.write(films / "x.png", "a/x.png")
    without, confined = both(
        tmp_path / "out",
        films,
        tmp_path / "packed.zip",
        *("--model", model, "--report", "--pdf", "--crop", "--probabilities"),
    )
    assert confined == without
    masks = [name for name in confined if name.endswith("_mask.png")]
    assert masks == ["a_x_mask.png", "films_x_mask.png", "y_mask.png", "z_mask.png"]


@pytest.mark.slow
@can_confine
def test_volumes_come_out_the_same(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path, modality="ct")
    inputs, elsewhere = tmp_path / "inputs", tmp_path / "elsewhere"
    volume, _ = ellipsoids()
    write_series(inputs / "series", volume.array, volume.geometry.affine)
    elsewhere.mkdir()
    slices = sorted((inputs / "series").iterdir())
    shutil.move(slices[0], elsewhere / "first.dcm")
    slices[0].symlink_to(elsewhere / "first.dcm")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume.array), inputs / "pair.mhd")
    named = (inputs / "pair.mhd", inputs / "series")
    without, confined = both(tmp_path / "out", *named, "--model", model)
    assert confined == without
    assert [name for name in confined if "_mask" in name] == [
        "pair_mask.nii.gz",
        "series_mask.nii.gz",
    ]


@pytest.mark.parametrize("header", ["pair.mhd", "pair"])
def test_what_is_read_is_what_inputs_and_model_are_made_of(
    films: Path, model: Path, tmp_path: Path, header: str
) -> None:
    for name in ("pair.raw", "other.txt"):
        (films / "sub" / name).touch()
    (films / "sub" / header).write_text("ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\n")
    inputs = [films / "x.png", films / "sub" / header]
    run = RunOptions(tmp_path / "out")
    found = confinement_of(inputs, SegmentOptions(model=model), run, workers=2, seconds=60)
    assert {*found.read} == {
        films / "x.png",
        *(films / "sub" / name for name in (header, "pair.raw", "other.txt", "x.png")),
        *(model.with_suffix(ending) for ending in (".onnx", ".json", ".judge.json")),
    }
    assert found.write == (tmp_path / "out",)
    assert found.seconds == 60
    assert (tmp_path / "out").is_dir()


def test_a_system_that_cannot_confine_is_told_at_once(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    ran = lungseg("segment", films, "-o", tmp_path / "out", "--sandbox")
    assert ran.exit_code == 2
    assert ran.stderr == (
        "Error: --sandbox needs Linux, whose Landlock and seccomp confine processes; leave "
        "--sandbox out, or use such a system.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@can_confine
def test_a_film_that_needs_more_memory_than_there_is_fails_alone(
    films: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lungseg.batch.confined.memory_for", lambda workers: 2**29)
    large = cv2.resize(dark_ellipses(), (8900, 8900))
    cv2.imwrite(str(films / "large.png"), np.dstack([large] * 3))
    ran = lungseg("segment", films, "-o", tmp_path, "--model", model, "--sandbox", "--workers", 1)
    assert ran.exit_code == 1
    verdicts = {row["name"]: (row["verdict"], row["codes"]) for row in table(tmp_path)}
    assert verdicts.pop("large") in (("failed", "out_of_memory"), ("failed", "unexpected"))
    assert {verdict for verdict, _ in verdicts.values()} == {"ok"}
