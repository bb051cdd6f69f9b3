"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lungseg.writers import Ledger, Record, record_schema

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


@pytest.fixture(scope="session", autouse=True)
def _each_record_is_as_the_schema_has_it() -> Iterator[None]:
    """Whatever a test has written into a `results.jsonl` is held against the schema first."""
    validator, add = Draft202012Validator(record_schema()), Ledger.add

    def validated(ledger: Ledger, entry: Record) -> None:
        wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(entry)]
        assert wrong == []
        add(ledger, entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "add", validated)
        yield
