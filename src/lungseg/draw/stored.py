"""Pictures that a run has left, read back for the screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lungseg.draw.picture import Picture
from lungseg.errors import UnreadableError


def read_picture(path: Path) -> Picture:
    """A PNG or JPEG file as (rows, columns, 3) of red, green and blue.

    Raises:
        UnreadableError: it is none.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(path, formats=("PNG", "JPEG")) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise UnreadableError(
            "there is no picture to show",
            where=path,
            cure="give a PNG or JPEG; of a film or a series what `lungseg.read` gives",
        ) from error
