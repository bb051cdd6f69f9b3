"""What a file is, told by its first bytes and never by its ending."""

from __future__ import annotations

import codecs
import re
from enum import Enum
from pathlib import PurePath
from typing import Final

from lungseg.provenance import Format


class OtherContent(Enum):
    """What a file can be that is not read; the value is how it is called for a person."""

    JPEG_LS = "JPEG-LS"
    VIDEO = "video"
    JPEG_2000 = "JPEG 2000"
    JPEG_XL = "JPEG XL"
    NETPBM = "Netpbm"
    OPENEXR = "OpenEXR"
    PHOTOSHOP = "Photoshop"
    FITS = "FITS"
    SVG = "SVG"
    PDF = "PDF"
    OFFICE = "Office"
    NUMPY = "NumPy"
    PICKLE = "pickle"
    MATLAB = "MATLAB"
    HDF5 = "HDF5"
    NETCDF = "netCDF"
    MGH = "FreeSurfer MGH"
    ANALYZE = "Analyze 7.5"
    VTK = "VTK"
    INTERFILE = "Interfile"
    PARQUET = "Parquet"
    SQLITE = "SQLite"
    ZIP = "ZIP"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    ZSTD = "Zstandard"
    XZ = "xz"
    SEVEN_ZIP = "7z"
    RAR = "RAR"
    GIT_LFS = "Git LFS pointer"
    WEB_PAGE = "web page"
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
    (4, b"ftyphe", Format.HEIC),
    (4, b"ftypmif1", Format.HEIC),
    (4, b"ftypmsf1", Format.HEIC),
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
    (0, b"\x93NUMPY", OtherContent.NUMPY),
    (0, b"MATLAB 5.0 MAT-file", OtherContent.MATLAB),
    (0, b"MATLAB 7.3 MAT-file", OtherContent.MATLAB),
    (0, b"\x89HDF\r\n\x1a\n", OtherContent.HDF5),
    (0, b"CDF\x01", OtherContent.NETCDF),
    (0, b"CDF\x02", OtherContent.NETCDF),
    (0, b"# vtk DataFile", OtherContent.VTK),
    (0, b"<VTKFile", OtherContent.VTK),
    (0, b"!INTERFILE", OtherContent.INTERFILE),
    (0, b"SIMPLE  =", OtherContent.FITS),
    (0, b"\x76\x2f\x31\x01", OtherContent.OPENEXR),
    (0, b"8BPS", OtherContent.PHOTOSHOP),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OtherContent.OFFICE),
    (0, b"PAR1", OtherContent.PARQUET),
    (0, b"SQLite format 3\0", OtherContent.SQLITE),
    (0, b"PK\x03\x04", OtherContent.ZIP),
    (0, b"\x1f\x8b", OtherContent.GZIP),
    (0, b"BZh", OtherContent.BZIP2),
    (0, b"\x28\xb5\x2f\xfd", OtherContent.ZSTD),
    (0, b"\xfd7zXZ\0", OtherContent.XZ),
    (0, b"7z\xbc\xaf\x27\x1c", OtherContent.SEVEN_ZIP),
    (0, b"Rar!\x1a\x07", OtherContent.RAR),
)
# fmt: on
DICOM_ENDINGS: Final = frozenset({".dcm", ".dicom", ".dic", ".ima"})
_GIT_LFS: Final = b"version https://git-lfs.github.com/spec/"
_WEB_PAGES: Final = (b"<!doctype html", b"<html")
_MARKUP: Final = re.compile(rb"(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg", re.S)
_METAIMAGE: Final = re.compile(rb"[ \t]*(\w+)[ \t]*=")
_METAIMAGE_KEYS: Final = frozenset(
    b"ObjectType ObjectSubType NDims DimSize ElementType ElementDataFile BinaryData "
    b"BinaryDataByteOrderMSB ElementByteOrderMSB CompressedData TransformMatrix ElementSpacing "
    b"HeaderSize AnatomicalOrientation CenterOfRotation".split()
)
"""Of them one must be known before a text that begins with other keys, such as Comment, is taken
for a MetaImage header."""
_ZIPPED: Final = {
    b".npy": OtherContent.NUMPY,
    b"data.pkl": OtherContent.PICKLE,
    b"[Content_Types].xml": OtherContent.OFFICE,
}
_METAIMAGE_LINES: Final = 16
_NETPBM: Final = re.compile(rb"P[1-7][ \t\r\n]\s*(?:#[^\n]*\s*)*(?:\d+\s|WIDTH)")
_ANALYZE: Final = tuple((348).to_bytes(4, order) for order in ("little", "big"))
_MAX_MGH_SIDE: Final = 4096
_PACKED_ENDINGS: Final = (".gz", ".bz2", ".zst")
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
            if content is OtherContent.ZIP:
                return _kind_of_zip(head)
            is_index = content is Format.DICOM and _DICOMDIR in head
            return OtherContent.DICOMDIR if is_index else content
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Format.BMP
    if _is_dicom_without_preamble(head):
        return Format.DICOM
    if _is_metaimage(head):
        return Format.METAIMAGE
    if _NETPBM.match(head):
        return OtherContent.NETPBM
    return _kind_of_text(head) if _is_text(head) else _kind_of_numbers(head)


def _kind_of_zip(head: bytes) -> OtherContent:
    """What an archive is, from the name of its first file (APPNOTE.TXT, 4.3.7): arrays, documents
    and networks are archives, too.
    """
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return next(
        (kind for ending, kind in _ZIPPED.items() if name.endswith(ending)), OtherContent.ZIP
    )


def _is_metaimage(head: bytes) -> bool:
    """Whether the first lines are "key = value", one of the keys a known one; in any order, since
    MetaIO takes them in any.
    """
    for line in head.removeprefix(codecs.BOM_UTF8).splitlines()[:_METAIMAGE_LINES]:
        found = _METAIMAGE.match(line)
        if found is None:
            if line.strip():
                return False
        elif found[1] in _METAIMAGE_KEYS:
            return True
    return False


def _kind_of_text(head: bytes) -> OtherContent:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(_GIT_LFS):
        return OtherContent.GIT_LFS
    if start[:16].lower().startswith(_WEB_PAGES):
        return OtherContent.WEB_PAGE
    return OtherContent.SVG if _MARKUP.match(start) else OtherContent.TEXT


def _kind_of_numbers(head: bytes) -> OtherContent:
    if head[:4] in _ANALYZE and len(head) >= 348:
        return OtherContent.ANALYZE
    sides = [int.from_bytes(head[start : start + 4], "big") for start in (4, 8, 12, 16)]
    if head[:4] == b"\0\0\0\1" and all(side <= _MAX_MGH_SIDE for side in sides):
        return OtherContent.MGH
    is_pickle = (
        head[:1] == b"\x80"
        and b"\2" <= head[1:2] <= b"\5"
        and head[2:3] in (b"\x95", b"c", b"}", b"]")
    )
    return OtherContent.PICKLE if is_pickle else OtherContent.UNKNOWN


def has_dicom_ending(path: PurePath) -> bool:
    """Whether a file calls itself DICOM, packed or not, as in "1.dcm" and "1.dcm.gz"."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in _PACKED_ENDINGS:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in DICOM_ENDINGS


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
