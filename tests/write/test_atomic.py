from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest

from lungseg.errors import OutputError
from lungseg.write import write_file
from lungseg.write.atomic import make_folder


def test_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"a longer old one")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


def test_others_may_read_it_as_they_may_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_file(tmp_path / "x.png", b"new")
    assert (tmp_path / "x.png").stat().st_mode == plain.stat().st_mode


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:2])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda self, mode="r": Full(self, mode.replace("b", "")))
    with pytest.raises(OutputError, match=r"x\.png: cannot be written \(no space left on device\); make room or choose an output folder"):
        write_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("problem", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_failing_rename_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    def fail(self: Path, target: Path) -> None:
        raise problem

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError if isinstance(problem, OSError) else KeyboardInterrupt):
        write_file(tmp_path / "x.png", b"new")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone/x\.png: cannot be written \(no such file or directory\)"):
        write_file(tmp_path / "gone" / "x.png", b"new")


def test_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out: cannot be written \(file exists\)"):
        make_folder(tmp_path / "out")
