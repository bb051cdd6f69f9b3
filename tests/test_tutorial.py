"""The tutorial, as it stands: its commands are run one after the other, shortened, and leave every
file that it speaks of."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lungseg.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHORTER = {
    "range(40)": "range(12)",
    "(256, 256)": "(64, 64)",
    "--size 128": "--size 64 --workers 0",
    "--epochs 30": "--epochs 2",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_block_is_one_command() -> None:
    assert [shlex.split(command)[:2] for command in COMMANDS] == [
        ["pip", "install"],
        ["python", "-c"],
        *(["lungseg", name] for name in ("dataset", "train", "evaluate", "segment")),
    ]


@pytest.mark.slow
def test_the_commands_do_what_the_page_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = "\0".join(COMMANDS[1:])
    for long, short in SHORTER.items():
        assert long in script
        script = script.replace(long, short)
    for command in script.split("\0"):
        program, *arguments = shlex.split(command)
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True)
        else:
            done = CliRunner().invoke(app, arguments, catch_exceptions=False)
            assert done.exit_code == 0, f"{command}\n{done.output}"
    places = set(re.findall(r"`((?:films|runs|report|out)/[\w./]+|cases[\w.]*)`", PAGE))
    assert {
        "films/masks",
        "cases.csv",
        "runs/mine/curves.png",
        "report/report.html",
        "out/new_mask.png",
    } <= places
    assert sorted(place for place in places if not Path(place).exists()) == []
