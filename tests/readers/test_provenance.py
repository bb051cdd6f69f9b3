"""Where an image comes from travels with it: what of DICOM was used, in the order of the array."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose
from pydicom.dataset import Dataset

from lungseg.provenance import Device, Format, Patient, Provenance
from lungseg.readers import read, read_image, read_volume
from phantom_volumes import AFFINE, CHEST, ct_slice, enhanced, write_series

HEADER: dict[str, Any] = {
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.4.5",
    "FrameOfReferenceUID": "1.2.3.4.6",
    "Manufacturer": "Maker",
    "ManufacturerModelName": "Model 1",
    "StationName": "CT01",
    "SoftwareVersions": ["1.0", "b"],
    "AcquisitionDate": "20200131",
    "AcquisitionTime": "101112.5",
    "PatientName": "Doe^Jane",
    "PatientID": "AB-77",
    "PatientBirthDate": "19700102",
    "AccessionNumber": "12",
    "StudyID": "S1",
    "StudyDate": "20200130",
}


def uid_of(path: Any) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_of_a_radiograph(write_dicom: Any, film: Any) -> None:
    path = write_dicom(film, **HEADER, PresentationIntentType="FOR PRESENTATION", Modality="DX")
    found = read_image(path).provenance
    assert found == Provenance(
        source=str(path),
        format=Format.DICOM,
        sha256=found.sha256,
        transfer_syntax="1.2.840.10008.1.2.1",
        study_uid="1.2.3.4",
        series_uid="1.2.3.4.5",
        instance_uids=(uid_of(path),),
        frame_of_reference_uid="1.2.3.4.6",
        stated_modality="DX",
        presentation_intent="FOR PRESENTATION",
        device=Device("Maker", "Model 1", "CT01", "1.0\\b"),
        acquired="20200131101112.5",
        patient=Patient("Doe^Jane", "AB-77", "19700102", "12", "S1", "20200130"),
    )
    assert "Doe" not in repr(read_image(path))


def test_a_date_with_its_time_goes_before_both(write_dicom: Any, film: Any) -> None:
    path = write_dicom(film, AcquisitionDateTime="20200131101113", **HEADER)
    assert read_image(path).provenance.acquired == "20200131101113"
    path = write_dicom(film, AcquisitionTime="1011")  # of no date
    assert read_image(path).provenance.acquired == ""


def test_the_frame_of_a_radiograph_is_counted_from_one(write_dicom: Any, film: Any) -> None:
    both = np.stack([film, film[::-1]])
    path = write_dicom(film, NumberOfFrames=2, PixelData=both.tobytes())
    assert read_image(path, frame=2).provenance.frame_numbers == (2,)
    assert read_image(write_dicom(film)).provenance.frame_numbers == ()


def test_of_a_series_in_the_order_of_slices(tmp_path: Any) -> None:
    paths = write_series(tmp_path, CHEST, AFFINE, **HEADER)
    found = read_volume(tmp_path).provenance
    assert sorted(paths) != paths
    assert found.instance_uids == tuple(uid_of(path) for path in paths)
    expected = [AFFINE[:3, 3] + number * AFFINE[:3, 0] for number in range(len(paths))]
    assert_allclose(found.slice_positions, expected)
    assert (found.source, found.format, found.frame_numbers) == (
        str(tmp_path),
        Format.DICOM_SERIES,
        (),
    )
    assert (found.study_uid, found.series_uid, found.frame_of_reference_uid) == (
        "1.2.3.4",
        "1.2.3.4.5",
        "1.2.3.4.6",
    )
    assert (found.stated_modality, found.device.model) == ("CT", "Model 1")
    assert (found.acquired, found.patient.name) == ("20200131101112.5", "Doe^Jane")
    assert found.transfer_syntax == "1.2.840.10008.1.2.1"


def test_what_is_not_used_is_not_named(tmp_path: Any) -> None:
    """Neither doubles, nor damaged files, nor a damaged double that comes first."""
    paths = write_series(tmp_path, CHEST, AFFINE)
    uids = [uid_of(path) for path in paths]
    double = pydicom.dcmread(paths[2])
    double.SOPInstanceUID = double.file_meta.MediaStorageSOPInstanceUID = "1.9"
    double.save_as(tmp_path / "zz.dcm")
    spare = pydicom.dcmread(paths[9])
    spare.SOPInstanceUID = spare.file_meta.MediaStorageSOPInstanceUID = "1.10"
    spare.save_as(tmp_path / "zzz.dcm")
    for number in (5, 9):
        paths[number].write_bytes(paths[number].read_bytes()[:-100])
    volume = read_volume(tmp_path, skip_damaged=True)
    expected = [*uids[:5], *uids[6:9], "1.10", *uids[10:]]
    assert list(volume.provenance.instance_uids) == expected
    assert len(volume.array) == len(volume.provenance.slice_positions) == len(CHEST) - 1
    heights = [AFFINE[:3, 3] + number * AFFINE[:3, 0] for number in range(len(CHEST))]
    del heights[5]
    assert_allclose(volume.provenance.slice_positions, heights)


def test_of_an_enhanced_image_with_its_frames(tmp_path: Any) -> None:
    order = np.random.default_rng(2).permutation(len(CHEST))
    positions = [AFFINE[:3, 3] + AFFINE[:3, 0] * number for number in order]
    dataset = enhanced(CHEST[order], positions, [1] * len(CHEST))
    dataset.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    found = read_volume(tmp_path / "enhanced.dcm").provenance
    assert found.frame_numbers == tuple((np.argsort(order) + 1).tolist())
    assert found.instance_uids == (dataset.SOPInstanceUID,) * len(CHEST)
    assert len(found.slice_positions) == len(CHEST)
    one = read_volume(tmp_path / "enhanced.dcm", frame=3).provenance
    assert (one.frame_numbers, one.instance_uids) == ((3,), (dataset.SOPInstanceUID,))
    assert_allclose(one.slice_positions, [positions[2]])


def test_of_slices_that_state_less(tmp_path: Any) -> None:
    path = tmp_path / "slice.dcm"
    ct_slice(CHEST[3], (0, 0, 0), ImagePositionPatient=None, SOPInstanceUID=None).save_as(path)
    found = read_volume(path).provenance
    assert (found.instance_uids, found.slice_positions, found.study_uid) == ((), (), "")


def test_a_damaged_header_value_keeps_nobody_from_reading(tmp_path: Any, write_dicom: Any) -> None:
    film = np.indices((64, 64)).sum(0).astype(np.uint8)
    path = write_dicom(film, StationName="STATION1", AcquisitionDate="20200131")
    path.write_bytes(path.read_bytes().replace(b"STATION1", b"\xff\xfe\x00\x01\x02\x03\x04\x05"))
    found = read_image(path).provenance
    assert found.acquired == "20200131"
    assert found.device.station != "STATION1"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "data sets"])
def test_no_data_set_stays_in_memory(tmp_path: Any, kind: str) -> None:
    paths = write_series(tmp_path, CHEST, AFFINE)
    gc.collect()
    before = sum(issubclass(type(held), Dataset) for held in gc.get_objects())
    volume = read(tmp_path if kind == "folder" else [pydicom.dcmread(path) for path in paths])
    gc.collect()
    after = sum(issubclass(type(held), Dataset) for held in gc.get_objects())
    assert len(volume.array) == len(CHEST)
    assert after <= before
