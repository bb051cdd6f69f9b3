"""Which of the files found are inputs, and a name of its own for each."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lungseg.errors import OutputError
from lungseg.report import INDEX, THUMBNAILS
from lungseg.writers import LEDGER, OUTPUTS, SUMMARY, Output, is_there, read_records, stem

log = logging.getLogger(__name__)

MAX_NAME_BYTES = 200
"""Most file systems allow 255 for a file, and the outputs add to it."""


def without_own_outputs(files: Iterable[Path]) -> list[Path]:
    """Leaves out what an earlier run wrote, so that an output folder may lie within, or be, the
    folder of the inputs.

    A file is left out where the `results.jsonl` beside it lists it as an output, or is that file,
    even where the user named it: a pattern that the shell expands names outputs, too. Where that
    file cannot be read, nothing is left out of its folder. The small pictures of a report lie in a
    folder beside it.
    """
    written: dict[Path, set[str]] = {}
    inputs = []
    for file in files:
        folder = file.parent
        if folder not in written:
            written[folder] = _outputs_in(folder)
        if file.name not in written[folder] and not (
            folder.name == THUMBNAILS and is_there(folder.parent / LEDGER)
        ):
            inputs.append(file)
    return inputs


def _outputs_in(folder: Path) -> set[str]:
    try:
        if not is_there(folder / LEDGER):
            return set()
        return {
            LEDGER,
            SUMMARY,
            INDEX,
            *(
                name
                for entry in read_records(folder / LEDGER)
                for name in entry.get("outputs", {}).values()
            ),
        }
    except OutputError as error:
        log.info("%s", error)
        return set()


def name_inputs(
    files: Sequence[Path],
    known: Mapping[str, str],
    folder: Path,
    outputs: Sequence[Output] = OUTPUTS,
) -> dict[Path, str]:
    """A name for the outputs of each file; no two are equal, nor become so where letter case does
    not count.

    The name is that of the file without its ending. Files that would share one get their ending
    added where they lie in one folder ("x_png", "x_jpg"), and as many names of folders before it as
    it takes ("a_x", "b_x"). What is longer than `MAX_NAME_BYTES` is cut, and gets a number of its
    own.

    Args:
        files: absolute paths, no two equal.
        known: names that earlier runs gave, by absolute path; they are kept, and given to no other
            file.
        folder: where the outputs go; a name whose outputs would replace one of `files` is not
            given.
        outputs: all that may be written of a file.

    Returns:
        The name of each file.
    """
    names = {file: known[str(file)] for file in files if str(file) in known}
    pending = [file for file in files if file not in names]
    duplicates = Counter((file.parent, stem(file).casefold()) for file in files)
    bases = {
        file: stem(file)
        if duplicates[file.parent, stem(file).casefold()] == 1
        else file.name.replace(".", "_")
        for file in pending
    }
    depths = dict.fromkeys(pending, 0)
    forbidden = {name.casefold() for name in known.values()}
    inputs = {str(file).casefold() for file in files}
    while pending:
        tried = {file: _with_folders(file, bases[file], depths[file]) for file in pending}
        counts = Counter(name.casefold() for name in tried.values())
        for file, name in tried.items():
            free = counts[name.casefold()] == 1 and name.casefold() not in forbidden
            if free and not any(
                str(path).casefold() in inputs
                for output in outputs
                for path in output.paths(folder, name)
            ):
                names[file] = name
                forbidden.add(name.casefold())
        pending = [file for file in pending if file not in names]
        for file in pending:
            depths[file] += 1
    return names


def _with_folders(file: Path, base: str, depth: int) -> str:
    folders = file.parent.parts[1:]
    name = "_".join([*folders[len(folders) - depth :], base]) if depth <= len(folders) else base
    encoded = os.fsencode(name)
    if depth <= len(folders) and len(encoded) <= MAX_NAME_BYTES:
        return name
    number = hashlib.sha256(os.fsencode(f"{depth} {file}")).hexdigest()[:8]
    return f"{encoded[: MAX_NAME_BYTES - 9].decode(errors='ignore')}_{number}"
