"""The only table of structures: their numbers in label maps, names, colours and codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lungseg.errors import UsageError

Side = Literal["right", "left"]
"""The patient's."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept as DICOM has it (PS3.16).

    Attributes:
        value: the code.
        scheme: "SCT" for SNOMED CT, "DCM" for DICOM's own.
        meaning: for a person.
    """

    value: str
    scheme: Literal["SCT", "DCM"]
    meaning: str


ANATOMICAL: Final = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LUNG: Final = Code("39607008", "SCT", "Lung")
RIGHT: Final = Code("24028007", "SCT", "Right")
LEFT: Final = Code("7771000", "SCT", "Left")


@dataclass(frozen=True, slots=True)
class Structure:
    """What a label map can show.

    Attributes:
        number: the value in label maps; never an index.
        name: lower-case name, as it stands in cards, tables and records.
        colour: red, green, blue, each 0 to 255, for pictures.
        plural: name of the pair that it belongs to, such as "lungs"; empty where it is no half of
            a pair.
        side: of the patient; None where it is no half of a pair.
        category: segmented property category (PS3.16 CID 7150); None of the background.
        type: segmented property type; None of the background.
        laterality: of the type (CID 244); None where it has none.
    """

    number: int
    name: str
    colour: tuple[int, int, int]
    plural: str = ""
    side: Side | None = None
    category: Code | None = None
    type: Code | None = None
    laterality: Code | None = None


BACKGROUND: Final = Structure(0, "background", (0, 0, 0))
RIGHT_LUNG: Final = Structure(
    1, "right lung", (0, 158, 115), "lungs", "right", ANATOMICAL, LUNG, RIGHT
)
LEFT_LUNG: Final = Structure(
    2, "left lung", (86, 180, 233), "lungs", "left", ANATOMICAL, LUNG, LEFT
)
HEART: Final = Structure(
    3,
    "heart",
    (204, 121, 167),
    category=ANATOMICAL,
    type=Code("80891009", "SCT", "Heart"),
)
TRACHEA: Final = Structure(
    4,
    "trachea",
    (240, 228, 66),
    category=ANATOMICAL,
    type=Code("44567001", "SCT", "Trachea"),
)
OPACITY: Final = Structure(
    5,
    "opacity",
    (230, 159, 0),
    category=ABNORMAL,
    type=Code("112121", "DCM", "Infiltrate"),
)

STRUCTURES: Final = (BACKGROUND, RIGHT_LUNG, LEFT_LUNG, HEART, TRACHEA, OPACITY)
"""All there are. Colours are from the Okabe-Ito palette, safe for colour-blind readers (M. Okabe,
K. Ito, "Color Universal Design", 2008). Codes are those of DICOM PS3.16: CID 7150, 7151 and, of
opacity, 6102."""

LUNGS: Final = (RIGHT_LUNG, LEFT_LUNG)
PLURAL: Final = RIGHT_LUNG.plural
"""The name of what belongs to both lungs together."""

AS_ONE: Final = "lungs as one"
"""What names `LUNGS_AS_ONE` where "lungs" names both halves."""

LUNGS_AS_ONE: Final = Structure(
    255,
    "lungs",
    RIGHT_LUNG.colour,
    category=ANATOMICAL,
    type=LUNG,
    laterality=Code("51440002", "SCT", "Right and left"),
)
"""Both lungs of a model, or a mask, that does not tell right from left. Its number is that of a
binary mask, and no label: no label map of several structures has it."""

MEDIASTINUM: Final = "mediastinum"
"""No structure, but a class that training knows and whose probability a model may give: the shadow
of heart and mediastinum, as far as masks of the extent "through-heart" call it lung."""

ANY_LUNG: Final = (*LUNGS, LUNGS_AS_ONE)
"""What is lung in a label map."""

BY_NAME: Final = {structure.name: structure for structure in (*STRUCTURES, LUNGS_AS_ONE)}
BY_NUMBER: Final = {structure.number: structure for structure in STRUCTURES}


def shown_among(names: Iterable[str]) -> tuple[Structure, ...]:
    """The structures of these names, by their numbers; the lungs as one where neither half is."""
    known = set(names)
    found = tuple(s for s in STRUCTURES if s is not BACKGROUND and s.name in known)
    as_one = PLURAL in known and known.isdisjoint(lung.name for lung in LUNGS)
    return (LUNGS_AS_ONE, *found) if as_one else found


def sided(structures: Iterable[Structure]) -> tuple[Structure, ...]:
    """The same with both lungs in place of the lungs as one."""
    return tuple(part for one in structures for part in (LUNGS if one is LUNGS_AS_ONE else (one,)))


def is_finding(structures: Iterable[Structure]) -> bool:
    """Whether all of these are abnormal, and lie on what is anatomical."""
    return all(structure.category is ABNORMAL for structure in structures)


def partner(structure: Structure) -> Structure:
    """What a structure is in a mirror: the other one of its pair, or itself."""
    if structure.side is None:
        return structure
    return next(
        other
        for other in STRUCTURES
        if other.plural == structure.plural and other.side != structure.side
    )


def pairs(structures: Iterable[Structure]) -> dict[str, tuple[Structure, Structure]]:
    """The right and the left structure of each whole pair among these, by its plural."""
    those = list(structures)
    return {
        structure.plural: (structure, partner(structure))
        for structure in those
        if structure.side == "right" and partner(structure) in those
    }


def regions(structures: Iterable[Structure]) -> dict[str, tuple[Structure, ...]]:
    """What is taken together among these: the halves of each whole pair, by its plural, then each
    other structure, by its name.
    """
    those = [structure for structure in structures if structure is not BACKGROUND]
    found: dict[str, tuple[Structure, ...]] = {**pairs(those)}
    halves = {half for pair in found.values() for half in pair}
    return found | {one.name: (one,) for one in those if one not in halves}


def groups(structures: Iterable[Structure]) -> dict[str, tuple[int, ...]]:
    """The labels of each structure by its name, then those of each whole pair by its plural.

    The background is no structure that anything is said of.
    """
    those = [structure for structure in structures if structure is not BACKGROUND]
    found: dict[str, tuple[int, ...]] = {structure.name: (structure.number,) for structure in those}
    for plural, (right, left) in pairs(those).items():
        found[plural] = (right.number, left.number)
    return found


def write_names(structures: Sequence[str]) -> str:
    """Names of structures in one cell of a table, such as "lungs; heart": a whole pair by its
    plural.
    """
    named = pairs(BY_NAME[name] for name in structures)
    whole = {one.name: plural for plural, pair in named.items() for one in pair}
    return "; ".join(dict.fromkeys(whole.get(name, name) for name in structures))


def read_names(cell: str) -> tuple[str, ...]:
    """The names of structures in a cell, separated by semicolons or commas; a plural names both of
    its pair.

    Raises:
        UsageError: one of them is no structure, or there is none.
    """
    of_plural = {plural: [one.name for one in pair] for plural, pair in pairs(STRUCTURES).items()}
    known = [structure.name for structure in STRUCTURES if structure is not BACKGROUND]
    found: list[str] = []
    for name in filter(None, (part.strip() for part in re.split("[;,]", cell))):
        if name not in (*known, *of_plural):
            cure = f"there are {', '.join((*known, *of_plural))}"
            raise UsageError(f"{name!r} is no structure", cure=cure)
        found += of_plural.get(name, [name])
    if not found:
        raise UsageError("no structure is named", cure=f"name some of {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def read_layer(cell: str) -> tuple[str, ...]:
    """The structures of a layer that is to be learnt: as `read_names`, but "lungs as one" is a
    single structure, for masks that do not tell right from left.

    Raises:
        UsageError: as `read_names`.
    """
    parts = [part.strip() for part in re.split("[;,]", cell)]
    rest = ",".join(part for part in parts if part != AS_ONE)
    as_one = (LUNGS_AS_ONE.name,) if AS_ONE in parts else ()
    return (*as_one, *(read_names(rest) if rest or not as_one else ()))
