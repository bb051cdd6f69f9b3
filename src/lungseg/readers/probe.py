"""What a file is, told by its first bytes and never by its ending."""

from __future__ import annotations

import codecs

HEAD = 4096
"""Bytes that `sniff` wants to see."""
READ = frozenset({"PNG", "JPEG", "TIFF", "BMP", "GIF", "DICOM", "JSRT"})
"""The kinds of a single image; all others that `sniff` can name are refused by that name where one
is wanted."""
VOLUMES = frozenset({"NIfTI", "NRRD", "MetaImage"})
"""The kinds that hold a volume in one file, or in a header and a file beside it."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (
        128,
        b"DICM",
        "DICOM",
    ),  # first: the 128 bytes before it are free, and some writers put a TIFF header there
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphe", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftyp", "video"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"%PDF", "PDF"),
    (344, b"n+1\0", "NIfTI"),
    (344, b"ni1\0", "NIfTI"),
    (4, b"n+2\0\r\n\x1a\n", "NIfTI"),
    (4, b"ni2\0\r\n\x1a\n", "NIfTI"),
    (0, b"NRRD", "NRRD"),
    (0, b"ObjectType =", "MetaImage"),
    (0, b"ObjectType=", "MetaImage"),
    (0, b"NDims =", "MetaImage"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "gzip"),
)
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_VALUE_REPRESENTATIONS = frozenset(
    {
        b"UL",
        b"UI",
        b"OB",
        b"CS",
        b"SH",
        b"DA",
        b"TM",
        b"LO",
        b"PN",
        b"SQ",
        b"DT",
        b"ST",
        b"LT",
        b"UN",
    }
)
_LONGEST_FIRST_VALUE = 256
"""Bytes; the first element of an implicit data set is a group length, a character set, an image
type or a UID."""


def sniff(head: bytes) -> str:
    """The kind of a file from its first `HEAD` bytes: one of `READ` or `VOLUMES`, another known
    kind, "empty", "text" or "unknown".

    Raw JSRT films have no header: they are "unknown" here, see `lungseg.readers.jsrt`.
    """
    if not head:
        return "empty"
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if _is_dicom_without_preamble(head):
        return "DICOM"
    return "text" if _is_text(head) else "unknown"


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
        little == 0x0008 and element < 0x0100 and length <= _LONGEST_FIRST_VALUE and length % 2 == 0
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


DICOM_ENDINGS = frozenset({".dcm", ".dicom", ".dic", ".ima"})
