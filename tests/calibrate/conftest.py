from __future__ import annotations

import pytest

from ellipse_radiographs import write_ellipse_radiographs
from lungseg.datasets import Case


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return write_ellipse_radiographs(tmp_path_factory.mktemp("films"))
