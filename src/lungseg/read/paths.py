"""From what a user names (files, folders, patterns) to the files to be read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.errors import InputError, UnreadableError
from lungseg.read.sniff import HEAD, READ, sniff

IMAGE_ENDINGS = frozenset(
    ".png .jpg .jpeg .jpe .jfif .tif .tiff .bmp .dib .dcm .dicom .dic .ima"
    # Images that are not read are kept all the same: reading then says so, where leaving them out would hide them.
    " .gif .webp .heic .heif .avif .jp2 .j2k .jxl .nii .nrrd .nhdr .mha .mhd".split()
)
OTHER_ENDINGS = frozenset(
    ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .toml .ini .cfg .log .html .htm .css .js .svg .pdf .doc .docx .xls .xlsx"
    " .ppt .pptx .py .ipynb .sh .bat .r .m .mat .zip .gz .bz2 .xz .7z .tar .tgz .rar .npy .npz .h5 .hdf5 .pkl .pickle .pt .pth .onnx"
    " .ckpt .safetensors .parquet .feather .db .sqlite .tmp .part .bak .lock .md5 .sha256 .mp4 .avi .mov .mp3 .wav .exe .dll .so"
    " .inf .ds_store".split()
)
_OTHER_NAMES = frozenset({"dicomdir", "thumbs.db", "desktop.ini", "readme", "license", "makefile"})


@dataclass(slots=True)
class Found:
    """The files that were found, in order and each once, and one error for every path that gave none.

    Attributes:
        files: the paths, in the order of the arguments, sorted within each folder and pattern.
        problems: for each path that does not exist, is an unreadable folder, or holds no image.
    """

    files: list[Path] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)


def find(paths: Sequence[str | Path]) -> Found:
    """Resolve files, folders and patterns; a path that fails does not stop the others.

    A file that is named is kept whatever it is, so that reading it gives the reason. In folders, walked to the bottom, and patterns
    (`*`, `?`, `[...]`, and `**` for any depth), hidden files are skipped, and so are files that are obviously no images: by their
    ending, or, where the ending says nothing, by their first bytes.

    Args:
        paths: what the user named.

    Returns:
        The files and the problems; nothing is raised.
    """
    found = Found()
    seen: set[str] = set()
    for path in paths:
        for file in _resolve(str(path), found.problems):
            place = os.path.abspath(file)
            if place not in seen:
                seen.add(place)
                found.files.append(Path(file))
    return found


def _resolve(name: str, problems: list[InputError]) -> Iterator[str]:
    if os.path.isdir(name):
        yield from _from_folder(name, problems)
    elif os.path.lexists(name):
        yield name
    elif glob.has_magic(name):
        yield from _from_pattern(name, problems)
    else:
        problems.append(UnreadableError("there is no such file or folder", where=name, cure="check the name"))


def _from_folder(folder: str, problems: list[InputError]) -> Iterator[str]:
    before = len(problems)
    nothing = True
    for file in _walk(folder, problems):
        nothing = False
        yield file
    if nothing and len(problems) == before:
        problems.append(UnreadableError("the folder holds no images", where=folder, cure="name a folder with radiographs in it"))


def _from_pattern(pattern: str, problems: list[InputError]) -> Iterator[str]:
    before = len(problems)
    nothing = True
    for match in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(match):
            files = iter(()) if "**" in pattern else _walk(match, problems)  # ** matches what is in the folder, too
        else:
            files = iter((match,) if _may_be_image(match) else ())
        for file in files:
            nothing = False
            yield file
    if nothing and len(problems) == before:
        problems.append(UnreadableError("the pattern matches no images", where=pattern, cure="check the pattern"))


def _walk(folder: str, problems: list[InputError]) -> Iterator[str]:
    """Every file below `folder` that may be an image, sorted folder by folder."""

    def refused(error: OSError) -> None:
        what = "permission to read the folder was denied" if isinstance(error, PermissionError) else "the folder could not be read"
        problems.append(UnreadableError(what, where=error.filename or folder, cure="change its permissions or leave it out"))

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            if not name.startswith(".") and _may_be_image(path):
                yield path


def _may_be_image(path: str) -> bool:
    """By the ending where it is a known one, which costs nothing; by the first bytes elsewhere (DICOM files often have no ending)."""
    name = os.path.basename(path).lower()
    if name.endswith(".nii.gz"):
        return True
    ending = os.path.splitext(name)[1]
    if ending in IMAGE_ENDINGS:
        return True
    if ending in OTHER_ENDINGS or name in _OTHER_NAMES or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return sniff(file.read(HEAD)) in READ
    except OSError:
        return True  # reading it will say why
