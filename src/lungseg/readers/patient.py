"""Whose image a file is, asked again of its DICOM header, for those who have only the file."""

from __future__ import annotations

from pathlib import Path

from lungseg.errors import LungsegError, UnreadableError
from lungseg.provenance import Format, Patient
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_header import PATIENT_TAGS, patient_in
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.files import read_errors
from lungseg.readers.probe import identify


def patient_of(path: Path, *, is_dicom: bool = False) -> Patient | None:
    """Who was imaged, as a DICOM file says, or the first one of a folder and all below.

    Args:
        path: the file or folder; files may be packed.
        is_dicom: it was read as DICOM before, and is asked whatever it begins with.

    Returns:
        None where it is no DICOM.

    Raises:
        UnreadableError: it cannot be opened or unpacked, or its header is damaged, or it was DICOM
            and has no file any more.
        TooLargeError: a deflated file holds too much.
    """
    with read_errors(path):
        inside = (file for file in path.rglob("*") if file.is_file())
        files = sorted(inside) if path.is_dir() else [path]
    for file in files:
        if identify(file).format is Format.DICOM:
            return _patient(file)
    if not is_dicom:
        return None
    if not files:
        raise UnreadableError("there is no file in it any more", where=path, cure="check the name")
    return _patient(files[0])


def _patient(file: Path) -> Patient:
    try:
        with quiet_pydicom():
            return patient_in(DicomFile(str(file), file).parse(PATIENT_TAGS))
    except LungsegError:
        raise
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "its DICOM header is damaged", where=file, cure="copy or export it again"
        ) from error
