"""Bytes, streams, data sets of pydicom and lists of slices as sources."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.testing import assert_array_equal

from itk_images import itk_image
from lungseg.errors import UnreadableError, UnsupportedError, UsageError
from lungseg.geometry import to_ras
from lungseg.image import Image
from lungseg.provenance import Format
from lungseg.readers import read
from phantom_volumes import (
    AFFINE,
    CHEST,
    check_chest,
    ct_slice,
    enhanced,
    write_series,
)


def test_bytes_and_streams_are_read_as_their_files(tmp_path: Path, film: Any) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), film)
    nibabel.save(nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE)), tmp_path / "chest.nii.gz")
    nrrd.write(
        str(tmp_path / "chest.nrrd"), CHEST.T, {"space": "lps", "space directions": np.eye(3)}
    )
    SimpleITK.WriteImage(itk_image(CHEST, AFFINE), str(tmp_path / "chest.mha"))
    ct_slice(CHEST[10], (0, 0, 0)).save_as(tmp_path / "slice.dcm", enforce_file_format=True)
    for path in tmp_path.iterdir():
        expected, content = read(path), path.read_bytes()
        with path.open("rb") as stream:
            ways = [
                read(content),
                read(bytearray(content)),
                read(stream),
                read(io.BytesIO(content)),
            ]
        for way in ways:
            assert type(way) is type(expected)
            assert_array_equal(way.array, expected.array)
            assert way.geometry.spacing == expected.geometry.spacing
            assert way.notes == expected.notes
            assert way.provenance.sha256 == expected.provenance.sha256
        assert [way.source for way in ways] == ["bytes", "bytes", str(path), "bytes"]


def test_bytes_of_a_header_lead_to_no_file(tmp_path: Path) -> None:
    SimpleITK.WriteImage(itk_image(CHEST, AFFINE), str(tmp_path / "chest.mhd"))
    with pytest.raises(
        UnsupportedError, match=r"bytes: its voxels are in another file; give the path"
    ):
        read((tmp_path / "chest.mhd").read_bytes())
    nibabel.save(nibabel.Nifti1Pair(CHEST.T, np.eye(4)), tmp_path / "chest.hdr")
    with pytest.raises(UnsupportedError, match="its voxels are in another file"):
        read((tmp_path / "chest.hdr").read_bytes())


def test_errors_about_bytes_name_them() -> None:
    with pytest.raises(UnreadableError, match=r"^bytes: the file is empty"):
        read(b"")
    with pytest.raises(UnsupportedError, match=r"^bytes: PDF files are not read"):
        read(b"%PDF-1.7")


def test_a_data_set_is_read_as_its_file(write_dicom: Callable[..., Path], film: Any) -> None:
    path = write_dicom(film, PixelSpacing=[0.2, 0.1], StudyInstanceUID="1.2.3")
    dataset = pydicom.dcmread(path)
    before = dataset.to_json()
    image, expected = read(dataset), read(path)
    assert isinstance(image, Image)
    assert_array_equal(image.array, expected.array)
    assert (image.geometry.spacing, image.notes) == (expected.geometry.spacing, expected.notes)
    assert image.provenance.study_uid == "1.2.3"
    assert image.source == "data set"
    assert dataset.to_json() == before


def test_a_data_set_that_was_made_in_memory_is_read(film: Any) -> None:
    made = pydicom.Dataset()
    made.Modality, made.PhotometricInterpretation = "DX", "MONOCHROME2"
    made.Rows, made.Columns = film.shape
    made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit = 1, 8, 8, 7
    made.PixelRepresentation, made.PixelData = 0, film.tobytes()
    assert_array_equal(read(made).array, film)
    assert not hasattr(made, "file_meta")


def test_ct_data_sets_and_lists_of_slices_are_volumes(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "series", CHEST, AFFINE)
    expected = read(tmp_path / "series")
    datasets = [pydicom.dcmread(path) for path in paths]
    for source in (
        paths[::-1],
        [str(path) for path in paths],
        [path.read_bytes() for path in paths],
        datasets[::-1],
        tuple(datasets),
        [paths[0], *datasets[1:]],
    ):
        volume = read(source)
        check_chest(volume)
        assert volume.provenance.instance_uids == expected.provenance.instance_uids
        assert volume.provenance.format is Format.DICOM_SERIES
    assert read(paths).source == str(tmp_path / "series")
    assert read(paths).provenance.sha256 == expected.provenance.sha256
    assert read(datasets).source == "20 files"
    one = read(datasets[3])
    assert_array_equal(one.array, CHEST[3:4])
    assert one.provenance.format is Format.DICOM
    assert_array_equal(read(datasets[3], modality="ct").array, CHEST[3:4])


def test_a_list_may_have_damaged_slices(tmp_path: Path) -> None:
    paths = write_series(tmp_path, CHEST, AFFINE)
    paths[4].write_bytes(paths[4].read_bytes()[:-200])
    with pytest.raises(UnreadableError, match=rf"{paths[4].name}: .*`skip_damaged`"):
        read(paths)
    assert len(read(paths, skip_damaged=True).array) == len(CHEST) - 1


def test_lists_that_are_no_slices_are_refused(
    tmp_path: Path, write_dicom: Callable[..., Path], film: Any
) -> None:
    path = write_dicom(film)
    with pytest.raises(UnsupportedError, match="it holds no CT slices in DICOM"):
        read([path, path])
    paths = write_series(tmp_path / "series", CHEST, AFFINE)
    with pytest.raises(UsageError, match="several files are slices of CT, and no radiograph"):
        read(paths, modality="radiograph")
    with pytest.raises(UsageError, match="several files have no frames"):
        read(paths, frame=1)
    with pytest.raises(
        UsageError, match=r"its number 1 is an object of type ndarray; give slices, or stack arrays"
    ):
        read([film, film])


def test_an_enhanced_image_in_memory(tmp_path: Path) -> None:
    positions = [AFFINE[:3, 3] + AFFINE[:3, 0] * number for number in range(len(CHEST))]
    dataset = enhanced(CHEST, positions, [1] * len(CHEST))
    check_chest(read(dataset))
    assert_array_equal(read(dataset, frame=4).array, CHEST[3:4])
