"""What an input is, told by its bytes and its header: before a pixel of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lungseg.errors import UnreadableError
from lungseg.modality import Modality
from lungseg.provenance import Format
from lungseg.readers.dicom_ct import CtFile, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.files import Data, file_head, open_data, read_errors
from lungseg.readers.jsrt import is_jsrt
from lungseg.readers.nifti import header_of_pair
from lungseg.readers.raw_volume import InflatingStream
from lungseg.readers.series import ask_for_ct, dicom_files
from lungseg.readers.signatures import HEAD_BYTES, OtherContent, sniff

BYTES: Final = "bytes"
"""What bytes are called in messages and records."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What an input is; `lungseg.readers.read` takes it instead of the input.

    Attributes:
        source: the path, or what bytes are called in messages.
        data: the file or folder, or the bytes.
        format: what it is; an `OtherContent` is not read.
        modality: where the format or the header tells it; None where only the pixels can.
        size: bytes; 0 of a folder.
        head: its first bytes, unpacked.
        packed: whether a gzip file holds it.
        headers: of DICOM files that were read to tell the modality.
        files: of a series, where it is not simply all DICOM files of the folder.
        kept: what must live as long as this does, such as a folder into which it was unpacked.
    """

    source: str
    data: Data
    format: Format | OtherContent
    modality: Modality | None = None
    size: int = 0
    head: bytes = b""
    packed: bool = False
    headers: tuple[CtFile, ...] = ()
    files: tuple[DicomFile, ...] = ()
    kept: object = None

    @property
    def is_picture(self) -> bool:
        """Whether it tells neither CT nor radiograph but by its pixels."""
        return isinstance(self.format, Format) and self.format.is_picture


def probe(source: str | Path | bytes | Probe, *, name: str = BYTES) -> Probe:
    """What an input is, and whether it is CT or a radiograph, where format or header says so.

    A folder is CT where it holds CT slices in DICOM; a DICOM file is what its header says; volumes
    are CT; raw JSRT films are radiographs.

    Args:
        source: a file, a folder, or the bytes of a file; or what `identify` said of it.
        name: what bytes are called in messages.

    Raises:
        UnreadableError: it cannot be opened, or its DICOM header is damaged.
        TooLargeError: its DICOM header states too many pixels.
    """
    found = identify(source, name=name)
    if found.format is OtherContent.FOLDER and isinstance(found.data, Path):
        headers = ask_for_ct(dicom_files(found.data))
        if headers and headers[-1].slices:
            return replace(found, format=Format.DICOM_SERIES, modality="ct", headers=headers)
    if found.format is Format.DICOM and not found.headers:
        header = read_header(DicomFile(found.source, found.data))
        modality: Modality = "ct" if header.slices else "radiograph"
        return replace(found, modality=modality, headers=(header,))
    return found


def identify(source: str | Path | bytes | Probe, *, name: str = BYTES) -> Probe:
    """What an input is by its first bytes alone; of DICOM no header is read, and no folder is
    looked through. A `Probe` is passed on.

    Raises:
        UnreadableError: it cannot be opened.
    """
    if isinstance(source, Probe):
        return source
    data = source if isinstance(source, bytes) else Path(source)
    where = name if isinstance(data, bytes) else str(data)
    with read_errors(data):
        if isinstance(data, Path) and data.is_dir():
            return Probe(where, data, OtherContent.FOLDER)
        size, head = file_head(data)
    content = sniff(head)
    if content is OtherContent.GZIP:
        inside = _unpacked_head(data, where)
        if sniff(inside) is Format.NIFTI:
            return Probe(where, data, Format.NIFTI, "ct", size, inside, packed=True)
    if content is OtherContent.UNKNOWN and isinstance(data, Path):
        header = header_of_pair(data)
        if header is not None:
            return identify(header)
    if content is OtherContent.UNKNOWN and is_jsrt(Path(where), size):
        return Probe(where, data, Format.JSRT, "radiograph", size, head)
    is_volume = isinstance(content, Format) and content.is_volume
    return Probe(where, data, content, "ct" if is_volume else None, size, head)


def _unpacked_head(data: Data, name: str) -> bytes:
    with read_errors(data), open_data(data) as stream:
        buffer = bytearray(HEAD_BYTES)
        try:
            count = InflatingStream(stream).readinto(memoryview(buffer))
        except Exception as error:  # zlib's own
            raise UnreadableError(
                "the gzip file is damaged", where=name, cure="copy or export it again"
            ) from error
    return bytes(buffer[:count])
