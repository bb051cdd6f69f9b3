"""A slider over the slices of a volume, in a notebook with ipywidgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.cell_bar import is_watched
from lungseg.draw.cell import small_jpeg
from lungseg.draw.picture import STYLE
from lungseg.draw.volume import slice_picture
from lungseg.options import OverlayStyle
from lungseg.volume import Volume

if TYPE_CHECKING:
    from lungseg.segmentation import Labels

SIDE: Final = 512
"""Pixels of the longer side of a slice."""
VIEW: Final = "application/vnd.jupyter.widget-view+json"
"""What a page with widgets takes before any picture, and a page without them passes over."""


def widgets() -> Any:
    """ipywidgets; None where it is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


def can_slide(volume: Volume) -> bool:
    """Whether there is a slider over this volume where nobody has asked for one: in a notebook that
    somebody works in, with ipywidgets, for more than one slice.
    """
    slices = volume.array.shape[volume.geometry.to_axial().order[0]]
    return slices > 1 and is_watched() and widgets() is not None


def slices_widget(
    volume: Volume,
    labels: Labels,
    style: OverlayStyle = STYLE,
    words: tuple[str, str] = ("", ""),
) -> Any:
    """A slider over axial slices, from the feet to the head, with the slice below it; a widget.

    Args:
        volume: in any order.
        labels: on its grid.
        style: of what is tinted and outlined.
        words: HTML above the slider and below the slice.
    """
    of = widgets()
    axial = volume.geometry.to_axial().apply(labels)
    inside = np.flatnonzero(axial.any(axis=(1, 2)))
    first = int(inside[len(inside) // 2]) if inside.size else len(axial) // 2
    moved = of.IntSlider(value=first, min=0, max=len(axial) - 1, description="slice")
    picture = of.Image(format="jpeg")

    def draw(_: object = None) -> None:
        picture.value = small_jpeg(slice_picture(volume, axial, 0, moved.value, SIDE, style))

    moved.observe(draw, "value")
    draw()
    above, below = ([of.HTML(text)] if text else [] for text in words)
    return of.VBox([*above, moved, picture, *below])


def view(widget: Any) -> dict[str, Any]:
    """A widget as `_repr_mimebundle_` gives it, of any version of ipywidgets, and without its
    values as text.
    """
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
