"""Whose image it is stays out of a report unless it is asked for."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lungseg.provenance import Patient
from lungseg.report.deidentify import (
    blanked,
    identity,
    patient_of_record,
    secrets,
    shown_name,
    tells,
)
from phantom_volumes import CHEST, ct_slice, write_series


@pytest.fixture
def slice_file(tmp_path: Path) -> Path:
    path = tmp_path / "doe.dcm"
    ct_slice(
        CHEST[10], (0, 0, 0), PatientName="Doe^Jane", PatientID="AB-77/1", StudyDate="20200102"
    ).save_as(path, enforce_file_format=True)
    return path


def test_the_patient_of_a_file_and_of_a_folder(slice_file: Path, tmp_path: Path) -> None:
    expected = Patient(name="Doe^Jane", id="AB-77/1", study_date="20200102")
    assert patient_of_record({"input": str(slice_file)}) == expected
    write_series(tmp_path / "series", CHEST[:3], np.diag([1.0, 1, 1, 1]), PatientID="9001")
    entry = {"input": str(tmp_path / "series"), "format": "DICOM series"}
    assert patient_of_record(entry) == Patient(name="Secret^Name", id="9001")


def test_the_patient_of_a_packed_file_and_of_a_series_in_several_folders(
    slice_file: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "packed" / "doe.dcm.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(slice_file.read_bytes()))
    expected = Patient(name="Doe^Jane", id="AB-77/1", study_date="20200102")
    assert patient_of_record({"input": str(packed)}) == expected
    packed.write_bytes(packed.read_bytes()[:-200])  # the header is whole
    assert patient_of_record({"input": str(packed)}) == expected
    packed.write_bytes(packed.read_bytes()[:12])
    assert patient_of_record({"input": str(packed)}) is None
    for part in ("a", "b"):
        write_series(tmp_path / "doe" / part, CHEST[:3], np.diag([1.0, 1, 1, 1]), PatientID="9001")
    for entry in ({}, {"format": "DICOM series"}):
        found = patient_of_record({"input": str(tmp_path / "doe"), **entry})
        assert found == Patient(name="Secret^Name", id="9001")
    (tmp_path / "empty").mkdir()
    gone = {"input": str(tmp_path / "empty"), "format": "DICOM series"}
    assert patient_of_record(gone) is None


def test_what_is_no_dicom_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert patient_of_record({"input": str(tmp_path / "a.png")}) == Patient()
    assert patient_of_record({"input": "/gone.png", "format": "PNG"}) == Patient()
    assert patient_of_record({"input": "array", "format": "array"}) == Patient()


def test_where_the_header_cannot_be_read_nothing_is_known_and_the_code_stands_for_the_name() -> (
    None
):
    entry = {"input": "/gone/doe.dcm", "format": "DICOM", "name": "doe", "sha256": "ab"}
    assert patient_of_record(entry) is None
    assert shown_name(entry, None).startswith("image-")
    assert patient_of_record({"input": "/gone/doe.dcm"}) is None


def test_a_report_says_what_is_known_of_a_patient() -> None:
    assert identity(Patient(name="Doe^Jane", birth_date="19700102", study_id="7")) == {
        "Patient's name": "Doe^Jane",
        "Birth date": "19700102",
        "Study ID": "7",
    }
    assert identity(Patient()) == {}


def test_secret_words_are_parts_of_the_name_and_the_numbers() -> None:
    words = secrets(
        Patient(name="Doe^Jane^X", id="AB-77/1", study_date="20200102", accession_number="12")
    )
    assert words == ("Doe^Jane^X", "AB-77/1", "Jane", "Doe")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("doe_2", True),
        ("x-JANE", True),
        ("ab77_1", True),
        ("20200102", False),
        ("x_12", False),
        ("lung", False),
    ],
)
def test_a_name_that_holds_a_secret_is_replaced_by_a_code(name: str, told: bool) -> None:
    words = secrets(Patient(name="Doe^Jane^X", id="AB-77/1", accession_number="12"))
    shown = shown_name({"name": name, "sha256": "ab"}, words)
    assert tells(name, words) is told
    assert (shown == name) is not told
    assert shown.startswith("image-") is told


def test_codes_differ_by_image_and_by_name() -> None:
    codes = {
        shown_name({"name": name, "sha256": sha}, ("doe",))
        for name in ("doe", "doe1")
        for sha in ("a", "b")
    }
    assert len(codes) == 4


def test_texts_lose_the_folder_of_results(tmp_path: Path) -> None:
    folder = tmp_path / "DOE_JOHN" / "out"
    text = f"{folder}/x_mask.png: exists already; choose another folder."
    assert blanked(text, {"input": "/data/x.png"}, (), folder) == (
        "…/x_mask.png: exists already; choose another folder."
    )


def test_texts_lose_paths_and_secrets() -> None:
    entry = {"input": "/data/Doe/x.png"}
    assert (
        blanked("/data/Doe/x.png: the file is empty; export it again.", entry, ())
        == "the file is empty; export it again."
    )
    assert blanked("/data/Doe/x.png/3.dcm: it is damaged.", entry, ()) == "it is damaged."
    assert blanked("in /data/Doe there is nothing", entry, ()) == "in … there is nothing"
    assert blanked("slice of DOE", entry, ("Doe",)) == "(left out, as it names the patient)"
    assert blanked("the mask is odd", {"input": "array"}, ()) == "the mask is odd"


def test_words_that_a_relative_path_is_made_of_stay_in_texts() -> None:
    assert (
        blanked("the lungs are in the image", {"input": "lungs"}, ())
        == "the lungs are in the image"
    )
    assert blanked("lungs of unusual size", {"input": "lungs"}, ()) == "lungs of unusual size"
    assert (
        blanked("against in/y.dcm in the image", {"input": "in/x.dcm"}, ())
        == "against …y.dcm in the image"
    )
