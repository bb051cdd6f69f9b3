"""Refusals that all readers share: an image too large to decode, and a file of many pages."""

from __future__ import annotations

from lungseg.errors import InputError, TooLargeError, UnsupportedError

LARGEST_SIDE = 16_384
"""Pixels; radiographs have 2,000 to 5,000 a side, stitched films of a whole leg or spine under
12,000."""
LARGEST_AREA = 80_000_000
"""Pixels; four times the finest detectors. It stays below the 89 million at which Pillow itself
begins to warn."""
LARGEST_FILE = 2 * 1024**3
"""Bytes; a larger file is refused before it is read."""


SMALLER = (
    f"give an image of at most {LARGEST_SIDE} pixels a side and {LARGEST_AREA // 1_000_000} "
    "million pixels"
)
"""The cure for an image that is too large."""


def refuse_too_large(rows: int, columns: int, *, source: str) -> None:
    """Called with the size that the header states, before any pixel is decoded.

    Raises:
        TooLargeError: a side is above `LARGEST_SIDE`, or the area above `LARGEST_AREA`.
    """
    if max(rows, columns) > LARGEST_SIDE or rows * columns > LARGEST_AREA:
        raise TooLargeError(
            f"the header states {rows} x {columns} pixels, more than a radiograph has, and it "
            "was not decoded",
            where=source,
            cure=SMALLER,
        )


def chosen_page(page: int | None, count: int, *, noun: str, source: str) -> int:
    """The index, counted from 0, of the page that `page`, counted from 1, asks for.

    Args:
        page: the user's wish, from 1; None where none was stated.
        count: how many pages there are.
        noun: "page" or "frame", for the sentence.
        source: the file, for the sentence.

    Raises:
        UnsupportedError: there are several pages and none was asked for.
        InputError: there is no such page.
    """
    if page is None:
        if count > 1:
            raise UnsupportedError(
                f"it holds {count} {noun}s, and only one image can be segmented at a time",
                where=source,
                cure=f"say with `frame` which {noun} is meant, from 1 to {count}",
            )
        return 0
    if not 1 <= page <= count:
        cure = f"ask for one from 1 to {count}" if count > 1 else "leave `frame` out"
        raise InputError(
            f"{noun} {page} was asked for, and it holds {count}", where=source, cure=cure
        )
    return page - 1
