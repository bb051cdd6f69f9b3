"""Sentences of a report."""

from __future__ import annotations

from lungseg.report.texts import caption, legend, together, what_is_marked
from lungseg.structures import HEART, LEFT_LUNG, RIGHT_LUNG, TRACHEA


def test_structures_are_named_together_pairs_by_their_plural() -> None:
    assert together([RIGHT_LUNG, LEFT_LUNG]) == "the lungs"
    assert together([RIGHT_LUNG, LEFT_LUNG, HEART, TRACHEA]) == "the lungs, heart and trachea"
    assert together([LEFT_LUNG, HEART]) == "the left lung and heart"


def test_what_is_marked_follows_what_was_looked_for() -> None:
    sought = [RIGHT_LUNG, LEFT_LUNG, HEART]
    assert what_is_marked(sought, sought) == (
        "The same with the lungs and heart marked: right lung, left lung and heart."
    )
    assert what_is_marked(sought, []) == "The same with the lungs and heart marked: none found."


def test_sides_are_those_of_the_patient() -> None:
    assert [legend(structure) for structure in (LEFT_LUNG, HEART)] == [
        "left lung (the patient's)",
        "heart",
    ]


def test_slices_are_spread_over_what_was_found() -> None:
    assert caption("ct", [HEART], one_slice=False).startswith(
        "Slices evenly spread over the heart. Head or front is up;"
    )
    assert caption("ct", [], one_slice=False).startswith("Slices evenly spread over the volume.")
    assert caption("ct", [HEART], one_slice=True).startswith("The one slice that there is. Head")
