from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lungseg.datasets import Case, discover_cases
from lungseg.train.fit import fit
from phantom_radiographs import write_radiographs
from tiny_run import SETTINGS


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Phantoms of 64 x 64: eight of the source "north", four of "south", two of each patient."""
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=8)
    write_radiographs(folder / "south", count=4)
    return discover_cases(folder)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> Path:
    """A run that was not disturbed."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert fit(cases, folder, SETTINGS, progress=False) == folder / "best.ckpt"
    return folder
