"""The command of those who gather data: dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungseg.cli.masks import EXAMPLES, Labels, kinds_of, tell_labels, told
from lungseg.cli.submission import RsnaSubmission, submit
from lungseg.errors import InputError, UsageError

if TYPE_CHECKING:
    from lungseg.datasets import Case, DataSet
    from lungseg.datasets.checks import DataProblem

SEVERAL_SPLITS = 1
"""Exit status where images of a patient are in several splits."""


Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Folders of data sets, or CSV files.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="CASES.csv", help="The list of cases to write.")
]
SPLIT: Final = "85/15"
Split = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        help="Per cent of patients: TRAIN/VALIDATION or TRAIN/VALIDATION/TEST; 'none' to draw "
        "none.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(min=2, metavar="K", help="Instead write K lists, CASES-fold1.csv and so on."),
]
Seed = Annotated[int, typer.Option(min=0, help="Another number draws another split.")]
Resplit = Annotated[
    bool, typer.Option("--resplit", help="Forget the splits that folders or CSV files give.")
]
NearCopies = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Pairs of images, in columns file_a and file_b, of one patient or one film: they are "
        "kept in one split.",
    ),
]
Check = Annotated[
    bool,
    typer.Option("--check/--no-check", help="Look at every pair, and for leaks between splits."),
]
Sheet = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Also draw the cases with a problem.")
]
Slices = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Write CT volumes and 16-bit CT slices there, as 8-bit slices, and list those.",
    ),
]
Every = Annotated[
    int, typer.Option(min=1, metavar="N", help="With --slices: only every Nth slice of a volume.")
]
DropUnusable = Annotated[
    bool,
    typer.Option("--drop-unusable", help="Leave out of the list what the checks find unusable."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a list, or slices, that exist.")
]


def dataset(
    paths: Paths,
    output: Output,
    split: Split = SPLIT,
    folds: Folds = None,
    seed: Seed = 0,
    resplit: Resplit = False,
    near_copies: NearCopies = None,
    check: Check = True,
    sheet: Sheet = None,
    slices: Slices = None,
    every: Every = 1,
    drop_unusable: DropUnusable = False,
    overwrite: Overwrite = False,
    labels: Labels = None,
    rsna_submission: RsnaSubmission = None,
) -> None:
    """Gather images and masks into one list of cases, split by patient, and say what a person
    should look at.

    The layout of each folder is recognised by itself. Leaves CASES.csv, and in CASES.problems.csv
    what was found. Problems are warnings.

    Exit status: 0 all well, 1 nothing was found or a split that was given has images of a patient
    on several sides, 2 wrong use.

    Example: lungseg dataset data/cxr -o cases.csv --split 80/10/10
    """
    from lungseg.datasets.checks import check_cases
    from lungseg.datasets.columns import read_pairs

    _refuse_contradictions(
        *(split, folds, sheet, slices, every), check=check, drop_unusable=drop_unusable
    )
    files = [output.with_stem(f"{output.stem}-fold{i + 1}") for i in range(folds or 0)] or [output]
    _refuse_to_replace(output, files, slices, overwrite=overwrite)
    alike = read_pairs(near_copies) if near_copies else []
    cases = _gathered(paths, labels or "", resplit=resplit)
    if rsna_submission is not None:
        submit(rsna_submission, cases, output)
        return
    problems: list[DataProblem] = []
    of_volumes: set[tuple[str, str]] = set()
    if slices:
        cases, problems, of_volumes = _sliced(cases, slices, every)
    if check:
        typer.echo(f"Looking at {len(cases)} cases ...", err=True)
        # A slice of a volume may well have one lung only, or none; those of a list may be such.
        whole = not any(path.suffix.lower() == ".csv" for path in paths)
        others = [case for case in cases if (case.source, case.case) not in of_volumes]
        problems += check_cases(others, whole_lungs=whole)
    listed = _without(cases, problems) if drop_unusable else cases
    lists, comment = _split(listed, split, folds, seed)
    lists = _kept_together(lists, alike)
    _write(lists, files, comment)
    if check:
        _tell_problems(lists[0], problems, output.with_suffix(".problems.csv"))
        _draw(sheet, cases, problems)
    _tell_several_splits(lists[0], files[0])


def _kept_together(
    lists: Sequence[Sequence[Case]], alike: Sequence[tuple[str, str]]
) -> list[list[Case]]:
    """Each list with both of a pair in one split; how many pairs are among the cases is said."""
    from lungseg.datasets.split import count_pairs, on_one_side

    if alike:
        there = count_pairs(lists[0], alike)
        typer.echo(f"{there} of {len(alike)} pairs of near copies are both among the cases.")
    return [on_one_side(one, alike) for one in lists]


def _gathered(paths: Sequence[Path], labels: str, *, resplit: bool) -> list[Case]:
    """The cases of all data sets, after it was said what these are."""
    from dataclasses import replace

    from lungseg.datasets import discover
    from lungseg.datasets.declared_labels import read_declared, with_declared_labels
    from lungseg.datasets.layouts import check_sources

    read_declared(labels)
    folders = list({path.resolve(): path for path in paths}.values())
    found = [data_set for path in folders for data_set in discover(path, resplit=resplit)]
    check_sources(found)
    _tell_layouts(folders, found)
    cases = with_declared_labels((c for data_set in found for c in data_set.cases), labels)
    tell_labels(cases)
    return [replace(case, split="") for case in cases] if resplit else cases


def _refuse_contradictions(
    split: str,
    folds: int | None,
    sheet: Path | None,
    slices: Path | None,
    every: int,
    *,
    check: bool,
    drop_unusable: bool,
) -> None:
    if folds is not None and split != SPLIT:
        cure = "leave --split out, or give the list of a split that has a test set"
        what = "--folds deals out all patients but those that are given for testing"
        raise UsageError(what, cure=cure)
    for flag, given, does in (
        ("--sheet", sheet, "draws"),
        ("--drop-unusable", drop_unusable, "leaves out"),
    ):
        if given and not check:
            raise UsageError(
                f"{flag} {does} what the checks find, and --no-check leaves them out",
                cure="drop one of the two",
            )
    if split != "none":
        _fractions(split)
    if slices is None and every > 1:
        raise UsageError(
            "--every chooses among the slices that --slices writes",
            cure="give --slices FOLDER, too",
        )


def _refuse_to_replace(
    output: Path, files: Sequence[Path], slices: Path | None, *, overwrite: bool
) -> None:
    """That the lists are CSV files, and that nothing is there that was not to be replaced."""
    if output.suffix.lower() != ".csv":
        raise UsageError(
            "the list of cases is a CSV",
            where=output,
            cure=f"name it {output.with_suffix('.csv').name}",
        )
    if not overwrite and (there := [path for path in files if path.exists()]):
        raise UsageError(
            "there is such a list already",
            where=there[0],
            cure="choose another name, or give --overwrite",
        )
    if slices and not overwrite and slices.is_dir() and any(slices.iterdir()):
        raise UsageError(
            "the folder for slices is not empty",
            where=slices,
            cure="choose another name, or give --overwrite",
        )


def _split(
    cases: Sequence[Case], split: str, folds: int | None, seed: int
) -> tuple[list[list[Case]], str]:
    """The cases with their splits, once or for each fold, and how they were drawn, in words."""
    from lungseg.datasets import split_by_patient, split_into_folds

    if folds is not None:
        comment = f"{folds} folds by patient and source, seed {seed}"
        return split_into_folds(cases, folds, seed=seed), comment
    if split == "none":
        return [list(cases)], "splits as given"
    validation, test = _fractions(split)
    drawn = split_by_patient(cases, validation=validation, test=test, seed=seed)
    return [drawn], f"split {split} by patient and source, seed {seed}"


def _fractions(text: str) -> tuple[float, float]:
    """The fractions, 0 to 1, for validation and for testing, of "80/10/10" and the like."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if (
        len(numbers) not in (2, 3)
        or not all(number >= 0 for number in numbers)
        or abs(sum(numbers) - 100) > 1e-6
        or numbers[0] == 0
    ):
        cure = (
            "give per cent that add up to 100, as 85/15 for training and validation or "
            "80/10/10 for training, validation and testing"
        )
        raise UsageError(f"--split {text} is no split", cure=cure)
    return numbers[1] / 100, numbers[2] / 100 if len(numbers) == 3 else 0.0


def _write(lists: Sequence[Sequence[Case]], files: Sequence[Path], comment: str) -> None:
    """Writes each list to its file, and says how the first was split."""
    from lungseg.datasets.manifest import write_manifest
    from lungseg.writers import make_folder

    make_folder(files[0].parent)
    for path, listed in zip(files, lists, strict=True):
        write_manifest(listed, path, comment=f"lungseg dataset: {comment}")
        typer.echo(f"{path}: {len(listed)} cases, {comment}")
    _tell_splits(lists[0])


def _tell_layouts(paths: Sequence[Path], found: Sequence[DataSet]) -> None:
    """What each data set was taken for and what is in it, then the folders from which nothing
    came.
    """
    for data_set in found:
        typer.echo(f"{data_set.place}: {data_set.layout}")
        for source in sorted({case.source for case in data_set.cases}):
            mine = [case for case in data_set.cases if case.source == source]
            masks, patients = (
                sum(case.mask is not None for case in mine),
                len({case.patient for case in mine}),
            )
            typer.echo(
                f"  {source}: {len(mine)} images, {masks} with a mask, {patients} "
                f"patient{'s' * (patients != 1)}"
            )
    places = [data_set.place for data_set in found]
    inner = [
        folder
        for path in paths
        if path.is_dir() and path not in places
        for folder in sorted(path.iterdir())
        if folder.is_dir()
    ]
    nothing = [
        folder for folder in inner if not any(place.is_relative_to(folder) for place in places)
    ]
    if nothing:
        typer.echo("Not recognised: " + ", ".join(str(folder) for folder in nothing))


def _tell_splits(cases: Sequence[Case]) -> None:
    from lungseg.datasets.cases import SPLITS

    counts = Counter((case.source, case.split) for case in cases)
    names = [*SPLITS, *([""] if any(not case.split for case in cases) else [])]
    typer.echo(f"{'':24s}" + "".join(f"{name or 'not split':>12s}" for name in names))
    for source in sorted({case.source for case in cases}):
        typer.echo(f"{source:24s}" + "".join(f"{counts[source, name]:12d}" for name in names))


def _tell_several_splits(cases: Sequence[Case], path: Path) -> None:
    """Ends with `SEVERAL_SPLITS` where images of a patient are in different splits."""
    from lungseg.datasets.cases import patients_in_several_splits

    if found := patients_in_several_splits(cases):
        for source, patient, splits in found:
            typer.echo(
                f"Images of patient {patient} of source {source} are in different splits: "
                f"{' and '.join(splits)}.",
                err=True,
            )
        typer.echo(
            f"Correct {path} before training, or draw the split anew with --resplit.", err=True
        )
        raise typer.Exit(SEVERAL_SPLITS)


def _sliced(
    cases: Sequence[Case], folder: Path, every: int
) -> tuple[list[Case], list[DataProblem], set[tuple[str, str]]]:
    """The cases with slices instead of volumes, what was left out, and source and name of what was
    cut from a volume.
    """
    from lungseg.datasets.slices import slice_cases
    from lungseg.writers.lock import only_writer

    typer.echo(f"Writing slices to {folder} ...", err=True)
    with only_writer(folder):
        sliced = slice_cases(cases, folder, every=every)
    for problem in sliced.problems:
        typer.echo(f"{problem.path}: {problem.message}.", err=True)
    if not sliced.cases:
        raise InputError(
            "not one case could be cut into slices", where=folder, cure="correct what is said above"
        )
    return list(sliced.cases), list(sliced.problems), set(sliced.of_volumes)


def _without(cases: Sequence[Case], problems: Sequence[DataProblem]) -> list[Case]:
    """The cases without a severe problem."""
    dropped = {(problem.source, problem.case) for problem in problems if problem.severe}
    kept = [case for case in cases if (case.source, case.case) not in dropped]
    typer.echo(f"Left out for what was found: {len(cases) - len(kept)} cases")
    return kept


def _tell_problems(cases: Sequence[Case], problems: Sequence[DataProblem], path: Path) -> None:
    """Says and writes what a person should look at, and where cases are on both sides of the
    split.
    """
    from lungseg.datasets.leaks import find_leaks
    from lungseg.datasets.problems import place_of, problem_table
    from lungseg.writers import write_file

    leaks = find_leaks(cases)
    write_file(path, problem_table(problems, leaks))
    for kind, found in kinds_of(problems).items():
        typer.echo(told(kind, found))
    pairs: dict[str, list[str]] = {}
    for leak in leaks:
        pairs.setdefault(f"leak, {leak.reason}", []).append(
            f"{place_of(leak.first)} = {place_of(leak.second)}"
        )
    for kind, names in sorted(pairs.items(), key=lambda entry: -len(entry[1])):
        typer.echo(
            f"{len(names):6d}  {kind}: "
            + ", ".join(names[:EXAMPLES])
            + (", ..." if len(names) > EXAMPLES else "")
        )
    typer.echo(f"{len(problems)} problems and {len(leaks)} leaks: {path}")


def _draw(sheet: Path | None, cases: Sequence[Case], problems: Sequence[DataProblem]) -> None:
    """Draws, if asked, the cases of which something was found, but for what could not be cut."""
    listed = {(case.source, case.case) for case in cases}
    found = [problem for problem in problems if (problem.source, problem.case) in listed]
    if sheet and not found:
        typer.echo(f"No picture {sheet}: there is nothing to look at.")
    elif sheet:
        from lungseg.datasets.checks import suspicious_sheet
        from lungseg.writers import picture_png, write_file

        write_file(sheet, picture_png(suspicious_sheet(cases, found)))
        typer.echo(f"Picture: {sheet}")
