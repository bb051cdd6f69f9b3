"""Names that are given once."""

from __future__ import annotations


def unused(name: str, taken: set[str]) -> str:
    """The name, or one with a number before it where it is taken, letter case not counted; it is
    then taken too.
    """
    number, free = 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{number}_{name}"
    taken.add(free.casefold())
    return free
