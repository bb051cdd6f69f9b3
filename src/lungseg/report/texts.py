"""What a report says in words: verdicts, definitions of measurements, what is published of healthy
adults, and how numbers are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lungseg.structures import PLURAL, Structure, partner

NO_DEVICE: Final = (
    "Not a medical device: for research and teaching, not for diagnosis or treatment."
)

VERDICTS: Final = {
    "ok": (
        "OK",
        "Nothing speaks against this mask. That is no promise: a mask can be wrong without "
        "looking so.",
    ),
    "review": ("To be reviewed", "A person should look at this mask before it is used:"),
    "refused": (
        "Refused",
        "This is not what the model is for, or cannot be judged. Whatever mask and numbers there "
        "are mean nothing:",
    ),
    "failed": ("Failed", "It could not be segmented:"),
}
"""Heading and sentence for each verdict; reasons follow."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measurement is.

    Attributes:
        title: its name for a reader.
        text: how it is defined.
        published: by label, what is published of healthy adults, with the number of its source in
            `SOURCES`.
    """

    title: str
    text: str
    published: dict[str, str]


SOURCES: Final = (
    "T. Cheng et al., Normal lung attenuation distribution and lung volume on computed "
    "tomography in a Chinese population, "
    "International Journal of COPD 14:1657-1668, 2019 (564 adults with normal lung function)",
    "Y. Yamada et al., Differences in lung and lobe volumes between supine and standing "
    "positions, Respiration 99:598-605, 2020 "
    "(32 volunteers, supine, deep inspiration)",
    "E. A. Hoffman et al., Variation in the percent of emphysema-like lung in a healthy, "
    "nonsmoking multiethnic sample: the MESA Lung "
    "Study, Annals of the American Thoracic Society 11:898-907, 2014 (854 never-smokers of 54 to "
    "93 years, full inspiration)",
    "J. A. Zach et al., Quantitative CT of the lungs and airways in healthy non-smoking adults, "
    "Investigative Radiology 47:596-602, 2012 "
    "(92 adults, full inspiration)",
    "I. Easthausen et al., Reference values for high attenuation areas on chest CT in a healthy, "
    "never-smoker, multi-ethnic sample: the "
    "MESA study, Respirology 25:855-862, 2020 (696 never-smokers of 54 to 93 years)",
    "B. Hochhegger et al., Emphysema index in a cohort of patients with no recognizable lung "
    "disease: influence of age, Jornal Brasileiro "
    "de Pneumologia 38:494-502, 2012 (32 never-smokers)",
)
"""Numbered from 1."""

CAUTION: Final = (
    "These are values of the people who were studied, not limits of health. Volumes and "
    "densities depend on height, sex, age, how deeply "
    "was breathed in, the scanner, its kernel and the thickness of slices."
)
NONE_PUBLISHED: Final = (
    "For sizes of lungs on a radiograph no normal ranges are given: they depend on height, "
    "breath and the distances of the machine, and "
    "none are established for masks like these."
)

DENSITIES: Final = (
    "Percent of the voxels of each in steps of 10 Hounsfield units; those beyond the ends are in "
    "the first and last step."
)
EMPHYSEMA: Final = "-950: emphysema index"
SLIDER: Final = "Move to uncover what is marked"
NO_CARD: Final = (
    "its card is not at hand, so what it was trained on and where it fails is not shown"
)

INPUT_CHANGED: Final = (
    "The input has changed since it was segmented, so the picture itself is not shown."
)
INPUT_GONE: Final = (
    "The input is not where it was, or cannot be read any more, so the picture itself is not shown."
)
NO_MASK: Final = (
    "No mask that tells right from left and no overlay lie in the folder of results, so none is "
    "shown."
)
REFUSED_SKIPPED: Final = (
    "The input was refused, and no mask was asked for of what is refused, so no mask and no "
    "numbers "
    "are shown."
)
DOUBTED_SCALE: Final = (
    "Sizes in millimetres are in doubt: the height of the lungs speaks against the pixel spacing "
    "that the file states. Give the right one (--spacing, or the field of the page)."
)
NONE_FOUND: Final = "none found"
SINGLE_SLICE: Final = (
    "Published values are of whole lungs, so none stand beside those of a single slice."
)

_SHARED: Final = {
    "confidence": Definition(
        "Confidence",
        "How well the network's own probabilities agree with the mask (soft Dice), from 0 to 1. "
        "An order, not a promise.",
        {},
    ),
    "expected_dice": Definition(
        "Expected Dice",
        "Predicted overlap of this mask with one drawn by a person: 1 is the same mask, 0 none "
        "in common.",
        {},
    ),
    "expected_dice_low": Definition(
        "Expected Dice, low end",
        "Lower end of the interval in which nine in ten masks like this one lie.",
        {},
    ),
    "expected_dice_high": Definition(
        "Expected Dice, high end",
        "Upper end of the interval in which nine in ten masks like this one lie.",
        {},
    ),
}
_DICE_ORDER: Final = tuple(name for name in _SHARED if name != "confidence")

RADIOGRAPH: Final = _SHARED | {
    "area": Definition(
        "Area",
        "Pixels times the area of one: of the projection, and of a lung less what mediastinum and "
        "diaphragm hide.",
        {},
    ),
    "image_fraction": Definition("Fraction of the image", "Pixels / pixels of the image.", {}),
    "height": Definition(
        "Height", "From the uppermost to the lowest row: of lungs, apex to lowest base.", {}
    ),
    "width": Definition(
        "Width", "From the first to the last column; of both lungs, across the chest.", {}
    ),
    "asymmetry": Definition(
        "Asymmetry",
        "(right area - left area) / (right area + left area): 0 where both are equal.",
        {},
    ),
    "cardiothoracic_ratio": Definition(
        "Cardiothoracic ratio",
        "Largest width of the heart by the largest inner width of the chest, lines on the picture, "
        "both of the masks. No diagnosis: it depends on breath, posture and projection.",
        {},
    ),
    "opacity_fraction": Definition(
        "Opacity", "Part of the lung that the network takes for opaque. No diagnosis.", {}
    ),
    **{
        f"opacity_fraction_{third}": Definition(
            f"Opacity, {third} third", f"The same of the {third} third of the lung's height.", {}
        )
        for third in ("upper", "middle", "lower")
    },
}
CT: Final = _SHARED | {
    "volume": Definition(
        "Volume",
        "Voxels times the volume of one.",
        {
            "lungs": "4470 ± 1270 mL (mean ± SD) [1]",
            "right lung": "50.6 to 57.4 % of both [2]",
            "left lung": "42.6 to 49.4 % of both [2]",
        },
    ),
    "area": Definition("Area", "Pixels in this slice times the area of one.", {}),
    "height": Definition("Height", "From the lowest to the highest axial slice.", {}),
    "slice_fraction": Definition(
        "Fraction of slices", "Axial slices that show it / all axial slices.", {}
    ),
    "mass": Definition("Mass", "Sum of (HU + 1000) / 1000 g/mL: tissue, blood and fluid.", {}),
    "mean": Definition(
        "Mean density",
        "Mean of the Hounsfield units.",
        {"lungs": "means -813 HU under 50 years, -846 HU from 50 on [6]"},
    ),
    "std": Definition("Standard deviation", "Standard deviation of the Hounsfield units.", {}),
    "perc15": Definition("Perc15", "15th percentile of the Hounsfield units.", {}),
    "laa950": Definition(
        "LAA-950",
        "Low attenuation area, the emphysema index: voxels below -950 HU.",
        {
            "lungs": (
                "median 1.1 %, middle half 0.5 to 2.5 % [3]; mean 2.0 %, SD 2.7 % [4]; "
                "median 0.19 % [1]"
            )
        },
    ),
    "laa910": Definition("LAA-910", "Low attenuation area with voxels below -910 HU.", {}),
    "haa": Definition(
        "HAA",
        "High attenuation area: voxels from -600 to -250 HU.",
        {"lungs": "median 4.3 %, range 2.7 to 17.8 % [5]"},
    ),
    "asymmetry": Definition(
        "Asymmetry",
        "(right - left) / (right + left) of the numbers of voxels: 0 where both are equal.",
        {"lungs": "1.2 to 14.8 %, from [2]"},
    ),
}


def definitions(modality: str) -> dict[str, Definition]:
    """Of every measurement of a modality, "ct" or "radiograph", by its name."""
    return CT if modality == "ct" else RADIOGRAPH


def published(definition: Definition) -> str:
    """What is published, in one line."""
    return "; ".join(f"{label}: {words}" for label, words in definition.published.items())


def what_is_shown(modality: str, *, one_slice: bool) -> str:
    """The picture in words, as alternative text."""
    if modality != "ct":
        return "The radiograph, as read."
    if one_slice:
        return "The slice, as read."
    return "Axial, coronal and sagittal slices of the CT, as read."


def what_is_marked(sought: Sequence[Structure], found: Sequence[Structure]) -> str:
    """The marked picture in words: what was looked for, and what of it was found."""
    names = in_words([structure.name for structure in found]) if found else NONE_FOUND
    return f"The same with {together(sought)} marked: {names}."


def legend(structure: Structure) -> str:
    """What a colour stands for."""
    return f"{structure.name} (the patient's)" if structure.side else structure.name


def together(structures: Sequence[Structure]) -> str:
    """Structures in few words, such as "the lungs": whole pairs by their plural."""
    names = [
        structure.plural if structure.side and partner(structure) in structures else structure.name
        for structure in structures
    ]
    return f"the {in_words(list(dict.fromkeys(names)))}"


def in_words(names: Sequence[str]) -> str:
    """A list of names in a sentence."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def caption(modality: str, found: Sequence[Structure], *, one_slice: bool) -> str:
    """What must be known to look at the pictures, of which these structures were found."""
    if modality != "ct":
        return "Not for diagnosis: the picture may be shrunk, and its greys are cut to 8 bits."
    sides = (
        "Head or front is up; the patient's right, in sagittal slices the front, is on the left."
    )
    if one_slice:
        return f"The one slice that there is. {sides}"
    over = together(found) if found else "the volume"
    return (
        f"Slices evenly spread over {over}. {sides} The numbers count slices, rows and columns "
        "of the input from 0."
    )


def decimals(value: float | None, digits: int) -> str:
    """A value with so many digits behind the point; a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:z,.{digits}f}".replace(",", "\N{NO-BREAK SPACE}")


def number(value: float | None, unit: str) -> str:
    """A value for a reader: three digits behind the point of what has no unit, else none from 100
    on and one below.
    """
    if unit == "1":
        return decimals(value, 3)
    return decimals(value, 0 if value is not None and abs(value) >= 100 else 1)


def readable(text: str) -> str:
    """A text whose bytes that are no text, as file names may hold them, have become question
    marks.
    """
    return text.encode("utf-8", "replace").decode()


def doubts(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What speaks against the measurements of a record, beside the verdict on its mask."""
    restrictions = {m["restriction"] for m in record["measurements"]}
    return (DOUBTED_SCALE,) if "implausible spacing" in restrictions else ()


def expected(values: dict[tuple[str, str], float | None]) -> str:
    """The predicted quality as a sentence.

    Args:
        values: of the measurements, by name and structure.
    """
    middle, low, high = (values.get((name, PLURAL)) for name in _DICE_ORDER)
    if middle is None:
        return (
            "How good this mask is was not predicted: not every model can tell, and of CT it may "
            "be left out to save time."
        )
    between = (
        ""
        if low is None or high is None
        else f"; nine in ten masks like this one lie between {low:.2f} and {high:.2f}"
    )
    return (
        "Were a person to outline these lungs, the overlap (Dice) with this mask is expected to "
        f"be about {middle:.2f}{between}. "
        "1 would be the same outline; two people reach about 0.97 on radiographs."
    )
