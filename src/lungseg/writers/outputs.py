"""What can be written for one input, and under which name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import OutputError, UsageError
from lungseg.image import Image
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.segmentation import Layers, Probabilities, Segmentation, lungs_layer
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers.atomic import is_name, is_there, make_folder, write_files
from lungseg.writers.encode import ENDINGS, PICTURE, Encode, Encoders, encoders_of, layer_name

MASK = "mask"

UNJUDGED = Verdict("ok")
"""Of what nobody has judged."""


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of file that is written for an input.

    Attributes:
        name: what `outputs` calls it; the file is `NAME_OF_INPUT_` + name + ending.
        about: one sentence for users.
        endings: those of `ENDINGS` that it can have.
    """

    name: str
    about: str
    endings: tuple[str, ...] = ENDINGS

    def path(self, folder: Path, stem: str, ending: str) -> Path:
        """Where it is written, of an input whose outputs have that ending.

        Raises:
            UsageError: there is no such ending.
        """
        if ending not in ENDINGS:
            raise UsageError(
                f"no output ends in {ending!r}", cure=f"there are {', '.join(ENDINGS)}"
            )
        own = ending if ending in self.endings else self.endings[0]
        return folder / f"{stem}_{self.name}{own}"

    def paths(self, folder: Path, stem: str) -> tuple[Path, ...]:
        """Wherever it may be written, while the input's format is not known."""
        return tuple(folder / f"{stem}_{self.name}{ending}" for ending in self.endings)


OUTPUTS = (
    Output(MASK, "Label map on the input's grid: 0 background, 1 right lung, 2 left lung."),
    Output(
        "overlay",
        "Radiograph, or sheet of CT slices in three planes, with the lungs tinted and outlined.",
        (PICTURE,),
    ),
    Output("crop", "Image or volume cut to the lungs with a small margin."),
    Output("masked", "Image with all but the lungs set to 0, or volume with -1024 HU there."),
    Output(
        "probabilities",
        "Probability of each structure before postprocessing, in 255ths: a page each in a TIFF, or "
        "a channel each in a volume.",
        (".tif", *ENDINGS[1:]),
    ),
    Output(
        "viewer",
        "Axial slices of at most 1024 pixels a side with their labels, for a viewer (NumPy).",
        (".npy",),
    ),
)
"""The only list of outputs."""


def check_outputs(names: Sequence[str]) -> tuple[Output, ...]:
    """The outputs of these names, or of those in one text with commas, each once, in the order of
    `OUTPUTS`.

    Raises:
        UsageError: a name is not known, or there is none.
    """
    known = [output.name for output in OUTPUTS]
    names = listed(names)
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no output called {name!r}", cure=f"choose from {', '.join(known)}"
            )
    if not names:
        raise UsageError("no output was asked for", cure=f"choose from {', '.join(known)}")
    return tuple(output for output in OUTPUTS if output.name in names)


def listed(names: Sequence[str]) -> Sequence[str]:
    """Names that may have been given in one text, with commas."""
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    return names


def layer_outputs(layers: Layers) -> tuple[Output, ...]:
    """What is written with the mask: an output for each layer of structures but that of the lungs.

    Args:
        layers: those that are found, as `lungseg.card.ModelCard.layers_of` gives them.
    """
    own = lungs_layer(layers)
    return tuple(
        Output(layer_name(layer), "Structures of another layer than the lungs; with the mask.")
        for number, layer in enumerate(layers)
        if number != own
    )


_PACKED: Final = re.compile(r"\.(nii|nrrd|mha|dcm|dicom|dic|ima)\.(gz|bz2|zst)$", re.IGNORECASE)


def stem(source: str | PurePath) -> str:
    """The file's name without its ending: "b" for "a/b.png", "a/b.nii.gz" and "a/b.dcm.bz2".

    An ending has a letter, so "1.2.840.7" stays whole, as DICOM names must.
    """
    path = PurePath(source)
    packed = _PACKED.search(path.name)
    if packed:
        return path.name[: packed.start()]
    ending = path.suffix
    return (
        path.stem
        if len(ending) <= 6 and any(character.isalpha() for character in ending)
        else path.name
    )


def save(
    image: Image | Volume,
    segmentation: Segmentation[Any],
    folder: Path,
    outputs: Sequence[str] = ("mask", "overlay"),
    *,
    options: SegmentOptions = DEFAULTS,
    name: str | None = None,
    overwrite: bool = False,
    probabilities: Probabilities | None = None,
    verdict: Verdict = UNJUDGED,
    overlay: NDArray[np.uint8] | None = None,
) -> dict[str, Path]:
    """Writes outputs of one input into `folder`, which is created where it does not exist.

    Of radiographs, and of slices of CT that came as pictures, they are PNG; of volumes what came as
    NRRD is written as NRRD, all else as NIfTI. Where the model predicts structures that overlap the
    lungs, the mask is a file for each layer: NAME_mask for that of the lungs, and of each other one
    NAME_ and the names of its structures.

    Args:
        image: what was segmented.
        segmentation: its structures.
        folder: where to.
        outputs: names from `OUTPUTS`.
        options: what they say of masks, crops and overlays holds.
        name: the files are NAME_mask.png and so on; the name of the input's file without ending, or
            of its folder, where not given.
        overwrite: replace files that exist.
        probabilities: of each structure; only where they are to be written.
        verdict: where it is "refused", the overlay says so.
        overlay: what `lungseg.draw.painted` made of the image and its structures, for who has it
            already.

    Returns:
        The path of each output, by its name.

    Raises:
        UsageError: an output is not known, or its bytes cannot be made of what was given.
        OutputError: a file exists and `overwrite` is not set, or one cannot be written; then none
            is.
    """
    chosen = check_outputs(outputs)
    encoders = encoders_of(
        image,
        segmentation,
        options,
        probabilities=probabilities,
        verdict=verdict,
        overlay=overlay,
    )
    files = dict(_files(chosen, encoders, folder, _name(image.source, name)))
    if not overwrite:
        _check_that_none_is_there(path for path, _ in files.values())
    make_folder(folder)
    # Encoded one by one while they are written, so that they are not all in memory at once.
    write_files((path, encode()) for path, encode in files.values())
    return {output: path for output, (path, _) in files.items()}


def _name(source: str, given: str | None) -> str:
    """The one that was given, else that of a file or folder, also where it was named as "."."""
    if given is None:
        own = stem(source)
        return own if is_name(own) else stem(os.path.abspath(source))  # noqa: PTH100
    if not is_name(given):
        raise UsageError(
            f"{given!r} is no name of a file", cure="give one without folders, such as `film`"
        )
    return given


def _check_that_none_is_there(paths: Iterable[Path]) -> None:
    for path in paths:
        if is_there(path):
            raise OutputError(
                "exists already, and was left as it is",
                where=path,
                cure="choose another folder or name, or overwrite it",
            )


def _files(
    outputs: Sequence[Output], encoders: Encoders, folder: Path, base: str
) -> Iterator[tuple[str, tuple[Path, Encode]]]:
    """Path of each file and what makes its bytes, by the name of the output or layer."""
    for output in outputs:
        if output.name not in encoders.outputs:
            raise UsageError(
                f"{output.name} cannot be written, as nothing was given that makes them"
            )
        path = output.path(folder, base, encoders.ending)
        yield output.name, (path, encoders.outputs[output.name])
        if output.name == MASK:
            for layer, encode in encoders.layers.items():
                yield layer, (folder / f"{base}_{layer}{encoders.ending}", encode)
