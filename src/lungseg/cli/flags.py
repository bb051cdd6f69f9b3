"""A flag for each option of `SegmentOptions`, under its name and with its sentence; and those that
several commands share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lungseg import modality
from lungseg.errors import UsageError
from lungseg.options import SegmentOptions

_ABOUT: Final = {option.name: str(option.metadata["about"]) for option in fields(SegmentOptions)}

Modality = Annotated[modality.Modality | None, typer.Option(help=_ABOUT["modality"])]
Model = Annotated[str | None, typer.Option(metavar="NAME|FILE", help=_ABOUT["model"])]
Structures = Annotated[str | None, typer.Option(metavar="NAMES", help=_ABOUT["structures"])]
Frame = Annotated[int | None, typer.Option(min=1, metavar="N", help=_ABOUT["frame"])]
Series = Annotated[str | None, typer.Option(metavar="N|UID", help=_ABOUT["series"])]
Spacing = Annotated[
    str | None,
    typer.Option(metavar="MM", help=f"{_ABOUT['spacing']} As 0.2, 0.2,0.3 or 5,0.7,0.7."),
]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help=_ABOUT["skip_damaged"])]
Dilate = Annotated[float, typer.Option(metavar="N", help=_ABOUT["dilate"])]
LungExtent = Annotated[modality.LungExtent, typer.Option(help=_ABOUT["lung_extent"])]
Hull = Annotated[bool, typer.Option("--hull", help=_ABOUT["hull"])]
CropSquare = Annotated[bool, typer.Option("--crop-square", help=_ABOUT["crop_square"])]
CropSize = Annotated[int | None, typer.Option(metavar="N", help=_ABOUT["crop_size"])]
OverlayStyle = Annotated[str | None, typer.Option(metavar="STYLE", help=_ABOUT["overlay_style"])]
OverlaySize = Annotated[int | None, typer.Option(metavar="N", help=_ABOUT["overlay_size"])]
Binary = Annotated[bool, typer.Option("--binary", help=_ABOUT["binary"])]
SkipQuality = Annotated[bool, typer.Option("--skip-quality", help=_ABOUT["skip_quality"])]
SkipRefused = Annotated[bool, typer.Option("--skip-refused", help=_ABOUT["skip_refused"])]

Results = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT", help="Folder for results; may be that of the inputs."
    ),
]
Pdf = Annotated[
    bool, typer.Option("--pdf", help="Also write each report as PDF; includes --report.")
]
ShowIdentity = Annotated[
    bool,
    typer.Option("--show-identity", help="Reports show paths, and of DICOM patient's name and ID."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Name only what failed or is to be reviewed.")
]


def options_of(given: Mapping[str, Any]) -> SegmentOptions:
    """The options that the flags of a command state, which are called as they are.

    Raises:
        UsageError: one has no meaning.
    """
    values = {name: given[name] for name in _ABOUT}
    return SegmentOptions(**values | {"spacing": spacing_of(values["spacing"])})


def recipe(about: str) -> Any:
    """The form of --recipe."""
    return typer.Option(metavar="NAME", help=about)


def settings_file(about: str) -> Any:
    """The form of --settings."""
    return typer.Option(metavar="FILE", help=about)


def spacing_of(text: str | None) -> tuple[float, ...] | None:
    """The numbers in the text of --spacing; one number is that of rows and columns.

    Raises:
        UsageError: it holds something else.
    """
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        cure = "give millimetres, as 0.2, ROWS,COLUMNS or SLICES,ROWS,COLUMNS"
        raise UsageError(f"--spacing {text} is no spacing", cure=cure) from None
    return numbers * 2 if len(numbers) == 1 else numbers
