"""The notebooks of the site, as they stand: their cells are run, shortened, and the pages have
their text and code."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
SHORTER = {
    "lungs_in_five_minutes": {"(4, 5, 6, 7)": "(4, 5)", "ct_phantom()": "ct_phantom((12, 96, 96))"},
    "train_your_own": {
        "range(30)": "range(12)",
        "(256, 256)": "(64, 64)",
        "(512, 512)": "(128, 128)",
        "epochs=3": "epochs=1, width=4, depth=4, size=64, workers=0",
    },
}


@pytest.fixture(scope="module")
def pages() -> Iterator[Any]:
    """The module that makes the pages."""
    spec = importlib.util.spec_from_file_location(
        "notebook_pages", ROOT / "benchmarks" / "notebook_pages.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "notebook_pages", module)  # where dataclasses look for it
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_page_has_the_text_and_the_code_of_the_notebook(path, pages) -> None:
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    for cell in pages.cells_of(path.read_text(encoding="utf-8")):
        assert (cell.source if cell.is_text else f"```python\n{cell.source}\n```") in page
    pictures = re.findall(r'src="\.\./(images/notebooks/[\w.]+)"', page)
    assert pictures
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_something(path, pages, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    for long, short in SHORTER[path.stem].items():
        assert long in text
        text = text.replace(long, short)
    page = pages.as_page(text, path.stem, tmp_path)
    if path.stem == "train_your_own":  # a second time where the first has left its folders
        assert pages.as_page(text, path.stem, tmp_path).count("run-") == page.count("run-")
        assert {folder.name for folder in tmp_path.glob("run-*")} == {"run-1", "run-2"}
    shown = page.count("../images/notebooks/")
    assert shown == len(list(tmp_path.glob(f"{path.stem}_*.jpg"))) >= 3
