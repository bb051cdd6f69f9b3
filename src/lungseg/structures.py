"""The only table of labels. Right and left are the patient's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Structure:
    """One value of a label map.

    Attributes:
        number: the value in the array.
        name: lower-case name, as it stands in tables and records.
        colour: red, green, blue, each 0 to 255, for pictures.
        snomed: SNOMED CT concept identifier; empty for the background.
    """

    number: int
    name: str
    colour: tuple[int, int, int]
    snomed: str


BACKGROUND: Final = Structure(0, "background", (0, 0, 0), "")
RIGHT_LUNG: Final = Structure(1, "right lung", (0, 158, 115), "3341006")
LEFT_LUNG: Final = Structure(2, "left lung", (86, 180, 233), "44029006")

LABELS: Final = (BACKGROUND, RIGHT_LUNG, LEFT_LUNG)
"""All labels, at the index of their number. Colours are from the Okabe-Ito palette, safe for
colour-blind readers (M. Okabe, K. Ito, "Color Universal Design", 2008)."""

LUNGS: Final = (RIGHT_LUNG, LEFT_LUNG)


MIRRORED_CHANNELS = (0, 2, 1)
"""Background, left lung, right lung: what the channels are in a mirror."""

NUMBERS: Final = {
    **{lung.name: (lung.number,) for lung in LUNGS},
    "lungs": tuple(lung.number for lung in LUNGS),
}
"""Of each lung and of both, by name, the labels."""
