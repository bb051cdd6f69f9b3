"""That every option has a flag, which reaches the record, and a line in the docs; and how errors
speak of flags."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import cv2
import pytest

from command_line import lungseg
from ellipsoids import ellipsoids
from lungseg import predict
from lungseg.cli.flags import spacing_of
from lungseg.cli.main import build
from lungseg.cli.messages import in_flags
from lungseg.errors import UsageError
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.writers import volume_nifti
from tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
OF_CT = {
    "modality": ("ct", "ct"),
    "structures": ("lungs", ["right lung", "left lung"]),
    "model": ("ct", "ct"),
    "frame": ("1", 1),
    "series": (None, None),
    "spacing": ("5,3,3", [5.0, 3.0, 3.0]),
    "skip_damaged": (None, True),
    "overlay_style": ("outline", "opacity=0"),
    "overlay_size": ("200", 200),
    "binary": (None, True),
    "skip_quality": (None, True),
    "skip_refused": (None, True),
}
OF_RADIOGRAPHS = {
    "dilate": ("2", 2.0),
    "lung_extent": ("through-heart", "through-heart"),
    "hull": (None, True),
    "crop_square": (None, True),
    "crop_size": ("64", 64),
}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with film.png and scan.nii.gz; the embedded models are tiny ones."""
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(predict, "MODELS", tmp_path / "models")
    write_tiny_model(tmp_path / "models", name="cxr", mediastinum=True)
    write_tiny_model(tmp_path / "models", name="ct", modality="ct")
    (tmp_path / "scan.nii.gz").write_bytes(volume_nifti(ellipsoids((12, 64, 64))[0]))
    cv2.imwrite(str(tmp_path / "film.png"), radiograph_phantom((128, 128)).image.array)
    return tmp_path


@pytest.mark.slow
def test_every_option_has_a_flag_that_reaches_the_record(inputs: Path) -> None:
    assert OF_CT.keys() | OF_RADIOGRAPHS.keys() == {field.name for field in fields(SegmentOptions)}
    for file, flags in (("scan.nii.gz", OF_CT), ("film.png", OF_RADIOGRAPHS)):
        for name, (text, value) in flags.items():
            if name == "series":  # which only a folder of DICOM files has; see test_segment_volumes
                continue
            flag = f"--{name.replace('_', '-')}"
            out = inputs / name
            ran = lungseg(
                "segment", inputs / file, "-o", out, flag, *([] if text is None else [text])
            )
            assert ran.exit_code == 0, ran.stderr
            record = json.loads((out / "results.jsonl").read_text())
            assert record["options"][name] == value


def test_a_flag_explains_itself_as_the_option_does() -> None:
    flags = {parameter.name: parameter.help for parameter in build("segment").params}
    for field in fields(SegmentOptions):
        assert flags[field.name].startswith(field.metadata["about"])


def test_every_option_has_a_line_in_the_docs() -> None:
    readme, server = (
        (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/serve.md")
    )
    for field in fields(SegmentOptions):
        assert f"`--{field.name.replace('_', '-')}" in readme
        assert f"\n| `{field.name}` |" in server


def test_an_error_of_the_package_names_flags_on_the_command_line(inputs: Path) -> None:
    ran = lungseg("segment", inputs / "scan.nii.gz", "-o", inputs / "out", "--hull")
    assert ran.stderr == (
        f"1/1 failed: {inputs / 'scan.nii.gz'}: --hull is for radiographs, and this is CT; leave "
        "--hull out.\n"
    )
    record = json.loads((inputs / "out" / "results.jsonl").read_text())
    assert record["reasons"] == [
        f"{inputs / 'scan.nii.gz'}: `hull` is for radiographs, and this is CT; leave `hull` out."
    ]


def test_only_flags_of_the_command_are_named() -> None:
    command = build("segment")
    assert in_flags("`skip_damaged` and `paths`, `pip install x` and `size`", command) == (
        "--skip-damaged and `paths`, `pip install x` and `size`"
    )


@pytest.mark.parametrize(
    ("text", "numbers"),
    [(None, None), ("0.2", (0.2, 0.2)), ("1,2", (1.0, 2.0)), ("5,1,2", (5.0, 1.0, 2.0))],
)
def test_a_spacing_is_one_two_or_three_numbers(
    text: str | None, numbers: tuple[float, ...] | None
) -> None:
    assert spacing_of(text) == numbers


def test_a_spacing_of_words_is_refused() -> None:
    with pytest.raises(UsageError, match="--spacing wide is no spacing"):
        spacing_of("wide")
