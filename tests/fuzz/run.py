"""Gives damaged files of every kind to every reader, each within 2 GB and 10 s, and prints a table
of what came of them.

    python tests/fuzz/run.py [--cases 100000] [--start 1] [--out FOLDER] [--only GROUP...]
    [--seconds 10] [--prove]

The readers work in a process of their own, which is started again where it ends. A case is a
number: the same number and the same `--start` give the same file, where the libraries that wrote
the seeds are the same. The first five of each find are kept in FOLDER. Time is that of the
processor, so that other programs do not make hangs; what sleeps is ended after ten minutes. With
--prove the readers are five that crash, hang, raise something else and take too much memory, each
of which has to be found. Ctrl-C ends it, and the table says what was done until then. Linux only.

Exit status: 0 nothing was found, 1 something was.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

sys.path[0:0] = [str(Path(__file__).resolve().parents[1])]

from fuzz.cases import OUTCOMES, Cases, lay_out, outcome_of  # noqa: E402
from fuzz.seeds import Seed, make_seeds, one  # noqa: E402
from fuzz.targets import PROOF, TARGETS  # noqa: E402

MAX_BYTES: Final = 2 * 10**9
"""Of address space for one process, with all libraries."""
MAX_RESIDENT: Final = 10**9
"""Bytes."""
WALL_SECONDS: Final = 600.0
KEPT: Final = 5
WORD: Final = 8
SEEDS: Final = "seeds.pickle"


class Board:
    """Counts that two processes see.

    Args:
        path: of its file.
        groups: of seeds.
    """

    def __init__(self, path: Path, groups: list[str]) -> None:
        self._groups = groups
        size = WORD * (1 + len(groups) * len(OUTCOMES))
        if not path.exists():
            path.write_bytes(bytes(size))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), size)

    def _get(self, place: int) -> int:
        return int.from_bytes(self._map[WORD * place : WORD * place + WORD], "little")

    def _set(self, place: int, value: int) -> None:
        self._map[WORD * place : WORD * place + WORD] = value.to_bytes(WORD, "little")

    @property
    def number(self) -> int:
        """Of the case that is being read."""
        return self._get(0)

    @number.setter
    def number(self, number: int) -> None:
        self._set(0, number)

    def count(self, group: str, outcome: str) -> None:
        """Adds one."""
        place = 1 + self._groups.index(group) * len(OUTCOMES) + OUTCOMES.index(outcome)
        self._set(place, self._get(place) + 1)

    def table(self) -> list[tuple[str, list[int]]]:
        """How many there were of each outcome, by group."""
        width = len(OUTCOMES)
        return [
            (group, [self._get(1 + row * width + column) for column in range(width)])
            for row, group in enumerate(self._groups)
        ]


def child(arguments: argparse.Namespace, cases: Cases, folder: Path, first: int) -> None:
    """Reads cases, from one number on."""
    warnings.simplefilter("ignore")
    tempfile.tempdir = str(folder / "temporary")
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    board = Board(folder / "board", cases.groups)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in range(first, arguments.cases):
        board.number = number
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(usage.ru_utime + usage.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (spent + arguments.seconds + 1, -1))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        case = cases[number]
        outcome, why = outcome_of(case, folder / "case")
        if outcome in ("read", "refused") and _peak() > MAX_RESIDENT:
            outcome, why = "over 1 GB", f"{_peak() / 1e6:.0f} MB"
        board.count(case.seed.group, outcome)
        if why:
            found(arguments, folder, number, outcome, why)


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def found(arguments: argparse.Namespace, folder: Path, number: int, outcome: str, why: str) -> None:
    """Notes a find."""
    with (folder / "finds").open("a") as stream:
        stream.write(json.dumps({"number": number, "outcome": outcome, "why": why}) + "\n")
    print(f"case {number}: {outcome}: {why}", file=sys.stderr, flush=True)


def parent(arguments: argparse.Namespace, cases: Cases, folder: Path) -> None:
    """Starts processes that read until all cases are done."""
    board, first, script = Board(folder / "board", cases.groups), 0, str(Path(__file__).resolve())
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    said = time.monotonic()
    while first < arguments.cases:
        board.number = first
        command = [sys.executable, script, *sys.argv[1:], "--child", str(folder), str(first)]
        process = subprocess.Popen(command, env=environment)
        number, since, asleep = first, time.monotonic(), False
        while process.poll() is None:
            try:
                time.sleep(0.2)
            except KeyboardInterrupt:
                process.kill()
                process.wait()
                raise
            if board.number != number:
                number, since = board.number, time.monotonic()
            elif time.monotonic() - since > WALL_SECONDS:
                asleep = True
                process.kill()
            if time.monotonic() - said > 600:
                said = time.monotonic()
                print(f"{board.number} cases", file=sys.stderr, flush=True)
        shutil.rmtree(folder / "case", ignore_errors=True)
        if process.returncode == 0:
            return
        number = board.number
        is_hang = asleep or process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
        outcome = "hang" if is_hang else "crash"
        board.count(cases.group_of(number), outcome)
        found(arguments, folder, number, outcome, f"ended with {process.returncode}")
        first = number + 1


def keep(finds: list[dict[str, Any]], cases: Cases, folder: Path) -> None:
    """Writes the first files of each find, and a list of all."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finds.jsonl").write_text("".join(json.dumps(find) + "\n" for find in finds))
    counts: Counter[str] = Counter()
    for find in finds:
        counts[find["why"]] += 1
        if counts[find["why"]] <= KEPT:
            place = folder / str(find["number"])
            place.mkdir(exist_ok=True)
            lay_out(cases[find["number"]].seed, place)


def _cases(arguments: argparse.Namespace, folder: Path) -> Cases:
    """Those that are asked for, of the seeds that the first process left in the folder."""
    if arguments.prove:
        return Cases([one("proof", "proof", b"proof")], arguments.start, PROOF)
    seeds: list[Seed] = pickle.loads((folder / SEEDS).read_bytes())
    wanted = [seed for seed in seeds if arguments.only is None or seed.group in arguments.only]
    return Cases(wanted, arguments.start)


def main() -> int:
    """Prints the table; 1 where something was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder = Path(arguments.child[0])
        child(arguments, _cases(arguments, folder), folder, int(arguments.child[1]))
        return 0
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared, prefix="lungseg-fuzz-") as name:
        folder = Path(name)
        (folder / "seeds").mkdir()
        (folder / SEEDS).write_bytes(pickle.dumps(make_seeds(folder / "seeds")))
        cases = _cases(arguments, folder)
        with suppress(KeyboardInterrupt):
            parent(arguments, cases, folder)
        rows = Board(folder / "board", cases.groups).table()
        noted = folder / "finds"
        finds = noted.read_text().splitlines() if noted.exists() else []
        if arguments.out is not None:
            keep([json.loads(line) for line in finds], cases, arguments.out)
    print(f"| read | cases | {' | '.join(OUTCOMES)} |\n|---{'|---' * (1 + len(OUTCOMES))}|")
    rows.append(("all", [sum(column) for column in zip(*(row for _, row in rows), strict=True)]))
    for group, row in rows:
        print(f"| {group} | {sum(row)} | {' | '.join(map(str, row))} |")
    return int(bool(finds))


if __name__ == "__main__":
    sys.exit(main())
