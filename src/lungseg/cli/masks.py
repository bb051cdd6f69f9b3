"""What the commands that learn from masks, or judge by them, ask about masks first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungseg.cli.messages import say
from lungseg.errors import InputError

if TYPE_CHECKING:
    from lungseg.datasets import Case
    from lungseg.datasets.checks import DataProblem

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE=STRUCTURE,...",
        help='Which structure a value of the masks is, as in 127="right lung",255="left lung"; '
        "overrules a dataset.json.",
        show_default=False,
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check/--no-check", help="Look at every pair first, and stop where masks are wrong."
    ),
]

EXAMPLES: Final = 3
"""So many cases of each kind of problem are named."""

UNREADABLE: Final = (
    "image cannot be used",
    "mask cannot be used",
    "masks do not fit",
    "sizes differ",
)
"""Kinds of problems with which a case cannot be read at all."""

SOMETIMES_TRUE: Final = (
    "mask of more than two components",
    "one lung only",
    "mask empty",
    "mask empty, or nearly",
    "mask nearly empty",
    "masks may be exchanged",
)
"""Kinds of problems that a patient may have, though hardly many."""

MAX_SOMETIMES_FRACTION: Final = 0.1
"""Of the masks of a source, that may have each of `SOMETIMES_TRUE` before it is the masks and not
the patients that are to blame."""


def tell_labels(cases: Sequence[Case]) -> None:
    """What the values of masks are said to be, where anything is said."""
    for source, labels in sorted({(case.source, case.labels) for case in cases if case.labels}):
        typer.echo(f"  {source}: labels {labels}")


def kinds_of(problems: Sequence[DataProblem]) -> dict[str, list[DataProblem]]:
    """The problems of each kind, the most frequent kind first."""
    kinds: dict[str, list[DataProblem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return dict(sorted(kinds.items(), key=lambda entry: -len(entry[1])))


def told(kind: str, problems: Sequence[DataProblem]) -> str:
    """How many problems of a kind there are and where, in one line; where each has its own words,
    those of the first one too.
    """
    from lungseg.datasets.checks import IN_FULL

    names = [f"{problem.source}/{problem.case}" for problem in problems[:EXAMPLES]]
    line = f"{len(problems):6d}  {kind}: {', '.join(names)}{', ...' * (len(problems) > EXAMPLES)}"
    if kind not in IN_FULL:
        return line
    return f"{line}\n        {names[0]}:{problems[0].message.removeprefix(kind).removeprefix(':')}"


def stop_at_problems(cases: Sequence[Case], where: Path, *, left_out: Collection[str] = ()) -> None:
    """Looks at cases as `lungseg dataset` does, says what is found, and stops where masks are
    wrong.

    Args:
        cases: with and without masks.
        where: they come from.
        left_out: kinds of problems that leave a case out later, and stop nothing.

    Raises:
        InputError: they are.
    """
    from lungseg.datasets.checks import check_cases

    masked = [case for case in cases if case.mask is not None]
    problems = [
        problem
        for problem in check_cases(masked, whole_lungs=False)
        if problem.severe and problem.kind not in left_out
    ]
    seldom = _seldom(masked, problems)
    stopping = [problem for problem in problems if (problem.source, problem.kind) not in seldom]
    for kind, found in kinds_of(stopping or problems).items():
        say(told(kind, found))
    if stopping:
        csv = where.suffix.lower() == ".csv"
        usable = where.with_stem(f"{where.stem}-usable") if csv else "cases.csv"
        wrong = len({(problem.source, problem.case) for problem in stopping})
        raise InputError(
            f"{wrong} of {len(masked)} cases with a mask are not to be learnt from or judged by as "
            "they are",
            where=where,
            cure="correct what is said above; or leave these cases out with `lungseg dataset "
            f"{where} -o {usable} --drop-unusable`; or, where all is well, give --no-check",
        )


def _seldom(cases: Sequence[Case], problems: Sequence[DataProblem]) -> set[tuple[str, str]]:
    """Source and kind of what some of its patients may well have."""
    masks = Counter(case.source for case in cases)
    counts = Counter((problem.source, problem.kind) for problem in problems)
    return {
        (source, kind)
        for (source, kind), count in counts.items()
        if kind in SOMETIMES_TRUE and count <= MAX_SOMETIMES_FRACTION * masks[source]
    }
