"""The RSNA Pneumonia Detection Challenge: films without masks, and boxes around the opacities that
radiologists marked.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lungseg.errors import InputError

IMAGES: Final = ("stage_2_train_images", "stage_2_test_images")
BOXES: Final = "stage_2_train_labels.csv"

LAYOUT: Final = (
    f"a folder as the RSNA Pneumonia Detection Challenge has it: {IMAGES[0]} with the films, each "
    f"named by its patientId, and beside it {BOXES} with patientId, x, y, width and height"
)
"""Of films with boxes, in words."""


@dataclass(frozen=True, slots=True)
class OpacityBox:
    """An upright rectangle in an image.

    Attributes:
        x, y: column and row of its upper left corner, in pixels from the upper left corner of the
            image.
        width, height: in pixels.
    """

    x: float
    y: float
    width: float
    height: float

    def pixels(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Those of an image of so many rows and columns whose centres lie in the box; none of a
        box beside the image.
        """
        (top, left), (rows, columns) = (self.y, self.x), shape
        return (
            slice(max(0, round(top)), max(0, min(rows, round(top + self.height)))),
            slice(max(0, round(left)), max(0, min(columns, round(left + self.width)))),
        )


def find_boxes(image: Path) -> Path | None:
    """The CSV of boxes that lies beside the folder of an image; None where there is none."""
    path = image.parent.parent / BOXES
    return path if path.is_file() else None


def read_boxes(path: Path) -> dict[str, list[OpacityBox]]:
    """The boxes of each patient, in the order of the CSV; an empty list for a patient who has a
    line but no box.

    Args:
        path: a CSV with the columns patientId, x, y, width and height, one line for each box.

    Raises:
        InputError: the file cannot be read, or lacks a column, or a box is not four numbers with a
            positive width and height.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, restval=""))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"the list of boxes cannot be read ({error})", where=path) from error
    sides = ("x", "y", "width", "height")
    missing = {"patientId", *sides} - set(rows[0] if rows else ())
    if missing:
        raise InputError(
            f"the list of boxes lacks the columns {', '.join(sorted(missing))}", where=path
        )
    boxes: dict[str, list[OpacityBox]] = {}
    for row in rows:
        own = boxes.setdefault(row["patientId"], [])
        entries = [row[side].strip() for side in sides]
        if not any(entries):
            continue
        try:
            box = OpacityBox(*(float(entry) for entry in entries))
        except ValueError:
            box = None
        if box is None or not (box.width > 0 and box.height > 0):
            raise InputError(
                f"a box of patient {row['patientId']} is no box: {', '.join(entries)}",
                where=path,
                cure="correct the line",
            )
        own.append(box)
    return boxes
