"""Verdicts: what follows from codes, and the code of each failure."""

from __future__ import annotations

import re

import pytest

from lungseg.errors import (
    InputError,
    LungsegError,
    TimedOutError,
    TooLargeError,
    UnreadableError,
    UsageError,
)
from lungseg.verdict import REASONS, Verdict, failure_code, verdict_of


def test_reasons_come_in_the_order_of_their_table_and_the_gravest_decides() -> None:
    assert verdict_of("ct", {"opaque": False}) == Verdict("ok")
    assert verdict_of("ct", {"uncertain": True, "one_lung": True, "small": False}) == Verdict(
        "review",
        ("one_lung", "uncertain"),
        ("only one lung was found", "the network is unsure of this mask"),
    )
    refused = verdict_of("radiograph", {"uncertain": True, "not_frontal": True})
    assert (refused.status, refused.codes) == ("refused", ("not_frontal", "uncertain"))


@pytest.mark.parametrize("holds", [True, False])
def test_a_code_that_its_table_lacks_is_no_silence(holds: bool) -> None:
    with pytest.raises(ValueError, match="no reason of a radiograph has the code slices_missing"):
        verdict_of("radiograph", {"slices_missing": holds, "small": True})


def test_codes_are_short_and_each_stands_once() -> None:
    for reasons in REASONS.values():
        codes = [reason.code for reason in reasons]
        assert len(codes) == len(set(codes))
        assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnreadableError("a"), "unreadable"),
        (InputError("a"), "unreadable"),
        (TooLargeError("a"), "too_large"),
        (UsageError("a"), "usage_error"),
        (MemoryError(), "out_of_memory"),
        (TimedOutError("a"), "timed_out"),
        (LungsegError("a"), "unexpected"),
        (ZeroDivisionError(), "unexpected"),
    ],
)
def test_a_failure_has_the_code_of_its_error(error: Exception, code: str) -> None:
    assert failure_code(error) == code
