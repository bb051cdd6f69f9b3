"""The way in for CT: a folder with a series, a volume in a file, a slice as DICOM or as a
picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lungseg.errors import TooLargeError, UsageError
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.image import Image
from lungseg.provenance import Format, Provenance
from lungseg.readers.dicom_ct import CtFile, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_kind import GREYS
from lungseg.readers.hounsfield import padding_notes, refuse_label_map
from lungseg.readers.image import read_dicom_image, read_image, read_mask
from lungseg.readers.notes import NO_SPACING
from lungseg.readers.probe import Probe, identify
from lungseg.readers.series import dicom_files, read_series
from lungseg.readers.signatures import OtherContent
from lungseg.readers.stated_spacing import LOST, LOST_NOTE, is_lost
from lungseg.readers.volume_file import hash_of, read_volume_file
from lungseg.segmentation import Array
from lungseg.volume import Volume


def read_volume(
    source: str | Path | bytes | Probe,
    *,
    series: str | None = None,
    frame: int | None = None,
    skip_damaged: bool = False,
) -> Volume:
    """Read one CT volume or slice.

    Args:
        source: a folder that holds a DICOM series itself; a NIfTI (.nii, plain or packed by gzip,
            bzip2 or Zstandard, or .hdr with .img), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd)
            file; a CT slice or enhanced CT in DICOM; or a slice as a picture; or the bytes of one
            file. What a file is, is told by its bytes.
        series: which series of a folder with several: its number in the list that the error gives,
            its UID, its description, or what else that list says, such as "kernel B70f".
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
        TooLargeError: it states more voxels than `lungseg.readers.raw_volume.MAX_VOLUME_VOXELS`;
            nothing was decoded.
        InputError: the voxels are no image: too few, all equal, a map of labels, or not finite.
        UsageError: a series was asked for where there are none.
    """
    probed = identify(source)
    where = probed.source
    is_folder = probed.format in (OtherContent.FOLDER, Format.DICOM_SERIES)
    if is_folder and frame is not None:
        raise UsageError("a folder has no frames", where=where, cure="leave the frame out")
    if series is not None and not is_folder and probed.format is not Format.DICOM:
        raise UsageError(
            "a series was asked for, and only DICOM has them",
            where=where,
            cure="leave the series out",
        )
    try:
        if is_folder or probed.format is Format.DICOM:
            return _read_dicom(probed, series=series, frame=frame, skip_damaged=skip_damaged)
        if isinstance(probed.format, Format) and probed.format.is_volume:
            return _read_file(probed, frame=frame)
        return slice_of(read_image(probed, frame=frame))
    except MemoryError as error:
        raise TooLargeError(
            "there is not enough memory to read it", where=where, cure="use fewer workers"
        ) from error


def slice_of(image: Image) -> Volume:
    """A CT slice that was read as a picture: a volume of one slice in greys, without Hounsfield
    units.
    """
    spacing = image.geometry.spacing
    affine, notes = None, (*image.notes, NO_SPACING)
    if spacing is not None:
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * (1.0, *spacing)
        notes = (*image.notes, "the thickness of the slice is not known and was taken as 1 mm")
    return Volume(
        array=image.array[np.newaxis],
        geometry=VolumeGeometry((1, *image.geometry.shape), affine),
        hounsfield=False,
        provenance=image.provenance,
        notes=notes,
    )


def _read_dicom(
    probed: Probe, *, series: str | None, frame: int | None, skip_damaged: bool
) -> Volume:
    if probed.format is Format.DICOM:
        header = (
            probed.headers[0]
            if probed.headers
            else read_header(DicomFile(probed.source, probed.data))
        )
        return read_dicom_slices(header, series=series, frame=frame, skip_damaged=skip_damaged)
    return read_series(
        probed.files or dicom_files(Path(probed.source)),
        source=probed.source,
        headers=probed.headers,
        series=series,
        skip_damaged=skip_damaged,
    )


def read_dicom_slices(
    header: CtFile, *, series: str | None, frame: int | None, skip_damaged: bool
) -> Volume:
    """The volume of one DICOM object: a slice, an enhanced image, or a secondary capture of a
    slice.

    Raises:
        InputError: as `read_volume`.
    """
    if header.other in GREYS and not header.slices:
        return slice_of(read_dicom_image(header.file, frame=frame))
    return read_series(
        [header.file],
        source=header.file.name,
        file_format=Format.DICOM,
        headers=[header],
        series=series,
        frame=frame,
        skip_damaged=skip_damaged,
    )


def read_label_volume(path: Path) -> tuple[Array, VolumeGeometry]:
    """The voxels of a file that holds labels, and where they lie: a NIfTI, NRRD or MetaImage
    volume, or one slice as a picture.

    Returns:
        (slices, rows, columns), uint8, uint16 or float32, which may all be equal; and their grid,
        of a picture without an affine.

    Raises:
        InputError: as `read_volume` and `read_mask` do.
    """
    probed = identify(path)
    if not (isinstance(probed.format, Format) and probed.format.is_volume):
        plane = read_mask(path)[np.newaxis]
        return plane, VolumeGeometry((1, *plane.shape[1:]))
    raw, voxels, _, _ = read_volume_file(probed, frame=None)
    return voxels, VolumeGeometry(raw.shape, raw.affine)


def _read_file(probed: Probe, *, frame: int | None) -> Volume:
    raw, voxels, hounsfield, notes = read_volume_file(probed, frame=frame)
    if not hounsfield:
        refuse_label_map(voxels, source=probed.source)
    lost = is_lost(raw.affine)
    return Volume(
        array=voxels,
        geometry=VolumeGeometry(raw.shape, raw.affine, spacing_known=not lost),
        hounsfield=hounsfield,
        provenance=Provenance(probed.source, raw.format, hash_of(probed, raw)),
        doubts=(LOST,) if lost else raw.doubts,
        notes=(
            *raw.notes,
            *((LOST_NOTE,) if lost else ()),
            *notes,
            *(padding_notes(voxels) if hounsfield else ()),
        ),
        source_header=raw.header,
    )
