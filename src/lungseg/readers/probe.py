"""What an input is, told by its bytes and its header: before a pixel of it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lungseg.errors import UnreadableError
from lungseg.modality import Modality
from lungseg.provenance import Format
from lungseg.readers import metaimage, nifti, nrrd
from lungseg.readers.dicom_ct import CtFile, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.files import Data, file_head, read_errors
from lungseg.readers.jsrt import is_jsrt
from lungseg.readers.nifti import header_of_pair
from lungseg.readers.packing import PACKINGS, Packing, unpacked, unpacked_head
from lungseg.readers.series import ask_for_ct, dicom_files
from lungseg.readers.signatures import HEAD_BYTES, OtherContent, sniff

_FLAT: Final[dict[object, Callable[[bytes], bool]]] = {
    Format.NIFTI: nifti.is_flat,
    Format.NRRD: nrrd.is_flat,
    Format.METAIMAGE: metaimage.is_flat,
}
_NAMED: Final = (OtherContent.MGH, OtherContent.ANALYZE, OtherContent.NETCDF, OtherContent.HDF5)
"""What is said of a packed file rather than that it is packed."""
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
        packing: how it is packed; of what is unpacked as a whole, "none".
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
    packing: Packing = "none"
    headers: tuple[CtFile, ...] = ()
    files: tuple[DicomFile, ...] = ()
    kept: object = None

    @property
    def is_picture(self) -> bool:
        """Whether it tells neither CT nor radiograph but by its pixels."""
        if self.format is Format.DICOM:
            return bool(self.headers) and self.headers[0].modality is None
        return self.is_flat or (isinstance(self.format, Format) and self.format.is_picture)

    @property
    def is_flat(self) -> bool:
        """Whether it is a volume file of two axes, which holds a film as well as a slice."""
        is_flat = _FLAT.get(self.format)
        return is_flat is not None and is_flat(self.head)


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
        return replace(found, modality=header.modality, headers=(header,))
    return found


def identify(
    source: str | Path | bytes | Probe, *, name: str = BYTES, unpack: bool = True
) -> Probe:
    """What an input is by its first bytes alone; of DICOM no header is read, and no folder is
    looked through. A `Probe` is passed on.

    Args:
        source: as `probe` takes it.
        name: what bytes are called in messages.
        unpack: a packed file that can only be read as a whole, so that it can; without it no more
            is unpacked of whatever it is than its first bytes.

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
        if content is Format.METAIMAGE:
            head = metaimage.whole_header(data, head)
    if content in PACKINGS:
        return _packed(where, data, content, size, head, unpack=unpack)
    if content in (OtherContent.UNKNOWN, OtherContent.ANALYZE) and isinstance(data, Path):
        header = header_of_pair(data)
        if header is not None:
            return identify(header, unpack=unpack)
    if not isinstance(content, Format) and is_jsrt(Path(where), size):
        return Probe(where, data, Format.JSRT, "radiograph", size, head)
    return _told(Probe(where, data, content, None, size, head))


def _told(found: Probe) -> Probe:
    """With the modality that its format tells."""
    is_volume = isinstance(found.format, Format) and found.format.is_volume
    return replace(found, modality="ct") if is_volume and not found.is_flat else found


def _packed(
    where: str, data: Data, content: Format | OtherContent, size: int, head: bytes, *, unpack: bool
) -> Probe:
    """What a packed file holds: NIfTI is unpacked while it is read, all else now, if at all."""
    packing = PACKINGS[content]
    inside = unpacked_head(data, packing, HEAD_BYTES, source=where)
    held = sniff(inside)
    if held is OtherContent.EMPTY:
        raise UnreadableError(
            "it is packed, and holds nothing, or is truncated",
            where=where,
            cure="copy or export it again",
        )
    if held is Format.NIFTI or (isinstance(held, Format) and not unpack):
        return _told(Probe(where, data, held, None, size, inside, packing))
    if isinstance(held, Format):
        whole = unpacked(data, packing, source=where)
        if held is Format.METAIMAGE:
            inside = metaimage.whole_header(whole, inside)
        return _told(Probe(where, whole, held, None, len(whole), inside))
    return Probe(where, data, held if held in _NAMED else content, None, size, head)
