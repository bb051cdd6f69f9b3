"""A small chest in Hounsfield units without any symmetry, and ways to store it: in another order of
axes, and as DICOM slices."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from lungseg.geometry import AXIAL, Reorientation, VolumeGeometry, to_ras
from lungseg.volume import Volume

Array = NDArray[Any]
SHAPE = (20, 34, 40)
SPACING = (2.5, 0.75, 0.5)
TURNS = [
    Reorientation(order, flipped)
    for order in permutations((0, 1, 2))
    for flipped in product((False, True), repeat=3)
]
"""All 48 orders and directions of three axes."""
ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def draw_chest(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.int16]:
    """(slices, rows, columns) as `lungseg.geometry.AXIAL` has them: air, a body, a large right and
    a small left lung, and noise."""
    z, y, x = (
        np.linspace(-1, 1, side).reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, side in enumerate(shape)
    )
    voxels = np.full(shape, -1000.0)
    voxels[np.broadcast_to((x / 0.9) ** 2 + (y / 0.75) ** 2 < 1, shape)] = 40
    voxels[((x + 0.4) / 0.3) ** 2 + ((y - 0.1) / 0.45) ** 2 + (z / 0.9) ** 2 < 1] = -850
    voxels[((x - 0.45) / 0.25) ** 2 + ((y - 0.15) / 0.4) ** 2 + ((z - 0.1) / 0.7) ** 2 < 1] = -800
    noise = np.random.default_rng(5).normal(0, 20, shape)
    return np.rint(voxels + noise).astype(np.int16)


def axial_affine(
    spacing: tuple[float, float, float] = SPACING, origin: Sequence[float] = (-30.0, 12.5, 100.0)
) -> NDArray[np.float64]:
    """Of `draw_chest`: LPS from (slice, row, column)."""
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    affine[:3, 3] = origin
    return affine


CHEST, AFFINE = draw_chest(), axial_affine()


def check_chest(volume: Volume, affine: NDArray[np.float64] = AFFINE) -> None:
    """Turned to axial, it is the chest, in Hounsfield units, and every voxel lies where it
    should."""
    turn = volume.geometry.to_axial()
    assert_array_equal(turn.apply(volume.array), CHEST)
    assert_allclose(turn.geometry(volume.geometry).affine, affine, atol=1e-3)
    assert (volume.hounsfield, volume.array.dtype) == (True, np.int16)


def stored_as(
    voxels: Array, affine: NDArray[np.float64], turn: Reorientation
) -> tuple[Array, NDArray[np.float64]]:
    """The same volume with its axes in the order of `turn`: voxels and affine."""
    grid = turn.geometry(VolumeGeometry(voxels.shape, affine))  # type: ignore[arg-type]
    assert grid.affine is not None
    return np.ascontiguousarray(turn.apply(voxels)), grid.affine


def ct_slice(
    pixels: Array,
    position: Sequence[float],
    orientation: Sequence[float] = ORIENTATION,
    **header: Any,
) -> FileDataset:
    """One CT slice of Hounsfield units, explicit little endian, with the header's elements on top
    (None takes one away)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    elements: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "SeriesInstanceUID": "1.2.3",
        "SeriesNumber": 2,
        "SeriesDescription": "LUNG",
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientName": "Secret^Name",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "RescaleSlope": 1,
        "RescaleIntercept": -2000,
        "PixelSpacing": [SPACING[1], SPACING[2]],
        "SliceThickness": SPACING[0],
        "ImagePositionPatient": [float(number) for number in position],
        "ImageOrientationPatient": [float(number) for number in orientation],
    }
    for keyword, value in (elements | header).items():
        if value is not None:
            setattr(dataset, keyword, value)
    slope, intercept = float(header.get("RescaleSlope") or 1), float(elements["RescaleIntercept"])
    intercept = (
        float(header["RescaleIntercept"] or 0) if "RescaleIntercept" in header else intercept
    )
    stored = np.rint((pixels.astype(np.float64) - intercept) / slope)
    dataset.PixelData = stored.astype(
        np.int16 if dataset.PixelRepresentation else np.uint16
    ).tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def write_series(
    folder: Path, voxels: Array, affine: NDArray[np.float64], **header: Any
) -> list[Path]:
    """(slices, rows, columns) with their affine, one file a slice; neither names nor instance
    numbers follow their order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(1).permutation(len(voxels))
    columns, rows = affine[:3, 2], affine[:3, 1]
    spacing = [float(np.linalg.norm(rows)), float(np.linalg.norm(columns))]
    orientation = [*(columns / spacing[1]), *(rows / spacing[0])]
    paths = []
    for number, pixels in enumerate(voxels):
        position = affine[:3, 3] + number * affine[:3, 0]
        own = {"PixelSpacing": spacing, "InstanceNumber": int(names[number])} | header
        paths.append(folder / f"{names[number]:03}.dcm")
        ct_slice(pixels, position, orientation, **own).save_as(paths[-1], enforce_file_format=True)
    return paths


def enhanced(
    voxels: Array, positions: Sequence[Sequence[float]], slopes: Sequence[float]
) -> FileDataset:
    """One enhanced CT image of several frames, which state position and slope for each, spacing and
    orientation once."""
    dataset = ct_slice(
        voxels[0],
        positions[0],
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        NumberOfFrames=len(voxels),
    )
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(dataset, keyword)

    def group(name: str, **elements: Any) -> Dataset:
        item, outer = Dataset(), Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(outer, name, [item])
        return outer

    shared = group("PlaneOrientationSequence", ImageOrientationPatient=list(ORIENTATION))
    shared.update(
        group("PixelMeasuresSequence", PixelSpacing=list(SPACING[1:]), SliceThickness=SPACING[0])
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames, stored = [], []
    for pixels, position, slope in zip(voxels, positions, slopes, strict=True):
        frame = group(
            "PlanePositionSequence", ImagePositionPatient=[float(number) for number in position]
        )
        frame.update(
            group("PixelValueTransformationSequence", RescaleSlope=slope, RescaleIntercept=-2000)
        )
        frames.append(frame)
        stored.append(np.rint((pixels.astype(np.float64) + 2000) / slope).astype(np.uint16))
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = np.stack(stored).tobytes()
    return dataset


def write_nifti(
    path: Path,
    voxels: Array,
    affine: Array,
    *,
    kind: Any = nibabel.Nifti1Image,
    forms: Sequence[str] = ("sform", "qform"),
) -> Path:
    """`voxels` (slices, rows, columns) and their LPS affine."""
    image = kind(voxels.T, to_ras(affine))
    image.header.set_xyzt_units("mm")
    for form in ("sform", "qform"):
        getattr(image, f"set_{form}")(to_ras(affine), 1 if form in forms else 0)
    nibabel.save(image, path)
    return path


def patched(path: Path, *changes: Any) -> Path:
    """The file with bytes replaced: (offset, format, values...)."""
    content = bytearray(path.read_bytes())
    for offset, layout, *values in changes:
        struct.pack_into(layout, content, offset, *values)
    path.write_bytes(content)
    return path
