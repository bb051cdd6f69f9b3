from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lungseg.errors import OutputError
from lungseg.writers import write_file
from lungseg.writers.atomic import is_there, make_folder, remove_leftovers, write_files


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


def test_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:2])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda self, mode="r": Full(self, mode.replace("b", "")))
    with pytest.raises(
        OutputError,
        match=r"x\.png: cannot be written \(no space left on device\); make room or choose an "
        r"output folder",
    ):
        write_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("problem", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_failing_rename_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise problem

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError if isinstance(problem, OSError) else KeyboardInterrupt):
        write_file(tmp_path / "x.png", b"new")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"gone/x\.png: cannot be written \(no such file or directory\)"
    ):
        write_file(tmp_path / "gone" / "x.png", b"new")


def test_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        OutputError, match=r"out: is a file, and results need a folder; name another output folder"
    ):
        make_folder(tmp_path / "out")


def test_of_several_files_none_is_replaced_where_one_cannot_be_made(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[Path, bytes]]:
        yield tmp_path / "x", b"new"
        raise ValueError("no bytes")

    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(ValueError, match="no bytes"):
        write_files(files())
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x", b"old")]


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".lungseg-0123456789abcdef.tmp", ".lungseg-notes.tmp", "x.tmp"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lungseg-notes.tmp", "x.tmp"]


def test_what_cannot_be_looked_at_is_not_there(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "x")
    assert not is_there(tmp_path / ("x" * 300))


@pytest.mark.parametrize("durable", [True, False])
def test_bytes_are_on_the_disk_before_the_name_is_unless_they_need_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    done: list[str] = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("synced"), fsync(file)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append(to.name), replace(self, to)))
    write_files([(tmp_path / "a", b"1"), (tmp_path / "b", [b"2", b"3"])], durable=durable)
    assert done == ["synced", "synced"] * durable + ["a", "b"]
