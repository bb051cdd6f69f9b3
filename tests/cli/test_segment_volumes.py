"""The segment command on CT, with a tiny network on drawn lungs."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from command_line import lungseg
from ellipsoids import ellipsoids
from lungseg import predict
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.volume import Volume
from lungseg.writers import volume_nifti

pytestmark = pytest.mark.usefixtures("embedded")


def write_series(
    folder: Path, volume: Volume, *, uid: str = "1.2.3", named: str = "", damaged: int | None = None
) -> Path:
    """One DICOM file a slice, named against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(volume.array)
    for number, pixels in enumerate(volume.array):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = (
            CTImageStorage,
            meta.MediaStorageSOPInstanceUID,
        )
        dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesDescription = "CT", uid, named
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.ImagePositionPatient = [
            float(value)
            for value in volume.geometry.affine[:3, 3] + number * volume.geometry.affine[:3, 0]
        ]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [3.0, 3.0], 5.0
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
            16,
            16,
            15,
            1,
        )
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.PixelData = pixels.tobytes() if number != damaged else pixels.tobytes()[:100]
        dataset.save_as(folder / f"{uid}_{count - number:03d}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    path.write_bytes(volume_nifti(ellipsoids((12, 64, 64), lung=-930)[0]))
    return path


def written(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if path.name not in ("results.jsonl", "summary.csv")
    )


def record(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.jsonl").read_text())


def test_a_volume_gives_a_volume(scan: Path, tmp_path: Path) -> None:
    ran = lungseg("segment", scan, "-o", tmp_path / "out", "--probabilities")
    assert ran.exit_code == 0
    assert written(tmp_path / "out") == [
        "scan_mask.nii.gz",
        "scan_overlay.png",
        "scan_probabilities.nii.gz",
    ]
    mask = nibabel.load(tmp_path / "out" / "scan_mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, nibabel.load(scan).affine)
    labels = np.asanyarray(mask.dataobj)
    # Columns run from the patient's right to the left.
    assert (labels[18, 32, 6], labels[46, 32, 6], labels[32, 2, 6]) == (1, 2, 0)
    known = record(tmp_path / "out")
    assert (known["modality"], known["grid"]["slices"], known["model"]["name"]) == ("ct", 12, "ct")
    assert set(known["seconds"]) == {
        "read",
        "prepare",
        "predict",
        "interpolate",
        "restore",
        "clean",
        "measure",
        "judge",
        "write",
    }
    assert "1 of 1 segmented" in ran.stdout


def test_a_folder_with_a_series_is_one_input_named_after_it(tmp_path: Path) -> None:
    volume, ground_truth = ellipsoids((12, 64, 64), lung=-930)
    folder = write_series(tmp_path / "patients" / "1.2.840.7", volume)
    (folder / "notes.txt").write_text("of no interest")
    ran = lungseg("segment", tmp_path / "patients", "-o", tmp_path / "out")
    assert ran.exit_code == 0
    assert written(tmp_path / "out") == ["1.2.840.7_mask.nii.gz", "1.2.840.7_overlay.png"]
    mask = np.asanyarray(nibabel.load(tmp_path / "out" / "1.2.840.7_mask.nii.gz").dataobj).T
    assert (mask[ground_truth == 1] == 1).mean() > 0.9
    assert (mask[ground_truth == 2] == 2).mean() > 0.9
    assert (
        lungseg("segment", folder, "-o", tmp_path / "out").stderr
        == f"1/1 {folder}: skipped (done already)\nleft out in {folder}: 1 no image (notes.txt)\n"
    )


def test_of_several_series_one_is_chosen(tmp_path: Path) -> None:
    volume = ellipsoids((6, 64, 64))[0]
    folder = write_series(tmp_path / "s", volume, uid="1.2.3", named="lung")
    write_series(folder, ellipsoids((4, 64, 64))[0], uid="1.2.4", named="soft")
    ran = lungseg("segment", folder, "-o", tmp_path / "out")
    assert ran.exit_code == 1
    assert "lung (6 slices, 1.2.3)" in ran.stderr
    assert "soft (4 slices, 1.2.4)" in ran.stderr
    for name in ("results.jsonl", "summary.csv"):  # what is handed on has numbers alone
        text = (tmp_path / "out" / name).read_text()
        assert "it holds 2 CT series; choose one" in text
        assert "1.2.4" not in text
        assert "soft" not in text
    assert written(tmp_path / "out") == []
    assert lungseg("segment", folder, "-o", tmp_path / "out", "--series", "1.2.4").exit_code == 0
    assert record(tmp_path / "out")["grid"]["slices"] == 4
    chosen = record(tmp_path / "out")["options"]["series"]
    assert chosen == f"sha256:{hashlib.sha256(b'1.2.4').hexdigest()}"
    assert (
        "with other options"
        in lungseg("segment", folder, "-o", tmp_path / "out", "--series", "1.2.3").stderr
    )


def test_no_file_is_parsed_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_series(tmp_path / "in" / "s", ellipsoids((12, 64, 64), lung=-930)[0])
    parsed = Counter()
    dcmread = pydicom.dcmread

    def counted(file: object, **settings: object) -> object:
        parsed["header" if settings["stop_before_pixels"] else "pixels"] += 1
        return dcmread(file, **settings)

    monkeypatch.setattr(pydicom, "dcmread", counted)
    assert lungseg("segment", folder.parent, "-o", tmp_path / "out").exit_code == 0
    assert written(tmp_path / "out") == ["s_mask.nii.gz", "s_overlay.png"]
    assert parsed == {"header": 12, "pixels": 12}


def test_a_damaged_slice_is_named_and_left_out_only_when_asked(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", ellipsoids((12, 64, 64), lung=-930)[0], damaged=5)
    ran = lungseg("segment", folder, "-o", tmp_path / "out")
    assert ran.exit_code == 1
    assert "1.2.3_007.dcm" in ran.stderr
    assert "with --skip-damaged" in ran.stderr
    assert lungseg("segment", folder, "-o", tmp_path / "out", "--skip-damaged").exit_code == 0
    assert record(tmp_path / "out")["grid"]["slices"] == 11


def test_radiographs_and_ct_in_one_run(scan: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(scan.parent / "film.png"), radiograph_phantom((256, 256)).image.array)
    cv2.imwrite(
        str(scan.parent / "slice.png"),
        ((ellipsoids((5, 128, 128))[0].array[2] + 1000) // 5).astype(np.uint8),
    )
    (scan.parent / "bad.nii.gz").write_bytes(scan.read_bytes()[:3000])
    write_series(scan.parent / "series", ellipsoids((6, 64, 64))[0])
    out = tmp_path / "out"
    ran = lungseg("segment", scan.parent, "-o", out, "--outputs", "mask")
    assert ran.exit_code == 1
    assert "4 of 5 segmented" in ran.stdout
    assert f"failed: {scan.parent / 'bad.nii.gz'}: " in ran.stderr
    assert written(out) == [
        "film_mask.png",
        "scan_mask.nii.gz",
        "series_mask.nii.gz",
        "slice_mask.png",
    ]
    with (out / "summary.csv").open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert {name: row["modality"] for name, row in rows.items()} == {
        "bad": "",
        "film": "radiograph",
        "scan": "ct",
        "series": "ct",
        "slice": "ct",
    }
    assert (rows["film"]["right_lung_volume_mL"], rows["scan"]["right_lung_area_pixels"]) == (
        "",
        "",
    )
    assert float(rows["scan"]["right_lung_volume_mL"]) > 0
    assert float(rows["film"]["right_lung_area_pixels"]) > 0
    again = lungseg("segment", scan.parent, "-o", out, "--outputs", "mask")
    assert "4 skipped, 1 failed" in again.stdout


def test_the_spacing_of_a_slice_in_a_picture_is_remembered(scan: Path, tmp_path: Path) -> None:
    piece, out = scan.parent / "slice.png", tmp_path / "out"
    cv2.imwrite(str(piece), ((ellipsoids((5, 128, 128))[0].array[2] + 1000) // 5).astype(np.uint8))
    assert lungseg("segment", piece, "-o", out, "--spacing", 1.5).exit_code == 0
    assert record(out)["options"]["spacing"] == [1.5, 1.5]
    assert "with other options" in lungseg("segment", piece, "-o", out, "--spacing", 2).stderr


def test_a_spacing_that_was_lost_is_given(tmp_path: Path) -> None:
    volume, _ = ellipsoids((12, 64, 64), spacing=(15.0, 4.0, 4.0))
    lost = nibabel.Nifti1Image(volume.array.T, np.diag([-1.0, -1.0, 1.0, 1.0]))
    nibabel.save(lost, tmp_path / "lost.nii.gz")
    for name, flags in (("without", ()), ("with", ("--spacing", "15,4,4"))):
        ran = lungseg("segment", tmp_path / "lost.nii.gz", "-o", tmp_path / name, *flags)
        assert ran.exit_code == 0
    known = record(tmp_path / "without")
    assert "spacing_unknown" in known["codes"]
    assert known["grid"]["spacing_mm"] is None
    voxels = next(m for m in known["measurements"] if m["structure"] == "lungs")
    assert (voxels["name"], voxels["unit"]) == ("volume", "voxels")
    known = record(tmp_path / "with")
    assert known["options"]["spacing"] == [15.0, 4.0, 4.0]
    assert "spacing_unknown" not in known["codes"]
    measured = next(m for m in known["measurements"] if m["structure"] == "lungs")
    assert (measured["unit"], measured["value"]) == ("mL", pytest.approx(0.24 * voxels["value"]))


def test_a_series_of_uneven_slices(tmp_path: Path) -> None:
    volume, labels = ellipsoids((24, 64, 64), spacing=(4.0, 3.0, 3.0))
    kept = np.append(np.arange(0, 12, 2), np.arange(12, 24))
    folder = write_series(tmp_path / "series", volume)
    for number in set(range(24)) - set(kept.tolist()):
        (folder / f"1.2.3_{24 - number:03d}.dcm").unlink()
    assert lungseg("segment", folder, "-o", tmp_path / "out").exit_code == 0
    known = record(tmp_path / "out")
    assert "slices_uneven" in known["codes"]
    assert known["grid"]["slices"] == 18
    assert known["grid"]["slice_positions_mm"] == pytest.approx(4.0 * kept)
    assert known["grid"]["missing_slices"] == 0
    mask = nibabel.load(tmp_path / "out" / "series_mask.nii.gz")
    assert mask.shape == (64, 64, 24)
    assert mask.header.get_zooms() == pytest.approx((3, 3, 4))
    assert any("have 24 slices, 4 mm apart" in note for note in known["notes"])
    measured = next(m for m in known["measurements"] if m["structure"] == "lungs")
    assert measured["value"] == pytest.approx(0.036 * np.count_nonzero(labels), rel=0.03)


def test_what_an_input_is_taken_for_can_be_said(scan: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(scan.parent / "film.png"), radiograph_phantom((256, 256)).image.array)
    assert (
        lungseg(
            "segment", scan.parent / "film.png", "-o", tmp_path / "out", "--modality", "ct"
        ).exit_code
        == 0
    )
    assert record(tmp_path / "out")["modality"] == "ct"
    ran = lungseg("segment", scan.parent / "film.png", "-o", tmp_path / "out")
    assert "skipped (done already)" in ran.stderr  # as what it was taken for then
    assert (
        "with other options"
        in lungseg(
            "segment", scan.parent / "film.png", "-o", tmp_path / "out", "--modality", "radiograph"
        ).stderr
    )
    ran = lungseg("segment", scan, "-o", tmp_path / "other", "--modality", "radiograph")
    assert ran.exit_code == 1
    ran = lungseg("segment", scan, "-o", tmp_path / "third", "--modality", "mri")
    assert ran.exit_code == 2
    assert "'mri' is not one of 'radiograph', 'ct'" in ran.stderr
    ran = lungseg(
        "segment", scan, "-o", tmp_path / "third", "--modality", "radiograph", "--model", "ct"
    )
    assert (ran.exit_code, ran.stderr) == (
        2,
        "Error: ct: the model is for ct, not for radiograph; leave out --model or --modality.\n",
    )


def test_a_folder_of_slices_taken_for_radiographs_is_walked(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", ellipsoids((3, 64, 64))[0])
    ran = lungseg("segment", folder, "-o", tmp_path / "out", "--modality", "radiograph")
    assert "of 3 segmented" in ran.stdout


def test_nothing_half_written(scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "scan_overlay.png").mkdir(parents=True)
    ran = lungseg("segment", scan, "-o", out, "--overwrite")
    assert ran.exit_code == 1
    assert f"{out / 'scan_overlay.png'}: cannot be written" in ran.stderr
    assert not list(out.glob(".lungseg-*"))


def test_a_volume_without_lungs_is_done_and_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = ellipsoids((8, 64, 64))[0]
    (tmp_path / "scan.nii.gz").write_bytes(volume_nifti(volume))
    nothing = np.repeat(
        np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1), 64 * 64, axis=3
    ).reshape(1, 3, 64, 64)
    monkeypatch.setattr(
        predict.Predictor, "__call__", lambda self, batch: np.repeat(nothing, len(batch), axis=0)
    )
    ran = lungseg("segment", tmp_path / "scan.nii.gz", "-o", tmp_path / "out")
    assert ran.exit_code == 0
    assert "refused (no lungs were found" in ran.stderr
    assert not np.asanyarray(nibabel.load(tmp_path / "out" / "scan_mask.nii.gz").dataobj).any()


@pytest.mark.slow
def test_demo_shows_a_ct_too(tmp_path: Path) -> None:
    ran = lungseg("demo", "-o", tmp_path)
    assert ran.exit_code == 0
    assert written(tmp_path) == [
        *(
            "phantom.png",
            "phantom_ct.nii.gz",
            "phantom_ct_mask.nii.gz",
            "phantom_ct_overlay.png",
            "phantom_mask.png",
            "phantom_overlay.png",
        )
    ]
    assert ran.stdout.count("Dice to ground truth") == 6
    assert "\nCT\n  right lung Dice" in ran.stdout
