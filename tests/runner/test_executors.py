from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

import processes
from lungseg.errors import LungsegError, UnexpectedError, UnreadableError
from lungseg.runner.executors import ProcessExecutor, report_progress, workers_of

pytestmark = pytest.mark.slow


def until(holds: Callable[[], object]) -> None:
    """Waits until it holds."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def one() -> Iterator[ProcessExecutor]:
    """A single process, for calls one after the other."""
    with ProcessExecutor(1, initializer=processes.prepare) as pool:
        yield pool


def test_calls_are_done_in_a_process_that_stays(one: ProcessExecutor) -> None:
    assert one.submit(processes.add, 2, second=3).result() == 5
    [process] = one.processes
    assert process != os.getpid()
    assert {one.submit(processes.process_id).result() for _ in range(3)} == {process}
    assert one.submit(processes.prepared).result() == ["prepared"]
    assert list(one.map(abs, [-1, 2, -3])) == [1, 2, 3]


def test_an_error_comes_back_as_it_is(one: ProcessExecutor, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        one.submit(processes.refuse, tmp_path / "x.png").result()
    assert str(refused.value) == f"{tmp_path / 'x.png'}: the file is empty; copy it again."
    assert (refused.value.where, refused.value.cure) == (str(tmp_path / "x.png"), "copy it again")
    with pytest.raises(UnexpectedError, match="unexpected ValueError"):
        one.submit(processes.raise_what_does_not_pickle).result()
    with pytest.raises(AttributeError):  # told at once
        one.submit(lambda: 1)
    assert one.restarts == 0


def test_progress_is_told_while_a_call_is_done(one: ProcessExecutor, tmp_path: Path) -> None:
    call, waiting = (
        one.submit(processes.wait_for, tmp_path / "now"),
        one.submit(processes.process_id),
    )
    until(lambda: call.progress == (0.5, "waiting for it"))
    assert (call.running(), waiting.running()) == (True, False)
    assert waiting.progress == (0.0, "waiting")
    (tmp_path / "now").touch()
    assert call.result(timeout=30) == "it came"
    assert waiting.result(timeout=30) == one.processes[0]
    report_progress(0.1, "told to nobody")


def test_a_call_that_runs_can_be_stopped_and_one_that_waits_cancelled(
    one: ProcessExecutor, tmp_path: Path
) -> None:
    before, restarts = one.processes, one.restarts
    call = one.submit(processes.wait_for, tmp_path / "never")
    waiting = one.submit(processes.wait_for, tmp_path / "never")
    until(lambda: call.progress[0] == 0.5)
    assert waiting.cancel()
    assert not call.cancel()  # as of every executor
    call.stop()
    with pytest.raises(CancelledError):
        call.result(timeout=30)
    assert one.submit(processes.add, 1, second=1).result(timeout=30) == 2
    assert one.processes != before
    assert one.restarts == restarts + 1
    assert waiting.cancelled()


def test_a_process_that_ends_costs_its_call_alone(one: ProcessExecutor) -> None:
    call, other = one.submit(processes.end_at_once), one.submit(processes.add, 1, second=1)
    with pytest.raises(UnexpectedError) as ended:
        call.result(timeout=30)
    assert str(ended.value) == (
        "the process that worked on it ended unexpectedly, perhaps for want of memory; try again, "
        "or give a smaller one."
    )
    assert other.result(timeout=30) == 2


@pytest.mark.slow
def test_a_process_that_was_ended_while_idle_is_replaced(one: ProcessExecutor) -> None:
    [process] = one.processes
    os.kill(process, signal.SIGKILL)
    until(lambda: one.processes == [])
    assert one.submit(processes.add, 1, second=1).result(timeout=30) == 2


def test_a_process_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import processes, sys\n"
        "from pathlib import Path\n"
        "from lungseg.runner.executors import ProcessExecutor\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessExecutor(1)\n"
        "    call = pool.submit(processes.wait_for, Path(sys.argv[1]))\n"
        "    while call.progress[0] != 0.5: pass\n"
        "    print('it works', flush=True)\n"
        "    call.result()\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path / "never"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "it works\n"
    parent.kill()
    parent.communicate(timeout=30)  # until nobody has its standard output any more


def test_a_call_has_its_time(tmp_path: Path) -> None:
    with ProcessExecutor(1, timeout=0.3) as pool:
        call = pool.submit(processes.wait_for, tmp_path / "never")
        with pytest.raises(LungsegError) as late:
            call.result(timeout=30)
        assert str(late.value) == (
            "it was not done within 0.3 s, and was stopped; give a smaller one."
        )
        assert pool.restarts == 1


@pytest.mark.slow
def test_several_processes_work_side_by_side(tmp_path: Path) -> None:
    with ProcessExecutor(2) as pool:
        assert workers_of(pool) == 2
        calls = [pool.submit(processes.wait_for, tmp_path / "now") for _ in range(2)]
        until(lambda: all(call.progress[0] == 0.5 for call in calls))
        (tmp_path / "now").touch()
        assert [call.result(timeout=30) for call in calls] == ["it came"] * 2


@pytest.mark.slow
def test_the_end_waits_for_what_runs_or_stops_it(tmp_path: Path) -> None:
    pool = ProcessExecutor(1)
    call, waiting = (pool.submit(processes.wait_for, tmp_path / "now") for _ in range(2))
    until(lambda: call.progress[0] == 0.5)
    threading.Timer(0.1, (tmp_path / "now").touch).start()
    pool.shutdown()
    assert [call.result(), waiting.result()] == ["it came"] * 2
    assert pool.processes == []
    with pytest.raises(RuntimeError, match="no calls are taken after the shutdown"):
        pool.submit(processes.process_id)

    pool = ProcessExecutor(1)
    call, waiting = (pool.submit(processes.wait_for, tmp_path / "never") for _ in range(2))
    until(lambda: call.progress[0] == 0.5)
    pool.shutdown(cancel_futures=True)
    assert waiting.cancelled()
    with pytest.raises(CancelledError):
        call.result()
    assert pool.processes == []


def test_workers_are_counted_where_the_executor_tells() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert workers_of(pool) == 3
