"""From what a user names (files, folders, patterns) to the files to be read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.errors import InputError, UnreadableError
from lungseg.provenance import Format
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.files import file_head
from lungseg.readers.nifti import header_of_pair
from lungseg.readers.probe import Probe
from lungseg.readers.series import ask_for_ct
from lungseg.readers.signatures import DICOM_ENDINGS, sniff

# fmt: off
IMAGE_ENDINGS = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".img",
        ".dcm", ".dicom", ".dic", ".ima",
        # Images that are not read are kept all the same: reading then says so, where leaving them
        # out would hide them.
        ".webp", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".nii", ".hdr", ".nrrd",
        ".nhdr", ".mha",
        ".mhd",
    }
)
OTHER_ENDINGS = frozenset(
    {
        ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml",
        ".ini", ".cfg", ".log", ".html",
        ".htm", ".css", ".js", ".svg", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx",
        ".py", ".ipynb", ".sh", ".bat", ".r",
        ".m", ".mat", ".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".rar", ".npy", ".npz",
        ".h5", ".hdf5", ".pkl", ".pickle",
        ".pt", ".pth", ".onnx", ".ckpt", ".safetensors", ".parquet", ".feather", ".db", ".sqlite",
        ".tmp", ".part", ".bak", ".lock",
        ".md5", ".sha256", ".mp4", ".avi", ".mov", ".mp3", ".wav", ".exe", ".dll", ".so", ".inf",
        ".raw", ".zraw",  # the voxels of a volume, whose header is beside them
    }
)
# fmt: on
_OTHER_NAMES = frozenset({"dicomdir", "thumbs.db", "desktop.ini", "readme", "license", "makefile"})


@dataclass(slots=True)
class FoundInputs:
    """The files that were found, in order and each once, and one error for every path that gave
    none.

    Attributes:
        files: the paths, in the order of the arguments, sorted within each folder and pattern.
        problems: for each path that does not exist, is an unreadable folder, or holds no image.
        probes: what was learned of folders with a series, and of DICOM files that were asked
            whether they are CT, by their absolute path: so that nobody need ask them again.
    """

    files: list[Path] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    probes: dict[Path, Probe] = field(default_factory=dict[Path, Probe])


def find_inputs(paths: Sequence[str | Path], *, series: bool = True) -> FoundInputs:
    """Resolve files, folders and patterns; a path that fails does not stop the others.

    A file that is named is kept whatever it is, so that reading it gives the reason. In folders,
    walked to the bottom but not through links to other folders, and patterns (`*`, `?`, `[...]`,
    and `**` for any depth), hidden files are skipped, and so are files that are obviously no
    images: by their ending, or, where the ending says nothing, by their first bytes. A folder with
    CT slices in DICOM stands for all of its DICOM files.

    Args:
        paths: what the user named.
        series: whether folders may do so; else their files are found one by one.

    Returns:
        The files and the problems; nothing is raised.
    """
    found = FoundInputs()
    seen: set[Path] = set()
    for path in paths:
        if not str(path):
            found.problems.append(
                UnreadableError("a path is empty", cure="name a file, folder or pattern")
            )
            continue
        for file in _resolve(Path(path), found, series=series):
            place = _absolute(file)
            if place not in seen:
                seen.add(place)
                found.files.append(file)
    return found


def _resolve(path: Path, found: FoundInputs, *, series: bool) -> Iterator[Path]:
    problems = found.problems
    if _is_folder(path):
        yield from _some(
            _walk(path, found, series=series), problems, f"{path}", "the folder holds no images"
        )
    elif _is_there(path):
        yield path
    elif glob.has_magic(str(path)):
        yield from _some(
            _match(str(path), found, series=series),
            problems,
            f"{path}",
            "the pattern matches no images",
        )
    else:
        problems.append(
            UnreadableError("there is no such file or folder", where=path, cure="check the name")
        )


def _is_there(path: Path) -> bool:
    """Whether there is something of that name, or it cannot be told; a broken link is there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _is_folder(path: Path) -> bool:
    """Also where the path is too long, or leads through a folder that may not be entered: then
    reading it will say why.
    """
    try:
        return path.is_dir()
    except OSError:
        return False


def _some(
    files: Iterator[Path], problems: list[InputError], where: str, otherwise: str
) -> Iterator[Path]:
    """The files, and a problem where there is not one and nothing else has been reported that
    explains it.
    """
    before, count = len(problems), 0
    for count, file in enumerate(files, start=1):  # noqa: B007
        yield file
    if count == 0 and len(problems) == before:
        problems.append(
            UnreadableError(
                otherwise, where=where, cure="name a file, folder or pattern with radiographs in it"
            )
        )


def _match(pattern: str, found: FoundInputs, *, series: bool) -> Iterator[Path]:
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        match = Path(name)
        if _is_folder(match):
            if "**" not in pattern:  # which matches what is in the folder, too
                yield from _walk(match, found, series=series)
        elif may_be_image(match):
            yield match


def _walk(folder: Path, found: FoundInputs, *, series: bool) -> Iterator[Path]:
    """Every file below `folder` that may be an image, sorted folder by folder; a folder with a
    series in place of its DICOM files.
    """

    def refused(error: OSError) -> None:
        what = (
            "permission to read the folder was denied"
            if isinstance(error, PermissionError)
            else "the folder could not be read"
        )
        found.problems.append(
            UnreadableError(
                what, where=error.filename or folder, cure="change its permissions or leave it out"
            )
        )

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(parent, name) for name in sorted(files) if not name.startswith(".")]
        maybe = {path: _may_be(path) for path in paths}
        images = [path for path in paths if maybe[path][0]]
        slices = [path for path in images if series and maybe[path][1]]
        headers = ask_for_ct(DicomFile(str(path), path) for path in map(_absolute, slices))
        if headers and headers[-1].slices:
            place = _absolute(Path(parent))
            found.probes[place] = Probe(
                str(place), place, Format.DICOM_SERIES, "ct", headers=headers
            )
            yield Path(parent)
            images = [path for path in images if path not in set(slices)]
        else:
            for header in headers:
                name = header.file.name
                found.probes[Path(name)] = Probe(
                    name, Path(name), Format.DICOM, "radiograph", headers=(header,)
                )
        yield from images


def _absolute(path: Path) -> Path:
    """Without "..", and without following links."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def may_be_image(path: Path) -> bool:
    """By the ending where it is a known one, which costs nothing; by the first bytes elsewhere
    (DICOM files often have no ending).
    """
    return _may_be(path)[0]


def _may_be(path: Path) -> tuple[bool, bool]:
    """Whether it may be an image, and whether that may be DICOM."""
    name, ending = path.name.lower(), path.suffix.lower()
    try:
        if ending in IMAGE_ENDINGS or name.endswith(".nii.gz"):
            # The header of a pair is found itself.
            return header_of_pair(path) is None, ending in DICOM_ENDINGS
        if ending in OTHER_ENDINGS or name in _OTHER_NAMES or not path.is_file():
            return False, False
        content = sniff(file_head(path)[1])
    except OSError:
        return True, False  # reading it will say why
    return isinstance(content, Format), content is Format.DICOM
