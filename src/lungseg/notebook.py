"""What a notebook shows of images, volumes and results; see `docs/notebooks`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.draw.cell import picture_html, small_png
from lungseg.draw.picture import STYLE, Picture, grey, in_proportion, montage, thumbnail
from lungseg.draw.slider import can_slide, slices_widget, view, widgets
from lungseg.draw.stored import read_picture
from lungseg.draw.volume import overview
from lungseg.errors import InstallationError, UsageError
from lungseg.image import Image
from lungseg.options import OverlayStyle
from lungseg.result import Result
from lungseg.verdict import Verdict
from lungseg.volume import Volume

if TYPE_CHECKING:
    from lungseg.segmentation import Labels

TILE: Final = 256
"""Pixels of the longer side of a result on a sheet of several."""
COLUMNS: Final = 4
"""Results in a row."""


@dataclass(frozen=True, eq=False, repr=False)
class Sheet:
    """What `show` gives: a picture that a notebook shows as the last line of a cell.

    Attributes:
        picture: (rows, columns, 3), red, green, blue.
        about: it in words; nothing says whose image it is.
    """

    picture: Picture
    about: str
    _slices: tuple[Volume, Labels, OverlayStyle, Verdict | None] | None = field(default=None)
    _film: bool = field(default=False)

    def __repr__(self) -> str:
        return f"<Sheet: {self.about}>"

    def _repr_html_(self) -> str:
        return picture_html(self.picture, self.about, film=self._film)

    def _repr_png_(self) -> bytes:
        return small_png(self.picture)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self._slices is None:
            return {}
        return view(slices_widget(*self._slices))


def show(
    shown: Image | Volume | Result[Any] | Iterable[Result[Any]] | str | Path,
    *,
    slider: bool | None = None,
) -> Sheet:
    """A sheet of what is given, for the last line of a notebook's cell.

    Args:
        shown: an image; a volume, of which slices in three planes are shown; a result; several
            results, each with its number and verdict; or the path of a picture that a run, an
            evaluation or `save` has left.
        slider: of a volume, or of a result of one, a slider over its axial slices in place of the
            sheet; None where somebody works in the notebook and ipywidgets is installed.

    Raises:
        InstallationError: there is no ipywidgets for the slider.
        UnreadableError: the file is no picture.
        UsageError: this is nothing that can be shown, or a slider has no slices.
    """
    if isinstance(shown, str | Path):
        return _without_slider(Sheet(read_picture(Path(shown)), "picture"), slider)
    if isinstance(shown, Image):
        picture = in_proportion(grey(shown), shown.geometry.spacing)
        about = f"radiograph, {_size(shown)}"
        return _without_slider(Sheet(picture, about, _film=True), slider)
    if isinstance(shown, Volume):
        labels = np.zeros(shown.array.shape, np.uint8)
        picture = overview(shown, shown.with_labels(labels), marked=False)
        return _of_volume(picture, f"CT, {_size(shown)}", (shown, labels, STYLE, None), slider)
    if isinstance(shown, Result):
        about = f"{shown.about}: {shown.verdict.status}"
        picture = shown.overlay(in_proportion=True)
        if isinstance(shown.image, Volume):
            style = shown.options.overlay_style or STYLE
            slices = shown.image, shown.segmentation.labels, style, shown.verdict
            return _of_volume(picture, about, slices, slider)
        return _without_slider(Sheet(picture, about, _film=True), slider)
    results = list(shown) if isinstance(shown, Iterable) else []
    if not results or not all(isinstance(one, Result) for one in results):
        raise UsageError(
            "there is nothing to show",
            cure="give an image or a volume of `lungseg.read`, a result, or a list of results",
        )
    tiles = [thumbnail(one.overlay(in_proportion=True), TILE) for one in results]
    captions = [f"{i}: {one.verdict.status}" for i, one in enumerate(results, 1)]
    sheet = Sheet(montage(tiles, COLUMNS, captions), f"{len(results)} results")
    return _without_slider(sheet, slider)


def _size(source: Image | Volume) -> str:
    return " x ".join(str(side) for side in source.array.shape)


def _without_slider(sheet: Sheet, slider: bool | None) -> Sheet:  # noqa: FBT001 (of this module)
    if slider:
        raise UsageError("a slider is for the slices of one volume", cure="leave `slider` out")
    return sheet


def _of_volume(
    picture: Picture,
    about: str,
    slices: tuple[Volume, Labels, OverlayStyle, Verdict | None],
    slider: bool | None,  # noqa: FBT001
) -> Sheet:
    if slider is None:
        slider = can_slide(slices[0])
    if slider and widgets() is None:
        raise InstallationError(
            "a slider needs ipywidgets",
            cure='install it with `pip install "lungseg[notebook]"`, or leave `slider` out',
        )
    return Sheet(picture, about, slices if slider else None)
