from __future__ import annotations

from pathlib import Path

import pytest

from tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path)
