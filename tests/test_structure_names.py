"""Names of structures in a cell of a list of cases, or in a flag."""

from __future__ import annotations

import pytest

from lungseg.errors import UsageError
from lungseg.structures import read_names, write_names

LUNGS = ("right lung", "left lung")


@pytest.mark.parametrize(
    ("names", "cell"),
    [
        (LUNGS, "lungs"),
        ((*LUNGS, "heart"), "lungs; heart"),
        (("heart", *LUNGS, "trachea"), "heart; lungs; trachea"),
        (("heart",), "heart"),
        (("left lung", "heart"), "left lung; heart"),
    ],
)
def test_a_whole_pair_is_its_plural(names, cell) -> None:
    assert write_names(names) == cell
    assert read_names(cell) == names


def test_commas_and_spaces_are_as_good() -> None:
    assert read_names(" heart,right lung ;; left lung, heart") == ("heart", *LUNGS)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            "lungs; liver",
            "'liver' is no structure; there are right lung, left lung, heart, trachea, opacity, "
            "lungs.",
        ),
        ("background", "'background' is no structure"),
        (" ; ", "no structure is named; name some of right lung, left lung, heart"),
    ],
)
def test_what_is_no_structure_is_refused(cell, words) -> None:
    with pytest.raises(UsageError) as refused:
        read_names(cell)
    assert str(refused.value).startswith(words)
