"""One radiograph or picture, or a mask, from a file or an array; every failure becomes one
sentence.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from lungseg.errors import (
    LungsegError,
    TooLargeError,
    UnreadableError,
    UnsupportedError,
)
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.provenance import Format
from lungseg.readers.arrays import as_picture, image_of_array
from lungseg.readers.decoded import DecodedImage
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.files import read_data
from lungseg.readers.jsrt import read_jsrt
from lungseg.readers.limits import (
    MAX_FILE_BYTES,
    plausible_pixel_spacing,
    refuse_implausible_spacing,
)
from lungseg.readers.mask_pixels import MaskPixels, as_one_mask, is_lossy, mask_pixels
from lungseg.readers.objects import array_input
from lungseg.readers.probe import Probe, identify
from lungseg.readers.refusals import refuse_other_content
from lungseg.readers.signatures import OtherContent
from lungseg.segmentation import Array

_log = logging.getLogger(__name__)


def read_image(
    source: str | Path | bytes | Array | Probe,
    *,
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
) -> Image:
    """Read one radiograph from a file, its bytes or an array.

    Args:
        source: a PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF, HEIC or DICOM file, told by its bytes, a
            NIfTI, NRRD or MetaImage file of two axes, or a raw JSRT film; or an array, (rows,
            columns) of any real numbers, or (rows, columns, 3 or 4) of red, green, blue and opacity
            as uint8 or uint16. The array is copied.
        spacing: millimetres between rows and between columns, in the patient; replaces what the
            file says. The resolution that PNG, JPEG and TIFF files state is meant for printing, and
            is not used.
        frame: which page of a TIFF file or frame of a DICOM file, counted from 1; must be given
            where there are several.

    Returns:
        The image as it is meant to be displayed: turned as EXIF says, or the directions of its axes
        (see `lungseg.readers.flat.as_hung`), with DICOM's grey-level transformations
        applied.

    Raises:
        UnreadableError: the file is missing, empty, truncated, damaged, or may not be opened.
        UnsupportedError: the file is of another kind, has several frames, is a colour picture, or
            is not a radiograph.
        TooLargeError: the file or the image that its header states is too large.
        InputError: the pixels are no image: too few, all equal, or not finite.
        UsageError: the spacing is not two positive numbers, or such as no radiograph has, or a
            frame of an array was asked for.
    """
    if isinstance(source, np.ndarray):
        found = as_picture(array_input(source, frame=frame))
        return image_of_array(found, spacing=spacing)
    probed = identify(source)
    decoded, digest = _decoded(probed, frame=frame)
    return _image(decoded, probed.source, digest, spacing=spacing)


def read_dicom_image(
    file: DicomFile, *, spacing: tuple[float, float] | None = None, frame: int | None = None
) -> Image:
    """Read one radiograph from a DICOM object; as `read_image` does from a file."""
    with _in_words(Format.DICOM, file.name):
        from lungseg.readers.dicom import read_dicom

        decoded, content = read_dicom(file, frame=frame)
    return _image(decoded, file.name, hashlib.sha256(content).hexdigest(), spacing=spacing)


def _image(
    decoded: DecodedImage, source: str, digest: str, *, spacing: tuple[float, float] | None
) -> Image:
    rows, columns = shape = decoded.array.shape
    stated, notes = plausible_pixel_spacing(decoded.spacing, (rows, columns))
    geometry = ImageGeometry((rows, columns), stated, decoded.spacing_plane)
    if spacing is not None:
        geometry, notes = ImageGeometry((rows, columns), spacing), ()
        refuse_implausible_spacing(spacing, shape, source=source)
    provenance = replace(decoded.provenance, source=source, sha256=digest)
    return Image(decoded.array, geometry, provenance, (*decoded.notes, *notes))


def read_mask(path: Path) -> Array:
    """The pixels of a file that holds a mask: (rows, columns), uint8, uint16 or float32. They may
    all be equal, as those of an image may not. Of a mask that `lungseg segment` wrote they are the
    labels.

    Raises:
        InputError: as `read_image` does for files.
    """
    return as_one_mask(read_mask_pixels(path))


def read_mask_pixels(path: Path) -> MaskPixels:
    """The pixels of a file that holds a mask, and what kind they are of: those of a palette with
    colours are its indices, and flat colours are kept apart.

    Raises:
        InputError: as `read_image` does for files.
    """
    probed = identify(path)
    if probed.is_flat:
        return MaskPixels(_read_flat(probed, frame=None)[0].array, "greys")
    content = _load(probed)
    labels = _label_map(probed, content)
    if labels is not None:
        return MaskPixels(labels, "structures")
    if isinstance(probed.format, Format) and probed.format.is_picture:
        with _in_words(probed.format, probed.source):
            from lungseg.readers.raster import check_raster

            check_raster(content, probed.format, source=probed.source)
            pixels = mask_pixels(content, probed.format, source=probed.source)
        if pixels is not None:
            return pixels
    grey = _decode(probed, content, frame=None).array
    return MaskPixels(grey, "greys", lossy=is_lossy(content, Format(probed.format)))


def read_label_map(path: Path) -> Array | None:
    """The labels, (rows, columns), uint8, in a PNG as `lungseg segment` writes its masks; None of
    any other file that can be read.

    Raises:
        InputError: as `read_image` does for files.
    """
    probed = identify(path)
    return None if probed.is_flat else _label_map(probed, _load(probed))


def _load(probed: Probe) -> bytes:
    """All bytes, which are read only where they can hold an image."""
    if probed.size > MAX_FILE_BYTES:
        raise TooLargeError(
            f"the file has {probed.size / 1024**3:.1f} GB, more than an image has",
            where=probed.source,
            cure="export it again",
        )
    _refuse_what_is_no_image(probed.format, probed.source)
    return read_data(probed.data)


def _refuse_what_is_no_image(content: Format | OtherContent, name: str) -> None:
    """Refuses, by its name, what is no single image.

    Raises:
        UnreadableError: the file is empty, or a folder.
        UnsupportedError: it is of another kind.
    """
    refuse_other_content(content, name)
    if isinstance(content, Format) and content.is_volume:
        raise UnsupportedError(
            f"a {content.value} file may hold a volume, but no radiograph",
            where=name,
            cure="set `modality` to ct",
        )


def _label_map(probed: Probe, content: bytes) -> Array | None:
    if probed.format is not Format.PNG:
        return None
    from lungseg.readers.raster import read_label_png

    with _in_words(probed.format, probed.source):
        return read_label_png(content, source=probed.source)


def _decoded(probed: Probe, *, frame: int | None) -> tuple[DecodedImage, str]:
    """The pixels, and the check sum of the file."""
    if probed.is_flat:
        return _read_flat(probed, frame=frame)
    content = _load(probed)
    decoded = _decode(probed, content, frame=frame)
    return decoded, hashlib.sha256(content).hexdigest()


def _read_flat(probed: Probe, *, frame: int | None) -> tuple[DecodedImage, str]:
    from lungseg.readers.volume_file import read_flat

    with _in_words(Format(probed.format), probed.source):
        return read_flat(probed, frame=frame)


def _decode(probed: Probe, content: bytes, *, frame: int | None) -> DecodedImage:
    file_format = Format(probed.format)
    with _in_words(file_format, probed.source):
        if file_format is Format.DICOM:
            from lungseg.readers.dicom import read_dicom

            return read_dicom(DicomFile(probed.source, content), frame=frame)[0]
        if file_format is Format.JSRT:
            return read_jsrt(content, source=probed.source)
        from lungseg.readers.raster import read_raster

        return read_raster(content, file_format, source=probed.source, frame=frame)


@contextmanager
def _in_words(file_format: Format, source: str) -> Iterator[None]:
    """Where decoding fails, an error of this package, whatever the decoder throws."""
    try:
        yield
    except LungsegError:
        raise
    except MemoryError as error:
        raise TooLargeError(
            "there is not enough memory to decode it", where=source, cure="use fewer workers"
        ) from error
    except Exception as error:  # the decoder's own words may quote the patient, so they stay out
        _log.debug("%s: %s while decoding", source, type(error).__name__)
        raise UnreadableError(
            f"the {file_format.value} file is damaged and could not be decoded",
            where=source,
            cure="export it again",
        ) from error
