"""What comes of the kinds of input of which users of similar programs reported that something went
wrong, as a Markdown table.

    ../shared/cases/inputs/make_all INPUTS
    python benchmarks/public_reports.py INPUTS [--groups np_identity cli_names] [--all]

INPUTS is a folder of small files that were recreated, from public reports, out of real films and
one real CT; these are not part of the project. Six more volumes and two films are made of them
here. Each is given to lungseg as a user would, and compared with what `GROUPS` declares: the
verdict with its codes, both lungs with the ground truth, volumes, spacing, notes, or the sentence
that has to come. A file that nothing is declared of is a fault, and so is a declared one that is
missing.

Exit status: 0 all is right, 1 something is not. `--all` prints every case. Needs nibabel.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.datasets import discover_cases, read_labels, read_manifest
from lungseg.datasets.checks import check_cases
from lungseg.datasets.declared_labels import with_declared_labels
from lungseg.errors import LungsegError
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.scores import dice
from lungseg.segmenter import Segmenter

Array = NDArray[Any]
library: Any = nibabel
"""It states no types."""

BASE: Final = (1491.0, 1065.0)
"""Millilitres of the right and the left lung of the one CT."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is right of the files that a pattern names.

    Attributes:
        files: pattern of names in the folder of the group.
        status: of the verdict.
        codes: of the verdict, all of them.
        least: that the Dice of the right and of the left lung have to reach, each.
        turned: what was done to the ground truth; None where there is none.
        volumes: right and left, in `unit`, which are met within 2 percent; or None.
        unit: of the volumes.
        spacing: in millimetres, () where it has to be unknown; None where it is not looked at.
        note: pattern that one note has to match; without one no note matters.
        sentence: pattern of the sentence with which it has to be refused instead of all these.
        options: that a user gives.
    """

    files: str
    status: str = "ok"
    codes: tuple[str, ...] = ()
    least: float = 0.93
    turned: Callable[[Array], Array] | None = np.asarray
    volumes: tuple[float, float] | None = None
    unit: str = "mL"
    spacing: tuple[float, ...] | None = None
    note: str = ""
    sentence: str = ""
    options: SegmentOptions = DEFAULTS


@dataclass(frozen=True, slots=True)
class Group:
    """A folder of inputs: what they are, whether 0.1.0 did them right as it was when they were
    reported ("yes", "no", "some"), and what is right.
    """

    folder: str
    what: str
    before: str
    cases: tuple[Case, ...]


def mirrored(labels: Array) -> Array:
    """Of a header that tells of it: every pixel keeps its side."""
    return labels[:, ::-1]


def exchanged(labels: Array) -> Array:
    """Mirrored, and nothing tells of it: the left of the picture is the patient's right."""
    return np.array([0, 2, 1], np.uint8)[labels[:, ::-1]]


def sized(side: int) -> Callable[[Array], Array]:
    """The ground truth of a smaller picture."""
    return lambda labels: cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)


def rotated(labels: Array) -> Array:
    """Every slice by 20 degrees."""
    matrix = cv2.getRotationMatrix2D((79.5, 79.5), -20, 1)
    slices = [
        cv2.warpAffine(one, matrix, (160, 160), flags=cv2.INTER_NEAREST)
        for one in np.ascontiguousarray(labels)
    ]
    return np.stack(slices)


def ct(files: str, **more: Any) -> Case:
    """Of the CT in another form, with its volumes."""
    return Case(files, **{"volumes": BASE, "least": 0.95, **more})


def refused(files: str, sentence: str) -> Case:
    """What cannot be done, with the words of the cure."""
    return Case(files, sentence=sentence)


OWN_SPACING: Final = (5.0, 3.12512, 3.12512)
CUT_OUT: Final = {"status": "review", "codes": ("cut_out",), "volumes": None}
LOST: Final = {"status": "review", "codes": ("spacing_unknown",), "spacing": ()}
VOXELS: Final = {"volumes": (30610.0, 21870.0), "unit": "voxels"}

GROUPS: Final = (
    Group("film_orientation6", "films declared to be seen from behind", "no", (
        Case("*_RF.dcm", note="right and left are those of the header"),
    )),
    Group("film_dicom_tags", "orientations, inverse shape, padding, two frames, oblong", "some", (
        Case("orientation_RF.dcm", turned=mirrored, note="right and left are those of the header"),
        Case("orientation_LF.dcm"),
        Case("orientation_FR.dcm", turned=np.rot90),
        Case("shape_inverse.dcm"),
        Case("padding_mono1.dcm", spacing=(0.7, 0.7)),
        Case("aspect.dcm", spacing=(0.9, 0.6)),
        refused("two_frames.dcm", r"2 frames.*choose one"),
        Case("two_frames.dcm", options=SegmentOptions(frame=1)),
    )),
    Group("film_more", "raw image, floats, few bits, small, mirrored or in colours", "some", (
        Case("for_processing.dcm", note="raw image, FOR PROCESSING"),
        Case("float_*.tif"),
        Case("u16_*.png"),
        refused("mnist_28.png", "too few to show lungs"),
        Case("mnist_64.png", turned=sized(64)),
        Case("mnist_128.png", turned=sized(128)),
        Case("mnist_224.png", turned=sized(224)),
        Case("mirrored.png", turned=exchanged),
        Case("upside_down.png", "review", ("rotated",), turned=lambda labels: labels[::-1, ::-1]),
        Case("bone.png"),
        refused("[!mbfu]*.png", "colour picture.*convert it to grey"),
    )),
    Group("film_odd_values", "values in headers that break the standard", "some", (
        Case("comma.dcm", spacing=(0.143, 0.143)),
        Case("one_spacing.dcm", spacing=(0.143, 0.143)),
        Case("long_ds.dcm", spacing=(0.143, 0.143)),
        Case("[!col]*.dcm", spacing=(0.7, 0.7)),
        Case("charset*.dcm", spacing=(0.7, 0.7)),
    )),
    Group("flip_y_lies", "rows turned over, header not", "no", (
        ct("*.nii.gz", status="review", codes=("orientation_mismatch",),
           turned=lambda labels: labels[:, ::-1], note="front and back look exchanged"),
    )),
    Group("spacing_lost_thin", "a volume of thin slices that lost its spacing", "no", (
        ct("lost.nii.gz", **LOST, volumes=None),
        ct("lost.nii.gz", volumes=(1491.0, 1068.0),
             options=SegmentOptions(spacing=(2, 0.8, 0.8))),
    )),
    Group("sitk_nospacing", "a volume of thick slices that lost its spacing", "no", (
        ct("*.nii.gz", **LOST | VOXELS),
        ct("*.nii.gz", options=SegmentOptions(spacing=OWN_SPACING)),
    )),
    Group("np_identity", "slices along the first axis, identity as affine", "no", (
        ct("*.nii.gz", status="review", codes=("spacing_unknown", "orientation_assumed"),
           spacing=(), **VOXELS, turned=np.transpose, note="as its affine says it lies it is no"),
        ct("*.nii.gz", status="review", codes=("orientation_assumed",), turned=np.transpose,
           options=SegmentOptions(spacing=OWN_SPACING)),
    )),
    Group("nrrd_units", "NRRD in micrometres and centimetres", "no", (
        ct("*.nrrd", spacing=OWN_SPACING),
    )),
    Group("ct_more", "lungs cut out, values and grids of other programs", "some", (
        ct("masked_*.nii.gz", **CUT_OUT),
        refused("nan_outside.nii.gz", "NaN.*replace them by finite numbers"),
        ct("big_endian.nii.gz"),
        ct("nifti2.nii.gz"),
        ct("cbct.nii.gz", status="review", codes=("implausible_density",)),
        ct("iso4_bspline.nii.gz"),
        ct("rotated_fill0.nii.gz", turned=rotated, volumes=None),
        refused("label_map.nii.gz", "map of labels, no image"),
    )),
    Group("ct_dicom", "slopes by slice, lost or doubled rescale, MR, PET, topogram", "some", (
        ct("slope_per_slice"),
        ct("no_rescale", status="review", codes=("not_hounsfield",)),
        Case("rescaled_twice", "refused", ("no_chest", "cut_off_side",
             "implausible_density", "uncertain"), turned=None),
        refused("mr_chest", r"35 of modality MR \(one series\)"),
        refused("pet", r"35 of modality PT \(one series\)"),
        refused("topogram.dcm", "localizer.*give the slices that were scanned after it"),
        Case("drr.png", turned=None),
    )),
    Group("other_files", "files of other kinds, or none at all", "some", (
        Case("film.dcm.gz"),
        Case("cmyk.jpg"),
        refused("*.np[yz]", "NumPy files are not read; give lungseg.segment the array"),
        refused("film.jp2", "JPEG 2000.*opj_decompress"),
        refused("film.svg", "SVG.*give the picture that it was made from"),
        refused("report.pdf", "PDF.*pdfimages"),
        refused("v.mat", "MATLAB.*imwrite"),
        refused("v.h5", "HDF5.*give lungseg.segment the array"),
        refused("vol.mgz", "mri_convert"),
        refused("lfs.nii.gz", "git lfs pull"),
        refused("html.dcm", "web page.*log in there"),
        refused("empty.png", "the file is empty"),
        refused("stack.tif", "50 frames.*choose one"),
    )),
)  # fmt: skip
"""Of images. What is right of masks, lists and names stands in `MASKS`, `LISTS` and `NAMES`."""

MADE_HERE: Final = Group(
    "made_here",
    "HU + 1000, floats 0..1 and -1..1, padding -2000, sagittal, coronal, a negative, EXIF",
    "yes",
    (
        ct("hu_1000.nii.gz", status="review", codes=("not_hounsfield",)),
        ct("from_0_to_1.nii.gz", status="review", codes=("not_hounsfield",)),
        ct("from_-1_to_1.nii.gz", status="review", codes=("not_hounsfield",)),
        ct("padding_2000.nii.gz"),
        ct("sagittal.nii.gz", turned=np.transpose),
        ct("coronal.nii.gz", turned=lambda labels: labels.transpose(1, 0, 2)),
        Case("negative.png"),
        Case("exif.jpg"),
    ),
)
"""Of what `make_more` makes."""

MASKS: Final[dict[str, tuple[str, float, str, str]]] = {
    "plain": ("", 1.0, "", ""),
    "alpha": ("", 1.0, "", ""),
    "alpha_white": ("", 1.0, "", ""),
    "palette": ("", 1.0, "", ""),
    "voc_palette": ("", 1.0, "", ""),
    "nnunet": ("", 1.0, "", ""),
    "exif": ("", 1.0, "", ""),
    "othersize": ("", 1.0, "", "sizes differ"),
    "interpolated": ("", 0.99, "", "label 1 forms a rim round label 2.*resized with interpolation"),
    "jpeg_255": ("", 0.99, "", "mask not binary"),
    "grey_127_255": ("127=right lung,255=left lung", 1.0, "the greys 0 .*--labels '127=right", ""),
    "grey_128_255": ("128=right lung,255=left lung", 1.0, "the greys 0 .*--labels '128=right", ""),
    "grey_100_200": ("100=right lung,200=left lung", 1.0, "the greys 0 .*--labels '100=right", ""),
    "colours": ("#ff0000=right lung,#00ff00=left lung", 1.0, "the colours #000000.*--labels", ""),
    "jpeg_labels": ("", 0.0, "cannot be told apart.*export the masks again as PNG", ""),
    "inverted": ("", 0.0, "", "outside labelled as lung|mask full, or nearly"),
    "empties": ("", 0.0, "", "mask empty"),
}
"""Of a folder of masks: labels that its user declares, the least Dice of every mask and side with
`plain` (0: not compared), the sentence with which each is refused before that, and the problem that
the checks before training tell of.
"""
MASKS_BEFORE: Final = "some"
EMPTY_MASKS: Final = 5
LISTS: Final = 7
NAMES: Final = {"ok": 14, "failed": 2, "left_out": 2}
"""Rows of `summary.csv` by verdict; a link to nowhere and a pipe fail, each with a reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one input: its name, what was found, and what of it is not right."""

    name: str
    found: str
    faults: tuple[str, ...]


def main() -> None:
    """Reads the flags, runs what was asked for and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", type=Path)
    parser.add_argument(
        "--groups", nargs="+", metavar="GROUP", help="names of folders, or made_here"
    )
    parser.add_argument("--all", action="store_true", help="print every case")
    flags = parser.parse_args()
    print("| what was tried | in | right before | tried | right now | what is not right |")
    print("|---|---|---|---|---|---|")
    every: list[tuple[str, Outcome]] = []
    for folder, what, before, outcomes in groups(flags.inputs, flags.groups):
        wrong = [f"`{one.name}`: {'; '.join(one.faults)}" for one in outcomes if one.faults]
        columns = [len(outcomes), len(outcomes) - len(wrong), "<br>".join(wrong)]
        row = [what, f"`{folder}`", before, *columns]
        print(f"| {' | '.join(str(column) for column in row)} |", flush=True)
        every += [(folder, outcome) for outcome in outcomes]
    right = sum(not outcome.faults for _, outcome in every)
    print(f"| **all** | | | **{len(every)}** | **{right}** | |")
    if flags.all:
        print("\n| input | what came of it |\n|---|---|")
        for folder, outcome in every:
            print(f"| `{folder}/{outcome.name}` | {outcome.found} |")
    sys.exit(right < len(every))


def groups(inputs: Path, only: list[str] | None) -> Iterator[tuple[str, str, str, list[Outcome]]]:
    """Folder, what was tried, whether it was right before, and what came of every case."""
    segmenter = Segmenter()
    for group in GROUPS:
        if not only or group.folder in only:
            yield group.folder, group.what, group.before, outcomes_of(segmenter, inputs, group)
    if not only or "made_here" in only:
        with tempfile.TemporaryDirectory() as folder:
            make_more(inputs, Path(folder))
            outcomes = outcomes_of(segmenter, inputs, MADE_HERE, Path(folder))
            yield MADE_HERE.folder, MADE_HERE.what, MADE_HERE.before, outcomes
    if not only or "train_sets" in only:
        sets = inputs / "train_sets"
        what = "masks as greys, colours, palettes, interpolated, JPEG, with opacity"
        yield "train_sets", what, "some", list(masks(sets))
        yield "train_sets/excel", "lists of cases as Excel leaves them", "some", list(lists(sets))
    if not only or "cli_names" in only:
        what = "names that are odd or no UTF-8, links, a loop, a pipe"
        yield "cli_names", what, "no", [names(inputs / "cli_names" / "in")]


def outcomes_of(
    segmenter: Segmenter, inputs: Path, group: Group, folder: Path | None = None
) -> list[Outcome]:
    """Every file of a group against every case whose pattern names it."""
    folder = folder or inputs / group.folder
    paths = [path for path in sorted(folder.iterdir()) if not is_ground_truth(path)]
    outcomes = [
        Outcome(path.name, "", ("nothing is declared of it",))
        for path in paths
        if not any(fnmatch(path.name, case.files) for case in group.cases)
    ]
    for case in group.cases:
        named = [path for path in paths if fnmatch(path.name, case.files)]
        if not named:
            outcomes.append(Outcome(case.files, "", ("there is no such file",)))
        outcomes += [outcome_of(segmenter, inputs, path, case) for path in named]
    return outcomes


def outcome_of(segmenter: Segmenter, inputs: Path, path: Path, case: Case) -> Outcome:
    """One input, segmented and compared with what is right of it."""
    given = case.options.frame or case.options.spacing
    name = path.name + (f", {given} given" if given else "")
    try:
        result = segmenter(path, case.options)
    except LungsegError as error:
        sentence = str(error).replace(f"{path}: ", "")
        as_declared = case.sentence and re.search(case.sentence, sentence)
        return Outcome(name, sentence, () if as_declared else (f"refused: {sentence}",))
    codes = " ".join(f"`{code}`" for code in result.verdict.codes)
    found, faults = [f"{result.verdict.status} {codes}".strip()], list[str]()
    if case.sentence:
        faults.append(f"was not refused, but {found[0]}")
    if (result.verdict.status, set(result.verdict.codes)) != (case.status, set(case.codes)):
        faults.append(f"{found[0]} instead of {case.status} {' '.join(case.codes)}".strip())
    if case.turned is not None:
        expected = case.turned(ground_truth(inputs, path))
        same = expected.shape == result.mask.shape
        scores = [dice(expected == n, result.mask == n) if same else 0.0 for n in (1, 2)]
        found.append("Dice right {:.3f}, left {:.3f}".format(*scores))
        faults += [found[-1]] if min(scores) < case.least else []
    if case.volumes is not None:
        sizes = [result.measurements["volume", name] for name in ("right lung", "left lung")]
        found.append(", ".join(f"{size.value:.0f} {size.unit}" for size in sizes))
        near = np.allclose([size.value for size in sizes], case.volumes, rtol=0.02)
        faults += [] if near and {size.unit for size in sizes} == {case.unit} else [found[-1]]
    spacing = result.image.geometry.spacing or ()
    if case.spacing is not None and not same_spacing(spacing, case.spacing):
        faults.append(f"spacing {spacing or 'unknown'}")
    if case.note and not any(re.search(case.note, note) for note in result.notes):
        faults.append(f"no note says “{case.note}”")
    return Outcome(name, ", ".join([*found, *result.notes]), tuple(faults))


def same_spacing(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two spacings are one, but for single precision."""
    return len(one) == len(other) and np.allclose(one, other, rtol=1e-4)


def is_ground_truth(path: Path) -> bool:
    """Whether a file is the ground truth of another: greymaps, and NIfTI by their names."""
    return path.suffix == ".pgm" or path.name.endswith("uth.nii.gz")


def ground_truth(inputs: Path, path: Path) -> Array:
    """0, 1 right and 2 left lung: what lies beside an input, else that of the base of all."""
    if own := [*path.parent.glob(f"{path.stem}.*.pgm")]:
        return greymap(own[0])
    films = [one for one in (inputs / "film_more").glob("*.pgm") if "." not in one.stem]
    if path.parent.name.startswith("film") or path.name in FILMS:
        return greymap(films[0])
    stem = path.name.split("_")[0].split(".")[0]
    beside = [*path.parent.glob(f"{stem}.t*.nii.gz"), *path.parent.glob("t*uth.nii.gz")]
    return with_sides((beside or [inputs / "_base" / "small_truth.nii.gz"])[0])


FILMS: Final = ("film.dcm.gz", "cmyk.jpg", "negative.png", "exif.jpg")
"""Of the film of `film_more` that lie elsewhere."""


def greymap(path: Path) -> Array:
    """The labels of a film."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def with_sides(path: Path) -> Array:
    """(slices, rows, columns) of a mask of both lungs: what lies to the patient's right of the
    middle between the outermost columns of both is the right one.
    """
    image = library.Nifti1Image.from_filename(path)
    inside = np.asarray(image.dataobj).T > 0
    across = np.flatnonzero(inside.any(axis=(0, 1)))
    middle = (across[0] + across[-1]) // 2
    columns = np.arange(inside.shape[2])
    is_right = columns > middle if image.affine[0, 0] > 0 else columns <= middle
    return np.where(inside, np.where(is_right, 1, 2), 0).astype(np.uint8)


def make_more(inputs: Path, folder: Path) -> None:
    """Volumes and films that were right from the beginning, and stay so."""
    image = library.Nifti1Image.from_filename(inputs / "_base" / "small.nii.gz")
    own, affine = np.asarray(image.dataobj).astype(np.int16), image.affine
    forms = {
        "hu_1000": (own + 1000, affine),
        "from_0_to_1": (((own + 1000) / 4000).clip(0, 1).astype(np.float32), affine),
        "from_-1_to_1": ((own / 1000).clip(-1, 1).astype(np.float32), affine),
        "padding_2000": (padded(own), affine),
        "sagittal": (own.transpose(2, 1, 0), affine[:, [2, 1, 0, 3]]),
        "coronal": (own.transpose(0, 2, 1), affine[:, [0, 2, 1, 3]]),
    }
    for name, (voxels, matrix) in forms.items():
        nibabel.save(library.Nifti1Image(voxels, matrix), folder / f"{name}.nii.gz")
    film = cv2.imread(str(inputs / "film_more" / "u16_low.png"), cv2.IMREAD_UNCHANGED)
    film = np.asarray(film).astype(np.uint8)
    cv2.imwrite(str(folder / "negative.png"), 255 - film)
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(film)))
    exif = picture.getexif()
    exif[0x0112] = 6  # shown turned clockwise
    picture.save(folder / "exif.jpg", exif=exif, quality=95)


def padded(voxels: Array) -> Array:
    """With -2000 outside a circle, as some scanners leave it."""
    rows, columns = np.ogrid[: voxels.shape[0], : voxels.shape[1]]
    middle = [(side - 1) / 2 for side in voxels.shape[:2]]
    outside = np.hypot(rows - middle[0], columns - middle[1]) > min(middle)
    return np.where(outside[..., np.newaxis], -2000, voxels).astype(np.int16)


def masks(folder: Path) -> Iterator[Outcome]:
    """Folders of images and masks as `lungseg dataset` and `lungseg train` take them."""
    for name in sorted({path.name for path in folder.iterdir()} | set(MASKS)):
        if name == "excel":
            continue
        if name not in MASKS or not (folder / name).is_dir():
            yield Outcome(name, "", ("nothing is declared of it, or it is missing",))
            continue
        labels, least, sentence, problem = MASKS[name]
        cases = discover_cases(folder / name)
        told = [one.message for one in check_cases(cases)]
        faults = [] if len(cases) == 9 else [f"{len(cases)} cases instead of 9"]
        wanted = sentence or problem
        number = sum(bool(re.search(wanted, one)) for one in told) if wanted else len(told)
        number_wanted = {"empties": EMPTY_MASKS}.get(name, 9) if wanted else 0
        if number != number_wanted:
            faults.append(f"{number} of {len(told)} problems say “{wanted}”")
        if sentence:
            faults += [f"{case.case} is read" for case in cases if refusal(case) is None]
        if least:
            plain = {case.case: case for case in discover_cases(folder / "plain")}
            scores = [
                score
                for case in with_declared_labels(cases, labels)
                for score in compared(case, plain[case.case.removesuffix("_0000")])
            ]
            faults += [f"Dice {min(scores):.3f}"] if min(scores) < least else []
        yield Outcome(name, told[0] if told else "read", tuple(faults))


def refusal(case: Any) -> str | None:
    """With what a mask is refused, if it is."""
    try:
        read_labels(case)
    except LungsegError as error:
        return str(error)
    return None


def compared(case: Any, plain: Any) -> list[float]:
    """Dice of right and left lung with the plain mask, at the size of the other one."""
    labels = read_labels(case)
    size = labels.shape[1], labels.shape[0]
    expected = cv2.resize(read_labels(plain), size, interpolation=cv2.INTER_NEAREST)
    return [dice(expected == n, labels == n) for n in (1, 2)]


def lists(folder: Path) -> Iterator[Outcome]:
    """Lists of cases with semicolons, tabs, other encodings and other slashes."""
    paths = sorted((folder / "excel").iterdir())
    if len(paths) != LISTS:
        yield Outcome("excel", "", (f"{len(paths)} lists instead of {LISTS}",))
    for path in paths:
        try:
            cases = read_manifest(path)
        except LungsegError as error:
            yield Outcome(path.name, "", (str(error),))
            continue
        splits = [case.split for case in cases]
        right = {
            "9 cases": len(cases) == 9,
            "source größe": {case.source for case in cases} == {"größe"},
            "images and masks are found": all(
                case.image.is_file() and case.mask and case.mask.is_file() for case in cases
            ),
            "7 to train, 2 to validate": splits == ["train"] * 7 + ["validation"] * 2,
        }
        faults = tuple(f"not: {what}" for what, holds in right.items() if not holds)
        yield Outcome(path.name, "read", faults)


def names(folder: Path) -> Outcome:
    """`lungseg segment` on the folder of names, twice: what it leaves is UTF-8, every film is done,
    and the second run finds what the first did.
    """
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "out"
        command = [sys.executable, "-m", "lungseg", "segment", str(folder), "-o", str(output)]
        runs = [subprocess.run(command, capture_output=True, check=False) for _ in range(2)]
        faults = [f"status {run.returncode}" for run in runs if run.returncode != 1]
        try:
            table = (output / "summary.csv").read_bytes().decode("utf-8")
            lines = (output / "results.jsonl").read_bytes().decode("utf-8").splitlines()
            said = b"\n".join(run.stdout + run.stderr for run in runs).decode("utf-8")
            records = json.dumps([json.loads(line) for line in lines], ensure_ascii=False)
            records.encode("utf-8")  # no lone surrogate
        except (OSError, ValueError) as error:
            return Outcome("in", "", (*faults, str(error)))
        rows = [row["verdict"] for row in csv.DictReader(table.splitlines(keepends=True))]
        counts = {verdict: rows.count(verdict) for verdict in sorted(set(rows))}
        if counts != NAMES:
            faults.append(f"rows {counts}")
        masks_left = [path for path in output.iterdir() if path.name.endswith("_mask.png")]
        if len(masks_left) != NAMES["ok"]:
            faults.append(f"{len(masks_left)} masks")
        if "line\nbreak" in said:
            faults.append("a name breaks a line of the terminal")
        if b": ok" in runs[1].stdout + runs[1].stderr:
            faults.append("the second run does again what was done")
    return Outcome("in", f"{counts}, all UTF-8", tuple(faults))


if __name__ == "__main__":
    main()
