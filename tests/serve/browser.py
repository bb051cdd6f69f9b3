"""A headless Chromium and a server of its own, for the tests of the page."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ASKED_FOR = "LUNGSEG_BROWSER"
"""Set to 1, this environment variable makes a missing browser a failure."""


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; the tests are skipped where it, or playwright, is missing."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None or importlib.util.find_spec("playwright") is None:
        missing = (
            "chromium (Debian's package of that name)" if path is None else "playwright (extra dev)"
        )
        if os.environ.get(ASKED_FOR) == "1":
            pytest.fail(f"{ASKED_FOR} asks for the tests in a browser, and {missing} is missing")
        pytest.skip(f"the page is tested in a browser only where there is {missing}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The address of `lungseg serve` on a free port, in a process of its own."""
    command = [sys.executable, "-m", "lungseg", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                if line.startswith("http://"):
                    yield line.split()[0]
                    return
            pytest.fail("the server did not start: " + "".join(said))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
