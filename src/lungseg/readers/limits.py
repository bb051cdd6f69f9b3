"""Refusals that all readers share: an image too large to decode, and a file of many frames."""

from __future__ import annotations

from lungseg.errors import InputError, TooLargeError, UnsupportedError

MAX_SIDE_PIXELS = 16_384
"""Pixels; radiographs have 2,000 to 5,000 a side, stitched films of a whole leg or spine under
12,000."""
MAX_AREA_PIXELS = 80_000_000
"""Pixels; four times the finest detectors. It stays below the 89 million at which Pillow itself
begins to warn."""
MAX_FILE_BYTES = 2 * 1024**3
"""Bytes; a larger file is refused before it is read."""


SMALLER_IMAGE = (
    f"give an image of at most {MAX_SIDE_PIXELS} pixels a side and {MAX_AREA_PIXELS // 1_000_000} "
    "million pixels"
)
"""The cure for an image that is too large."""


def refuse_too_large(rows: int, columns: int, *, source: str) -> None:
    """Called with the size that the header states, before any pixel is decoded.

    Raises:
        TooLargeError: a side is above `MAX_SIDE_PIXELS`, or the area above `MAX_AREA_PIXELS`.
    """
    if max(rows, columns) > MAX_SIDE_PIXELS or rows * columns > MAX_AREA_PIXELS:
        raise TooLargeError(
            f"the header states {rows} x {columns} pixels, more than an image has, and it "
            "was not decoded",
            where=source,
            cure=SMALLER_IMAGE,
        )


def chosen_frame(frame: int | None, count: int, *, source: str) -> int:
    """The index, counted from 0, of the frame that `frame`, counted from 1, asks for. A page of a
    TIFF file is a frame, too.

    Args:
        frame: which was asked for, from 1; None for none.
        count: how many frames there are.
        source: the file, for the sentence.

    Raises:
        UnsupportedError: there are several frames and none was asked for.
        InputError: there is no such frame.
    """
    if frame is None:
        if count > 1:
            raise UnsupportedError(
                f"it holds {count} frames, and only one can be segmented at a time",
                where=source,
                cure=f"choose one with `frame`, from 1 to {count}",
            )
        return 0
    if not 1 <= frame <= count:
        cure = f"choose one from 1 to {count}" if count > 1 else "leave `frame` out"
        raise InputError(
            f"frame {frame} was asked for, and it holds {count}", where=source, cure=cure
        )
    return frame - 1
