"""Whether a reader should look, and the status that follows from what speaks against a mask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reader should look.

    Attributes:
        status: "ok"; "review" where at least one reason speaks against trusting the mask unseen;
            "refused" where the input is not what the package is for, so that its mask, if there is
            one, means nothing.
        reasons: for a person, from the fixed lists `lungseg.quality.REASONS` and
            `lungseg.ct.judge.REASONS`.
    """

    status: Literal["ok", "review", "refused"]
    reasons: tuple[str, ...] = ()


def verdict_of(
    speaks: Mapping[str, bool], reasons: Mapping[str, str], refused: Collection[str]
) -> Verdict:
    """The verdict that follows from what speaks against a mask.

    Args:
        speaks: whether a reason holds, by its short name; one that is absent does not.
        reasons: every reason there is, in the order in which they are told.
        refused: names of those for which an input is refused.
    """
    names = [name for name in reasons if speaks.get(name)]
    status: Literal["ok", "review", "refused"] = "review" if names else "ok"
    return Verdict(
        "refused" if set(refused).intersection(names) else status,
        tuple(reasons[name] for name in names),
    )
