"""What a file in a folder may be, by its name where that tells, which costs nothing, and else by
its first bytes.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Final

from lungseg.provenance import Format
from lungseg.readers.files import file_head
from lungseg.readers.nifti import header_of_pair
from lungseg.readers.signatures import has_dicom_ending, sniff

# fmt: off
IMAGE_ENDINGS = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".img",
        ".dcm", ".dicom", ".dic", ".ima",
        # Images that are not read are kept all the same: reading then says so, where leaving them
        # out would hide them.
        ".webp", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".nii", ".hdr", ".nrrd",
        ".nhdr", ".mha",
        ".mhd",
    }
)
OTHER_ENDINGS = frozenset(
    {
        ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml",
        ".ini", ".cfg", ".log", ".html",
        ".htm", ".css", ".js", ".svg", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx",
        ".py", ".ipynb", ".sh", ".bat", ".r",
        ".m", ".mat", ".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".rar", ".npy", ".npz",
        ".h5", ".hdf5", ".pkl", ".pickle",
        ".pt", ".pth", ".onnx", ".ckpt", ".safetensors", ".parquet", ".feather", ".db", ".sqlite",
        ".tmp", ".part", ".bak", ".lock",
        ".md5", ".sha256", ".mp4", ".avi", ".mov", ".mp3", ".wav", ".exe", ".dll", ".so", ".inf",
        ".zst", ".raw", ".zraw",  # the voxels of a volume, whose header is beside them
    }
)
# fmt: on
PACKED_ENDINGS: Final = tuple(
    ending + packed
    for ending in (".nii", ".nrrd", ".mha")
    for packed in (".gz", ".bz2", ".zst", ".xz")
)
ARCHIVE_ENDINGS: Final = (
    ".zip",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".7z",
    ".rar",
)
"""What an archive's name ends in."""
_OTHER_NAMES: Final = frozenset(
    {
        "dicomdir",
        "thumbs.db",
        "desktop.ini",
        "readme",
        "license",
        "makefile",
        "version",
        "lockfile",
        "changelog",
        "autorun",
    }
)
_THUMBNAIL: Final = re.compile(r"(?<![a-z])thumb(nail)?s?(?![a-z])")
"""In the name of a picture that stands for another."""


class FileKind(Enum):
    """What a file in a folder may be."""

    IMAGE = "image"
    DICOM = "dicom"
    PART = "part"
    """The voxels of a volume whose header is another file."""
    ARCHIVE = "archive"
    THUMBNAIL = "thumbnail"
    NO_IMAGE = "no image"


def look_at(path: Path) -> FileKind:
    """What a file may be, looked at by itself."""
    name, ending = path.name.lower(), path.suffix.lower()
    try:
        is_dicom = has_dicom_ending(path)
        if ending in IMAGE_ENDINGS or name.endswith(PACKED_ENDINGS) or is_dicom:
            if header_of_pair(path) is not None:  # which is found itself
                return FileKind.PART
            if _THUMBNAIL.search(name) or _THUMBNAIL.search(path.parent.name.lower()):
                return FileKind.THUMBNAIL
            if ending == ".img":  # which many write that have DICOM in it
                is_dicom = is_dicom or sniff(file_head(path)[1]) is Format.DICOM
            return FileKind.DICOM if is_dicom else FileKind.IMAGE
        if name.endswith(ARCHIVE_ENDINGS):
            return FileKind.ARCHIVE
        is_other = ending in OTHER_ENDINGS and ending != ".raw"
        if is_other or name in _OTHER_NAMES or not path.is_file():
            return FileKind.NO_IMAGE
        content = sniff(file_head(path)[1])
    except OSError:
        return FileKind.IMAGE  # reading it will say why
    if not isinstance(content, Format):
        return FileKind.NO_IMAGE
    return FileKind.DICOM if content is Format.DICOM else FileKind.IMAGE


def may_be_image(path: Path) -> bool:
    """By the ending where it is a known one, which costs nothing; by the first bytes elsewhere
    (DICOM files often have no ending).
    """
    return look_at(path) in (FileKind.IMAGE, FileKind.DICOM)
