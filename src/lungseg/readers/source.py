"""The one way in: whatever holds an image becomes an `Image` or a `Volume`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

import numpy as np

from lungseg.errors import UsageError
from lungseg.image import Image
from lungseg.modality import Modality
from lungseg.readers.image import read_image
from lungseg.readers.probe import Probe, probe
from lungseg.readers.volume import read_volume, slice_of
from lungseg.segmentation import Array
from lungseg.volume import Volume

Source = str | Path | bytes | Array | Probe


@overload
def read(
    source: Source,
    *,
    modality: Literal["radiograph"],
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
) -> Image: ...
@overload
def read(
    source: Source,
    *,
    modality: Literal["ct"],
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
) -> Volume: ...
@overload
def read(
    source: Source,
    *,
    modality: Modality | None = None,
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
) -> Image | Volume: ...
def read(
    source: Source,
    *,
    modality: Modality | None = None,
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
) -> Image | Volume:
    """Read one radiograph or CT.

    Args:
        source: a file, a folder with a DICOM series, the bytes of a file, or an array.
        modality: what it is taken for; None for what its format or header says. A picture, which
            says nothing, is then an `Image`.
        spacing: millimetres between rows and between columns, in the patient; replaces what the
            file says.
        frame: which of several, counted from 1.
        series: which series of a folder with several: number, UID or description.
        skip_damaged: leave out slices of a series that cannot be decoded.

    Raises:
        InputError: it cannot be used; its subclasses say why.
        UsageError: a setting has no meaning.
    """
    probed = source if isinstance(source, np.ndarray | Probe) else probe(source)
    stated = None if isinstance(probed, np.ndarray) else probed.modality
    if (modality or stated) != "ct":
        return read_image(probed, spacing=spacing, frame=frame)
    if isinstance(probed, np.ndarray) or probed.is_picture:
        return slice_of(read_image(probed, spacing=spacing, frame=frame))
    if spacing is not None:
        raise UsageError("a volume has its own spacing", where=probed.source, cure="leave it out")
    return read_volume(probed, series=series, frame=frame, skip_damaged=skip_damaged)
