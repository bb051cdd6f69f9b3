"""What a confined process cannot do, tried in one."""

from __future__ import annotations

import errno
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import confined_calls
from lungseg.confine import Confinement, lacking, landlock, system_calls
from lungseg.errors import UnexpectedError, UnreadableError
from lungseg.runner.executors import ProcessExecutor
from tiny_model import write_tiny_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lacking() is not None, reason=f"nothing confines here: {lacking()}"),
]

MEMORY = 2**30


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `in`, which may be read, `out`, which may be written, and `other`."""
    place = tmp_path_factory.mktemp("place")
    for name in ("in", "out", "other"):
        (place / name).mkdir()
        (place / name / "x").write_bytes(b"x")
    (place / "in" / "link").symlink_to(place / "other" / "x")
    write_tiny_model(place / "in", name="tiny")
    return place


@pytest.fixture(scope="module")
def pool(place: Path) -> Iterator[ProcessExecutor]:
    """A confined process."""
    confinement = Confinement(
        (place / "in", place / "gone"), (place / "out",), memory=MEMORY, file_bytes=2**20
    )
    with ProcessExecutor(1, confinement=confinement) as pool:
        yield pool


def done(pool: ProcessExecutor, call: Callable[..., Any], *arguments: object) -> Any:
    return pool.submit(call, *arguments).result(timeout=120)


def refused(pool: ProcessExecutor, call: Callable[..., Any], *arguments: object) -> None:
    with pytest.raises(PermissionError):
        done(pool, call, *arguments)


def test_what_is_allowed_goes_on(pool: ProcessExecutor, place: Path) -> None:
    assert done(pool, confined_calls.read, place / "in" / "x") == b"x"
    assert "link" in done(pool, confined_calls.names_in, place / "in")
    assert done(pool, confined_calls.write, place / "out" / "y") == "y"
    assert done(pool, confined_calls.replace, place / "out" / "y") == "y"
    background, lungs, *_ = done(
        pool, confined_calls.network_of_a_model, place / "in" / "tiny.onnx"
    )
    assert 0 <= min(background, lungs) <= max(background, lungs) <= 1
    with pytest.raises(UnreadableError, match=r"x\.png: the file is empty; copy it again\."):
        done(pool, confined_calls.refuse)


@pytest.mark.parametrize(
    "name",
    [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "io_uring_setup",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "fchown",
        "fchownat",
    ],
)
def test_calls_that_nothing_needs_are_refused(pool: ProcessExecutor, name: str) -> None:
    number = system_calls.FORBIDDEN[name][system_calls._MACHINES[platform.machine()][0]]
    assert number is not None
    assert done(pool, confined_calls.error_of_call, number) == errno.EACCES


@pytest.mark.skipif(landlock.version() < 6, reason="this Landlock knows no signals")
def test_no_other_process_is_signalled(pool: ProcessExecutor) -> None:
    refused(pool, confined_calls.signal_to, os.getpid())


def test_no_other_file_is_read(pool: ProcessExecutor, place: Path) -> None:
    for file in (
        Path("/etc/passwd"),
        place / "other" / "x",
        place / "in" / "link",
        place / "in" / ".." / "other" / "x",
        Path(__file__).parents[2] / "README.md",
        Path("/proc") / str(os.getpid()) / "environ",
    ):
        refused(pool, confined_calls.read, file)
    for folder in (Path("/"), Path.home(), place, place / "other"):
        refused(pool, confined_calls.names_in, folder)
    assert done(pool, confined_calls.read_in_a_thread, Path("/etc/passwd")) == "PermissionError"


def test_nothing_is_written_elsewhere(pool: ProcessExecutor, place: Path) -> None:
    for file in (place / "in" / "x", place / "in" / "y", place / "other" / "x", place / "y"):
        refused(pool, confined_calls.write, file)
    other = place / "other" / "x"
    refused(pool, confined_calls.link, place / "out" / "link", other)
    refused(pool, confined_calls.open_to_all, other)
    refused(pool, confined_calls.cut, other)
    assert other.read_bytes() == b"x"
    assert other.stat().st_mode & 0o777 != 0o777


def test_there_is_no_network(pool: ProcessExecutor) -> None:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            refused(pool, confined_calls.socket_of, family, kind)


def test_no_program_is_started(pool: ProcessExecutor) -> None:
    refused(pool, confined_calls.run, Path(sys.executable))


def test_memory_and_files_have_their_size(pool: ProcessExecutor, place: Path) -> None:
    with pytest.raises(MemoryError):
        done(pool, confined_calls.take, 2 * MEMORY)
    assert done(pool, confined_calls.take, MEMORY // 4) == MEMORY // 4
    assert done(pool, confined_calls.write, place / "out" / "most", 2**20) == "most"
    with pytest.raises(OSError, match="File too large"):
        done(pool, confined_calls.write, place / "out" / "more", 2**20 + 1)
    assert pool.restarts == 0


def test_a_process_that_computes_without_end_is_ended_by_the_system() -> None:
    with ProcessExecutor(1, confinement=Confinement((), seconds=0.01)) as pool:
        with pytest.raises(UnexpectedError, match="ended unexpectedly"):
            done(pool, confined_calls.never_ends)
        assert done(pool, confined_calls.process_id) in pool.processes


def test_who_answers_strangely_is_ended_and_not_believed(
    pool: ProcessExecutor, place: Path
) -> None:
    for call, arguments in (
        (confined_calls.take_over, (place / "taken",)),
        (confined_calls.fraction, ()),
    ):
        before = done(pool, confined_calls.process_id)
        with pytest.raises(UnexpectedError, match="ended unexpectedly"):
            done(pool, call, *arguments)
        assert done(pool, confined_calls.process_id) != before
    assert not (place / "taken").exists()


def test_who_has_threads_already_is_told_so() -> None:
    code = (
        "import threading, lungseg.confine as confine; e = threading.Event(); "
        "t = threading.Thread(target=e.wait); t.start()\n"
        "try: confine.confine(confine.Confinement(()))\n"
        "except RuntimeError as error: print(error)\n"
        "e.set()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == ("a process is confined before it has other threads than the first one\n")
