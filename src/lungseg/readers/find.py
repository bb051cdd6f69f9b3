"""From what a user names (files, folders, patterns, archives, a DICOMDIR) to the inputs to be read,
and to all that is found beside them and is none.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lungseg.errors import InputError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers.archive import Unpacked, is_archive
from lungseg.readers.dicom_ct import CtFile, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_kind import DicomKind
from lungseg.readers.dicomdir import is_dicomdir, listed_files
from lungseg.readers.endings import FileKind, look_at, may_be_image
from lungseg.readers.folders import FolderContents, absolute, look_through
from lungseg.readers.left_out import LeftOut, in_words, left_out_dicom
from lungseg.readers.members import member_probe
from lungseg.readers.probe import Probe, probe
from lungseg.readers.signatures import OtherContent
from lungseg.readers.volume_parts import VolumeParts

__all__ = ["FoundInputs", "find_inputs", "may_be_image"]

_FEW: Final = 3
"""Names that are said one by one."""
_NAME_OTHERS: Final = "name a file, folder or pattern with images in it"


@dataclass(slots=True)
class FoundInputs:
    """The inputs that were found, in order and each once, and one error for every path that gave
    none.

    Attributes:
        files: the paths, in the order of the arguments, sorted within each folder and pattern; of
            what is in an archive the archive's path and the path within.
        problems: for each path that does not exist, is an unreadable folder, or holds no image.
        probes: what was learned of folders with a series, of DICOM files that were asked whether
            they are CT, and of what was unpacked, by their absolute path: so that nobody need ask
            them again.
        left_out: every other file that was found, and why.
    """

    files: list[Path] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    probes: dict[Path, Probe] = field(default_factory=dict[Path, Probe])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])


def find_inputs(
    paths: Sequence[str | Path], *, series: bool = True, unpack: bool = True
) -> FoundInputs:
    """Resolve files, folders, patterns, archives and DICOMDIRs; a path that fails does not stop the
    others.

    A file that is named is kept whatever it is, so that reading it gives the reason. In folders,
    walked to the bottom but not through links to other folders, and patterns (`*`, `?`, `[...]`,
    and `**` for any depth), hidden files are skipped, and what is no image is left out: by its
    ending, or, where the ending says nothing, by its first bytes. A folder with CT slices in DICOM
    stands for them; radiographs in it are inputs of their own. A series that lies in several
    folders is one input. A zip or tar archive that is named is unpacked into a temporary folder,
    which goes with the last `Probe` of what is in it. Of a DICOMDIR the files that it lists count.

    Args:
        paths: what the user named.
        series: whether folders may stand for series; else their files are found one by one.
        unpack: whether archives are.

    Returns:
        The files and the problems; nothing is raised.
    """
    found = FoundInputs()
    seen: set[Path] = set()
    named: list[Path] = []
    for path in paths:
        if problem := _no_path(str(path)):
            found.problems.append(problem)
            continue
        try:
            files = list(_resolve(Path(path), found, named, series=series, unpack=unpack))
        except InputError as error:
            found.problems.append(error)
            continue
        for file in files:
            place = absolute(file)
            if place not in seen:
                seen.add(place)
                found.files.append(file)
    if series:
        _refuse_series(named, found)
    inputs = {absolute(file) for file in found.files}
    left_out = {absolute(one.path): one for one in found.left_out}
    found.left_out = [one for place, one in left_out.items() if place not in inputs]
    return found


def _no_path(path: str) -> InputError | None:
    """Why something that was named is no path; None where it is one."""
    if not path:
        return UnreadableError("a path is empty", cure="name a file, folder or pattern")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        return UnreadableError(
            "this is an address, and nothing is read from a network",
            where=path,
            cure="download it, and name the file",
        )
    return None


def _resolve(
    path: Path, found: FoundInputs, named: list[Path], *, series: bool, unpack: bool
) -> Iterator[Path]:
    if _is_folder(path):
        yield from _some(lambda: _add(look_through(path, series=series), found), found, path)
    elif _is_there(path):
        if is_dicomdir(path):
            yield from _some(lambda: _listed(path, found, series=series), found, path)
        elif unpack and is_archive(path):
            yield from _some(lambda: _unpacked(path, found, series=series), found, path)
        else:
            named.append(path)
            yield path
    elif glob.has_magic(str(path)):
        yield from _some(
            lambda: _match(str(path), found, named, series=series, unpack=unpack), found, path
        )
    elif unpack and (member := archive_member(path, series=series)) is not None:
        found.probes[absolute(path)] = member
        yield path
    else:
        found.problems.append(
            UnreadableError("there is no such file or folder", where=path, cure="check the name")
        )


def archive_member(path: Path, *, series: bool = True) -> Probe | None:
    """What is in an archive, where a path leads into one, as the records of such inputs do; None of
    any other path.

    Raises:
        InputError: the archive cannot be unpacked, or holds no input of that name.
    """
    if _is_there(path):
        return None
    archive = next((one for one in path.parents if is_archive(one)), None)
    if archive is None:
        return None
    found = FoundInputs()
    _unpacked(archive, found, series=series)
    if absolute(path) not in found.probes:
        raise UnreadableError("the archive holds no such input", where=path, cure="check the name")
    return found.probes[absolute(path)]


def _is_there(path: Path) -> bool:
    """Whether there is something of that name, or it cannot be told; a broken link is there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
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


def _some(resolve: Callable[[], list[Path]], found: FoundInputs, path: Path) -> list[Path]:
    """What was resolved, and a problem where there is not one file and nothing else has been
    reported that explains it.
    """
    problems, left_out = len(found.problems), len(found.left_out)
    files = resolve()
    if files or len(found.problems) > problems:
        return files
    others = found.left_out[left_out:]
    of_series = [one for one in others if one.series]
    if of_series:
        found.problems += [
            UnsupportedError(
                "it holds other DICOM, and no radiograph and no CT",
                shown=f"it holds {words}, and no radiograph and no CT",
                where=path,
                cure="give radiographs or CT",
            )
            for words in in_words(of_series)
        ]
        return files
    what = (
        "the pattern matches no images"
        if glob.has_magic(str(path)) and not _is_there(path)
        else "the folder holds no images"
        if _is_folder(path)
        else "it leads to no images"
    )
    dicom = [one for one in others if one.code != "no_image"]
    also = f", only {', '.join(in_words(dicom))}" if dicom else ""
    found.problems.append(UnreadableError(f"{what}{also}", where=path, cure=_NAME_OTHERS))
    return files


def _add(contents: FolderContents, found: FoundInputs) -> list[Path]:
    found.problems += contents.problems
    found.probes |= contents.probes
    found.left_out += contents.left_out
    return contents.files


def _match(
    pattern: str, found: FoundInputs, named: list[Path], *, series: bool, unpack: bool
) -> list[Path]:
    files: list[Path] = []
    others: list[Path] = []
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        match = Path(name)
        if _is_folder(match):
            if "**" not in pattern:  # which matches what is in the folder, too
                files += _add(look_through(match, series=series), found)
            continue
        look = look_at(match)
        if look in (FileKind.IMAGE, FileKind.DICOM):
            named.append(match)
            files.append(match)
        elif look is FileKind.ARCHIVE and unpack and is_archive(match):
            files += _unpacked(match, found, series=series)
        elif look is not FileKind.PART:
            others.append(match)
    parts = VolumeParts().among(others, named)
    found.left_out += [LeftOut(p, "no_image", "no image") for p in others if p not in parts]
    return files


def _listed(path: Path, found: FoundInputs, *, series: bool) -> list[Path]:
    """The inputs among the files that a DICOMDIR lists; where it lists none, of its folder."""
    files, problems = listed_files(path)
    found.problems += problems
    only = {absolute(file) for file in files} if files else None
    return _add(look_through(path.parent, series=series, only=only), found)


def _unpacked(path: Path, found: FoundInputs, *, series: bool) -> list[Path]:
    """The inputs in an archive, called by its path and theirs within it."""
    unpacked = Unpacked(path)
    contents = look_through(unpacked.folder, series=series)

    def inside(place: Path) -> Path:
        return path / absolute(place).relative_to(unpacked.folder)

    for place in contents.files:
        here, name = absolute(place), absolute(inside(place))
        found.probes[name] = member_probe(
            here, name, contents.probes.get(here), unpacked.folder, absolute(path), unpacked
        )
    found.left_out += [
        LeftOut(inside(one.path), one.code, one.what, one.series) for one in contents.left_out
    ]
    found.problems += contents.problems
    return [inside(place) for place in contents.files]


def _refuse_series(named: Sequence[Path], found: FoundInputs) -> None:
    """Where several files that were named are slices of a series that is no CT, one sentence for
    the series; and what was learned of all DICOM files among them.
    """
    if len(named) < 2:
        return
    headers: dict[Path, CtFile] = {}
    for path in named:
        place = absolute(path)
        if place in found.probes or look_at(path) is not FileKind.DICOM:
            continue
        try:
            header = read_header(DicomFile(str(path), path))
        except InputError:
            continue  # reading it says why
        headers[path] = header
        found.probes[place] = Probe(
            str(path), path, Format.DICOM, header.modality, headers=(header,)
        )
    groups: dict[str, list[Path]] = defaultdict(list)
    for path, header in headers.items():
        if header.kind is DicomKind.OTHER and header.series_uid:
            groups[header.series_uid].append(path)
    for paths in groups.values():
        if len(paths) < 2:
            continue
        others = [left_out_dicom(headers[path], path) for path in paths]
        found.left_out += others
        found.files = [file for file in found.files if file not in paths]
        found.problems.append(
            UnsupportedError(
                f"{len(others)} files {others[0].what} are neither radiographs nor CT",
                shown=f"{in_words(others)[0]} are neither radiographs nor CT",
                where=paths[0].parent,
                cure="give radiographs or CT",
            )
        )


def only_input(probed: Probe, *, series: bool = True) -> Probe:
    """What is to be read where a folder without a series of its own, an archive or a DICOMDIR was
    named: the one series of CT in it, or the one image; any other probe as it is.

    Raises:
        InputError: it holds none, or several.
    """
    place, content = probed.data, probed.format
    if not isinstance(place, Path) or not (
        content is OtherContent.FOLDER
        or place.name.upper() == "DICOMDIR"
        or content is OtherContent.DICOMDIR
        or (isinstance(content, OtherContent) and is_archive(place))
    ):
        return probed
    own = probe(place) if series and probed.format is OtherContent.FOLDER else probed
    if own.format is Format.DICOM_SERIES:
        return own
    found = find_inputs([place], series=series)
    probes = [found.probes.get(absolute(file)) or probe(file) for file in found.files]
    several = [one for one in probes if one.format is Format.DICOM_SERIES] or probes
    if len(several) == 1:
        return several[0]
    if not several:
        raise found.problems[0]
    shown = ", ".join(one.source for one in several[:_FEW]) + (", ..." * (len(several) > _FEW))
    raise UnsupportedError(
        f"it holds {len(several)} images or series, and one is read at a time: {shown}",
        where=probed.source,
        cure="name one of them",
    )
