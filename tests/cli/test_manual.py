"""The manual page."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_manual_page_says_what_the_commands_say() -> None:
    manual = runpy.run_path(str(ROOT / ".ci" / "manual.py"))["manual"]
    page = (ROOT / "docs" / "lungseg.1").read_text(encoding="utf-8")
    assert page == manual(), "run python .ci/manual.py > docs/lungseg.1"
