"""Whose image a file is, asked again of its DICOM header, for those who have only the file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from lungseg.errors import LungsegError, UnreadableError
from lungseg.provenance import Format, Patient
from lungseg.readers.dicom_file import parse
from lungseg.readers.dicom_header import PATIENT_TAGS, patient_in
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.files import read_errors
from lungseg.readers.signatures import HEAD_BYTES, sniff


def patient_of(path: Path, *, is_dicom: bool = False) -> Patient | None:
    """Who was imaged, as a DICOM file says, or the first one of a folder.

    Args:
        path: the file or folder.
        is_dicom: it was read as DICOM before, and is asked whatever it begins with.

    Returns:
        None where it is no DICOM.

    Raises:
        UnreadableError: it cannot be opened, or its header is damaged.
        TooLargeError: a deflated file holds too much.
    """
    with read_errors(path):
        files = (
            sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        )
        for file in files:
            with file.open("rb") as stream:
                if sniff(stream.read(HEAD_BYTES)) is Format.DICOM:
                    return _patient(stream, str(file))
        if not is_dicom or not files:
            return None
        with files[0].open("rb") as stream:
            return _patient(stream, str(files[0]))


def _patient(stream: BinaryIO, name: str) -> Patient:
    stream.seek(0)
    try:
        with quiet_pydicom():
            return patient_in(parse(stream, name, PATIENT_TAGS))
    except LungsegError:
        raise
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "its DICOM header is damaged", where=name, cure="copy or export it again"
        ) from error
