"""Tables as a terminal has room for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lungseg.cli.terminal_tables import fitted

TEXT = r"""mine:

| cases | n | Dice | HD95 (at 1024) |
|---|---|---|---|
| north\|east | 12 | **0.987** | 5.3 |
| s | 3 | 0.9 | 11.0 |

The rest."""


@pytest.mark.parametrize(
    ("width", "table"),
    [
        (
            80,
            """cases        n   Dice  HD95 (at 1024)
north|east  12  0.987             5.3
s            3    0.9            11.0""",
        ),
        (
            37,
            """cases        n   Dice  HD95 (at 1024)
north|east  12  0.987             5.3
s            3    0.9            11.0""",
        ),
        (
            36,
            """cases        n   Dice
north|east  12  0.987
s            3    0.9
(1 more column in out)""",
        ),
        (
            5,
            """cases
north|east
s
(3 more columns in out)""",
        ),
    ],
)
def test_as_many_columns_are_shown_as_there_is_room_for(width: int, table: str) -> None:
    assert fitted(TEXT, width, Path("out")) == f"mine:\n\n{table}\n\nThe rest."
