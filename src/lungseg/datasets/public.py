"""Public data sets, as their publishers lay them out."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, Final

from lungseg.datasets.cases import Case, LungExtent
from lungseg.datasets.folders import (
    Masks,
    folders_in,
    images_in,
    masks_in,
    masks_of_sides,
    name_of,
    unwrapped,
)
from lungseg.datasets.rsna import BOXES
from lungseg.datasets.rsna import IMAGES as RSNA_IMAGES
from lungseg.errors import InputError
from lungseg.readers import may_be_image

COVID_QU_EX: Final = ("COVID-19", "Non-COVID", "Normal")
"""Folders of COVID-QU-Ex, each with `images`, `lung masks` and, of the first, `infection masks`."""

CURE: Final = "correct or remove it"
"""For a file that need not be there."""

HEART_INSIDE: Final = ("diseased_adults", "paediatric")
"""Folders of the V7 Labs sets, whose masks draw through heart and mediastinum."""

FLAGS: Final[dict[str, LungExtent]] = {
    "aerated_or_partial_lung_only": "aerated",
    "heart_shadow_inside_mask": "through-heart",
}
"""The lists of `conventions`, and what they say; the last one counts for a name in both."""

_SCR_PLACES: Final = ("", "scratch", "scr", "scr/scratch", "SCR", "SCR/scratch")
_SCR_RADIOGRAPH = re.compile(r"JPC[LN]N\d{3}", re.IGNORECASE)
_SCR_OWN: Final = {"masks", "fold1", "fold2", "landmarks", "scratch"}


def jsrt(folder: Path) -> list[Case]:
    """The films of JSRT, raw as .IMG or converted, with the masks of SCR: `fold1` and `fold2`, each
    with `masks/left lung` and `masks/right lung`, or `masks` alone.

    B. van Ginneken, M. B. Stegmann, M. Loog, Segmentation of anatomical structures in chest
    radiographs using supervised methods, Medical Image Analysis 10, 2006. Right and left are the
    patient's; the two folds are told in the notes.
    """
    folds = {
        note: masks for place in _SCR_PLACES for note, masks in _scr_masks(folder / place).items()
    }
    if not folds:
        return []
    radiographs: dict[str, Path] = {}
    for path in sorted(folder.rglob("JPC*")):
        if (
            _SCR_RADIOGRAPH.fullmatch(name_of(path))
            and not _SCR_OWN & set(path.relative_to(folder).parts)
            and may_be_image(path)
        ):
            radiographs.setdefault(name_of(path), path)
    cases: list[Case] = []
    for name, image in radiographs.items():
        note, right, left = next(
            ((note, *masks.of(image)) for note, masks in folds.items() if masks.of(image)[1]),
            ("", None, None),
        )
        cases.append(Case(name, name, image, right, "jsrt", notes=note, mask_left=left))
    return cases


def _scr_masks(place: Path) -> dict[str, Masks]:
    found: dict[str, Masks] = {}
    for note, folder in (
        ("SCR fold 1", "fold1/masks"),
        ("SCR fold 2", "fold2/masks"),
        ("", "masks"),
    ):
        for right, left in (("right lung", "left lung"), ("right_lung", "left_lung")):
            if (place / folder / right).is_dir() and (place / folder / left).is_dir():
                found[note] = masks_of_sides(
                    images_in(place / folder / right), images_in(place / folder / left)
                )
    return found


def covid_qu_ex(folder: Path) -> list[Case]:
    """The films of the infection part of COVID-QU-Ex: `Train`, `Val` and `Test`, each with the
    folders of `COVID_QU_EX`. Infections are opacities; normal films have none, and of the other
    pneumonias it is not known where they are.

    A. M. Tahir et al., COVID-19 infection localization and severity grading from chest X-ray
    images, Computers in Biology and Medicine 139:105002, 2021. Masks that `questionable.json` in
    the folder calls wrong by the look of them are left out, others that it names are in the notes.
    """
    reasons = _reasons(folder)
    cases: list[Case] = []
    for part, split in (("Train", "train"), ("Val", "validation"), ("Test", "test")):
        for group in COVID_QU_EX:
            place = folder / part / group
            if not (place / "images").is_dir() or not (place / "lung masks").is_dir():
                continue
            lungs = masks_in(place / "lung masks")
            infections = place / "infection masks"
            opacities = masks_in(infections) if infections.is_dir() else Masks()
            for image in images_in(place / "images"):
                name, opacity = name_of(image), opacities.of(image)[0]
                why = reasons.get(f"{part}/{group}/{name}", ())
                wrong = any(reason.startswith("seen") for reason in why)
                known = opacity is not None or group == "Normal"
                cases.append(
                    Case(
                        name,
                        name,
                        image,
                        None if wrong else lungs.of(image)[0],
                        "covid_qu_ex",
                        split,
                        notes="questionable" if why else group,
                        other_masks=(("opacity", opacity),) if known and not wrong else (),
                    )
                )
    return cases


def _reasons(folder: Path) -> dict[str, list[str]]:
    """Why masks are in question, by the names of their images, as `questionable.json` says, which
    need not be there.

    Raises:
        InputError: it is there, and is no JSON, or has something else than lists of texts.
    """
    path = folder / "questionable.json"
    found = _json(path, "the masks in question")
    if not isinstance(found, dict) or not all(
        isinstance(why, list) and all(isinstance(reason, str) for reason in why)
        for why in found.values()
    ):
        raise InputError(
            "this should hold lists of reasons by the names of masks in question",
            where=path,
            cure=CURE,
        )
    return found


def _json(path: Path, what: str) -> Any:
    """What a JSON file holds; {} where there is none.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} are no JSON ({error})", where=path, cure=CURE) from error


def rsna(folder: Path) -> list[Case]:
    """The films of the RSNA Pneumonia Detection Challenge. Nobody drew masks; where the boxes are
    is told in the notes.
    """
    notes = f"boxes in {BOXES}" if (folder / BOXES).is_file() else ""
    return [
        Case(
            name_of(image),
            name_of(image),
            image,
            None,
            "rsna",
            split="test",
            notes=notes if name == RSNA_IMAGES[0] else "",
        )
        for name in RSNA_IMAGES
        if (folder / name).is_dir()
        for image in images_in(folder / name)
    ]


def china_images(folder: Path) -> Path | None:
    """The films of Shenzhen, where the masks lie beside the folder that the NLM ships."""
    place = folders_in(folder).get("chinaset_allfiles")
    images = unwrapped(place) / "CXR_png" if place else None
    return images if images and images.is_dir() else None


def lung_extents(folder: Path) -> dict[str, LungExtent]:
    """What the lungs of the masks in question follow, by the names of their images, as
    `questionable_masks.json` in the folder says.

    It has a list of names for each of `FLAGS`, and need not be there; nor need `questionable.json`,
    whose reasons may say that a lung is drawn through the heart.

    Raises:
        InputError: it is there, and is no JSON, or has something else in place of a list.
    """
    flagged = folder / "questionable_masks.json"
    lists = _json(flagged, "the lists of masks in question")
    if not isinstance(lists, dict) or not all(
        isinstance(lists.get(flag, []), list) for flag in FLAGS
    ):
        raise InputError(
            "this should hold lists of masks in question by why they are", where=flagged, cure=CURE
        )
    through_heart = {
        name: FLAGS["heart_shadow_inside_mask"]
        for name, why in _reasons(folder).items()
        if any("drawn through the heart" in reason for reason in why)
    }
    return through_heart | {
        str(name): lung_extent
        for flag, lung_extent in FLAGS.items()
        for name in lists.get(flag, ())
    }


def counties(folder: Path) -> dict[str, str]:
    """Where the images of "Chest X-ray Lungs Segmentation" come from, by name: the column `county`
    of its MetaData.csv, which lies beside the folder or one further up. Empty where there is no
    such file.
    """
    for place in (folder, folder.parent, folder.parent.parent):
        path = place / "MetaData.csv"
        if path.is_file():
            with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
                rows = list(csv.DictReader(stream, restval=""))
            return {
                row["id"].strip(): row["county"].strip().lower()
                for row in rows
                if row.get("id") and row.get("county")
            }
    return {}
