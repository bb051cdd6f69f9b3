"""The days of three users: what their pages say is run, block by block, on phantoms."""

from __future__ import annotations

import csv
import re
import shlex
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from typer.testing import CliRunner

from live_server import LiveServer
from lungseg.card import read_card
from lungseg.cli.main import app
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.train import own

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, shorter: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Language and text of each block that is run, with some words shortened."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for long, short in (shorter or {}).items():
        assert long in text
        text = text.replace(long, short)
    return BLOCK.findall(text)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    yield
    torch.set_num_threads(before)


def run(kind: str, text: str, names: dict[str, Any] | None = None) -> str:
    """Runs a block; what a command printed."""
    if kind == "python":
        with warnings.catch_warnings():  # torch's exporter warns of itself
            warnings.simplefilter("ignore", FutureWarning)
            exec(compile(text, "block", "exec"), {} if names is None else names)
        return ""
    words = shlex.split(text)
    while "=" in words[0]:  # of the environment
        words.pop(0)
    assert words.pop(0) == "lungseg"
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, f"{text}\n{done.output}"
    return done.output


def test_films_become_a_table_a_figure_and_crops() -> None:
    names: dict[str, Any] = {}
    found = blocks("day_films.md", {"range(90)": "range(6)", "(512, 448)": "(256, 224)"})
    assert [kind for kind, _ in found] == ["python", "sh", "python", "python"]
    for kind, text in found:
        run(kind, text, names)
    with Path("out/summary.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert all(5_000 < float(row["lungs_area_mm2"]) < 60_000 for row in rows)
    assert Path("out/report.html").is_file()
    assert cv2.imread("lungs.png").shape == (750, 900, 3)
    assert names["crops"].shape == (len(names["sure"]), 1, 256, 256)
    assert names["boxes"].shape == (len(names["sure"]), 2, 2)


def test_an_own_network_is_trained_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)  # PYTHONPATH=.
    shorter = {"range(40)": "range(15)", "(256, 256)": "(64, 64)", "--epochs 20": "--epochs 2"}
    shorter |= {"--size 128": "--size 64 --workers 0 --no-calibrate"}
    found = blocks("day_network.md", shorter)
    assert [kind for kind, _ in found] == [
        "python",
        "sh",
        "python",
        "sh",
        "sh",
        "sh",
        "python",
        "sh",
        "sh",
    ]
    Path("mine.py").write_text(found[2][1], encoding="utf-8")
    try:
        printed = [run(kind, text) for kind, text in found]
    finally:
        own._imported.cache_clear()
        sys.modules.pop("mine", None)
    assert read_card(Path("runs/mine/model.json")).architecture == "mine:Dilated"
    assert read_card(Path("runs/unet/model.json")).architecture.startswith("U-Net")
    assert "| mine-model | unet-model |" in printed[5]
    page = Path("compared/report.html").read_text(encoding="utf-8")
    assert "The worst of mine-model" in page
    assert "The worst of unet-model" in page
    assert "background, right lung, left lung of 128 x 128 pixels" in printed[7]
    assert "| mine-model" not in printed[8]
    assert "| model | elsewhere |" in printed[8]


def test_a_server_is_asked_by_a_program_and_an_archive_is_done(tmp_path: Path) -> None:
    for number, name in enumerate(("film.png", "other.png", "archive/1.png")):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, radiograph_phantom((256, 224), seed=number).image.array)
    found = blocks("day_server.md")
    assert [kind for kind, _ in found] == ["sh", "sh", "sh", "python", "python", "sh"]
    assert "cxr" in run(*found[0])
    assert run(*found[1]).count(" ok") == 2
    token, *_, command = found[2][1].partition(" lungseg serve ")
    assert token == "LUNGSEG_TOKEN=long-enough-and-secret"
    options = shlex.split(command)
    port = options.index("--port")  # any that is free is the tests' own
    kept = options[:port] + options[port + 2 :]
    server = LiveServer(tmp_path, *kept, "--token", token.partition("=")[2])
    try:
        names: dict[str, Any] = {}
        for _, text in found[3:5]:
            run("python", text.replace("http://127.0.0.1:8080", server.address), names)
    finally:
        server.stop()
    assert [job["verdict"] for job in names["jobs"]] == ["ok", "ok"]
    assert cv2.imread("mask.png").shape == (256, 224, 3)
    with zipfile.ZipFile("all.zip") as bundle:
        assert "summary.csv" in bundle.namelist()
    assert names["health"]["status"] == "ok"
    assert "lungseg_" in names["numbers"]
    run(*found[5])
    assert sorted(path.name for path in Path("results").iterdir()) == [
        "1_mask.png",
        "1_overlay.png",
        "results.jsonl",
        "summary.csv",
    ]
