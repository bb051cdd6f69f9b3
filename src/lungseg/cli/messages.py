"""What is said on standard error, while a bar may be there."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def say(text: str) -> None:
    """One line on standard error; not by `typer.echo`, which writes past a bar and into its
    line.
    """
    print(printable(text), file=sys.stderr)


def printable(text: str) -> str:
    r"""A text in one line, which no name in it can break or colour: line breaks and other control
    characters are written like \n, bytes that are no text like \udce9.
    """
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def in_flags(text: str, command: Any) -> str:
    """An error's sentence with the flags of a command in place of the Python arguments that it
    names: "leave --hull out" for "leave `hull` out".

    Args:
        text: the sentence.
        command: of typer, that was called.
    """
    flags = {parameter.name: parameter.opts[0] for parameter in command.params}
    return re.sub(
        r"`(\w+)`",
        lambda name: flags[name[1]] if flags.get(name[1], "").startswith("--") else name[0],
        text,
    )


def with_bar(items: Generator[T, None, None], total: int) -> Generator[T, None, None]:
    """The same items, with a bar that shows how many have come of `total`, and how fast."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, rate="")
        for item in items:
            yield item
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")
