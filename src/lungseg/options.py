"""Every option that changes a result, declared once: what it means, and for which modality."""

from __future__ import annotations

import hashlib
import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from lungseg.errors import UsageError
from lungseg.modality import LUNG_EXTENTS, MODALITIES, LungExtent, Modality

_NOUNS: Final[dict[Modality, tuple[str, str]]] = {
    "radiograph": ("radiographs", "a radiograph"),
    "ct": ("CT", "CT"),
}
"""Many of a modality, and one."""


ALL: Final = ("all",)
"""In place of names of structures: all that the model predicts."""


MAX_OUTLINE: Final = 999
"""Pixels."""

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How structures are drawn on a picture.

    Attributes:
        opacity: of their tint, 0 (none) to 1.
        outline: pixels across their outlines, 0 for none; None for what suits the picture's size.
        colour: of all of them; None for the colour of each.

    Raises:
        UsageError: a value has no meaning.
    """

    opacity: float = 0.25
    outline: int | None = None
    colour: Colour | None = None

    def __post_init__(self) -> None:
        _settle(self, ("opacity",), float, "a number")
        _settle(self, ("outline",), operator.index, "a whole number")
        if not 0.0 <= self.opacity <= 1.0:
            raise UsageError(f"opacity is between 0 and 1, not {self.opacity}")
        if self.outline is not None and not 0 <= self.outline <= MAX_OUTLINE:
            raise UsageError(f"outline is 0 to {MAX_OUTLINE} pixels, not {self.outline}")
        if self.colour is not None and not (
            len(self.colour) == 3 and all(one in range(256) for one in self.colour)
        ):
            raise UsageError(f"colour is red, green and blue, 0 to 255 each, not {self.colour}")

    @classmethod
    def parse(cls, text: str) -> OverlayStyle:
        """The style that a text states, such as "outline", "tint" or "opacity=0.5, outline=3,
        colour=#ff8800".

        Raises:
            UsageError: it states none.
        """
        values: dict[str, Any] = {}
        for part in text.split(","):
            stated = _STYLE.fullmatch(part.strip().lower())
            if stated is None:
                raise UsageError(
                    f"{part.strip()!r} is no style of an overlay",
                    cure="give outline, tint, or with commas between opacity=0.5, outline=3, "
                    "colour=#ff8800",
                )
            values |= _STATED[str(stated.lastgroup)](stated[str(stated.lastgroup)])
        return cls(**values)

    def __str__(self) -> str:
        outline = "" if self.outline is None else f", outline={self.outline}"
        colour = "" if self.colour is None else f", colour=#{bytes(self.colour).hex()}"
        opacity = f"{self.opacity:.4f}".rstrip("0").rstrip(".")  # without an exponent
        return f"opacity={opacity}{outline}{colour}"


_STYLE: Final = re.compile(
    r"(?P<only_outline>outline)|(?P<only_tint>tint)|opacity=(?P<opacity>\d*\.?\d+)"
    r"|outline=(?P<outline>\d{1,3})|colou?r=(?P<colour>#[0-9a-f]{6})"
)
_STATED: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "only_outline": lambda _: {"opacity": 0.0},
    "only_tint": lambda _: {"outline": 0},
    "opacity": lambda text: {"opacity": float(text)},
    "outline": lambda text: {"outline": int(text)},
    "colour": lambda text: {"colour": tuple(bytes.fromhex(text[1:]))},
}

MIN_PICTURE: Final = 32
MAX_PICTURE: Final = 8192
"""Pixels of a side that a crop or an overlay may be brought to."""


def _settle(owner: Any, names: Iterable[str], kind: Callable[[Any], Any], what: str) -> None:
    """Makes values plain numbers and the like, where other libraries' were given; None stays.

    Raises:
        UsageError: one is of another kind.
    """
    for name in names:
        value = getattr(owner, name)
        if value is not None:
            try:
                object.__setattr__(owner, name, kind(value))
            except (TypeError, ValueError) as error:
                raise UsageError(f"`{name}` is {what}, not {value!r}") from error


def _flag(value: Any) -> bool:
    if value not in (True, False):
        raise ValueError
    return bool(value)


def _series(value: Any) -> str:
    return value if isinstance(value, str) else str(operator.index(value))


def _style(value: Any) -> OverlayStyle:
    if isinstance(value, OverlayStyle):
        return value
    if isinstance(value, str):
        return OverlayStyle.parse(value)
    raise TypeError


def _about(about: str, *modalities: Modality) -> dict[str, Any]:
    return {"about": about, "modalities": modalities or MODALITIES}


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What decides how a result looks; it travels whole, from whoever asks to the record.

    Attributes:
        modality: take every source for this; None for what each looks like.
        model: name of an embedded model, or path of an .onnx file with its card (.json) beside it;
            None for the embedded model of the modality. A model makes every source its modality.
        structures: names of the structures to find, or plurals of pairs, as a sequence or in one
            text with commas; "all" for all that the model predicts, None for those that its card
            names. The lungs are always found where the model knows them.
        frame: which frame, page or volume of a file with several, counted from 1.
        series: which series of a folder with several: its number in the list that the error gives,
            its UID, its description, or what else that list says, such as "kernel B70f".
        spacing: millimetres between rows and between columns, in the patient, of a radiograph or a
            slice in a picture; between slices, rows and columns of a volume. It replaces what the
            file says.
        skip_damaged: leave out slices of a series that cannot be decoded.
        dilate: how far the mask is widened: in millimetres where the spacing is known, else in
            pixels.
        lung_extent: what the lungs of a radiograph follow: "field", what a reader sees as air, or
            "through-heart", with what lies behind heart and mediastinum, before anything is
            widened; for models whose card names it.
        hull: take what lies between the lungs into the mask, before it is widened.
        crop_square: crop to a square around the lungs; where the image ends before, it is black.
        crop_size: bring the square crop to so many pixels a side.
        overlay_style: how structures are drawn on overlays: an `OverlayStyle`, or its text.
        overlay_size: pixels of the longer side of overlays; None for that of the radiograph, of
            1600 for a sheet of CT slices.
        binary: write masks of 0 and 255 (1 in a volume) instead of the numbers of structures.
        skip_quality: leave out the expected Dice.
        skip_refused: write no mask and no other picture of a refused input.

    Raises:
        UsageError: a value has no meaning, or an option has none for the modality.
    """

    modality: Modality | None = field(
        default=None, metadata=_about("Take every input for this, instead of what it looks like.")
    )
    model: str | Path | None = field(
        default=None, metadata=_about("Embedded model, or an .onnx file, for every input.")
    )
    structures: tuple[str, ...] | None = field(
        default=None,
        metadata=_about("Structures to find, with commas between, or all that the model knows."),
    )
    frame: int | None = field(
        default=None, metadata=_about("Frame or page to take from files with several, from 1.")
    )
    series: str | None = field(
        default=None,
        metadata=_about("Series to take from several: number, UID, description, kernel, ...", "ct"),
    )
    spacing: tuple[float, ...] | None = field(
        default=None,
        metadata=_about(
            "Spacing in mm instead of the file's, of rows and columns; of volumes with that of "
            "slices first."
        ),
    )
    skip_damaged: bool = field(
        default=False,
        metadata=_about("Leave out slices of a series that cannot be decoded.", "ct"),
    )
    dilate: float = field(
        default=0.0,
        metadata=_about(
            "Widen a radiograph's mask by so many mm; by pixels if the spacing is unknown.",
            "radiograph",
        ),
    )
    lung_extent: LungExtent = field(
        default="field",
        metadata=_about(
            "What a radiograph's lungs follow: the air that is seen, or also what lies behind the "
            "heart.",
            "radiograph",
        ),
    )
    hull: bool = field(
        default=False,
        metadata=_about(
            "Take what lies between the lungs, the mediastinum, into a radiograph's mask.",
            "radiograph",
        ),
    )
    crop_square: bool = field(
        default=False,
        metadata=_about(
            "Crop radiographs to a square around the lungs, black beyond the image.", "radiograph"
        ),
    )
    crop_size: int | None = field(
        default=None,
        metadata=_about(
            "Crop radiographs to a square of so many pixels a side, all of one size.", "radiograph"
        ),
    )
    overlay_style: OverlayStyle | None = field(
        default=None,
        metadata=_about(
            "How overlays look: outline, tint, or opacity=0.5,outline=3,colour=#ff8800."
        ),
    )
    overlay_size: int | None = field(
        default=None, metadata=_about("Pixels of the longer side of overlays.")
    )
    binary: bool = field(
        default=False,
        metadata=_about("Mask of 0 and 255 (volumes: 1) instead of the structures' numbers."),
    )
    skip_quality: bool = field(
        default=False,
        metadata=_about("Leave out the expected Dice, for which the network sees CT once more."),
    )
    skip_refused: bool = field(
        default=False, metadata=_about("Write no mask and no other picture of refused inputs.")
    )

    def __post_init__(self) -> None:
        if self.modality not in (None, *MODALITIES):
            raise UsageError(
                f"there is no modality called {self.modality!r}",
                cure=f"choose from {', '.join(MODALITIES)}",
            )
        if self.lung_extent not in LUNG_EXTENTS:
            raise UsageError(
                f"lungs cannot follow {self.lung_extent!r}",
                cure=f"choose from {', '.join(LUNG_EXTENTS)}",
            )
        _settle(self, ("frame", "crop_size", "overlay_size"), operator.index, "a whole number")
        _settle(self, ("dilate",), float, "a number")
        _settle(self, _FLAGS, _flag, "True or False")
        _settle(self, ("series",), _series, "a text or a whole number")
        _settle(self, ("overlay_style",), _style, "a style or its text")
        if self.frame is not None and self.frame < 1:
            raise UsageError(f"frames are counted from 1, and `frame` is {self.frame}")
        check_radius(self.dilate)
        for name in ("crop_size", "overlay_size"):
            side = getattr(self, name)
            if side is not None and not MIN_PICTURE <= side <= MAX_PICTURE:
                raise UsageError(f"`{name}` is {MIN_PICTURE} to {MAX_PICTURE} pixels, not {side}")
        _settle(self, ("structures",), _structures, "names of structures")
        if self.spacing is not None:
            object.__setattr__(self, "spacing", check_spacing(self.spacing))
        if self.modality is not None:
            self.check_for(self.modality)

    @property
    def names_a_side(self) -> bool:
        """Whether one half of a pair is asked for without the other."""
        from lungseg.structures import BY_NAME, partner

        asked = [BY_NAME[name] for name in self.structures or () if name != ALL[0]]
        return any(partner(one) not in asked for one in asked)

    def check_for(self, modality: Modality, where: object | None = None) -> None:
        """Refuses options that mean nothing for a modality.

        Args:
            modality: of the input.
            where: the input, for the sentence.

        Raises:
            UsageError: one was given.
        """
        for option in fields(self):
            if getattr(self, option.name) != option.default and not applies(option, modality):
                (meant,) = option.metadata["modalities"]
                raise UsageError(
                    f"`{option.name}` is for {_NOUNS[meant][0]}, and this is {_NOUNS[modality][1]}",
                    where=where,
                    cure=f"leave `{option.name}` out",
                )
        if modality == "radiograph" and self.spacing is not None and len(self.spacing) != 2:
            raise UsageError(
                "the `spacing` of a radiograph is two numbers, of rows and columns",
                where=where,
                cure="give two",
            )

    def record(self) -> dict[str, Any]:
        """All options by name, ready for JSON; of a model in a file, the file's name alone, and of
        a series' description or UID, which may tell of the patient, a check sum.
        """
        entry = {option.name: getattr(self, option.name) for option in fields(self)}
        series = self.series
        if series and not series.isdecimal() and not series.startswith("sha256:"):
            series = f"sha256:{hashlib.sha256(os.fsencode(series)).hexdigest()}"
        return entry | {
            "model": None if self.model is None else Path(self.model).name,
            "structures": None if self.structures is None else list(self.structures),
            "series": series,
            "spacing": None if self.spacing is None else list(self.spacing),
            "overlay_style": None if self.overlay_style is None else str(self.overlay_style),
        }

    @classmethod
    def from_record(cls, entry: Mapping[str, Any]) -> SegmentOptions:
        """The options that `record` gave.

        Raises:
            UsageError: a value has no meaning.
            TypeError: there is no option of a name, or a value is of another type.
        """
        return cls(**entry)


_FLAGS: Final = ("skip_damaged", "hull", "crop_square", "binary", "skip_quality", "skip_refused")


def _structures(given: str | Iterable[str]) -> tuple[str, ...]:
    # Here, because the command line reads the options at every start.
    from lungseg.structures import read_names

    text = given if isinstance(given, str) else ",".join(given)
    return ALL if text == ALL[0] else read_names(text)


def applies(option: Field[Any], modality: Modality) -> bool:
    """Whether a field of `SegmentOptions` means something for a modality."""
    return modality in option.metadata["modalities"]


def check_radius(radius: float) -> None:
    """Whether a mask can be widened by a radius.

    Raises:
        UsageError: it is negative or not finite.
    """
    if not math.isfinite(radius) or radius < 0:
        raise UsageError(f"a mask is widened by a finite radius of at least 0, not by {radius}")


def check_spacing(spacing: tuple[float, ...]) -> tuple[float, ...]:
    """A spacing as numbers.

    Raises:
        UsageError: it is not two or three finite numbers above 0.
    """
    try:
        numbers = tuple(float(number) for number in spacing)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) not in (2, 3) or not all(0 < number < math.inf for number in numbers):
        raise UsageError(
            f"{spacing!r} is no spacing",
            cure="give millimetres between rows and columns, of a volume between slices first",
        )
    return numbers


DEFAULTS: Final = SegmentOptions()
"""Nothing asked for."""
