"""What processes may read and write that do a batch, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lungseg.confine import Confinement, memory_for
from lungseg.errors import InputError
from lungseg.options import SegmentOptions
from lungseg.predict import find_model
from lungseg.provenance import Format
from lungseg.quality.files import model_files
from lungseg.readers import Probe
from lungseg.readers.probe import identify
from lungseg.runner import RunOptions
from lungseg.runner.job import absolute
from lungseg.writers import make_folder

_PAIR: Final = (".hdr", ".img")
_WITH_HEADER: Final = (Format.METAIMAGE, Format.NRRD)


def confinement_of(
    inputs: Sequence[str | Path | Probe],
    options: SegmentOptions,
    run: RunOptions,
    *,
    workers: int,
    seconds: float,
) -> Confinement:
    """That of the processes that segment these inputs.

    They read the inputs, the model and the folder of results, and write there. Of an input that is
    a folder all below may be read, of a volume that may be in several files those beside it.

    Args:
        inputs: as `lungseg.batch.segment_many` takes them.
        options: how they are segmented.
        run: what is written; its folder is created, as only what is there can be allowed.
        workers: how many processes share the memory.
        seconds: for one input.

    Raises:
        ModelError: there is no such model.
        OutputError: the folder cannot be created.
    """
    make_folder(run.folder)
    read = dict.fromkeys(place for given in inputs for place in _places(given))
    if options.model is not None:
        read |= dict.fromkeys(model_files(find_model(options.model)))
    return Confinement(
        tuple(absolute(path) for path in read),
        (run.folder,),
        memory=memory_for(workers),
        seconds=seconds,
    )


def _places(given: str | Path | Probe) -> Iterator[Path]:
    """Files and folders that reading an input opens."""
    if not isinstance(given, Probe):
        yield from _beside(Path(given))
        return
    if isinstance(given.data, Path):
        yield from _beside(given.data)
    for file in given.files:
        if isinstance(file.data, Path):
            yield file.data


def _is_in_several_files(path: Path) -> bool:
    """Whether it is of a volume whose voxels may be in files beside it."""
    try:
        return path.suffix.lower() in _PAIR or identify(path, unpack=False).format in _WITH_HEADER
    except InputError:  # reading it will say why
        return False


def _beside(path: Path) -> Iterator[Path]:
    """A file, and what belongs to it; a folder, and what its links lead to."""
    yield path
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_symlink())
        elif _is_in_several_files(path):
            with os.scandir(path.parent) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_file())
    except OSError:  # reading it will say why
        return
