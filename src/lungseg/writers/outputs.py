"""What can be written for one input, and under which name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import OutputError, UsageError
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.verdict import Verdict
from lungseg.writers.atomic import is_there, make_folder, write_files
from lungseg.writers.png import crop_png, mask_png, masked_png, overlay_png, probabilities_png

Encode = Callable[[], bytes]
"""Makes the bytes of one file."""

UNJUDGED = Verdict("ok")
"""Of what nobody has judged."""

PICTURE = ".png"
ENDINGS = (PICTURE, ".nii.gz", ".nrrd")
"""What the name of an output can end in: pictures, and volumes in the format of the input."""


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of file that is written for an input.

    Attributes:
        name: what `--only` calls it; the file is `NAME_OF_INPUT_` + name + ending.
        about: one sentence for users.
        endings: those of `ENDINGS` that it can have.
    """

    name: str
    about: str
    endings: tuple[str, ...] = ENDINGS

    def path(self, folder: Path, stem: str, ending: str) -> Path:
        """Where it is written."""
        return folder / f"{stem}_{self.name}{ending if ending in self.endings else PICTURE}"

    def paths(self, folder: Path, stem: str) -> tuple[Path, ...]:
        """Wherever it may be written, while the input's format is not known."""
        return tuple(self.path(folder, stem, ending) for ending in self.endings)


OUTPUTS = (
    Output("mask", "Structure map on the input's grid: 0 background, 1 right lung, 2 left lung."),
    Output(
        "overlay",
        "Radiograph, or sheet of CT slices in three planes, with the lungs tinted and outlined.",
        (PICTURE,),
    ),
    Output("crop", "Image or volume cut to the lungs with a small margin, values as read."),
    Output("masked", "Image with all but the lungs set to 0, or volume with -1024 HU there."),
    Output(
        "probabilities",
        "Probability of each lung before cleaning, in 255ths; in a picture green is right, blue "
        "left, red neither.",
    ),
)
"""The only list of outputs."""


def check_outputs(names: Sequence[str]) -> tuple[Output, ...]:
    """The outputs of these names, each once, in the order of `OUTPUTS`.

    Raises:
        UsageError: a name is not known, or there is none.
    """
    known = [output.name for output in OUTPUTS]
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no output called {name!r}", cure=f"choose from {', '.join(known)}"
            )
    if not names:
        raise UsageError("no output was asked for", cure=f"choose from {', '.join(known)}")
    return tuple(output for output in OUTPUTS if output.name in names)


def stem(source: str | PurePath) -> str:
    """The file's name without its ending: "b" for "a/b.png" and "a/b.nii.gz".

    An ending has a letter, so "1.2.840.7" stays whole, as DICOM names must.
    """
    path = PurePath(source)
    if path.name.lower().endswith(".nii.gz"):
        return path.name[: -len(".nii.gz")]
    ending = path.suffix
    return (
        path.stem
        if len(ending) <= 6 and any(character.isalpha() for character in ending)
        else path.name
    )


def save(
    image: Image,
    segmentation: Segmentation,
    folder: Path,
    outputs: Sequence[str] = ("mask", "overlay"),
    *,
    name: str | None = None,
    binary: bool = False,
    overwrite: bool = False,
    probabilities: Callable[[], NDArray[np.float32]] | None = None,
    verdict: Verdict = UNJUDGED,
) -> dict[str, Path]:
    """Writes outputs of one image into `folder`, which is created where it does not exist.

    Args:
        image: what was segmented.
        segmentation: its lungs.
        folder: where to.
        outputs: names from `OUTPUTS`.
        name: the files are NAME_mask.png and so on; the name of the image's file without ending
            where not given.
        binary: the mask as grey PNG with 255 for either lung, instead of labels.
        overwrite: replace files that exist.
        probabilities: gives (3, rows, columns) of background, right and left lung, 0 to 1; only
            where they are to be written.
        verdict: where it is "refused", the overlay says so.

    Returns:
        The path of each output, by its name.

    Raises:
        UsageError: an output is not known.
        OutputError: a file exists and `overwrite` is not set, or one cannot be written; then none
            is.
    """
    encoders = image_encoders(
        image, segmentation, binary=binary, probabilities=probabilities, verdict=verdict
    )
    return write_outputs(
        encoders,
        outputs,
        folder,
        stem(image.source) if name is None else name,
        PICTURE,
        overwrite=overwrite,
    )


def image_encoders(
    image: Image,
    segmentation: Segmentation,
    *,
    binary: bool,
    probabilities: Callable[[], NDArray[np.float32]] | None,
    verdict: Verdict = UNJUDGED,
) -> dict[str, Encode]:
    """What makes the bytes of each output of an image, by its name."""
    encoders: dict[str, Encode] = {
        "mask": partial(mask_png, segmentation, binary=binary),
        "overlay": partial(overlay_png, image, segmentation, verdict),
        "crop": partial(crop_png, image, segmentation),
        "masked": partial(masked_png, image, segmentation),
    }
    if probabilities is not None:
        encoders["probabilities"] = lambda: probabilities_png(probabilities())
    return encoders


def write_outputs(
    encoders: Mapping[str, Encode],
    outputs: Sequence[str],
    folder: Path,
    base: str,
    ending: str,
    *,
    overwrite: bool,
) -> dict[str, Path]:
    """Writes the chosen outputs, all or none; arguments, result and errors as in `save`."""
    chosen = check_outputs(outputs)
    if unknown := [output.name for output in chosen if output.name not in encoders]:
        raise UsageError(f"{unknown[0]} cannot be written, as nothing was given that makes them")
    paths = {output.name: output.path(folder, base, ending) for output in chosen}
    for path in paths.values():
        if not overwrite and is_there(path):
            raise OutputError(
                "exists already, and was left as it is",
                where=path,
                cure="choose another folder or name, or overwrite it",
            )
    make_folder(folder)
    # Encoded one by one while they are written, so that they are not all in memory at once.
    write_files((paths[output.name], encoders[output.name]()) for output in chosen)
    return paths
