"""Films and DICOM files drawn on the fly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

Array = NDArray[Any]
CR = "1.2.840.10008.5.1.4.1.1.1"


def draw_film(rows: int, columns: int, *, highest: int = 255) -> Array:
    """Smooth, and of no symmetry that a turn or a flip could hide behind."""
    down, across = np.mgrid[0:rows, 0:columns].astype(float)
    waves = np.sin(down / 9 + 1) + np.cos(across / 7) + 0.02 * across + 0.01 * down
    waves -= waves.min()
    return np.rint(waves * (highest / waves.max())).astype(np.uint8 if highest < 256 else np.uint16)


@pytest.fixture
def film() -> Array:
    """(60, 80), uint8, 0 to 255."""
    return draw_film(60, 80)


@pytest.fixture
def deep_film() -> Array:
    """(60, 80), uint16, 0 to 4095."""
    return draw_film(60, 80, highest=4095)


def make_dataset(pixels: Array, **header: Any) -> FileDataset:
    """A computed radiograph of `pixels`, explicit little endian, with the header's elements on top
    (None takes one away)."""
    bits = 8 * pixels.dtype.itemsize
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CR
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    elements: dict[str, Any] = {
        "SOPClassUID": CR,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CR",
        "PatientName": "Secret^Name",
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "SamplesPerPixel": 1 if pixels.ndim == 2 else 3,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits if bits == 8 else 12,
        "HighBit": bits - 1 if bits == 8 else 11,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if pixels.ndim == 3:
        elements["PlanarConfiguration"] = 0
    for keyword, value in (elements | header).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" not in header:
        dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    return dataset


@pytest.fixture
def write_dicom(tmp_path: Path) -> Callable[..., Path]:
    """`write_dicom(pixels, name="film.dcm", **header)` writes a computed radiograph and returns its
    path."""

    def write(pixels: Array, name: str = "film.dcm", **header: Any) -> Path:
        path = tmp_path / name
        make_dataset(pixels, **header).save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property."""
    return tmp_path_factory.mktemp("examples")
