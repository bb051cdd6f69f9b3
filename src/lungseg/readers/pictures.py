"""A picture, of which nothing says whether it is a radiograph or a slice of CT."""

from __future__ import annotations

from lungseg.image import Image
from lungseg.readers.dispatch import ReadSettings, read, respaced
from lungseg.readers.frames import without_frame
from lungseg.readers.looks_like_ct import ct_log_odds
from lungseg.readers.objects import ArrayInput
from lungseg.readers.probe import Probe
from lungseg.readers.source import OpenedSource
from lungseg.readers.volume import slice_of
from lungseg.volume import Volume


def is_picture(opened: OpenedSource) -> bool:
    """Whether it holds pixels that may be of either kind."""
    return isinstance(opened, Image) or (not isinstance(opened, Volume) and opened.is_picture)


def read_picture(
    opened: OpenedSource, *, frame: int | None, spacing: tuple[float, ...] | None
) -> tuple[Image, float]:
    """The picture, and the log odds that it is a slice of CT.

    Args:
        opened: a picture.
        frame: as in `read`.
        spacing: as in `read`; that of a volume, which has three numbers, is left to the caller.

    Raises:
        InputError, UsageError: as `read` does.
    """
    pair = None if spacing is None or len(spacing) == 3 else spacing
    image = read(opened, modality="radiograph", frame=frame, spacing=pair)
    return image, ct_log_odds(without_frame(image))


def as_slice(opened: OpenedSource, image: Image, settings: ReadSettings) -> Volume:
    """The picture `image` that was read of it, as a slice of CT.

    Raises:
        InputError, UsageError: as `read` does.
    """
    if isinstance(opened, Probe | ArrayInput) and opened.is_flat:
        return read(opened, modality="ct", **settings)  # which may say more than its picture
    spacing = settings.get("spacing")
    triple = spacing if spacing is not None and len(spacing) == 3 else None
    return respaced(slice_of(image), triple)
