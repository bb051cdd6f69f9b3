"""What processes may read and write that do a batch, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lungseg.confine import Confinement, memory_for
from lungseg.options import SegmentOptions
from lungseg.predict import find_model
from lungseg.quality.files import model_files
from lungseg.readers import Probe
from lungseg.runner import RunOptions
from lungseg.runner.job import absolute
from lungseg.writers import make_folder

_IN_SEVERAL_FILES: Final = (".mhd", ".mha", ".nhdr", ".nrrd", ".hdr", ".img")
"""Endings of volumes whose voxels may be in files beside them."""


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


def _beside(path: Path) -> Iterator[Path]:
    """A file, and what belongs to it; a folder, and what its links lead to."""
    yield path
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_symlink())
        elif path.suffix.lower() in _IN_SEVERAL_FILES:
            with os.scandir(path.parent) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_file())
    except OSError:  # reading it will say why
        return
