from __future__ import annotations

import pytest

from ellipse_films import write_ellipse_films
from lungseg.datasets import Case


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return write_ellipse_films(tmp_path_factory.mktemp("films"))
