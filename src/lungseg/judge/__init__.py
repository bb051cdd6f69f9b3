"""Whether a mask of a radiograph can be used unseen, and whether the picture is a frontal chest radiograph at all."""

from __future__ import annotations

from lungseg.judge.learned import ExpectedDice, Learned, Line, learned_path, read_beside
from lungseg.judge.signs import Signs, first_signs, second_signs
from lungseg.judge.verdict import REASONS, is_cut_short, judge, without_padding

__all__ = [
    "REASONS",
    "ExpectedDice",
    "Learned",
    "Line",
    "Signs",
    "first_signs",
    "is_cut_short",
    "judge",
    "learned_path",
    "read_beside",
    "second_signs",
    "without_padding",
]
