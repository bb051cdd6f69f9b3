"""Units of length as headers name them."""

from __future__ import annotations

from typing import Final

from lungseg.errors import UnsupportedError

_MILLIMETRES: Final = {
    "": 1.0,
    "?": 1.0,
    "??": 1.0,
    "???": 1.0,
    "none": 1.0,
    "unknown": 1.0,
    "mm": 1.0,
    "millimeter": 1.0,
    "millimetre": 1.0,
    "cm": 10.0,
    "centimeter": 10.0,
    "centimetre": 10.0,
    "m": 1000.0,
    "meter": 1000.0,
    "metre": 1000.0,
    "um": 0.001,
    "\N{MICRO SIGN}m": 0.001,
    "\N{GREEK SMALL LETTER MU}m": 0.001,
    "micron": 0.001,
    "micrometer": 0.001,
    "micrometre": 0.001,
    "nm": 1e-6,
    "in": 25.4,
    "inch": 25.4,
    "inche": 25.4,
}
"""What lengths are multiplied by; where a header says that it does not know, they are taken as
millimetres, as everybody does."""


def scale_of(unit: str, *, source: str) -> float:
    """How many millimetres one of a unit is.

    Args:
        unit: its name or its sign, in any case, singular or plural.
        source: the file, for the sentence.

    Raises:
        UnsupportedError: there is no such unit of length.
    """
    name = unit.strip().lower()
    scale = _MILLIMETRES.get(
        name, _MILLIMETRES.get(name.removesuffix("s")) if name != "s" else None
    )
    if scale is None:
        raise UnsupportedError(
            f"its header measures in {unit.strip()[:40]!r}, which is no length that is known",
            where=source,
            cure="state millimetres in its header",
        )
    return scale
