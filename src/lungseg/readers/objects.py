"""Images that are at hand in Python: arrays, and what other libraries hold, told by what it can do.
None of these libraries is imported.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnsupportedError, UsageError
from lungseg.geometry import SpacingPlane, to_ras
from lungseg.modality import Modality
from lungseg.provenance import Format
from lungseg.readers.flat import is_flat
from lungseg.readers.limits import chosen_frame
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.readers.stated_spacing import CONTRADICTORY, disagreement
from lungseg.segmentation import Array

_CHANNELS: Final = (3, 4)
_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.001}
"""What nibabel calls units of space that are not millimetres."""


@runtime_checkable
class Tensor(Protocol):
    """Such as of PyTorch."""

    def detach(self) -> Any:
        """Without its gradient."""

    def cpu(self) -> Any:
        """In the memory of the processor."""


@runtime_checkable
class NibabelImage(Protocol):
    """An image of nibabel that has an affine."""

    @property
    def dataobj(self) -> Any:
        """(column, row, slice), and perhaps a frame."""

    @property
    def affine(self) -> Any:
        """From there to RAS."""


@runtime_checkable
class SimpleItkImage(Protocol):
    """An image of SimpleITK."""

    def GetDirection(self) -> Any:  # noqa: N802 (its name)
        """Of each axis, in LPS."""

    def GetSpacing(self) -> Any:  # noqa: N802
        """Millimetres along each axis."""

    def GetOrigin(self) -> Any:  # noqa: N802
        """Of the first pixel, in LPS."""


@runtime_checkable
class PillowImage(Protocol):
    """An image of Pillow."""

    def getbands(self) -> Any:
        """Names of its channels."""

    def convert(self, mode: str) -> Any:
        """The same in another mode."""


@runtime_checkable
class DicomDataset(Protocol):
    """A data set of pydicom."""

    def group_dataset(self, group: int) -> Any:
        """The elements of one group."""

    def to_json_dict(self) -> Any:
        """All elements."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayInput:
    """Pixels or voxels that are at hand.

    Attributes:
        array: (rows, columns), (rows, columns, 3 or 4) in colours, or (slices, rows, columns).
        source: what it is called in messages and records.
        format: what held it.
        affine: (4, 4) from (slice, row, column) to LPS millimetres; None where not known.
        spacing: millimetres between rows and columns of a picture.
        spacing_plane: where that was measured.
        hounsfield: whether voxels are Hounsfield units; None where their numbers are to tell.
        doubts: see `lungseg.volume.Volume`.
        notes: what had to be assumed.
    """

    array: Array
    source: str = "array"
    format: Format = Format.ARRAY
    affine: NDArray[np.float64] | None = None
    spacing: tuple[float, float] | None = None
    spacing_plane: SpacingPlane = "patient"
    hounsfield: bool | None = None
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_picture(self) -> bool:
        """Whether it has two axes, or colours as a third, and nothing is known that only CT has."""
        shape = self.array.shape
        return self.is_flat or (
            (len(shape) == 2 or shape[2] in _CHANNELS) and not self._is_described
        )

    @property
    def is_flat(self) -> bool:
        """Whether it is an image of another library of two axes, which have directions in space."""
        known = self.format is not Format.ARRAY and self.affine is not None
        return known and self.hounsfield is None and is_flat(self.array.shape)

    @property
    def modality(self) -> Modality | None:
        """CT of a volume; None of a picture, and of what may be slices as well as channels."""
        if self.is_picture or (self.array.shape[0] in (1, *_CHANNELS) and not self._is_described):
            return None
        return "ct"

    @property
    def _is_described(self) -> bool:
        return self.affine is not None or self.hounsfield is not None


def array_input(
    source: Array | Tensor | NibabelImage | SimpleItkImage | PillowImage, *, frame: int | None
) -> ArrayInput:
    """Pixels or voxels of what another library holds, in the order (slices, rows, columns).

    Args:
        source: what holds them.
        frame: which of several volumes, counted from 1.

    Raises:
        UnsupportedError: several frames and none chosen, colours in a volume, more than four axes.
        InputError: there is no such frame.
        UsageError: a frame was asked for of an array, a tensor or an image of Pillow, which has the
            one that it was last sought to; or it has no axes.
    """
    if isinstance(source, NibabelImage):
        return _from_nibabel(source, frame)
    if isinstance(source, SimpleItkImage):
        return _from_simpleitk(source, frame)
    if frame is not None:
        raise UsageError("an array has no frames", cure="leave `frame` out")
    if isinstance(source, PillowImage):
        return _from_pillow(source)
    # Of a subclass, such as a masked array, the values as they are stored.
    array = np.asarray(source) if isinstance(source, np.ndarray) else _from_tensor(source)
    if array.ndim not in (2, 3):
        raise UsageError(
            "an array is (rows, columns), (rows, columns, 3 or 4) or (slices, rows, columns), this "
            f"one has shape {array.shape}",
            cure="give one image at a time",
        )
    return ArrayInput(array)


def _from_tensor(tensor: Tensor) -> Array:
    held = tensor.detach().cpu()
    try:
        # NumPy has no bfloat16.
        return np.asarray(held.float() if "bfloat16" in str(held.dtype) else held)
    except (TypeError, RuntimeError) as error:
        raise UnsupportedError(
            "the tensor cannot become an array", where="array", cure="give a dense one of numbers"
        ) from error


def _from_pillow(image: Any) -> ArrayInput:
    """Its pixels as they lie, whatever an orientation tag asks; what is no plain grey, such as a
    palette, in colours.
    """
    plain = image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
    pixels = np.asarray(image if plain else image.convert("RGBA"))
    return ArrayInput(pixels, Format.PILLOW.value, Format.PILLOW)


def _from_nibabel(image: Any, frame: int | None) -> ArrayInput:
    source = _file_of(image) or Format.NIBABEL.value
    data, sizes = image.dataobj, list(image.shape)
    while len(sizes) > 4 and sizes[-1] == 1:
        data, sizes = data[..., 0], sizes[:-1]
    if not 2 <= len(sizes) <= 4:
        raise UnsupportedError(
            f"it has {len(sizes)} axes, and a volume has 3", where=source, cure="give one volume"
        )
    index = chosen_frame(frame, sizes[3] if len(sizes) == 4 else 1, source=source)
    voxels = np.asarray(data[..., index] if len(sizes) == 4 else data)
    if voxels.dtype.fields is not None:
        raise UnsupportedError(
            "its voxels are colours", where=source, cure="give one number for each voxel"
        )
    affine: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    if image.affine is not None:
        affine = np.array(image.affine, np.float64)
        affine[:3] *= _MILLIMETRES.get(_unit_of(image), 1.0)
        affine = to_ras(affine)
        if _states_no_orientation(image):
            notes = (NO_ORIENTATION,)
        differs = disagreement(_stated_spacing(image), affine)
        notes, doubts = (*notes, *differs), (CONTRADICTORY,) if differs else ()
    voxels = voxels.reshape(*voxels.shape, *[1] * (3 - voxels.ndim)).transpose(2, 1, 0)
    return ArrayInput(voxels, source, Format.NIBABEL, affine, doubts=doubts, notes=notes)


def _file_of(image: Any) -> str:
    name = image.get_filename() if hasattr(image, "get_filename") else None
    return str(name or "")


def _unit_of(image: Any) -> str:
    return str(image.header.get_xyzt_units()[0]) if hasattr(image.header, "get_xyzt_units") else ""


def _stated_spacing(image: Any) -> NDArray[np.float64]:
    """Millimetres between slices, rows and columns in the header; NaN where it has none."""
    zooms = image.header.get_zooms()[:3] if hasattr(image.header, "get_zooms") else ()
    if len(zooms) != 3:
        return np.full(3, np.nan)
    return np.array(zooms[::-1], np.float64) * _MILLIMETRES.get(_unit_of(image), 1.0)


def _states_no_orientation(image: Any) -> bool:
    """Whether neither sform nor qform of a NIfTI image is stated."""
    forms = ("get_sform", "get_qform")
    return all(
        hasattr(image.header, form) and not getattr(image.header, form)(coded=True)[1]
        for form in forms
    )


def _from_simpleitk(image: Any, frame: int | None) -> ArrayInput:
    source = Format.SIMPLEITK.value
    library = sys.modules[type(image).__module__.partition(".")[0]]
    view, axes = library.GetArrayViewFromImage(image), int(image.GetDimension())
    directions = np.reshape(image.GetDirection(), (axes, axes))
    spacing, origin = np.array(image.GetSpacing()), np.array(image.GetOrigin())
    if axes == 4:
        view = view[chosen_frame(frame, view.shape[0], source=source)]
    elif frame is not None:
        chosen_frame(frame, 1, source=source)
    if view.ndim > (3 if axes == 2 else min(axes, 3)):
        raise UnsupportedError(
            "its voxels are colours or vectors", where=source, cure="give one number for each voxel"
        )
    if axes == 2 and view.ndim == 3:  # colours, which hang as they are stored
        spaced = None if (spacing == 1).all() else (float(spacing[1]), float(spacing[0]))
        return ArrayInput(np.array(view), source, Format.SIMPLEITK, None, spaced, "detector")
    whole, steps, place = np.eye(3), np.ones(3), np.zeros(3)
    whole[:axes, :axes], steps[:axes], place[:axes] = directions[:3, :3], spacing[:3], origin[:3]
    array = np.array(view if axes > 2 else view[np.newaxis])
    affine = np.eye(4)
    affine[:3, :3] = (whole * steps)[:, ::-1]
    affine[:3, 3] = place
    return ArrayInput(array, source, Format.SIMPLEITK, affine)
