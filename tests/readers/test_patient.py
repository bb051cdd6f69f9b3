"""Whose image a file is, asked again of its header."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lungseg.errors import UnreadableError
from lungseg.provenance import Patient
from lungseg.readers import patient_of
from phantom_volumes import CHEST, ct_slice, write_series


@pytest.fixture
def slice_file(tmp_path: Path) -> Path:
    path = tmp_path / "doe.dcm"
    ct_slice(
        CHEST[10],
        (0, 0, 0),
        PatientName="Doe^Jane",
        PatientID="AB-77/1",
        PatientBirthDate="19700102",
        AccessionNumber="12",
        StudyID="S1",
        StudyDate="20200102",
    ).save_as(path, enforce_file_format=True)
    return path


DOE = Patient("Doe^Jane", "AB-77/1", "19700102", "12", "S1", "20200102")


def test_of_a_file_and_of_the_first_dicom_file_of_a_folder(
    slice_file: Path, tmp_path: Path
) -> None:
    assert patient_of(slice_file) == DOE
    folder = tmp_path / "series"
    write_series(folder, CHEST[:3], np.eye(4), PatientID="9001")
    (folder / "000.txt").write_text("no DICOM")
    assert patient_of(folder) == Patient(name="Secret^Name", id="9001")


def test_without_the_usual_beginning(slice_file: Path) -> None:
    slice_file.write_bytes(slice_file.read_bytes()[132:])
    assert patient_of(slice_file) == DOE
    assert patient_of(slice_file.parent) == DOE


def test_what_is_no_dicom_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "empty").mkdir()
    assert patient_of(tmp_path / "a.png") is None
    assert patient_of(tmp_path / "empty") is None
    with pytest.raises(UnreadableError, match="there is no file in it any more"):
        patient_of(tmp_path / "empty", is_dicom=True)


def test_a_file_that_was_read_as_dicom_is_asked_whatever_it_begins_with(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    # No preamble, and a name where other files have their kind.
    path.write_bytes(struct.pack("<HHI", 0x0010, 0x0010, 8) + b"Doe^Jane")
    assert patient_of(path) is None
    assert patient_of(path, is_dicom=True) == Patient(name="Doe^Jane")


def test_what_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="there is no such file"):
        patient_of(tmp_path / "gone.dcm")


def test_a_patient_has_no_repr(slice_file: Path) -> None:
    assert "Doe" not in repr(patient_of(slice_file))
