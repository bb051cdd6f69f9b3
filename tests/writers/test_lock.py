"""One program at a time writes, and what a killed one had begun is known to the next."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lungseg.errors import OutputError
from lungseg.writers.lock import LOCK, Lock, only_writer

pytest.importorskip("fcntl")

HOLDS_IT_AND_DIES = """
import os, sys
from pathlib import Path
from lungseg.writers.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.begin("a", "name of a")
lock.begin("b", "name of b")
lock.done("a")
os.kill(os.getpid(), 9)
"""


def test_the_file_goes_with_the_lock(tmp_path: Path) -> None:
    with only_writer(tmp_path / "new" / "folder"):
        assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [LOCK]
    assert list((tmp_path / "new").iterdir()) == []  # nothing was written into it
    (tmp_path / ".lungseg-0123456789abcdef.tmp").touch()
    with only_writer(tmp_path / "new"):
        (tmp_path / "new" / "result").touch()
    with only_writer(tmp_path):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "result"]


def test_whoever_comes_second_is_told_who_came_first(tmp_path: Path) -> None:
    with (
        only_writer(tmp_path),
        pytest.raises(OutputError, match=rf"writes here \(process {os.getpid()} on "),
        only_writer(tmp_path),
    ):
        pass
    with only_writer(tmp_path), Lock(tmp_path / ".another.lock"):
        pass


@pytest.mark.slow
def test_that_of_a_dead_program_holds_nobody_up_and_tells_what_was_not_done(tmp_path: Path) -> None:
    path = tmp_path / LOCK
    process = subprocess.run([sys.executable, "-c", HOLDS_IT_AND_DIES, str(path)], check=False)
    assert process.returncode == -9
    assert path.exists()
    with path.open("ab") as stream:
        stream.write(b'\n{"begun": "c", "no')  # half a line
    with Lock(path) as lock:
        assert lock.unfinished == {"b": "name of b"}
    with Lock(path) as lock:  # still so, where nobody did it
        assert lock.unfinished == {"b": "name of b"}
        lock.done("b")
    assert not path.exists()


def test_it_does_not_grow_from_run_to_run(tmp_path: Path) -> None:
    sizes = []
    for _ in range(3):
        with Lock(tmp_path / LOCK) as lock:
            lock.begin("\udce9\n", "a name that is no text")
            lock.begin("done", "")
            lock.done("done")
        sizes.append((tmp_path / LOCK).stat().st_size)
    assert len(set(sizes)) == 1


def test_what_is_in_the_file_is_not_trusted(tmp_path: Path) -> None:
    odd = [1, {"begun": 1}, {"begun": "a", "note": [2]}, {"done": {}}, {"process": "x" * 9}]
    (tmp_path / LOCK).write_text("[" * 100_000 + "\n" + "\n".join(map(json.dumps, odd)))
    with Lock(tmp_path / LOCK) as lock:
        assert lock.unfinished == {"a": "[2]"}


def test_a_folder_that_goes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Lock(tmp_path / "out" / LOCK) as lock:
        lock.check()
        (tmp_path / "out").rename(tmp_path / "moved")
        with pytest.raises(OutputError, match="out: was removed or moved while results were"):
            lock.check()
        (tmp_path / "out").mkdir()
        with pytest.raises(OutputError, match="out: was removed or moved while results were"):
            lock.check()


def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(OutputError, match=r"\.lungseg\.lock: cannot be written \(is a directory\)"):
        Lock(tmp_path / LOCK)


def test_what_was_begun_in_a_folder_that_was_half_removed_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    with Lock(folder / LOCK) as lock:
        lock.begin("a", "name of a")
        lock.done("a")
        lock.begin("b", "name of b")
        (folder / LOCK).unlink()  # and the record of a with it
    with Lock(folder / LOCK) as lock:
        assert lock.unfinished == {"a": "name of a", "b": "name of b"}


def test_nothing_is_noted_in_a_folder_that_took_the_place_of_another(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    with Lock(folder / LOCK) as lock:
        lock.begin("a", "name of a")
        folder.rename(tmp_path / "moved")
        folder.mkdir()
    assert list(folder.iterdir()) == []


def test_a_folder_that_was_removed_meanwhile_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="was removed or moved while results were written into it"),
        only_writer(tmp_path / "out"),
    ):
        shutil.rmtree(tmp_path / "out")
