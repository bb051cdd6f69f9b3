"""What a person should look at, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lungseg.datasets.cases import Case
from lungseg.datasets.checks import DataProblem
from lungseg.datasets.leaks import Leak
from lungseg.writers.cells import harmless


def problem_table(problems: Sequence[DataProblem], leaks: Sequence[Leak]) -> bytes:
    """A CSV of source, case and problem, a line for each problem and then for each leak."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    lines = [("source", "case", "problem")]
    lines += [(problem.source, problem.case, problem.message) for problem in problems]
    lines += [
        (leak.first.source, leak.first.case, f"leak, {leak.reason}: {place_of(leak.second)}")
        for leak in leaks
    ]
    writer.writerows([*map(harmless, line)] for line in lines)
    return text.getvalue().encode()


def place_of(case: Case) -> str:
    """Source and name of a case, and its split where it has one."""
    return f"{case.source}/{case.case}" + (f" ({case.split})" if case.split else "")
