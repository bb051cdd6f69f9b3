"""What lies in folders as scanners and archives leave them: each file is an input, a part of one,
or left out."""

from __future__ import annotations

import lzma
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from lungseg.errors import InputError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import FoundInputs, dicomdir, find_inputs, read
from lungseg.readers.left_out import in_words
from phantom_volumes import AFFINE, CHEST, check_chest, ct_slice, write_series

NO_PIXELS = ("Rows", "Columns", "PixelData")


def other(path: Path, *without: str, **header: Any) -> None:
    dataset = ct_slice(CHEST[0], (0, 0, 0), **header)
    for keyword in without:
        delattr(dataset, keyword)
    dataset.save_as(path, enforce_file_format=True)


def names(found: FoundInputs, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in found.files]


def left_out(found: FoundInputs, folder: Path) -> dict[str, str]:
    return {str(one.path.relative_to(folder)): one.code for one in found.left_out}


def listing(folder: Path, file_ids: list[list[str]]) -> Path:
    """A DICOMDIR with a record for each file ID."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    meta.MediaStorageSOPInstanceUID = "1.2.3.9"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    records = []
    for parts in [[], *file_ids]:
        record = Dataset()
        record.RecordInUseFlag = 0xFFFF
        record.DirectoryRecordType = "IMAGE" if parts else "PATIENT"
        if parts:
            record.ReferencedFileID = parts
        records.append(record)
    dataset.DirectoryRecordSequence = records
    path = folder / "DICOMDIR"
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_films_beside_a_series_are_inputs_and_all_else_is_listed(tmp_path, film, write_dicom):
    write_series(tmp_path / "s", CHEST, AFFINE)
    for number in range(5):
        write_dicom(film, f"s/film{number}")
    cv2.imwrite(str(tmp_path / "s" / "film.png"), film)
    cv2.imwrite(str(tmp_path / "s" / "thumb_1.png"), film[::4, ::4])
    folder = tmp_path / "s"
    other(folder / "0scout", ImageType=["ORIGINAL", "PRIMARY", "SCOUT"])
    other(folder / "0dose", Modality="OT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    other(folder / "0screen", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    other(folder / "0report", *NO_PIXELS, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88")
    other(folder / "0raw", *NO_PIXELS, SOPClassUID="1.2.840.10008.5.1.4.1.1.66")
    other(folder / "0pet", Modality="PT", SeriesInstanceUID="1.2.5")
    for name in ("VERSION", "LOCKFILE", "Thumbs.db", "notes.txt", "old.zip", "DICOMDIR"):
        (folder / name).write_bytes(b"1.2")
    found = find_inputs([tmp_path])
    assert names(found, tmp_path) == ["s", "s/film.png", *(f"s/film{i}" for i in range(5))]
    assert found.problems == []
    assert left_out(found, folder) == {
        "0scout": "localizer",
        "0dose": "secondary_capture",
        "0screen": "secondary_capture",
        "0report": "no_pixels",
        "0raw": "no_pixels",
        "0pet": "other_modality",
        "thumb_1.png": "thumbnail",
        "old.zip": "archive",
        **dict.fromkeys(("VERSION", "LOCKFILE", "Thumbs.db", "notes.txt", "DICOMDIR"), "no_image"),
    }
    every = {str(path.relative_to(folder)) for path in folder.iterdir()}
    slices = {header.file.short_name for header in found.probes[folder].headers if header.slices}
    assert slices - {"0screen"} == every - left_out(found, folder).keys() - {
        "film.png",
        *(f"film{i}" for i in range(5)),
    }
    check_chest(read(found.probes[folder]))


def test_voxels_of_a_volume_are_a_part_of_it(tmp_path):
    for name in ("a.mhd", "b.nhdr", "c.hdr", "c.img"):
        (tmp_path / name).write_bytes(b"ElementDataFile = other.gz")
    for name in ("a.raw", "other.gz", "lost.raw"):
        (tmp_path / name).write_bytes(b"\0" * 100)
    assert left_out(find_inputs([tmp_path]), tmp_path) == {"lost.raw": "no_image"}


@pytest.mark.parametrize("named", ["list", "metaimage pattern", "nrrd pattern"])
@pytest.mark.parametrize("way", ["folder", "pattern"])
def test_voxels_of_a_volume_in_a_folder_below_are_a_part_of_it(tmp_path, named, way):
    (tmp_path / "planes").mkdir()
    for number in range(1, 4):
        (tmp_path / "planes" / f"p{number:02}.raw").write_bytes(b"\0" * 100)
    (tmp_path / "planes" / "p04.raw").write_bytes(b"\0" * 100)
    listed = "\n".join(f"planes/p{number:02}.raw" for number in range(1, 4))
    header, text = {
        "list": ("a.mhd", f"NDims = 3\nElementDataFile = LIST\n{listed}\n"),
        "metaimage pattern": ("a.mhd", "NDims = 3\nElementDataFile = planes/p%02d.raw 1 3 1\n"),
        "nrrd pattern": ("a.nhdr", "NRRD0004\ndata file: planes/p%02d.raw 1 3 1\n"),
    }[named]
    (tmp_path / header).write_text(text, encoding="utf-8")
    found = find_inputs([tmp_path if way == "folder" else tmp_path / "**"])
    assert names(found, tmp_path) == [header]
    assert left_out(found, tmp_path) == {"planes/p04.raw": "no_image"}


def test_what_is_packed_by_xz_stays_an_input_whose_error_says_what_unpacks_it(tmp_path):
    (tmp_path / "a.nii.xz").write_bytes(lzma.compress(b"\0" * 400))
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(b"words"))
    found = find_inputs([tmp_path])
    assert names(found, tmp_path) == ["a.nii.xz"]
    assert left_out(found, tmp_path) == {"b.txt.xz": "no_image"}
    with pytest.raises(UnsupportedError, match=r"xz files are not read; unpack it: unxz FILE\.xz"):
        read(found.files[0])


@pytest.mark.parametrize("way", ["folder", "pattern", "names"])
def test_a_series_of_another_modality_is_refused_in_one_line(tmp_path, way):
    for number in range(9):
        header = {"Modality": "MR", "SeriesDescription": "T2", "SeriesNumber": 4}
        other(tmp_path / f"{number}.dcm", **header)
        header = {"Modality": "PT", "SeriesInstanceUID": "1.2.9", "SeriesDescription": ""}
        other(tmp_path / f"p{number}.dcm", **header)
    paths = {
        "folder": [tmp_path],
        "pattern": [tmp_path / "*.dcm"],
        "names": sorted(tmp_path.iterdir()),
    }[way]
    found = find_inputs(paths)
    assert found.files == []
    words = ['9 of modality MR (series 4 "T2")', "9 of modality PT (series 2)"]
    assert [problem.shown.removeprefix("it holds ") for problem in found.problems] == (
        [f"{one}, and no radiograph and no CT" for one in words]
        if way == "folder"
        else [f"{one} are neither radiographs nor CT" for one in words]
    )
    assert not any("T2" in problem.recorded for problem in found.problems)
    assert set(left_out(found, tmp_path).values()) == {"other_modality"}
    assert len(found.left_out) == 18


def test_one_slice_of_another_modality_that_is_named_stays_an_input(tmp_path):
    other(tmp_path / "mr.dcm", Modality="MR")
    assert find_inputs([tmp_path / "mr.dcm"]).files == [tmp_path / "mr.dcm"]


def test_a_series_that_an_archive_parted_into_folders_is_one_input(tmp_path):
    paths = write_series(tmp_path / "root" / "s", CHEST, AFFINE)
    for number, path in enumerate(sorted(paths)):
        folder = tmp_path / "root" / f"{number % 7}" / f"x{number}"
        folder.mkdir(parents=True)
        path.rename(folder / "IM")
    (tmp_path / "root" / "s").rmdir()
    found = find_inputs([tmp_path])
    assert names(found, tmp_path) == ["root"]
    check_chest(read(found.probes[tmp_path / "root"]))
    check_chest(read(tmp_path))


def test_copies_and_patients_of_one_uid_stay_apart(tmp_path):
    write_series(tmp_path / "a", CHEST, AFFINE)
    write_series(tmp_path / "b", CHEST, AFFINE)
    moved = AFFINE.copy()
    moved[2, 3] += 1.1
    write_series(tmp_path / "c", CHEST, moved)
    found = find_inputs([tmp_path])
    assert names(found, tmp_path) == ["a", "b", "c"]
    with pytest.raises(UnsupportedError, match="it holds 3 images or series, and one is read at a"):
        read(tmp_path)


def test_python_reads_the_one_series_in_nested_folders(tmp_path, write_dicom, film):
    write_series(tmp_path / "a" / "b" / "series", CHEST, AFFINE)
    (tmp_path / "films").mkdir()
    write_dicom(film, "films/film")
    volume = read(tmp_path)
    check_chest(volume)
    assert volume.source == str(tmp_path / "a" / "b" / "series")
    check_chest(read(tmp_path / "a", modality="ct"))
    assert read(tmp_path / "films").array.shape == film.shape


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_a_dicomdir_that_is_named_stands_for_what_it_lists(tmp_path, write_dicom, film):
    disc = tmp_path / "disc"
    paths = write_series(disc / "dicom" / "se1", CHEST, AFFINE)
    ids = []
    for number, path in enumerate(paths):
        path.rename(path.with_name(f"im{number};1"))
        ids.append(["DICOM", "SE1", f"IM{number}"])
    (tmp_path / "secret").mkdir()
    write_dicom(film, "secret/film")
    write_dicom(film, "disc/film")
    write_dicom(film, "disc/unlisted")
    (disc / "link").symlink_to(tmp_path / "secret")
    (disc / "autorun.inf").write_text("x")
    outside = [["..", "SECRET", "FILM"], ["LINK", "FILM"], ["/etc/passwd"], ["..\\secret\\film"]]
    path = listing(disc, [*ids, *outside, ["FILM"], ["DICOM", "SE1", "GONE"]])
    found = find_inputs([path])
    assert names(found, disc) == ["film", "dicom/se1"]
    assert left_out(found, disc) == {"unlisted": "not_listed"}
    assert in_words(found.left_out * 2) == ["2 not listed (unlisted, unlisted)"]
    assert [str(problem) for problem in found.problems] == [
        (
            f"{path}: 4 of its records lead out of its folder, and were not followed; give the "
            "files themselves."
        ),
        (
            f"{path}: 1 of the files that it lists are missing (DICOM/SE1/GONE); copy the whole "
            "medium."
        ),
    ]
    check_chest(read(found.probes[disc / "dicom" / "se1"]))
    check_chest(read(path))


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_of_several_series_in_a_folder_only_those_listed_are_read(tmp_path):
    paths = write_series(tmp_path / "in", CHEST, AFFINE)
    more = write_series(tmp_path / "b", CHEST, AFFINE, SeriesInstanceUID="1.2.8")
    for path in more:
        path.rename(tmp_path / "in" / f"x{path.name}")
    path = listing(tmp_path, [["in", one.name] for one in paths])
    found = find_inputs([path])
    check_chest(read(found.probes[tmp_path / "in"]))
    assert set(left_out(found, tmp_path).values()) == {"not_listed"}
    assert len(found.left_out) == 20
    with pytest.raises(UnsupportedError, match="it holds 2 CT series"):
        read(tmp_path / "in")


@pytest.mark.parametrize("content", [b"\0" * 200, b"\0" * 128 + b"DICM", b""])
def test_a_dicomdir_that_lists_nothing_stands_for_its_folder(tmp_path, content):
    write_series(tmp_path / "series", CHEST, AFFINE)
    path = tmp_path / "DICOMDIR"
    path.write_bytes(content)
    assert names(find_inputs([path]), tmp_path) == ["series"]
    check_chest(read(path))


def test_headers_beyond_what_is_kept_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("lungseg.readers.folders._MAX_KEPT_HEADERS", 20)
    for name in ("a", "b"):
        write_series(tmp_path / name, CHEST, AFFINE)
    found = find_inputs([tmp_path])
    assert [len(found.probes[tmp_path / name].headers) for name in ("a", "b")] == [20, 1]
    assert found.probes[tmp_path / "b"].format is Format.DICOM_SERIES
    check_chest(read(found.probes[tmp_path / "b"]))


def test_a_damaged_slice_is_still_named_by_reading(tmp_path):
    paths = write_series(tmp_path / "s", CHEST, AFFINE)
    paths[3].write_bytes(paths[3].read_bytes()[:200])
    found = find_inputs([tmp_path])
    assert names(found, tmp_path) == ["s"]
    with pytest.raises(InputError, match=re.escape(paths[3].name)) as refused:
        read(found.probes[tmp_path / "s"])
    assert refused.value.cure
    volume = read(found.probes[tmp_path / "s"], skip_damaged=True)
    np.testing.assert_array_equal(volume.array, np.delete(CHEST, 3, axis=0))


@pytest.mark.parametrize("ending", [".img", ".IMG", ".raw"])
def test_slices_whose_names_end_otherwise_are_one_series(tmp_path, ending):
    for path in write_series(tmp_path / "ct", CHEST, AFFINE):
        path.rename(path.with_suffix(ending))
    found = find_inputs([tmp_path])
    assert [file.name for file in found.files] == ["ct"]
    check_chest(read(tmp_path))


def test_a_medium_whose_names_are_in_small_letters_is_looked_through_once(tmp_path, monkeypatch):
    (tmp_path / "dicom").mkdir()
    for number in range(5):
        (tmp_path / "dicom" / f"im{number}.;1").touch()
    names = [("DICOM", f"IM{number}") for number in range(5)]
    monkeypatch.setattr(dicomdir, "_file_id", lambda record: [record])
    monkeypatch.setattr(dicomdir.DicomFile, "parse", lambda *_: {"DirectoryRecordSequence": names})
    looked, walk = [], Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: (looked.append(self), walk(self))[1])
    files, problems = dicomdir.listed_files(tmp_path / "DICOMDIR")
    assert [file.name for file in files] == [f"im{number}.;1" for number in range(5)]
    assert problems == []
    assert looked == [tmp_path, tmp_path / "dicom"]
