"""A whole evaluation on CT, with networks of a few weights."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.datasets import Case
from lungseg.errors import UsageError
from lungseg.evaluate import evaluate, pictures
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from lungseg.writers.png import label_png
from tiny_model import dark_ellipses, write_tiny_model
from written import read_csv


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Three volumes, a slice with lungs, and one without; those of the source "both" tell right
    from left."""
    folder = tmp_path_factory.mktemp("scans")
    found: list[Case] = []
    for i, source in enumerate(("one", "both", "both")):
        volume, labels = ellipsoids((20 + i, 48, 60), spacing=(10.0, 5.0, 5.0))
        image, mask = folder / f"v{i}.nii.gz", folder / f"v{i}_lung.nii.gz"
        image.write_bytes(volume_nifti(volume))
        known = labels if source == "both" else (labels > 0).astype(np.uint8)
        mask.write_bytes(volume_nifti(Volume(known, volume.geometry, hounsfield=False)))
        found.append(Case(f"v{i}", f"p{i}", image, mask, source))
    pixels = dark_ellipses((96, 120))
    for name, empty in (("with", False), ("none", True)):
        cv2.imwrite(
            str(folder / f"{name}.png"),
            np.where(np.arange(120) < 60, 200, 210 + pixels * 0).astype(np.uint8)
            if empty
            else pixels,
        )
        cv2.imwrite(
            str(folder / f"{name}_mask.png"),
            np.zeros_like(pixels) if empty else np.where(pixels < 100, 255, 0).astype(np.uint8),
        )
        found.append(Case(name, "s", folder / f"{name}.png", folder / f"{name}_mask.png", "slices"))
    return found


@pytest.fixture
def ct_model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, modality="ct", name="tiny-ct")


@pytest.mark.slow
def test_ct_volumes_and_slices_stand_in_tables_of_their_own(scans, ct_model, tmp_path) -> None:
    out = tmp_path / "out"
    evaluation = evaluate([ct_model], scans, out, enter=True, workers=2)
    names = ["patients.csv", "report.html", "scores.csv", "scores.md", "summary.csv", "worst.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert evaluation.failures == ()
    pictures, volumes, each, sure = (
        [line.split(" | ") for line in table.splitlines()]
        for table in evaluation.text.split("\n\n")
    )
    assert [row[0] for row in pictures[2:]] == ["| slices", "| slices, without lungs"]
    assert [row[0] for row in volumes[2:]] == ["| both", "| one"]
    assert [row[0] for row in each[2:]] == ["| one/v0", "| both/v1", "| both/v2"]
    assert [row[0] for row in sure[2:]] == [
        "| both",
        "| one",
        "| slices",
        ("| slices, without lungs"),
    ]
    assert volumes[2][3] != "-"
    assert volumes[3][3:5] == ["-", "-"]
    lines = {line["case"]: line for line in read_csv(out / "scores.csv")}
    assert float(lines["v1"]["lungs_dice"]) > 0.9
    assert float(lines["v1"]["right_lung_dice"]) > 0.9
    assert (lines["v0"]["right_lung_dice"], lines["v0"]["kind"], lines["v0"]["unit"]) == (
        "nan",
        "volume",
        "mm",
    )
    assert float(lines["v0"]["slice_dice"]) > 0.8
    assert lines["v0"]["worst_slice"].startswith("slice ")
    assert (lines["with"]["kind"], lines["with"]["slice_dice"], lines["none"]["is_empty"]) == (
        "slice",
        "",
        "1",
    )
    means = {
        (line["cases"], line["structure"], line["metric"]): line
        for line in read_csv(out / "summary.csv")
        if line["stage"] == "final"
    }
    assert means["one", "lungs", "volume_error"]["unit"] == "mL"
    assert float(means["both", "lungs", "slice_dice"]["n"]) == 2
    assert ("one", "right lung", "dice") not in means
    assert {
        row["patient"]: row.get("lungs_hd95_of_volumes") == "nan"
        for row in read_csv(out / "patients.csv")
    }["s"]
    entered = json.loads(ct_model.with_suffix(".json").read_text())["scores"]
    assert (sorted(entered), entered["slices"]["cases"]) == (["both", "one", "slices"], 1)
    assert entered["one"]["lungs"]["hd95_mm"] == round(float(lines["v0"]["lungs_hd95"]), 2)
    page = (out / "report.html").read_text()
    assert "Scores of volumes" in page
    assert "Slices are numbered from 0" in page


def test_the_worst_volumes_are_shown_in_three_planes_with_the_ground_truth(
    scans, ct_model, tmp_path
) -> None:
    evaluate([ct_model], scans[:1], tmp_path / "out")
    sheet = cv2.imread(str(tmp_path / "out" / "worst.png"))[..., ::-1]
    assert (
        sheet.shape[1] == 2 * 4 + 3 * 320 + 4 * 4
    )  # one of three tiles, with its border, in a sheet with one
    yellow = (sheet == pictures.GROUND_TRUTH_COLOUR).all(axis=2)
    assert yellow.any(axis=0).nonzero()[0].max() > 2 * 320 > yellow.any(axis=0).nonzero()[0].min()
    assert yellow.sum() > 200


@pytest.mark.slow
def test_models_of_ct_are_compared_on_volumes(scans, ct_model, tmp_path) -> None:
    pytest.importorskip("scipy")
    other = write_tiny_model(tmp_path, modality="ct", name="dull-ct", steepness=0.8)
    evaluate([ct_model, other], scans[1:3], tmp_path / "out")
    lines = read_csv(tmp_path / "out" / "comparison.csv")
    assert [(line["cases"], line["metric"], line["patients"]) for line in lines] == [
        ("both", "dice", "2"),
        ("both", "hd95", "2"),
    ]


def test_what_is_for_radiographs_is_not_for_ct(scans, model, ct_model, tmp_path) -> None:
    with pytest.raises(
        UsageError,
        match="the models are for images of different modalities: tiny-ct and tiny; evaluate those "
        "for CT and for ",
    ):
        evaluate([model, ct_model], scans, tmp_path / "out")
    with pytest.raises(
        UsageError,
        match="pictures are perturbed for models of radiographs only; leave `robustness` out",
    ):
        evaluate([ct_model], scans, tmp_path / "out", robustness=True)
    with pytest.raises(
        UsageError,
        match="the `spacing` of a volume is three numbers, of slices, rows and columns; give three",
    ):
        evaluate([ct_model], scans, tmp_path / "out", spacing=(1.0, 1.0))


def test_a_slice_whose_mask_is_a_label_map_of_ours_is_shown(ct_model, tmp_path) -> None:
    """As `lungseg dataset --slices` writes it: with a palette."""
    pixels = dark_ellipses((96, 120))
    cv2.imwrite(str(tmp_path / "slice.png"), pixels)
    labels = np.where(pixels < 100, np.where(np.arange(120) < 60, 1, 2), 0).astype(np.uint8)
    (tmp_path / "mask.png").write_bytes(label_png(labels))
    case = Case("one", "p", tmp_path / "slice.png", tmp_path / "mask.png", "slices")
    evaluation = evaluate([ct_model], [case], tmp_path / "out", workers=1)
    assert evaluation.text.splitlines()[2].startswith("| slices | 1 |")
    assert (tmp_path / "out" / "worst.png").exists()
