"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images: $LUNGSEG_DATA, else `shared/data` beside the repository; the test
    is skipped where it is missing."""
    named = os.environ.get("LUNGSEG_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no folder of real images at {folder}; name one in LUNGSEG_DATA to run the tests "
            "marked 'data'"
        )
    return folder
