"""Volume files: header and voxels, and where there are but two axes, the picture that is in one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np

from lungseg.errors import LungsegError, UnreadableError
from lungseg.image import Image
from lungseg.provenance import Format, Provenance
from lungseg.readers.decoded import DecodedImage
from lungseg.readers.files import sha256
from lungseg.readers.flat import as_hung
from lungseg.readers.limits import refuse_too_large
from lungseg.readers.metaimage import read_metaimage
from lungseg.readers.nifti import read_nifti
from lungseg.readers.notes import NO_ORIENTATION, UNCALIBRATED
from lungseg.readers.nrrd import read_nrrd
from lungseg.readers.probe import Probe
from lungseg.readers.raw_volume import RawVolume, read_voxels
from lungseg.segmentation import Array

EXCHANGED: Final = (
    "rows and columns exchanged, since it states no orientation and then hangs upright"
)
_log = logging.getLogger(__name__)


def read_volume_file(
    probed: Probe, *, frame: int | None, hounsfield: bool | None = None
) -> tuple[RawVolume, Array, bool, tuple[str, ...]]:
    """What the header says, the voxels, whether they are Hounsfield units, and notes.

    Args:
        probed: a NIfTI, NRRD or MetaImage file.
        frame: which volume of several, counted from 1.
        hounsfield: whether they are Hounsfield units, where that is known.

    Raises:
        InputError: as `lungseg.readers.volume.read_volume`.
    """
    with _in_words(probed):
        raw = _header(probed, frame)
        voxels, is_hounsfield, notes = read_voxels(raw, source=probed.source, hounsfield=hounsfield)
    return raw, voxels, is_hounsfield, notes


def hash_of_file(probed: Probe, *, frame: int | None) -> str:
    """The check sum of a volume, of which no voxel is read; see `hash_of`.

    Raises:
        InputError: as `read_volume_file`, for what the header tells.
    """
    with _in_words(probed):
        raw = _header(probed, frame)
    return hash_of(probed, raw)


def _header(probed: Probe, frame: int | None) -> RawVolume:
    source = probed.source
    if probed.format is Format.NIFTI:
        return read_nifti(
            probed.data, probed.head, source=source, packing=probed.packing, frame=frame
        )
    read_header = read_nrrd if probed.format is Format.NRRD else read_metaimage
    return read_header(probed.data, source=source, frame=frame)


@contextmanager
def _in_words(probed: Probe) -> Iterator[None]:
    """Whatever a damaged header leads to, as an error of this package."""
    try:
        yield
    except (LungsegError, MemoryError):
        raise
    except Exception as error:
        _log.debug("%s: %s while decoding", probed.source, type(error).__name__)
        raise UnreadableError(
            f"the {Format(probed.format).value} file is damaged and could not be read",
            where=probed.source,
            cure="export it again",
        ) from error


def hash_of(probed: Probe, raw: RawVolume) -> str:
    """The check sum of all files that a volume is in, its header first."""
    return sha256(probed.data, *(data for data in raw.data if data is not probed.data))


def read_flat(probed: Probe, *, frame: int | None) -> tuple[DecodedImage, str]:
    """The picture in a volume file of two axes, turned as it is looked at, and the file's check
    sum.

    See `lungseg.readers.flat.as_hung`.

    Raises:
        InputError: as `lungseg.readers.image.read_image`.
    """
    raw, voxels, _, notes = read_volume_file(probed, frame=frame, hounsfield=False)
    rows, columns = (side for side in raw.shape if side != 1)
    refuse_too_large(rows, columns, source=probed.source)
    # Without a form the orientation is that of Analyze, which nobody stated.
    assumed = raw.format is Format.NIFTI and NO_ORIENTATION in raw.notes
    plane, spacing, turned = as_hung(voxels, raw.affine, assumed=assumed)
    notes = (*raw.notes, *notes, *turned, *((UNCALIBRATED,) if spacing else ()))
    image = DecodedImage(
        np.ascontiguousarray(plane), Provenance(format=raw.format), spacing, "detector", notes
    )
    return image, hash_of(probed, raw)


def transposed(image: Image) -> Image | None:
    """A picture of two axes that states no orientation, with rows and columns exchanged; None of
    any other.
    """
    if NO_ORIENTATION not in image.notes:
        return None
    rows, columns = image.array.shape
    spacing = None if image.geometry.spacing is None else image.geometry.spacing[::-1]
    return replace(
        image,
        array=np.ascontiguousarray(image.array.T),
        geometry=replace(image.geometry, shape=(columns, rows), spacing=spacing),
        notes=(*image.notes, EXCHANGED),
    )
