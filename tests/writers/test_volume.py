"""Volumes written by this package, read by the libraries that others read them with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import nibabel
import nrrd
import numpy as np
import pytest
from PIL import Image as Picture

from ellipsoids import ellipsoids, turned
from lungseg.card import ModelCard
from lungseg.errors import OutputError
from lungseg.geometry import Reorientation, VolumeGeometry
from lungseg.measurement import Measurements
from lungseg.provenance import Format, Provenance
from lungseg.readers import read_volume
from lungseg.result import Result
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers import OUTPUTS, box_of_crop, volume_nifti
from made_up_probabilities import probabilities_of

ALL = [output.name for output in OUTPUTS]
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CARD = ModelCard("ct", "1", "ct", (("right lung", "left lung"),), "none", (64, 64), "f00d")


def result(volume: Volume, labels: np.ndarray) -> Result:
    probabilities = probabilities_of(volume, labels, outside=51)
    segmentation = volume.with_labels(labels)
    return Result(
        volume, segmentation, Measurements(), Verdict("ok"), CARD, probabilities, {"read": 0.5}
    )


@pytest.fixture
def found() -> Result:
    volume, labels = ellipsoids((12, 40, 50))
    return result(replace(volume, provenance=Provenance("/a/scan.nii.gz")), labels)


def affine_of(volume: Volume) -> np.ndarray:
    """From (column, row, slice) to RAS."""
    return TO_RAS @ volume.geometry.affine[:, [2, 1, 0, 3]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_output_has_its_file(found: Result, tmp_path: Path) -> None:
    paths = found.save(tmp_path, ALL)
    assert names(tmp_path) == [
        *(
            "scan_crop.nii.gz",
            "scan_mask.nii.gz",
            "scan_masked.nii.gz",
            "scan_overlay.png",
            "scan_probabilities.nii.gz",
            "scan_viewer.npy",
        )
    ]
    assert list(paths) == ALL
    with pytest.raises(OutputError, match=r"scan_mask\.nii\.gz: exists already"):
        found.save(tmp_path)
    found.save(tmp_path, overwrite=True)


def test_masks_lie_where_the_volume_lies(found: Result, tmp_path: Path) -> None:
    mask = nibabel.load(found.save(tmp_path, ["mask"])["mask"])
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj).T, found.mask)
    np.testing.assert_allclose(mask.affine, affine_of(found.image), atol=1e-5)
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (1, 1)
    np.testing.assert_allclose(mask.get_qform(), mask.get_sform(), atol=1e-4)
    assert mask.header.get_zooms() == (3.0, 3.0, 5.0)
    assert mask.header.get_xyzt_units()[0] == "mm"
    binary = nibabel.load(found.save(tmp_path, ["mask"], name="b", binary=True)["mask"])
    np.testing.assert_array_equal(np.asanyarray(binary.dataobj).T, found.mask > 0)


@pytest.mark.parametrize(
    "turn",
    [
        Reorientation((2, 0, 1), (True, False, True)),
        Reorientation((1, 2, 0), (False, True, False)),
        Reorientation((0, 1, 2), (True,) * 3),
    ],
)
def test_in_any_order(turn: Reorientation, tmp_path: Path) -> None:
    volume, labels = ellipsoids((12, 40, 50))
    stored = turned(volume, turn)
    mask = nibabel.load(result(stored, turn.apply(labels)).save(tmp_path, ["mask"])["mask"])
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj).T, turn.apply(labels))
    np.testing.assert_allclose(mask.affine, affine_of(stored), atol=1e-4)
    np.testing.assert_allclose(mask.get_qform(), mask.get_sform(), atol=1e-3)


def test_skewed_axes_are_told_by_the_sform_alone(found: Result, tmp_path: Path) -> None:
    affine = np.array(found.image.geometry.affine)
    affine[1, 0] = 1.5  # a tilted gantry
    tilted = replace(found.image, geometry=VolumeGeometry(found.image.geometry.shape, affine))
    mask = nibabel.load(result(tilted, found.mask).save(tmp_path, ["mask"])["mask"])
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (1, 0)
    np.testing.assert_allclose(mask.affine, affine_of(tilted), atol=1e-5)


def test_rounded_directions_are_not_skewed(found: Result, tmp_path: Path) -> None:
    affine = np.array(found.image.geometry.affine)
    affine[1, 0] = 1e-5  # millimetres
    rounded = replace(found.image, geometry=VolumeGeometry(found.image.geometry.shape, affine))
    mask = nibabel.load(result(rounded, found.mask).save(tmp_path, ["mask"])["mask"])
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (1, 1)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("form", ["sform", "qform", "both", "neither"])
def test_the_grid_of_a_nifti_file_is_repeated_bit_by_bit(
    tmp_path: Path, kind: type, endian: str, form: str
) -> None:
    volume, labels = ellipsoids((12, 40, 50))
    turn = np.array(
        [[-0.7001, 0.02, 0.1, 3], [0.03, 0.7123, 0.01, 5], [-0.09, 0.011, 3.3, 7], [0, 0, 0, 1.0]]
    )
    header = kind.header_class(endianness=endian)
    image = kind(volume.array.T, turn, header)
    image.set_sform(turn, 4 if form in ("sform", "both") else 0)
    image.set_qform(turn, 2 if form in ("qform", "both") else 0)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "scan.nii")
    own = nibabel.load(tmp_path / "scan.nii")
    read = read_volume(tmp_path / "scan.nii")
    paths = result(read, labels).save(tmp_path, ["mask", "masked", "crop"])
    for output in ("mask", "masked"):
        written = nibabel.load(paths[output])
        assert type(written) is kind
        np.testing.assert_array_equal(written.affine, own.affine)
        for field in (
            "sform_code",
            "qform_code",
            "quatern_b",
            "quatern_c",
            "quatern_d",
            "pixdim",
            "srow_x",
            "srow_y",
            "srow_z",
            "xyzt_units",
        ):
            np.testing.assert_array_equal(written.header[field], own.header[field])
    np.testing.assert_array_equal(np.asanyarray(nibabel.load(paths["mask"]).dataobj).T, labels)
    np.testing.assert_array_equal(
        np.asanyarray(nibabel.load(paths["masked"]).dataobj).T,
        np.where(labels > 0, volume.array, -1024),
    )
    if form != "neither":
        crop = nibabel.load(paths["crop"])
        middle = np.array([*(np.array(crop.shape) // 2), 1])
        place = np.linalg.inv(own.affine) @ crop.affine @ middle
        inside = np.asanyarray(crop.dataobj)[tuple(middle[:3])]
        assert inside == np.asanyarray(own.dataobj)[tuple(np.rint(place[:3]).astype(int))]
        np.testing.assert_allclose(place, np.rint(place), atol=1e-3)


def test_probabilities_are_scaled_and_have_a_channel_for_each_lung(
    found: Result, tmp_path: Path
) -> None:
    written = nibabel.load(found.save(tmp_path, ["probabilities"])["probabilities"])
    assert written.shape == (50, 40, 12, 2)
    assert written.get_data_dtype() == np.uint8
    values = written.get_fdata()
    np.testing.assert_allclose(values[..., 0].T, np.where(found.mask == 1, 1.0, 0.2), atol=1e-6)
    np.testing.assert_allclose(values[..., 1].T, np.where(found.mask == 2, 1.0, 0.2), atol=1e-6)
    np.testing.assert_allclose(written.affine, affine_of(found.image), atol=1e-5)


def test_a_crop_has_the_lungs_and_a_margin(found: Result, tmp_path: Path) -> None:
    crop = nibabel.load(found.save(tmp_path, ["crop"])["crop"])
    inside = np.argwhere(found.mask)
    first, last = inside.min(axis=0) - 1, inside.max(axis=0) + 2
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    np.testing.assert_array_equal(np.asanyarray(crop.dataobj).T, found.image.array[box])
    assert box_of_crop(found.image, found.segmentation) == np.stack([first, last], axis=1).tolist()
    np.testing.assert_allclose(
        crop.affine[:3, 3], (affine_of(found.image) @ [*first[::-1], 1])[:3], atol=1e-4
    )


def test_without_lungs_a_crop_is_the_whole(found: Result, tmp_path: Path) -> None:
    empty = result(found.image, np.zeros_like(found.mask))
    paths = empty.save(tmp_path, ["crop", "masked", "overlay"])
    assert nibabel.load(paths["crop"]).shape == (50, 40, 12)
    assert set(np.unique(np.asanyarray(nibabel.load(paths["masked"]).dataobj))) == {-1024}


HEADER = """NRRD0004
# made by hand
type: short
dimension: 3
space: left-posterior-superior
sizes: 50 40 12
space directions: (0.7000001,0,0) (0,-0.7,0.001) (0,0.0007,3.1)
kinds: domain domain domain
endian: little
encoding: raw
space origin: (-10.1,20.2,-30.3)
patient:=Somebody

"""


def test_what_came_as_nrrd_is_written_as_nrrd_letter_by_letter(
    found: Result, tmp_path: Path
) -> None:
    (tmp_path / "scan.nrrd").write_bytes(HEADER.encode() + found.image.array.tobytes())
    read = read_volume(tmp_path / "scan.nrrd")
    paths = result(read, found.mask).save(tmp_path, ALL, overwrite=True)
    assert names(tmp_path) == [
        *(
            "scan.nrrd",
            "scan_crop.nrrd",
            "scan_mask.nrrd",
            "scan_masked.nrrd",
            "scan_overlay.png",
            "scan_probabilities.nrrd",
            "scan_viewer.npy",
        )
    ]
    labels, header = nrrd.read(str(paths["mask"]))
    np.testing.assert_array_equal(labels.T, found.mask)
    text = paths["mask"].read_bytes().split(b"\n\n")[0].decode()
    assert "space directions: (0.7000001,0,0) (0,-0.7,0.001) (0,0.0007,3.1)\n" in text
    assert "space origin: (-10.1,20.2,-30.3)" in text
    assert "Somebody" not in text
    assert header["type"] == "uint8"
    np.testing.assert_array_equal(
        nrrd.read(str(paths["masked"]))[0].T, np.where(found.mask > 0, found.image.array, -1024)
    )
    planes, header = nrrd.read(str(paths["probabilities"]))
    assert planes.shape == (50, 40, 12, 2)
    assert header["kinds"] == ["domain", "domain", "domain", "list"]
    header = nrrd.read_header(str(paths["crop"]))
    start = np.argwhere(found.mask).min(axis=0)[::-1] - 1
    np.testing.assert_allclose(
        header["space origin"], [-10.1, 20.2, -30.3] + start @ header["space directions"], atol=1e-9
    )
    np.testing.assert_array_equal(
        read_volume(paths["masked"]).geometry.affine, read.geometry.affine
    )


def test_a_slice_that_came_as_a_picture_is_written_as_one(tmp_path: Path) -> None:
    volume, labels = ellipsoids((1, 80, 96))
    greys = ((volume.array + 1000) // 5).astype(np.uint8)
    found = result(
        Volume(
            greys,
            VolumeGeometry((1, 80, 96)),
            hounsfield=False,
            provenance=Provenance("/a/b.png", Format.PNG),
        ),
        labels,
    )
    paths = found.save(tmp_path, ALL)
    assert names(tmp_path) == [
        "b_crop.png",
        "b_mask.png",
        "b_masked.png",
        "b_overlay.png",
        "b_probabilities.tif",
        "b_viewer.npy",
    ]
    mask = Picture.open(paths["mask"])
    assert mask.mode == "P"
    np.testing.assert_array_equal(np.array(mask), labels[0])
    np.testing.assert_array_equal(
        cv2.imread(str(paths["masked"]), cv2.IMREAD_UNCHANGED), np.where(labels[0] > 0, greys[0], 0)
    )
    box = tuple(slice(*along) for along in box_of_crop(found.image, found.segmentation))
    crop = cv2.imread(str(paths["crop"]), cv2.IMREAD_UNCHANGED)
    assert crop.size < greys.size
    np.testing.assert_array_equal(crop[np.newaxis], greys[box])
    with Picture.open(paths["probabilities"]) as pages:
        for number in (1, 2):
            pages.seek(number - 1)
            expected = np.where(labels[0] == number, 255, 51)
            np.testing.assert_array_equal(np.asarray(pages), expected)
    # Also where somebody said how large its pixels are.
    for form in (Format.PNG, Format.TIFF, Format.WEBP):
        stated = replace(
            found.image,
            geometry=VolumeGeometry((1, 80, 96), volume.geometry.affine),
            provenance=Provenance("/a/b.x", form),
        )
        assert (
            result(stated, labels).save(tmp_path / form.value, ["mask"])["mask"].name
            == "b_mask.png"
        )


def test_a_volume_is_read_as_it_was_written(found: Result, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(volume_nifti(found.image))
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, found.image.array)
    np.testing.assert_allclose(read.geometry.affine, found.image.geometry.affine, atol=1e-5)


def test_the_record_says_where_the_grid_lies(found: Result) -> None:
    record = replace(
        found,
        image=replace(
            found.image,
            missing_slices=2,
            notes=("a note",),
            provenance=Provenance("/a/scan.nii.gz", Format.NIFTI, "ab"),
        ),
    ).record()
    assert record["modality"] == "ct"
    assert record["grid"] == {
        "slices": 12,
        "rows": 40,
        "columns": 50,
        "spacing_mm": [5.0, 3.0, 3.0],
        "affine_lps": found.image.geometry.affine.tolist(),
        "missing_slices": 2,
        "hounsfield": True,
    }
    assert record["notes"] == ["a note"]
    assert record["model"] == {"name": "ct", "version": "1", "sha256": "f00d"}
