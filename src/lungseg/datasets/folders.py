"""Which files of a folder are images, and which mask belongs to which image: told by their names
alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from lungseg.errors import LungsegError
from lungseg.readers import may_be_image, read_mask
from lungseg.structures import LUNGS, STRUCTURES
from lungseg.writers import stem

VOLUME_ENDINGS: Final = (
    *(".nii", ".nii.gz", ".nii.bz2", ".nii.zst"),
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"),
)
"""Endings of volumes."""

_MASK_END = re.compile(
    r"([ _.-][a-z0-9]*(labelmap|labels?|masks?|msk|segmentations?|seg|lungs?))+$"
)
_MASK_START = re.compile(r"^(mask|label|lm|seg)[ _.-]")
_IMAGE_END = re.compile(r"[ _.-](image|img|ct|cxr|0000)$", re.IGNORECASE)
_IMAGE_START = re.compile(r"^(image|img|ct)[ _.-]")
_SIDE_END = re.compile(r"[ _.-](left|right)([ _.-]?(lung|mask)s?)*$")
_OTHERS = (s.name for s in STRUCTURES[1:] if s not in LUNGS)
_OF_OTHERS = re.compile("|".join((*_OTHERS, "cardi|airway|infect|lesion|nodule|clavicle")))
"""What the end of a mask's name says that is of something else than lungs."""
_SIDE_FOLDER = re.compile(r"(left|right)[ _.-]?(lung|mask)?s?")
_ORIGINS = {"mcucxr": "montgomery", "chncxr": "shenzhen"}
"""How the names of the films of the two NLM sets begin."""


def folders_in(folder: Path) -> dict[str, Path]:
    """The sub-folders by their names in small letters, sorted; hidden ones are left out."""
    return {
        path.name.lower(): path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def images_in(folder: Path) -> list[Path]:
    """The files that may be images by their names, sorted; hidden ones and those in sub-folders are
    left out.
    """
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.is_file() and may_be_image(path)
    ]


def unwrapped(folder: Path) -> Path:
    """`folder`, or the one of the same name within it, where it holds nothing else, as some
    archives have it.
    """
    inner = folder / folder.name
    return unwrapped(inner) if inner.is_dir() and len(list(folder.iterdir())) == 1 else folder


def name_of(image: Path) -> str:
    """The name of an image: that of its file without the ending, of which ".nii.gz" is one."""
    name = stem(image)
    return name[:-4] if name.lower().endswith(".nii") else name


def patient_of(name: str) -> str:
    """Whose image it is: the name up to the "_" that follows the first part with a digit ("p7" of
    "p7_day2", "ID_0036" of "ID_0036_Z_0060"), the whole name where there is none. Films of
    Montgomery and Shenzhen are one of a patient.
    """
    if origin_of(name, ""):
        return name
    parts = name.split("_")
    with_digit = next(
        (i for i, part in enumerate(parts) if any(character.isdigit() for character in part)),
        len(parts),
    )
    return "_".join(parts[: with_digit + 1])


def origin_of(name: str, otherwise: str) -> str:
    """The source of an image: "montgomery" or "shenzhen" where its name says so."""
    return _ORIGINS.get(name.lower().partition("_")[0], otherwise)


def is_volume(path: Path) -> bool:
    """Whether the file's ending is that of a volume, or it is a folder, as a DICOM series is."""
    return path.is_dir() or path.name.lower().endswith(VOLUME_ENDINGS)


def looks_like_mask(path: Path) -> bool:
    """Whether the file calls itself a mask, as in "x_mask.png", "mask_x.png" or
    "x_left_lung.png".
    """
    name = name_of(path).lower()
    return any(pattern.search(name) for pattern in (_MASK_END, _MASK_START, _SIDE_END))


def bare_name(image: Path) -> str:
    """The name of an image without what only says that it is one: "case0" for "case0_ct.nii.gz"."""
    return _IMAGE_END.sub("", name_of(image))


def _plain(name: str) -> str:
    """A name in small letters without what says that it is an image or a mask."""
    name = _MASK_START.sub("", _MASK_END.sub("", name.lower()))
    return _IMAGE_START.sub("", _IMAGE_END.sub("", name))


@dataclass(frozen=True)
class Masks:
    """Masks by the names of their images.

    Attributes:
        whole: of both lungs.
        right, left: of each lung.
        swapped: whether the files call right what is right in the picture, and that was put
            straight here.
    """

    whole: dict[str, Path] = field(default_factory=dict)
    right: dict[str, Path] = field(default_factory=dict)
    left: dict[str, Path] = field(default_factory=dict)
    swapped: bool = False

    def of(self, image: Path) -> tuple[Path | None, Path | None]:
        """The mask of an image, or those of its right and its left lung; None for each that there
        is not.
        """
        name = name_of(image).lower()
        right, left = _find(self.right, name), _find(self.left, name)
        if right and left:
            return right, left
        return _find(self.whole, name), None


def _find(masks: dict[str, Path], name: str) -> Path | None:
    return masks.get(name) or masks.get(f"{name}_mask") or masks.get(_plain(name))


def masks_in(folder: Path) -> Masks:
    """The masks of a folder, or of its two sub-folders for right and left, such as `leftMask` and
    `right lung`.
    """
    for_side = {
        found[1]: path
        for name, path in folders_in(folder).items()
        if (found := _SIDE_FOLDER.fullmatch(name))
    }
    if len(for_side) == 2:
        return masks_of_sides(images_in(for_side["right"]), images_in(for_side["left"]))
    return masks_among(images_in(folder))


def masks_among(files: Sequence[Path]) -> Masks:
    """Masks that lie side by side: of both lungs, or of each, as "x_left.png" and "x_right.png"."""
    of_side: dict[str, list[Path]] = {"": [], "right": [], "left": []}
    for path in files:
        found = _SIDE_END.search(name_of(path).lower())
        of_side[found[1] if found else ""].append(path)
    both = masks_of_sides(of_side["right"], of_side["left"])
    return Masks(_by_name(of_side[""]), both.right, both.left, both.swapped)


def masks_of_sides(right: Sequence[Path], left: Sequence[Path]) -> Masks:
    """Masks of each lung. Sets do not agree whether left is the patient's or the picture's, so the
    first pair that can be read is looked at: the patient's right lung is the one further left in
    the picture.
    """
    rights, lefts = _by_name(right), _by_name(left)
    for name in rights:
        if name in lefts and (straight := _in_order(rights[name], lefts[name])) is not None:
            return (
                Masks(right=rights, left=lefts)
                if straight
                else Masks(right=lefts, left=rights, swapped=True)
            )
    return Masks(right=rights, left=lefts)


def _in_order(right: Path, left: Path) -> bool | None:
    """Whether `right` lies left of `left` in the picture; None where it cannot be told."""
    try:
        columns = [np.nonzero(read_mask(path))[1] for path in (right, left)]
    except LungsegError:
        return None
    return bool(columns[0].mean() < columns[1].mean()) if all(map(len, columns)) else None


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """By the name, and then, where that is still free, by what remains without side and without
    what says that it is a mask.
    """
    listed = [(_SIDE_END.sub("", name_of(path).lower()), path) for path in files]
    found: dict[str, Path] = {}
    for name, path in listed:
        found.setdefault(name, path)
    for name, path in listed:
        if not _OF_OTHERS.search(name.removeprefix(_plain(name))):
            found.setdefault(_plain(name), path)
    return found
