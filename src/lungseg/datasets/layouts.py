"""Folders of known layout, recognised by the names of their folders and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lungseg.datasets import public
from lungseg.datasets.cases import Case
from lungseg.datasets.columns import has_columns, read_any
from lungseg.datasets.folders import (
    Masks,
    bare_name,
    folders_in,
    images_in,
    is_volume,
    looks_like_mask,
    masks_among,
    masks_in,
    name_of,
    origin_of,
    patient_of,
    unwrapped,
)
from lungseg.errors import InputError
from lungseg.readers import holds_series

IMAGES: Final = (
    "cxr_png",
    "images",
    "image",
    "imgs",
    "img",
    "2d_images",
    "3d_images",
    "imagestr",
    "ct",
    "cxr",
    "dicom",
)
MASKS: Final = (
    "manualmask",
    "masks",
    "mask",
    "2d_masks",
    "3d_masks",
    "labels",
    "label",
    "labelstr",
    "lungs",
    "lung",
    "lung masks",
)
"""Names of folders of images and of masks, in any mixture of small and capital letters; the first
that is there counts."""

OTHER_MASKS: Final = {
    "heart": "heart",
    "trachea": "trachea",
    "opacity": "opacity",
    "infection masks": "opacity",
}
"""Names of folders of masks of one further structure, beside the masks of the lungs."""

SPLIT_FOLDERS: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}

MAX_DEPTH: Final = 3
"""Data sets are looked for in a folder and this many levels of folders below."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set and what it was taken for.

    Attributes:
        layout: in words.
        place: the folder, or the CSV.
        cases: with and without masks.
    """

    layout: str
    place: Path
    cases: tuple[Case, ...]


def discover_cases(folder: Path) -> list[Case]:
    """The cases with a mask in a folder of known layout, or in the folders below, sorted by source
    and name.

    Raises:
        InputError: there is no known layout, or two cases of one name.
    """
    cases = [case for found in discover(folder) for case in found.cases if case.mask is not None]
    if not cases:
        raise InputError(
            "there are images, but none with a mask",
            where=folder,
            cure="give a folder with masks, too",
        )
    return sorted(cases, key=lambda case: (case.source, case.case))


def discover(place: Path, *, resplit: bool = False) -> list[DataSet]:
    """The data sets in a folder and in those below, or in a CSV, with all their cases; see
    `docs/datasets.md` for what is recognised.

    Args:
        place: the folder or CSV.
        resplit: forget the splits that a CSV gives.

    Raises:
        InputError: there is no known layout, or two cases of one name, or a CSV cannot be used.
    """
    if place.is_file():
        return [DataSet("a list of cases", place, tuple(read_any(place, resplit=resplit)))]
    if not place.is_dir():
        raise InputError(
            "no such folder or list",
            where=place,
            cure="give the folder that holds the data sets, or a CSV of cases",
        )
    found = _below(place, MAX_DEPTH)
    if not found:
        raise InputError(
            "no image with a mask was found",
            where=place,
            cure="expected are folders with CXR_png and masks, or with images and masks, or a "
            "CSV of cases",
        )
    check_sources(found)
    return found


def check_sources(found: Sequence[DataSet]) -> None:
    """That no two data sets have a case of the same source and name.

    Raises:
        InputError: two have.
    """
    places: dict[tuple[str, str], Path] = {}
    for data_set in found:
        for case in data_set.cases:
            first = places.setdefault((case.source, case.case), case.image)
            if first != case.image:
                problem = (
                    f"two data sets have the same name: case {case.case} of source "
                    f"{case.source} is also {first}"
                )
                cure = "rename one folder, or leave one out"
                if first.parent == case.image.parent:
                    problem = f"{case.image.name} and {first.name} have the same name"
                    cure = "rename one of them, or leave one out"
                raise InputError(problem, where=case.image, cure=cure)


def _below(folder: Path, levels: int) -> list[DataSet]:
    if found := _look_at(folder):
        return [found]
    below, splits = list[DataSet](), set[str]()
    for name, inner in folders_in(folder).items() if levels else ():
        found_there = _below(inner, levels - 1)
        split = SPLIT_FOLDERS.get(name, "") if found_there else ""
        splits.add(split)
        below += [_with_split(data_set, split) for data_set in found_there]
    if "train" in splits and "validation" not in splits:
        below = [replace(one, cases=tuple(_with_open_training(one.cases))) for one in below]
    return below or _tables(folder)


def _with_split(found: DataSet, split: str) -> DataSet:
    """The cases that have no split with that of a folder above them."""
    cases = (replace(case, split=case.split or split) for case in found.cases)
    return replace(found, cases=tuple(cases))


def _look_at(folder: Path) -> DataSet | None:
    if cases := public.jsrt(folder):
        return DataSet("JSRT with the masks of SCR", folder, tuple(cases))
    if cases := public.rsna(folder):
        return DataSet("RSNA Pneumonia Detection Challenge", folder, tuple(cases))
    if cases := public.covid_qu_ex(folder):
        return DataSet("COVID-QU-Ex with infection masks", folder, tuple(cases))
    return _given_splits(folder) or _two_folders(folder, folder) or _side_by_side(folder, folder)


def _two_folders(folder: Path, whole: Path) -> DataSet | None:
    """Images in one folder and masks in another; `folder` may be a part of the `whole` data set."""
    inner = folders_in(folder)
    images = next((inner[name] for name in IMAGES if name in inner), public.china_images(folder))
    masks = next((inner[name] for name in MASKS if name in inner and inner[name] != images), None)
    if images is None or masks is None:
        return None
    images, masks = unwrapped(images), unwrapped(masks)
    of_whole = masks_in(masks)
    series = [
        path for path in folders_in(images).values() if of_whole.of(path)[0] and holds_series(path)
    ]
    cases = _cases([*images_in(images), *series], of_whole, whole)
    for name, path in folders_in(images).items():
        if name in SPLIT_FOLDERS and (masks / path.name).is_dir():
            cases += _cases(
                images_in(path), masks_in(masks / path.name), whole, SPLIT_FOLDERS[name]
            )
    if not any(case.mask for case in cases):
        return None
    others = {name: masks_in(inner[name]) for name in OTHER_MASKS if name in inner}
    cases = [_with_other_masks(case, others) for case in cases]
    if not any(case.split for case in cases) and "test" in inner:
        known = {case.case for case in cases}
        cases += [
            case
            for case in _cases(images_in(inner["test"]), Masks(), whole, "test")
            if case.case not in known
        ]
    words = _words(folder, images, masks, cases) + (
        ", its left and right being the picture's" if of_whole.swapped else ""
    )
    return DataSet(words, folder, tuple(_with_open_training(_with_own_names(cases))))


def _with_other_masks(case: Case, others: dict[str, Masks]) -> Case:
    found = tuple(
        (OTHER_MASKS[name], mask)
        for name, masks in others.items()
        if (mask := masks.of(case.image)[0]) is not None
    )
    return replace(case, other_masks=found)


def _words(folder: Path, images: Path, masks: Path, cases: Sequence[Case]) -> str:
    sources = {case.source for case in cases}
    nlm = images.name.lower() == "cxr_png"
    if nlm and sources == {"montgomery"} and masks.name.lower() == "manualmask":
        return "Montgomery, as the NLM ships it"
    if nlm and sources == {"shenzhen"} and not (folder / "test").is_dir():
        return "Shenzhen, as the NLM ships it"
    if nlm and sources <= {"montgomery", "shenzhen"}:
        return "Chest Xray Masks and Labels"
    if public.counties(folder).keys() & {case.case for case in cases}:
        return "Chest X-ray Lungs Segmentation"
    if images.name.lower() == "2d_images":
        return "Finding and Measuring Lungs in CT Data"
    if is_volume(cases[0].image):
        return "volumes and label volumes, in two folders"
    if cases[0].lung_extent == "through-heart":
        return "images and masks with the heart inside, in two folders"
    return "images and masks, in two folders"


def _side_by_side(folder: Path, whole: Path) -> DataSet | None:
    """Images and masks in the same folder; images without a mask are not listed there, they may be
    anything.
    """
    files = images_in(folder)
    masks = masks_among([path for path in files if looks_like_mask(path)])
    cases = [
        case
        for case in _cases([path for path in files if not looks_like_mask(path)], masks, whole)
        if case.mask
    ]
    if not cases:
        return None
    bare = [bare_name(case.image) for case in cases]
    if len(set(bare)) == len(bare):
        cases = [
            replace(case, case=name, patient=patient_of(name))
            for case, name in zip(cases, bare, strict=True)
        ]
    words = "volumes and label volumes" if is_volume(cases[0].image) else "images and masks"
    return DataSet(f"{words}, side by side", folder, tuple(cases))


def _given_splits(folder: Path) -> DataSet | None:
    """Folders for training, validation and testing, each with images and masks; one without masks
    is kept as images to predict.
    """
    parts: list[Case] = []
    for name, path in folders_in(folder).items():
        if name in SPLIT_FOLDERS:
            found = _two_folders(path, folder) or _side_by_side(path, folder)
            cases = (
                found.cases
                if found
                else _cases(images_in(folders_in(path).get("images", path)), Masks(), folder)
            )
            parts += [replace(case, split=SPLIT_FOLDERS[name]) for case in cases]
    if not any(case.mask for case in parts):
        return None
    layout = "folders for training, validation and testing"
    return DataSet(layout, folder, tuple(_with_open_training(_with_own_names(parts))))


def _with_own_names(cases: Sequence[Case]) -> list[Case]:
    """Where folders of different splits number their images alike, the split is put before the
    names of these, and before those of their patients; the others keep theirs, by which a patient
    in two splits is found.
    """
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.case, set()).add(case.split)
    return [
        replace(c, case=f"{c.split}-{c.case}", patient=f"{c.split}-{c.patient}")
        if len(splits[c.case]) > 1
        else c
        for c in cases
    ]


def _with_open_training(cases: Sequence[Case]) -> list[Case]:
    """Where no images are given for validation, those given for training are left open, so that
    some can be drawn.
    """
    if any(case.split == "validation" for case in cases):
        return list(cases)
    return [replace(case, split="") if case.split == "train" else case for case in cases]


def _tables(folder: Path) -> list[DataSet]:
    """The first CSV with columns of images and masks, where nothing but it says what belongs
    together.
    """
    tables = (path for path in sorted(folder.glob("*.csv")) if has_columns(path))
    return [DataSet("a list of cases", path, tuple(read_any(path))) for path in list(tables)[:1]]


def _cases(images: Sequence[Path], masks: Masks, whole: Path, split: str = "") -> list[Case]:
    """The images, each with its mask if there is one; the folder of the `whole` data set names the
    source.
    """
    questionable, counties, own = (
        public.lung_extents(whole),
        public.counties(whole),
        whole.resolve().name,
    )
    cases: list[Case] = []
    for image in images:
        name = name_of(image)
        mask, left = masks.of(image)
        cases.append(
            Case(
                name,
                patient_of(name),
                image,
                mask,
                counties.get(name) or origin_of(name, own),
                split,
                questionable.get(name, "through-heart" if own in public.HEART_INSIDE else "field"),
                "questionable" if name in questionable else "",
                left,
            )
        )
    return cases
