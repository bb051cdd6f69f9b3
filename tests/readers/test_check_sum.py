"""By its check sum an input is known before it is read, wherever it lies."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path

import cv2
import nibabel
import nrrd
import numpy as np
import pytest

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers import checksum, find_inputs, read
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.probe import probe
from metaimage_files import meta_fields, write_meta
from phantom_volumes import AFFINE, CHEST, ct_slice, enhanced, write_nifti, write_series

ANY = range(1000)
FEW = CHEST[7:13]


def series(folder: Path) -> Path:
    write_series(folder / "ct", FEW, AFFINE)
    return folder / "ct"


def metaimage(folder: Path) -> Path:
    (folder / "x.raw").write_bytes(CHEST.tobytes())
    return write_meta(folder / "x.mhd", meta_fields(ElementDataFile="x.raw"))


def nrrd_pair(folder: Path) -> Path:
    nrrd.write(str(folder / "x.nhdr"), CHEST, {"encoding": "raw"})
    return folder / "x.nhdr"


def nifti_pair(folder: Path) -> Path:
    return write_nifti(folder / "x.hdr", CHEST, AFFINE, kind=nibabel.Nifti1Pair)


def nifti(folder: Path) -> Path:
    return write_nifti(folder / "x.nii.gz", CHEST, AFFINE)


def flat(folder: Path) -> Path:
    return write_nifti(folder / "x.nii", CHEST[:1], AFFINE)


def packed_slice(folder: Path) -> Path:
    ct_slice(CHEST[10], (0, 0, 0)).save_as(folder / "x.dcm", enforce_file_format=True)
    (folder / "x.dcm.bz2").write_bytes(bz2.compress((folder / "x.dcm").read_bytes()))
    return folder / "x.dcm.bz2"


def picture(folder: Path) -> Path:
    cv2.imwrite(str(folder / "x.png"), CHEST[10].astype(np.uint8))
    return folder / "x.png"


def frames(folder: Path) -> Path:
    positions = [(0.0, 0.0, 2.5 * number) for number in range(len(FEW))]
    (folder / "enhanced").mkdir()
    for half in (slice(0, 3), slice(3, 6)):
        dataset = enhanced(FEW[half], positions[half], [1.0] * 3)
        dataset.save_as(folder / "enhanced" / f"{half.start}.dcm", enforce_file_format=True)
    return folder / "enhanced"


@pytest.mark.parametrize(
    "write",
    [series, metaimage, nrrd_pair, nifti_pair, nifti, flat, packed_slice, picture, frames],
)
def test_it_is_that_of_what_is_read(write: Callable[[Path], Path], tmp_path: Path) -> None:
    source = write(tmp_path)
    digest = read(source).provenance.sha256
    assert len(digest) == 64
    assert checksum(probe(source), counts=ANY) == digest


def test_the_names_of_slices_do_not_count_and_their_pixels_do(tmp_path: Path) -> None:
    folder = series(tmp_path)
    digest = checksum(probe(folder), counts=ANY)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(tmp_path / f"{1000 - number}")
    for path in tmp_path.iterdir():
        if path.is_file():
            path.rename(folder / path.name)
    assert checksum(probe(folder), counts=ANY) == digest
    one = sorted(folder.iterdir())[3]
    one.write_bytes(one.read_bytes()[:-2] + b"\1\1")
    assert checksum(probe(folder), counts=ANY) != digest


def test_a_series_with_another_number_of_slices_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,) = find_inputs([series(tmp_path)]).probes.values()

    def read_whole(file: DicomFile) -> bytes:
        raise UnreadableError("it was read", where=file.name, cure="leave it")

    monkeypatch.setattr(DicomFile, "content", read_whole)
    assert checksum(known, counts={5, 7}) == ""
    with pytest.raises(UnreadableError, match="it was read"):
        checksum(known, counts={6})


def test_a_chosen_series_and_frame_are_meant(tmp_path: Path) -> None:
    folder = series(tmp_path)
    for number, pixels in enumerate(FEW[::-1]):
        dataset = ct_slice(pixels, (0, 0, number), SeriesInstanceUID="4.5.6", SeriesNumber=3)
        dataset.save_as(folder / f"other{number}.dcm", enforce_file_format=True)
    with pytest.raises(UnsupportedError, match="2 CT series"):
        checksum(probe(folder), counts=ANY)
    for number in "12":
        digest = read(folder, series=number).provenance.sha256
        assert checksum(probe(folder), series=number, counts=ANY) == digest
