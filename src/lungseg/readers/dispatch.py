"""The one way in: whatever holds an image becomes an `Image` or a `Volume`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np

from lungseg.errors import UsageError
from lungseg.image import Image
from lungseg.modality import Modality
from lungseg.options import check_spacing
from lungseg.provenance import Format
from lungseg.readers.arrays import as_picture, image_of_array, volume_of_array
from lungseg.readers.image import read_dicom_image, read_image
from lungseg.readers.limits import plausible_affine, refuse_implausible_spacing
from lungseg.readers.objects import ArrayInput
from lungseg.readers.probe import Probe
from lungseg.readers.series import read_series
from lungseg.readers.source import DicomInput, OpenedSource, Source, open_source
from lungseg.readers.stated_spacing import CONTRADICTORY, LOST, LOST_NOTE
from lungseg.readers.volume import read_dicom_slices, read_volume, slice_of
from lungseg.volume import Volume


class ReadSettings(TypedDict, total=False):
    """What `read` takes beside source and modality; explained there."""

    frame: int | None
    series: str | None
    spacing: tuple[float, ...] | None
    affine: Any
    hounsfield: bool | None
    skip_damaged: bool


@overload
def read(
    source: Source | OpenedSource,
    *,
    modality: Literal["radiograph"],
    **settings: Unpack[ReadSettings],
) -> Image: ...
@overload
def read(
    source: Source | OpenedSource, *, modality: Literal["ct"], **settings: Unpack[ReadSettings]
) -> Volume: ...
@overload
def read(
    source: Source | OpenedSource,
    *,
    modality: Modality | None = None,
    **settings: Unpack[ReadSettings],
) -> Image | Volume: ...
def read(
    source: Source | OpenedSource,
    *,
    modality: Modality | None = None,
    frame: int | None = None,
    series: str | None = None,
    spacing: tuple[float, ...] | None = None,
    affine: Any = None,
    hounsfield: bool | None = None,
    skip_damaged: bool = False,
) -> Image | Volume:
    """Read one radiograph or CT.

    Args:
        source: a file; a folder with a DICOM series; the bytes of a file, or a binary stream of
            them; an array, (rows, columns), (rows, columns, 3 or 4) in colours, or (slices, rows,
            columns), or a tensor of such axes; an image of Pillow, nibabel or SimpleITK; a data
            set of pydicom; a list of DICOM files, their bytes, or data sets, which are slices of
            CT. An `Image` and a `Volume` are passed on.
        modality: what it is taken for; None for what its format, header or axes say. A picture says
            nothing, and is then an `Image`.
        frame: which page of a TIFF file, frame of a DICOM file or volume of four axes, counted from
            1; must be given where there are several.
        series: which series of several: its number in the list that the error gives, its UID, its
            description, or what else that list says, such as "kernel B70f".
        spacing: millimetres between rows and between columns, in the patient, of a radiograph or a
            slice in a picture; between slices, rows and columns of a volume. It replaces what the
            source says.
        affine: (4, 4), from (slice, row, column) of an array to LPS millimetres.
        hounsfield: whether an array has Hounsfield units; None where its values are to tell.
        skip_damaged: leave out slices of a series that cannot be decoded; their names are in the
            notes.

    Raises:
        UnreadableError: it is missing, empty, truncated, damaged, or may not be opened.
        UnsupportedError: it is of a kind that is not read, has several frames or series and none
            was chosen, or is a colour picture.
        TooLargeError: it states too many pixels or voxels.
        InputError: the pixels are no image: too few, all equal, or not finite.
        UsageError: the type is not accepted, or a setting has no meaning for it.
    """
    opened = open_source(
        source, modality=modality, affine=affine, hounsfield=hounsfield, frame=frame
    )
    numbers = None if spacing is None else check_spacing(spacing)
    settings = _Settings(frame, series, numbers, skip_damaged)
    if isinstance(opened, Image | Volume):
        return _read_before(opened, modality, settings)
    if isinstance(opened, ArrayInput):
        return _of_array(opened, modality, numbers)
    return _of_file(opened, modality, settings)


def _of_slice(spacing: tuple[float, ...] | None, affine: Any) -> tuple[float, ...] | None:
    """The spacing of a single slice, of which that of its rows and columns was given."""
    if spacing is None or len(spacing) != 2:
        return spacing
    return (1.0 if affine is None else float(np.linalg.norm(affine[:3, 0])), *spacing)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Of `read`, for what is not in memory yet."""

    frame: int | None
    series: str | None
    spacing: tuple[float, ...] | None
    skip_damaged: bool


def _of_file(
    opened: Probe | DicomInput, modality: Modality | None, settings: _Settings
) -> Image | Volume:
    spacing = settings.spacing
    is_flat = isinstance(opened, Probe) and opened.is_flat
    if (modality or opened.modality) == "ct" and (is_flat or not opened.is_picture):
        volume = _volume(opened, settings)
        if is_flat:
            spacing = _of_slice(spacing, volume.geometry.affine)
        return _plausible(respaced(volume, spacing))
    if settings.series is not None:
        raise UsageError(
            "a series was asked for, and only CT in DICOM has them",
            where=opened.source,
            cure="leave `series` out",
        )
    of_slice = modality == "ct" and spacing is not None and len(spacing) == 3
    image = _image(opened, _pair(None if of_slice else spacing, opened.source), settings.frame)
    if modality != "ct":
        return image
    return respaced(slice_of(image), spacing if of_slice else None)


def _read_before(
    opened: Image | Volume, modality: Modality | None, settings: _Settings
) -> Image | Volume:
    for name in ("frame", "series", "spacing"):
        if getattr(settings, name) is not None:
            raise UsageError(
                f"`{name}` was given for what was read before",
                where=opened.source,
                cure=f"leave `{name}` out, or give the file",
            )
    if isinstance(opened, Image):
        return slice_of(opened) if modality == "ct" else opened
    if modality == "radiograph":
        raise UsageError(
            "it is a volume, and is to be taken for a radiograph",
            where=opened.source,
            cure="set `modality` to ct",
        )
    return opened


def _of_array(
    found: ArrayInput, modality: Modality | None, spacing: tuple[float, ...] | None
) -> Image | Volume:
    if found.format is Format.ARRAY and found.affine is not None and spacing is not None:
        raise UsageError("`affine` and `spacing` were both given", cure="leave one out")
    if modality == "radiograph" or (modality is None and found.is_flat):
        return image_of_array(as_picture(found), spacing=_pair(spacing, found.source))
    has_three = spacing is not None and len(spacing) == 3
    if found.is_flat:
        return _plausible(respaced(volume_of_array(found), _of_slice(spacing, found.affine)))
    if found.is_picture and not has_three:
        image = image_of_array(found, spacing=_pair(spacing, found.source))
        return slice_of(image) if modality == "ct" else image
    if (modality or found.modality) is None and not has_three:
        raise UsageError(
            f"an array of shape {found.array.shape} may be slices, or a picture with its channels "
            "first",
            cure="set `modality`, and give colours as (rows, columns, 3)",
        )
    return _plausible(volume_of_array(found, spacing=_triple(spacing, found.source)))


def _volume(opened: Probe | DicomInput, settings: _Settings) -> Volume:
    series, frame, skip_damaged = settings.series, settings.frame, settings.skip_damaged
    if isinstance(opened, Probe):
        return read_volume(opened, series=series, frame=frame, skip_damaged=skip_damaged)
    if opened.header is not None:
        return read_dicom_slices(
            opened.header, series=series, frame=frame, skip_damaged=skip_damaged
        )
    if frame is not None:
        raise UsageError(
            "several files have no frames", where=opened.source, cure="leave `frame` out"
        )
    return read_series(opened.files, source=opened.source, series=series, skip_damaged=skip_damaged)


def _image(
    opened: Probe | DicomInput, spacing: tuple[float, float] | None, frame: int | None
) -> Image:
    if isinstance(opened, Probe):
        return read_image(opened, spacing=spacing, frame=frame)
    if opened.header is None:
        raise UsageError(
            "several files are slices of CT, and no radiograph",
            where=opened.source,
            cure="give one at a time",
        )
    return read_dicom_image(opened.header.file, spacing=spacing, frame=frame)


def _pair(spacing: tuple[float, ...] | None, source: str) -> tuple[float, float] | None:
    if spacing is None:
        return None
    if len(spacing) != 2:
        raise UsageError(
            "the `spacing` of a picture is two numbers, of rows and columns",
            where=source,
            cure="give two",
        )
    return spacing[0], spacing[1]


def _triple(spacing: tuple[float, ...] | None, source: str) -> tuple[float, float, float] | None:
    if spacing is None:
        return None
    if len(spacing) != 3:
        raise UsageError(
            "the `spacing` of a volume is three numbers, of slices, rows and columns",
            where=source,
            cure="give three",
        )
    return spacing[0], spacing[1], spacing[2]


def respaced(volume: Volume, spacing: tuple[float, ...] | None) -> Volume:
    """The volume with other millimetres between slices, rows and columns than its own; its header
    then says no more where it lies, and what was doubtful of its own is no more.

    Raises:
        UsageError: they are not three, or such as no CT has.
    """
    numbers = _triple(spacing, volume.source)
    if numbers is None:
        return volume
    refuse_implausible_spacing(numbers, volume.array.shape, source=volume.source)
    return replace(
        volume,
        geometry=volume.geometry.with_spacing(numbers),
        doubts=tuple(doubt for doubt in volume.doubts if doubt not in (LOST, CONTRADICTORY)),
        notes=tuple(note for note in volume.notes if note != LOST_NOTE),
        source_header=b"",
    )


def _plausible(volume: Volume) -> Volume:
    """The volume, refused where its scale cannot be, since every size would be wrong with it."""
    grid = volume.geometry
    affine, notes = plausible_affine(grid.affine, grid.shape, source=volume.source)
    if not notes:
        return volume
    return replace(volume, geometry=replace(grid, affine=affine), notes=(*volume.notes, *notes))
