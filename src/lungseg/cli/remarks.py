"""What holds for many inputs of a run, for its last lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

MIN_FRACTION: Final = 0.5
"""Of the inputs of a run, from which on a note on them is said once more at its end."""

MAX_REMARKS: Final = 3
"""Notes that are said; all are in the table."""

OF_SCALE: Final = "implausible pixel spacing, see --spacing"
"""What is said of measurements with the restriction "implausible spacing"."""


def remarks_on(record: Mapping[str, Any] | None) -> set[str]:
    """What a record holds that may hold for many: that the spacing is implausible, and its notes.

    Notes with numbers in them, which differ from one input to the next, are left out.
    """
    if record is None:
        return set()
    found = {note for note in record.get("notes", ()) if not any(c.isdigit() for c in note)}
    restrictions = {m["restriction"] for m in record.get("measurements", ())}
    return found | ({OF_SCALE} if "implausible spacing" in restrictions else set())


def widespread(remarks: Counter[str], done: int) -> Iterator[str]:
    """A line for each note that half of several inputs have, the most frequent first, and last one
    for an implausible spacing, however few inputs have it.

    Args:
        remarks: how many inputs each is on.
        done: inputs of the run.
    """
    notes = [
        (note, count)
        for note, count in remarks.most_common()
        if note != OF_SCALE and count > 1 and count >= MIN_FRACTION * done
    ]
    for note, count in notes[:MAX_REMARKS]:
        yield f"{count} of {done}: {note}"
    if remarks[OF_SCALE]:
        yield f"{remarks[OF_SCALE]} of {done}: {OF_SCALE}"
