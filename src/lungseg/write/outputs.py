"""What can be written for one image, and under which name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from lungseg.errors import OutputError, UsageError
from lungseg.image import Image, Segmentation
from lungseg.write.atomic import is_there, make_folder, write_files
from lungseg.write.png import crop_png, mask_png, masked_png, overlay_png


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of file that is written for an image.

    Attributes:
        name: what `--only` calls it; the file is `NAME_OF_INPUT_` + name + ".png".
        about: one sentence for users.
        encode: (image, segmentation) -> the bytes of the file.
    """

    name: str
    about: str
    encode: Callable[[Image, Segmentation], bytes]

    def path(self, folder: Path, stem: str) -> Path:
        """Where it is written."""
        return folder / f"{stem}_{self.name}.png"


OUTPUTS = (
    Output("mask", "Label map of the input's size: 0 background, 1 right lung, 2 left lung.", lambda _, lungs: mask_png(lungs)),
    Output("overlay", "Radiograph with the lungs tinted and outlined.", overlay_png),
    Output("crop", "Image cut to the lungs with a small margin, in the input's bit depth.", crop_png),
    Output("masked", "Image with all but the lungs set to 0, in the input's bit depth.", masked_png),
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
            raise UsageError(f"there is no output called {name!r}", cure=f"choose from {', '.join(known)}")
    if not names:
        raise UsageError("no output was asked for", cure=f"choose from {', '.join(known)}")
    return tuple(output for output in OUTPUTS if output.name in names)


def stem(source: str | PurePath) -> str:
    """The file's name without its ending: "b" for "a/b.png". An ending has a letter, so "1.2.840.7" stays whole, as DICOM names must."""
    path = PurePath(source)
    ending = path.suffix
    return path.stem if len(ending) <= 6 and any(character.isalpha() for character in ending) else path.name


def save(
    image: Image,
    segmentation: Segmentation,
    folder: Path,
    outputs: Sequence[str] = ("mask", "overlay"),
    *,
    name: str | None = None,
    binary: bool = False,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Writes outputs of one image into `folder`, which is created where it does not exist.

    Args:
        image: what was segmented.
        segmentation: its lungs.
        folder: where to.
        outputs: names from `OUTPUTS`.
        name: the files are NAME_mask.png and so on; the name of the image's file without ending where not given.
        binary: the mask as grey PNG with 255 for either lung, instead of labels.
        overwrite: replace files that exist.

    Returns:
        The path of each output, by its name.

    Raises:
        UsageError: an output is not known.
        OutputError: a file exists and `overwrite` is not set, or one cannot be written; then none is.
    """
    chosen = check_outputs(outputs)
    base = stem(image.source) if name is None else name
    paths = {output.name: output.path(folder, base) for output in chosen}
    for path in paths.values():
        if not overwrite and is_there(path):
            raise OutputError("exists already, and was left as it is", where=path, cure="choose another folder or name, or overwrite it")
    make_folder(folder)
    encoders = {output.name: output.encode for output in chosen}
    if binary:
        encoders["mask"] = lambda _, lungs: mask_png(lungs, binary=True)
    # Encoded one by one while they are written, so that they are not all in memory at once.
    write_files((paths[output.name], encoders[output.name](image, segmentation)) for output in chosen)
    return paths
