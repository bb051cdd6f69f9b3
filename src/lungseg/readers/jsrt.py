"""The raw films of the JSRT database: 2048 x 2048 pixels of 12 bits in 16, big-endian, without a
header.

J. Shiraishi et al., Development of a digital image database for chest radiographs with and without
a lung nodule, AJR 174, 71-74, 2000. The films were scanned with 4096 steps of optical density,
0.175 mm a pixel: the higher a value, the blacker the film.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

import numpy as np

from lungseg.errors import UnreadableError
from lungseg.provenance import Format, Provenance
from lungseg.readers.decoded import DecodedImage

SIDE: Final = 2048
HIGHEST: Final = 4095
MILLIMETRES: Final = 0.175


def is_jsrt(path: PurePath, size: int) -> bool:
    """Whether a file of `size` bytes, of which nothing else is known, is a raw film: by its ending,
    .IMG, and its exact size.
    """
    return path.suffix.lower() == ".img" and size == 2 * SIDE * SIDE


def read_jsrt(content: bytes, *, source: str) -> DecodedImage:
    """Decode a raw film; dense tissue becomes bright.

    Raises:
        UnreadableError: there are values of more than 12 bits, so that it is something else.
    """
    values = np.frombuffer(content, ">u2").reshape(SIDE, SIDE)
    if values.max() > HIGHEST:
        raise UnreadableError(
            f"it has the size of a raw JSRT film, but values up to {values.max()}, above {HIGHEST}",
            where=source,
            cure="convert it to PNG",
        )
    pixels = np.uint16(HIGHEST) - values.astype(np.uint16)
    return DecodedImage(
        pixels,
        Provenance(format=Format.JSRT),
        (MILLIMETRES, MILLIMETRES),
        "detector",
        ("a raw JSRT film, optical densities turned into brightness",),
    )
