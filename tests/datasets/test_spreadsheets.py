"""Lists as spreadsheets leave them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from lungseg.datasets import discover_cases, read_manifest
from lungseg.datasets.spreadsheets import decoded

HEAD = ["case", "patient", "image", "mask", "source", "split"]
LINE = ["x", "7", "films\\größe.png", "masks\\x.png", "Köln", " Train "]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("films/größe.png", "masks/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def text(delimiter: str, *, end: str = "\r\n", before: str = "") -> str:
    return before + end.join(delimiter.join(line) for line in (HEAD, LINE)) + end


SAVED = {
    "code page of Windows": text(";").encode("cp1252"),
    "UTF-16 with tabs": text("\t").encode("utf-16"),
    "UTF-16 with tabs, big end first": b"\xfe\xff" + text("\t").encode("utf-16-be"),
    "UTF-16 without a mark": text("\t").encode("utf-16-le"),
    "a line that says what parts": text(";", before="sep=;\r\n").encode(),
    "a line that says it in quotes": text("|", before='"sep=|"\r\n').encode("cp1252"),
    "UTF-8 with its mark": text(";").encode("utf-8-sig"),
    "carriage returns": text(",", end="\r").encode(),
    "tabs": text("\t", end="\n").encode(),
}


@pytest.mark.parametrize("content", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("name", ["cases.csv", "cases.txt"])
def test_lists_are_read_as_spreadsheets_save_them(folder: Path, content: bytes, name: str) -> None:
    path = folder / name
    path.write_bytes(content)
    (case,) = read_manifest(path)
    assert [case] == list(discover_cases(path))
    assert (case.case, case.patient, case.source, case.split) == ("x", "7", "Köln", "train")
    assert case.image == (folder / "films" / "größe.png").resolve()
    assert case.mask == (folder / "masks" / "x.png").resolve()


def test_accents_are_found_however_they_are_stored(folder: Path) -> None:
    line = unicodedata.normalize("NFD", ",".join([*LINE[:2], "films/größe.png", "", "s", ""]))
    (folder / "cases.csv").write_text(f"{','.join(HEAD)}\n{line}\n", encoding="utf-8")
    assert read_manifest(folder / "cases.csv")[0].image.exists()


def test_a_backslash_that_is_in_a_name_is_left_there(folder: Path) -> None:
    (folder / "a\\b.png").touch()
    line = "x,7,a\\b.png,,s,"
    (folder / "cases.csv").write_text(f"{','.join(HEAD)}\n{line}\n")
    assert read_manifest(folder / "cases.csv")[0].image == folder / "a\\b.png"


def test_what_no_code_page_has_is_read_all_the_same() -> None:
    assert decoded(b"a\x81b") == "a\x81b"
