"""What a file is, told by its first bytes and never by its ending."""

from __future__ import annotations

import codecs
from enum import Enum
from typing import Final

from lungseg.provenance import Format


class OtherContent(Enum):
    """What a file can be that is not read; the value is how it is called for a person."""

    JPEG_LS = "JPEG-LS"
    HEIC = "HEIC"
    VIDEO = "video"
    JPEG_2000 = "JPEG 2000"
    JPEG_XL = "JPEG XL"
    PDF = "PDF"
    NUMPY = "NumPy"
    ZIP = "ZIP"
    GZIP = "gzip"
    TEXT = "text"
    EMPTY = "empty"
    FOLDER = "folder"
    DICOMDIR = "DICOMDIR"
    TAR = "tar"
    UNKNOWN = "unknown"


HEAD_BYTES: Final = 4096
"""What `sniff` wants to see."""

# fmt: off
_SIGNATURES: Final[tuple[tuple[int, bytes, Format | OtherContent], ...]] = (
    # First, as the 128 bytes before it are free, and some writers put a TIFF header there.
    (128, b"DICM", Format.DICOM),
    (257, b"ustar", OtherContent.TAR),
    (0, b"\x89PNG\r\n\x1a\n", Format.PNG),
    (0, b"\xff\xd8\xff\xf7", OtherContent.JPEG_LS),
    (0, b"\xff\xd8\xff", Format.JPEG),
    (0, b"II*\0", Format.TIFF),
    (0, b"MM\0*", Format.TIFF),
    (0, b"II+\0", Format.TIFF),
    (0, b"MM\0+", Format.TIFF),
    (0, b"GIF8", Format.GIF),
    (8, b"WEBP", Format.WEBP),
    (4, b"ftypavif", Format.AVIF),
    (4, b"ftypavis", Format.AVIF),
    (4, b"ftyphe", OtherContent.HEIC),
    (4, b"ftypmif1", OtherContent.HEIC),
    (4, b"ftyp", OtherContent.VIDEO),
    (0, b"\0\0\0\x0cjP  ", OtherContent.JPEG_2000),
    (0, b"\xff\x4f\xff\x51", OtherContent.JPEG_2000),
    (0, b"\0\0\0\x0cJXL ", OtherContent.JPEG_XL),
    (0, b"\xff\x0a", OtherContent.JPEG_XL),
    (0, b"%PDF", OtherContent.PDF),
    (344, b"n+1\0", Format.NIFTI),
    (344, b"ni1\0", Format.NIFTI),
    (4, b"n+2\0\r\n\x1a\n", Format.NIFTI),
    (4, b"ni2\0\r\n\x1a\n", Format.NIFTI),
    (0, b"NRRD", Format.NRRD),
    (0, b"ObjectType =", Format.METAIMAGE),
    (0, b"ObjectType=", Format.METAIMAGE),
    (0, b"NDims =", Format.METAIMAGE),
    (0, b"\x93NUMPY", OtherContent.NUMPY),
    (0, b"PK\x03\x04", OtherContent.ZIP),
    (0, b"\x1f\x8b", OtherContent.GZIP),
)
# fmt: on
DICOM_ENDINGS: Final = frozenset({".dcm", ".dicom", ".dic", ".ima"})
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_VALUE_REPRESENTATIONS = frozenset(
    b"UL UI OB CS SH DA TM LO PN SQ DT ST LT UN".split(),
)
_MAX_FIRST_VALUE_BYTES = 256
"""Bytes; the first element of an implicit data set is a group length, a character set, an image
type or a UID."""
_DICOMDIR: Final = b"\x02\0\x02\0UI\x14\x001.2.840.10008.1.3.10"
"""The element of a file's meta information that says so (PS3.10 section 7.1, PS3.4 annex F)."""


def sniff(head: bytes) -> Format | OtherContent:
    """What a file is, from its first `HEAD_BYTES` bytes.

    Raw JSRT films have no header: they are `OtherContent.UNKNOWN` here, see
    `lungseg.readers.jsrt`.
    """
    if not head:
        return OtherContent.EMPTY
    for offset, signature, content in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            is_index = content is Format.DICOM and _DICOMDIR in head
            return OtherContent.DICOMDIR if is_index else content
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Format.BMP
    if _is_dicom_without_preamble(head):
        return Format.DICOM
    return OtherContent.TEXT if _is_text(head) else OtherContent.UNKNOWN


def _is_dicom_without_preamble(head: bytes) -> bool:
    """Whether the bytes begin as a DICOM data set does (PS3.5 section 7.1): an element of group
    0002 or 0008.
    """
    if len(head) < 8:
        return False
    little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    explicit = head[4:6] in _VALUE_REPRESENTATIONS
    if explicit:
        return little in (0x0002, 0x0008) or big == 0x0008
    element, length = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:8], "little")
    return (
        little == 0x0008
        and element < 0x0100
        and length <= _MAX_FIRST_VALUE_BYTES
        and length % 2 == 0
    )


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(
            head
        )  # incremental: the last character may be cut
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
