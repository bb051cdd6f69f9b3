"""What is said where a system cannot confine processes, and the limits that are worked out."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from lungseg.confine import lacking, landlock, memory_for, process, system_calls


def test_what_a_system_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "release", lambda: "5.10.0")
    monkeypatch.setattr(landlock, "version", lambda: 7)
    monkeypatch.setattr(system_calls, "can_filter", lambda: True)
    assert lacking() is None
    monkeypatch.setattr(landlock, "version", lambda: 0)
    without = "Landlock, which kernels from 5.13 on have where it is switched on (this is 5.10.0)"
    assert lacking() == without
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(system_calls, "can_filter", lambda: False)
    assert lacking() == f"{without} and seccomp with a list of calls for riscv64"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert lacking() == "Linux, whose Landlock and seccomp confine processes"


def test_a_processor_without_a_list_of_calls_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not system_calls.can_filter()


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system does not tell its memory")
def test_processes_share_three_quarters_of_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(process, "_CGROUP_LIMITS", (str(limit), str(tmp_path / "gone")))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**22}.get)
    assert (memory_for(1), memory_for(4)) == (12 * 2**30, 3 * 2**30)
    limit.write_text("max\n")
    assert memory_for(1) == 12 * 2**30
    limit.write_text(f"{8 * 2**30}\n")
    assert memory_for(2) == 3 * 2**30
    assert memory_for(100) == process.MIN_MEMORY_BYTES


def test_confining_loads_no_library() -> None:
    code = "import sys, lungseg.confine.process; print(*{n.partition('.')[0] for n in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "lungseg" in loaded
    assert not loaded & {"numpy", "cv2", "PIL", "pydicom", "onnxruntime", "typer"}


def test_neither_home_nor_where_one_is_counts_as_a_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "scripts" / "mine.py")])
    monkeypatch.setattr(
        sys, "path", ["", *(str(tmp_path / name) for name in ("here", "home", "scripts", "libs"))]
    )
    found = process.libraries()
    assert [path for path in found if tmp_path in path.parents] == [tmp_path / "libs"]
    assert Path(os.__file__).parent in found
