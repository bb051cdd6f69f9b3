from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lungseg.datasets import Case, recognise
from phantom_films import write_films


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
    write_films(folder / "north", count=8)
    write_films(folder / "south", count=4)
    return recognise(folder)
