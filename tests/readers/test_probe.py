"""What an input is, before a pixel of it is decoded."""

from __future__ import annotations

import gzip
import pickle

import cv2
import nibabel
import numpy as np
import pytest

from lungseg.errors import UnreadableError
from lungseg.provenance import Format
from lungseg.readers.probe import identify, probe
from lungseg.readers.signatures import OtherContent
from phantom_volumes import AFFINE, CHEST, ct_slice, write_series


def test_format_and_modality_of_files_and_folders(tmp_path, write_dicom, film):
    cv2.imwrite(str(tmp_path / "film.png"), film)
    (tmp_path / "volume").write_bytes(b"NRRD0004\n")
    (tmp_path / "luna").write_bytes(b"ObjectType = Image\n")
    (tmp_path / "notes").write_text("a text")
    (tmp_path / "JPCLN001.IMG").write_bytes(bytes(2 * 2048 * 2048))
    nibabel.save(nibabel.Nifti1Image(CHEST.T, np.eye(4)), tmp_path / "chest.nii.gz")
    (tmp_path / "packed").write_bytes(gzip.compress(b"a text"))
    write_series(tmp_path / "series", CHEST, AFFINE)
    (tmp_path / "films").mkdir()
    write_dicom(film, "films/film.dcm")
    write_dicom(film, "film.dcm")
    write_dicom(film, "other.dcm", Modality="OT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    ct_slice(CHEST[3], (0, 0, 0)).save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    found = {path.name: probe(path) for path in tmp_path.iterdir()}
    assert {name: (one.format, one.modality) for name, one in found.items()} == {
        "film.png": (Format.PNG, None),
        "volume": (Format.NRRD, "ct"),
        "luna": (Format.METAIMAGE, "ct"),
        "notes": (OtherContent.TEXT, None),
        "JPCLN001.IMG": (Format.JSRT, "radiograph"),
        "chest.nii.gz": (Format.NIFTI, "ct"),
        "packed": (OtherContent.GZIP, None),
        "series": (Format.DICOM_SERIES, "ct"),
        "films": (OtherContent.FOLDER, None),
        "film.dcm": (Format.DICOM, "radiograph"),
        "other.dcm": (Format.DICOM, None),
        "ct.dcm": (Format.DICOM, "ct"),
    }
    assert {name for name, one in found.items() if one.is_picture} == {"film.png", "other.dcm"}
    assert found["series"].source == str(tmp_path / "series")
    assert [header.file.short_name for header in found["series"].headers] == ["000.dcm"]


def test_bytes_are_told_as_files_are(tmp_path, film, write_dicom):
    content = write_dicom(film).read_bytes()
    found = probe(content)
    assert (found.source, found.format, found.modality) == ("bytes", Format.DICOM, "radiograph")
    assert probe(b"", name="upload").format is OtherContent.EMPTY
    assert identify(content, name="upload").source == "upload"
    assert identify(content).modality is None  # no header is read


def test_what_a_packed_file_is_can_be_told_without_unpacking_it(tmp_path, film, write_dicom):
    for name, content, kind in (
        ("a.png", cv2.imencode(".png", film)[1].tobytes(), Format.PNG),
        ("b.dcm", write_dicom(film).read_bytes(), Format.DICOM),
    ):
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(content))
        told, whole = identify(path, unpack=False), identify(path)
        assert (told.format, told.data, told.size) == (kind, path, path.stat().st_size)
        assert (whole.format, whole.data) == (kind, content)


def test_a_probe_is_passed_on_and_pickles(tmp_path):
    write_series(tmp_path, CHEST, AFFINE)
    found = probe(tmp_path)
    assert identify(found) is found
    again = pickle.loads(pickle.dumps(found))
    assert (again.source, again.format, len(again.headers)) == (found.source, found.format, 1)


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(UnreadableError, match="there is no such file"):
        probe(tmp_path / "gone")
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(bytes(4000))[:12] + b"\xff" * 40)
    with pytest.raises(UnreadableError, match="the gzip file is damaged"):
        probe(tmp_path / "cut.nii.gz")
