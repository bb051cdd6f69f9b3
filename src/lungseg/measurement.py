"""What can be measured on a segmentation: the only table of quantities, and their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from lungseg.modality import Modality
from lungseg.structures import LUNGS, STRUCTURES, groups

Unit = Literal["mm", "mm2", "mL", "g", "HU", "percent", "1", "pixels", "voxels", "slices"]
"""Pure units; "1" is that of a ratio. "pixels", "voxels" and "slices" stand where the spacing is
not known."""

Restriction = Literal[
    "detector plane",
    "sparse slices",
    "contradictory spacing",
    "slices missing",
    "implausible spacing",
]

RESTRICTIONS: Final[Mapping[Restriction, str]] = {
    "detector plane": (
        "the spacing is that at the detector, where everything is larger than in the patient"
    ),
    "sparse slices": "slices are far apart, so sizes are estimates from samples",
    "contradictory spacing": (
        "two spacings that disagree are stated, so what is in millimetres may be wrong"
    ),
    "slices missing": "slices are missing, so sizes are estimates",
    "implausible spacing": (
        "the height of the lungs speaks against the spacing, so what is in millimetres may be wrong"
    ),
}
"""All that can restrict a value, each in words. Of several that hold, a value has the last of
them."""

PAIRS: Final = tuple(dict.fromkeys(s.plural for s in STRUCTURES if s.plural))
"""Plurals of all pairs."""

OWNERS: Final = (*groups(LUNGS), *groups(s for s in STRUCTURES if s not in LUNGS))
"""Names of all structures and pairs in the order of columns, those of the lungs first."""


def unit_in_words(unit: str, restriction: str | None = None) -> str:
    """A unit for a reader: "mm²" for "mm2", "%" for "percent", nothing for "1"; behind it what
    restricts the value, as in "mm², detector plane".
    """
    words = {"percent": "%", "mm2": "mm²", "1": ""}.get(unit, unit)
    return f"{words}, {restriction}" if restriction else words


@dataclass(frozen=True, slots=True)
class Quantity:
    """What can be measured. Definitions are in `docs/measurements.md`.

    Attributes:
        name: in snake_case; part of the names of columns.
        units: all that can occur, in the order of the columns.
        owners: names of the structures and pairs that have it; the empty name where it is of no
            structure.
    """

    name: str
    units: tuple[Unit, ...]
    owners: tuple[str, ...] = OWNERS


_QUALITY: Final = (
    Quantity("confidence", ("1",)),
    Quantity("asymmetry", ("percent",), PAIRS),
    Quantity("expected_dice", ("1",), PAIRS),
    Quantity("expected_dice_low", ("1",), PAIRS),
    Quantity("expected_dice_high", ("1",), PAIRS),
)

QUANTITIES: Final[Mapping[Modality, tuple[Quantity, ...]]] = {
    "radiograph": (
        Quantity("area", ("mm2", "pixels")),
        Quantity("image_fraction", ("percent",)),
        Quantity("height", ("mm", "pixels")),
        Quantity("width", ("mm", "pixels")),
        *_QUALITY,
        Quantity("cardiothoracic_ratio", ("1",), ("",)),
        Quantity("opacity_fraction", ("percent",), tuple(groups(LUNGS))),
        *(
            Quantity(f"opacity_fraction_{third}", ("percent",), tuple(s.name for s in LUNGS))
            for third in ("upper", "middle", "lower")
        ),
    ),
    "ct": (
        Quantity("volume", ("mL", "voxels")),
        Quantity("height", ("mm", "slices")),
        Quantity("slice_fraction", ("percent",)),
        Quantity("area", ("mm2", "pixels")),
        Quantity("mass", ("g",)),
        Quantity("mean", ("HU",)),
        Quantity("std", ("HU",)),
        Quantity("perc15", ("HU",)),
        Quantity("laa950", ("percent",)),
        Quantity("laa910", ("percent",)),
        Quantity("haa", ("percent",)),
        *_QUALITY,
    ),
}
"""The only table of quantities, of each modality in the order of its measurements and columns."""

NAMES: Final = tuple(
    dict.fromkeys(quantity.name for quantities in QUANTITIES.values() for quantity in quantities)
)
"""Of all quantities."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes:
        name: of a quantity in `QUANTITIES`.
        structure: name of the structure or plural of the pair that was measured, such as "right
            lung" or "lungs"; empty of a quantity of no structure.
        value: the number; NaN where it means nothing, as the density of a lung that was not found.
        unit: of the value.
        restriction: what restricts it; None where nothing does.
        points: the two ends of each line that was measured, each (row, column) in pixels of the
            image; empty otherwise.

    Raises:
        ValueError: there is no such quantity, structure, unit or restriction.
    """

    name: str
    structure: str
    value: float
    unit: Unit
    restriction: Restriction | None = None
    points: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for what, given, known in (
            ("quantity", self.name, NAMES),
            ("structure", self.structure, ("", *OWNERS)),
            ("unit", self.unit, get_args(Unit)),
            ("restriction", self.restriction, (None, *RESTRICTIONS)),
        ):
            if given not in known:
                raise ValueError(f"there is no {what} {given!r}; choose from {_listed(known)}")


class Measurements(Mapping[tuple[str, str], Measurement]):
    """What was measured on one image, by name and structure, in the order of `QUANTITIES`.

    Args:
        measurements: no two of one name and structure.
    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self._found = {(m.name, m.structure): m for m in measurements}

    def __getitem__(self, key: tuple[str, str]) -> Measurement:
        """The measurement of a name and structure.

        Raises:
            KeyError: there is none; it lists those of that name, or the names that there are.
        """
        try:
            return self._found[key]
        except KeyError:
            raise KeyError(self._missing(key)) from None

    def _missing(self, key: object) -> str:
        name, structure = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        structures = [of for of_name, of in self._found if of_name == name]
        if structure is None:
            return f"a measurement is asked for by name and structure, as in ({name!r}, 'lungs')"
        if structures:
            return f"{name} was measured of {_listed(structures)}, not of {structure!r}"
        names = dict.fromkeys(of_name for of_name, _ in self._found)
        return f"{name!r} was not measured on this image; there is {_listed(names) or 'nothing'}"

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __or__(self, others: Measurements) -> Measurements:
        return Measurements((self._found | others._found).values())

    def __repr__(self) -> str:
        return f"<Measurements: {_listed(dict.fromkeys(name for name, _ in self._found))}>"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names if name)


def asymmetry(right: float, left: float) -> float:
    """(right - left) / (right + left) of two sizes, in percent: 0 where they are equal, 100 without
    a left lung, 0 without any.
    """
    return 100.0 * (right - left) / (right + left) if right + left else 0.0
