"""A slider over the slices of a volume, in a notebook with ipywidgets."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.cell_bar import is_watched
from lungseg.draw.cell import small_jpeg
from lungseg.draw.picture import STYLE, refused_stamp
from lungseg.draw.volume import slice_picture
from lungseg.options import OverlayStyle
from lungseg.verdict import Verdict
from lungseg.volume import Volume

if TYPE_CHECKING:
    from lungseg.segmentation import Labels

SIDE: Final = 512
"""Pixels of the longer side of a slice."""
VIEW: Final = "application/vnd.jupyter.widget-view+json"
"""What a page with widgets takes before any picture, and a page without them passes over."""
MOVING: Final[deque[Any]] = deque()
"""The sliders that can be moved, the latest last. ipywidgets keeps each, and so its volume, for as
long as the kernel runs."""
MAX_MOVING: Final = 3


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
    verdict: Verdict | None = None,
    words: tuple[str, str] = ("", ""),
) -> Any:
    """A slider over axial slices, from the feet to the head, with the slice below it; a widget. The
    last three can be moved, and earlier ones stay where they are, so that their volumes go.

    Args:
        volume: in any order.
        labels: on its grid.
        style: of what is tinted and outlined.
        verdict: on the mask; where it was refused, slices say so.
        words: HTML above the slider and below the slice.
    """
    of = widgets()
    axial = volume.geometry.to_axial().apply(labels)
    inside = np.flatnonzero(axial.any(axis=(1, 2)))
    first = int(inside[len(inside) // 2]) if inside.size else len(axial) // 2
    moved = of.IntSlider(value=first, min=0, max=len(axial) - 1, description="slice")
    picture = of.Image(format="jpeg")

    def draw(_: object = None) -> None:
        drawn = slice_picture(volume, axial, 0, moved.value, SIDE, style)
        picture.value = small_jpeg(drawn if verdict is None else refused_stamp(drawn, verdict))

    moved.observe(draw, "value")
    draw()
    MOVING.append(moved)
    if len(MOVING) > MAX_MOVING:
        earliest = MOVING.popleft()
        earliest.unobserve_all("value")
        earliest.disabled = True
    above, below = ([of.HTML(text)] if text else [] for text in words)
    return of.VBox([*above, moved, picture, *below])


def view(widget: Any) -> dict[str, Any]:
    """A widget as `_repr_mimebundle_` gives it, of any version of ipywidgets, and without its
    values as text.
    """
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
