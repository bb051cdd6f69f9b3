"""The way in for CT: a folder with a series, a volume in a file, a slice as DICOM or as a
picture.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from lungseg.errors import InputError, LungsegError, TooLargeError, UnreadableError, UsageError
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.image import Image
from lungseg.readers.dicom_ct import read_header
from lungseg.readers.find import header_of
from lungseg.readers.hounsfield import is_label_map, padding_notes
from lungseg.readers.image import explained, look, read, read_mask
from lungseg.readers.metaimage import read_metaimage
from lungseg.readers.nifti import read_nifti
from lungseg.readers.nrrd import read_nrrd
from lungseg.readers.probe import HEAD, VOLUMES, sniff
from lungseg.readers.raw_volume import UNSTATED, Inflated, Stored, read_voxels, sha256
from lungseg.readers.series import read_series
from lungseg.segmentation import Array
from lungseg.volume import Volume

_log = logging.getLogger(__name__)
GREYS = frozenset({"a secondary capture", "of modality SC", "of modality OT"})
"""DICOM files that may show a CT slice as a picture."""


def read_volume(
    path: str | Path,
    *,
    series: str | None = None,
    frame: int | None = None,
    skip_damaged: bool = False,
) -> Volume:
    """Read one CT volume or slice.

    Args:
        path: a folder that holds a DICOM series itself; a NIfTI (.nii, .nii.gz, .hdr with .img),
            NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file; a CT slice or enhanced CT in DICOM;
            or a slice as PNG, JPEG, TIFF, BMP or GIF. What a file is, is told by its bytes.
        series: which series of a folder with several: its number in the list that the error gives,
            its UID, or its description.
        frame: which volume of a file with four axes, slice of an enhanced DICOM file, or page of a
            TIFF file, counted from 1.
        skip_damaged: leave out slices of a series that cannot be decoded; their names are in the
            notes.

    Returns:
        The volume, in Hounsfield units where the values are such (see
        `lungseg.readers.hounsfield`); pictures never are.

    Raises:
        UnreadableError: the file is missing, empty, truncated, damaged, or its affine cannot be
            inverted.
        UnsupportedError: it is no CT, holds several series or frames and none was chosen, colours,
            or slices that do not fit together.
        TooLargeError: it states more voxels than `lungseg.readers.raw_volume.LARGEST_VOLUME`;
            nothing was decoded.
        InputError: the voxels are no image: too few, all equal, a map of labels, or not finite.
        UsageError: a series was asked for where there are none.
    """
    path = Path(path)
    try:
        with explained(path):
            folder = path.is_dir()
        if folder:
            if frame is not None:
                raise UsageError("a folder has no frames", where=path, cure="leave the frame out")
            return read_series(path, series=series, skip_damaged=skip_damaged)
        kind, head, packed = kind_of(path)
        if kind == "DICOM":
            return _read_dicom(path, series=series, frame=frame, skip_damaged=skip_damaged)
        if series is not None:
            raise UsageError(
                "a series was asked for, and only DICOM has them",
                where=path,
                cure="leave the series out",
            )
        if kind in VOLUMES:
            return _read_stored(path, kind, head, packed=packed, frame=frame)
        if kind == "unknown" and (header := header_of(path)):
            return read_volume(header, frame=frame)
        return slice_of(read(path, page=frame))
    except MemoryError as error:
        raise TooLargeError(
            "there is not enough memory to read it", where=path, cure="use fewer workers"
        ) from error


def slice_of(image: Image) -> Volume:
    """A CT slice that was read as a picture: a volume of one slice in greys, without Hounsfield
    units.
    """
    spacing = image.geometry.spacing
    affine, notes = None, (*image.notes, UNSTATED)
    if spacing is not None:
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * (1.0, *spacing)
        notes = (*image.notes, "the thickness of the slice is not known and was taken as 1 mm")
    return Volume(
        array=image.array[np.newaxis],
        geometry=VolumeGeometry((1, *image.geometry.shape), affine),
        hounsfield=False,
        source=image.source,
        format=image.format,
        sha256=image.sha256,
        notes=notes,
    )


def kind_of(path: Path) -> tuple[str, bytes, bool]:
    """What a file is, its first bytes, unpacked, and whether it is gzipped.

    Raises:
        UnreadableError: it cannot be opened.
    """
    with explained(path):
        _, head = look(path)
        kind = sniff(head)
        if kind != "gzip":
            return kind, head, False
        with path.open("rb") as file:
            buffer = bytearray(HEAD)
            try:
                count = Inflated(file).readinto(memoryview(buffer))
            except Exception as error:  # zlib's own
                raise UnreadableError(
                    "the gzip file is damaged", where=path, cure="copy or export it again"
                ) from error
    inside = sniff(bytes(buffer[:count]))
    return (inside, bytes(buffer[:count]), True) if inside == "NIfTI" else ("gzip", head, True)


def _read_dicom(path: Path, *, series: str | None, frame: int | None, skip_damaged: bool) -> Volume:
    header = read_header(path)
    if header.other in GREYS:
        return slice_of(read(path, page=frame))
    return read_series(path, series=series, frame=frame, skip_damaged=skip_damaged)


def read_label_volume(path: Path) -> tuple[Array, VolumeGeometry]:
    """The voxels of a file that holds labels, and where they lie: a NIfTI, NRRD or MetaImage
    volume, or one slice as a picture.

    Returns:
        (slices, rows, columns), uint8, uint16 or float32, which may all be equal; and their grid,
        of a picture without an affine.

    Raises:
        InputError: as `read_volume` and `read_mask` do.
    """
    kind, head, packed = kind_of(path)
    if kind not in VOLUMES:
        plane = read_mask(path)[np.newaxis]
        return plane, VolumeGeometry((1, *plane.shape[1:]))
    stored, voxels, _, _ = _decoded(path, kind, head, packed=packed, frame=None)
    return voxels, VolumeGeometry(stored.shape, stored.affine)


def _read_stored(path: Path, kind: str, head: bytes, *, packed: bool, frame: int | None) -> Volume:
    stored, voxels, hounsfield, notes = _decoded(path, kind, head, packed=packed, frame=frame)
    if not hounsfield and is_label_map(voxels):
        raise InputError(
            "it has so few different values that it is a map of labels, no image",
            where=path,
            cure="give the image itself",
        )
    files = [path] if stored.data == path else [path, stored.data]
    return Volume(
        array=voxels,
        geometry=VolumeGeometry(stored.shape, stored.affine),
        hounsfield=hounsfield,
        source=str(path),
        format=stored.format,
        sha256=sha256(*files),
        notes=(*stored.notes, *notes, *(padding_notes(voxels) if hounsfield else ())),
        header=stored.header,
    )


def _decoded(
    path: Path, kind: str, head: bytes, *, packed: bool, frame: int | None
) -> tuple[Stored, Array, bool, tuple[str, ...]]:
    """What the header says, the voxels, whether they are Hounsfield units, and notes."""
    try:
        if kind == "NIfTI":
            stored = read_nifti(path, head, packed=packed, frame=frame)
        else:
            stored = (read_nrrd if kind == "NRRD" else read_metaimage)(path, frame=frame)
        voxels, hounsfield, notes = read_voxels(stored, source=str(path))
    except (LungsegError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged header leads to
        _log.debug("%s: %s while decoding", path, type(error).__name__)
        raise UnreadableError(
            f"the {kind} file is damaged and could not be read", where=path, cure="export it again"
        ) from error
    return stored, voxels, hounsfield, notes
