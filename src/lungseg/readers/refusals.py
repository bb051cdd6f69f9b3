"""What is said of a file that is not read: what it is, and what makes of it something that is."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from lungseg.errors import InputError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers.signatures import OtherContent, sniff

_PICTURES: Final = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WebP", "AVIF")
"""What a picture comes as everywhere."""
_TO_PNG: Final = "convert it to PNG, with 16 bits where it has more than 8"
_ARRAY: Final = (
    "give lungseg.segment the array it holds, or save that as PNG (a film) or with nibabel or "
    "SimpleITK as NIfTI (CT)"
)
_UNPACK: Final = "unpack it, and give what was in it"
_CURES: Final = {
    OtherContent.JPEG_LS: "convert it to PNG",
    OtherContent.VIDEO: "save one picture of it as PNG",
    OtherContent.JPEG_2000: f"{_TO_PNG}: opj_decompress -i FILE.jp2 -o FILE.png, or Pillow",
    OtherContent.JPEG_XL: f"{_TO_PNG}: djxl FILE.jxl FILE.png",
    OtherContent.NETPBM: f"{_TO_PNG}: magick FILE.pgm FILE.png, or Pillow",
    OtherContent.OPENEXR: "convert it to TIFF: magick FILE.exr FILE.tif",
    OtherContent.PHOTOSHOP: f"{_TO_PNG}, flattened",
    OtherContent.FITS: _ARRAY,
    OtherContent.SVG: "it is a drawing; give the picture that it was made from, as PNG",
    OtherContent.PDF: "take the image out of it (pdfimages -png), or ask for the DICOM file",
    OtherContent.OFFICE: "save the image that is in it as PNG, or ask for the DICOM file",
    OtherContent.NUMPY: _ARRAY,
    OtherContent.PICKLE: "opening a pickle can run any program; " + _ARRAY,
    OtherContent.MATLAB: "save its array in MATLAB with imwrite as PNG (a film), or with "
    "niftiwrite as NIfTI (CT)",
    OtherContent.HDF5: "it can hold anything; " + _ARRAY,
    OtherContent.NETCDF: "convert it to NIfTI: mnc2nii FILE.mnc FILE.nii where it is MINC",
    OtherContent.MGH: "convert it to NIfTI: mri_convert FILE.mgz FILE.nii.gz, or nibabel",
    OtherContent.ANALYZE: "convert it to NIfTI with nibabel or FSL, and see to right and left, "
    "which Analyze does not state",
    OtherContent.VTK: "save it from VTK, ParaView or 3D Slicer as NRRD or MetaImage",
    OtherContent.INTERFILE: "convert it to NIfTI or NRRD, for example with 3D Slicer",
    OtherContent.PARQUET: "it is a table; give the images themselves",
    OtherContent.SQLITE: "it is a data base; give the images themselves",
    OtherContent.ZIP: _UNPACK,
    OtherContent.TAR: _UNPACK,
    OtherContent.DICOMDIR: "name the folder that it lies in",
    OtherContent.BZIP2: "unpack it: bunzip2 FILE.bz2",
    OtherContent.ZSTD: "unpack it: zstd -d FILE.zst",
    OtherContent.XZ: "unpack it: unxz FILE.xz",
    OtherContent.SEVEN_ZIP: _UNPACK,
    OtherContent.RAR: _UNPACK,
}
"""What makes of it a file that is read."""
_SENTENCES: Final[dict[OtherContent, tuple[type[InputError], str, str]]] = {
    OtherContent.EMPTY: (UnreadableError, "the file is empty", "copy or export it again"),
    OtherContent.FOLDER: (
        UnreadableError,
        "it is a folder, not a file",
        "name the image file itself",
    ),
    OtherContent.GIT_LFS: (
        UnreadableError,
        "it is a pointer of Git LFS, and the file itself was never fetched",
        "fetch it with git lfs pull",
    ),
    OtherContent.WEB_PAGE: (
        UnreadableError,
        "it is a web page, such as sites show in place of a file to those not logged in",
        "log in there and download the file again",
    ),
    OtherContent.GZIP: (
        UnsupportedError,
        "what the gzip file holds is no image",
        "unpack it, and give the image that is in it",
    ),
}
"""Of what is no file of another format: what is wrong, and the cure."""


def refuse_other_content(content: Format | OtherContent, name: str) -> None:
    """Refuses, by its name, what is not read.

    Raises:
        UnreadableError: the file is empty, a folder, or stands for a file that is not there.
        UnsupportedError: it is of another kind.
    """
    if content is Format.DICOM_SERIES:
        content = OtherContent.FOLDER
    if content in (OtherContent.UNKNOWN, OtherContent.TEXT):
        raise _no_image(name, is_text=content is OtherContent.TEXT)
    if isinstance(content, Format):
        return
    if content in _SENTENCES:
        kind, what, cure = _SENTENCES[content]
        raise kind(what, where=name, cure=cure)
    raise UnsupportedError(f"{content.value} files are not read", where=name, cure=_CURES[content])


def _no_image(name: str, *, is_text: bool) -> UnsupportedError:
    """Of a file that is of no kind which is known, or text."""
    is_heic_read = find_spec("pillow_heif") is not None
    pictures = ", ".join((*_PICTURES, *(["HEIC"] if is_heic_read else [])))
    what = f"the file is no {pictures} or DICOM image, and no NIfTI, NRRD or MetaImage volume"
    cure = "convert it to PNG (a film) or NIfTI (CT)"
    if is_text:
        what = "the file is text, not an image"
        cure = f"give a {pictures}, DICOM, NIfTI, NRRD or MetaImage file"
    return UnsupportedError(what, where=name, cure=cure)


def refuse_what_stands_for_a_file(head: bytes, name: str) -> None:
    """Refuses what a download or a checkout left in place of a file, whatever it is called.

    Args:
        head: the file's first bytes.
        name: of the file, for the sentence.

    Raises:
        UnreadableError: it is a pointer of Git LFS or a web page.
    """
    content = sniff(head)
    if content in (OtherContent.GIT_LFS, OtherContent.WEB_PAGE):
        refuse_other_content(content, name)
