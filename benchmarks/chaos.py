"""Stops commands at random moments, in every way in which they are stopped, and looks at what they
leave and whether the same command goes on, as a Markdown table.

    python benchmarks/chaos.py [--tasks films both2 ...] [--ways kill ...] [--times 5] [--seed 1]
        [--forked]

Tasks: `films` (eight radiographs, one worker), `films2` (two workers), `sandbox2` (two confined
ones, where the system can), `ct` (two volumes), `ct2` (two workers), `both1` and `both2` (six
radiographs and a volume), all with their reports; `train`, `evaluate`, `serve`. Ways: `kill`
(SIGKILL), `term`, `int`, `full` (a disk without room, a tmpfs; as root), `removed` (the output
folder goes), `twice` (a second run in the same folder), `clock` (set back by a day, as Python sees
it). Of `serve` the disk and the folder are those for temporary files, and the second server is one
on the same port. All inputs are phantoms. With `--forked` commands are forks of a process that has
imported everything, so that moments fall into their work (not `serve`, not `clock`).

Of each run: nothing stands under a final name that is not whole; nothing is said with a traceback;
the same command then ends well; of what was recorded nothing is lost or done again; in the end all
files are those of a run that nobody disturbed, reports, tables and `train`'s weights included (not
its checkpoints), and each input has one record. Of each server: whatever is sent is done or refused
in a sentence, results do not outlive their time, no process stays, and no folder but of a killed
one, which the next removes.

Exit status: 0 all is right, 1 something is not: each fault is named on standard error. Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from chaos_serve import disturb_server
from chaos_ways import SIGNALS, WAYS, command, environment, small_disk
from forked import Forked
from lungseg.confine import lacking
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.writers import volume_nifti
from lungseg.writers.lock import LOCK

PATIENCE_S: Final = 300.0
TASKS: Final = (
    *("films", "films2", "sandbox2", "ct", "ct2", "both1", "both2"),
    *("train", "evaluate", "serve"),
)
SMALL: Final = (
    "--width=4",
    "--depth=3",
    "--size=64",
    "--batch=2",
    "--validation=0.3",
    "--precision=32-true",
    "--workers=0",
    "--epochs=3",
    "-q",
)
"""A training run of some seconds."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command.

    Attributes:
        arguments: before the output folder, which is the last.
        goes_on: what is added to the same command so that it goes on; the first that ends well.
        compared: patterns of files that are equal, byte for byte, whenever they are there.
        in_the_end: of those that are equal once all is done.
        inputs: records that there have to be; 0 where there are none.
    """

    arguments: tuple[str, ...]
    compared: tuple[str, ...]
    in_the_end: tuple[str, ...]
    inputs: int = 0
    goes_on: tuple[tuple[str, ...], ...] = ((),)


def draw(folder: Path) -> dict[str, Task]:
    """The inputs, and the commands about them."""
    for name in ("films", "few", "ct", "cases/images", "cases/masks"):
        (folder / name).mkdir(parents=True)
    for name, count in (("films", 8), ("few", 6), ("cases/images", 8)):
        for number in range(count):
            phantom = radiograph_phantom((128, 128), seed=number)
            file = f"p{number}.png"
            cv2.imwrite(str(folder / name / file), phantom.image.array)
            if name == "cases/images":
                labels = phantom.ground_truth.labels
                cv2.imwrite(str(folder / "cases/masks" / file), (labels > 0).astype("u1") * 255)
    for number in range(2):
        content = volume_nifti(ct_phantom((24, 96, 96), seed=number).volume)
        (folder / "ct" / f"v{number}.nii.gz").write_bytes(content)
    places = {name: str(folder / name) for name in ("films", "few", "ct", "cases")}
    volume = str(folder / "ct" / "v0.nii.gz")
    results = ("*_mask.png", "*_overlay.png", "*_mask.nii.gz", "*_report.html")
    of_all = ("summary.csv", "report.html", "report_thumbnails/*")

    def segment(workers: int, inputs: int, *paths: str) -> Task:
        options = ("--skip-quality", "--report", "--workers", str(workers), "-o")
        return Task(("segment", *paths, *options), results, of_all, inputs)

    return {
        "films": segment(1, 8, places["films"]),
        "films2": segment(2, 8, places["films"]),
        "sandbox2": segment(2, 8, places["films"], "--sandbox"),
        "ct": segment(1, 2, places["ct"]),
        "ct2": segment(2, 2, places["ct"]),
        "both1": segment(1, 7, volume, places["few"]),
        "both2": segment(2, 7, volume, places["few"]),
        "train": Task(
            ("train", places["cases"], *SMALL, "-o"),
            ("model.onnx",),
            ("*.csv", "predictions/*"),
            goes_on=(("--resume",), ()),
        ),
        "evaluate": Task(
            ("evaluate", "cxr", places["cases"], "--split", "all", "-o"),
            ("*.csv",),
            ("*.md", "*.png", "*.html"),
        ),
    }


class Chaos:
    """Disturbs runs of one task.

    Args:
        task: the command.
        folder: for its outputs; empty.
        rng: draws the moments.
        forked: whether commands are forks.
    """

    def __init__(self, task: Task, folder: Path, rng: random.Random, *, forked: bool) -> None:
        self._task, self._folder, self._rng, self._forked = task, folder, rng, forked
        self._whole = folder / "whole" / "out"  # a run's model has the name of its folder
        self._whole.parent.mkdir()
        start = time.monotonic()
        done = self._end(self._start(self._whole))
        self._seconds = time.monotonic() - start
        if done[0]:
            raise SystemExit(f"the undisturbed run failed: {done[1]}")
        self.number = 0

    def disturb(self, way: str) -> list[str]:
        """One run, stopped and gone on with; what is wrong of it."""
        self.number += 1
        out = self._folder / f"{way}{self.number}" / "out"
        out.parent.mkdir()
        with small_disk(out.parent, self._room() if way == "full" else None) as give_room:
            was_over, status, said = self._disturbed(out, way)
            faults = [f"trace: {said[-300:]}"] if "Traceback" in said else []
            if way == "clock" and status:
                faults.append(f"status {status}: {said[-200:]}")
            if way == "removed" and status == 0 and not (was_over or self._is_whole(out)):
                faults.append("status 0, and the folder is not whole")
            faults += self._not_whole(out)
            recorded = self._recorded(out)
            give_room()
            faults += self._goes_on(out)
            again = self._recorded(out)
            changed = [one for one, state in recorded.items() if again.get(one) != state]
            faults += [f"done again or lost: {', '.join(sorted(changed))}"] if changed else []
            faults += self._different(out)
        shutil.rmtree(out.parent)
        return faults

    def _room(self) -> int:
        """Bytes of a disk that has less room than is needed."""
        files = (path for path in self._whole.rglob("*") if path.is_file())
        return self._rng.randrange(8192, max(16384, sum(path.stat().st_size for path in files)))

    def _start(
        self, out: Path, *more: str, clock: float | None = None
    ) -> subprocess.Popen[str] | Forked:
        if self._forked and clock is None:
            return Forked([*self._task.arguments, str(out), *more], self._folder)
        return subprocess.Popen(
            [*command(clock), *self._task.arguments, str(out), *more],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self._folder),
        )

    def _end(self, process: subprocess.Popen[str] | Forked) -> tuple[int, str]:
        try:
            _, said = process.communicate(timeout=PATIENCE_S)
        except (subprocess.TimeoutExpired, TimeoutError):
            process.kill()
            return 1, f"it did not end within {PATIENCE_S:g} s"
        return process.returncode, said

    def _disturbed(self, out: Path, way: str) -> tuple[bool, int, str]:
        """Whether all was done when it was disturbed, the exit status, and what was said."""
        moment = self._rng.uniform(0, self._seconds)
        process = self._start(out, clock=moment if way == "clock" else None)
        if way in ("full", "clock"):
            return False, *self._end(process)
        time.sleep(moment)
        was_over, theirs = False, ""
        if way in SIGNALS:
            process.send_signal(SIGNALS[way])
        elif way == "removed":
            was_over = out.is_dir() and any(out.iterdir()) and not (out / LOCK).exists()
            shutil.rmtree(out, ignore_errors=True)
        else:
            _, theirs = self._end(self._start(out))
        status, said = self._end(process)
        return was_over, status, said + theirs

    def _goes_on(self, out: Path) -> list[str]:
        """The same command again; what it says where it does not end well."""
        answers = []
        for more in self._task.goes_on:
            status, said = self._end(self._start(out, *more))
            if status == 0:
                return []
            answers.append(said[-300:].strip())
        if self._task.goes_on != ((),) and self._is_whole(out):
            return []  # it had ended, and says so
        return [f"does not go on: {' | '.join(answers)}"]

    def _not_whole(self, out: Path, *, in_the_end: bool = False) -> list[str]:
        theirs, ours = (self._files(one, in_the_end=in_the_end) for one in (self._whole, out))
        wrong = [
            name
            for name, path in ours.items()
            if name not in theirs or path.read_bytes() != theirs[name].read_bytes()
        ]
        return [f"not whole: {', '.join(wrong)}"] if wrong else []

    def _files(self, out: Path, *, in_the_end: bool) -> dict[str, Path]:
        """What is compared, by its path below a folder."""
        patterns = (*self._task.compared, *(self._task.in_the_end if in_the_end else ()))
        paths = (path for pattern in patterns for path in sorted(out.glob(pattern)))
        return {path.relative_to(out).as_posix(): path for path in paths}

    def _recorded(self, out: Path) -> dict[str, tuple[str, float]]:
        """Of each input that was recorded, its record and when its mask was written."""
        if not (out / "results.jsonl").is_file():
            return {}
        found = {}
        for line in (out / "results.jsonl").read_text().splitlines():
            try:
                record = json.loads(line)
                mask = out / record["outputs"]["mask"]
                found[Path(record["input"]).name] = (line, mask.stat().st_mtime)
            except (ValueError, KeyError, OSError):
                continue  # half a line, a failure, or a mask that was removed
        return found

    def _is_whole(self, out: Path) -> bool:
        return not self._different(out)

    def _different(self, out: Path) -> list[str]:
        faults = self._not_whole(out, in_the_end=True)
        whole, found = (self._files(one, in_the_end=True) for one in (self._whole, out))
        missing = {*whole} - {*found}
        faults += [f"missing: {', '.join(sorted(missing))}"] if missing else []
        if left := [path.name for path in out.rglob(".lungseg-*.tmp")]:
            faults.append(f"left behind: {', '.join(left)}")
        if self._task.inputs:
            ledger = out / "results.jsonl"
            lines = ledger.read_text() if ledger.is_file() else ""
            records = [json.loads(line) for line in lines.splitlines()]
            inputs = {record["input"] for record in records}
            if not len(records) == len(inputs) == self._task.inputs:
                faults.append(f"{len(records)} records of {len(inputs)} inputs")
            if any(record["verdict"] == "failed" for record in records):
                faults.append("an input failed")
        return faults


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forked", action="store_true")
    arguments = parser.parse_args()
    print("| command | way | times | right | what is not |\n|---|---|---|---|---|")
    is_right = True
    with tempfile.TemporaryDirectory() as name:
        tasks = draw(Path(name) / "inputs")
        for task in arguments.tasks:
            rng = random.Random(f"{arguments.seed} {task}")
            place = Path(name) / task
            place.mkdir()
            films = sorted((Path(name) / "inputs" / "films").iterdir())[:3]
            if task == "sandbox2" and (reason := lacking()):
                print(f"| {task} | | 0 | | needs {reason} |")
                continue
            chaos = (
                Chaos(tasks[task], place, rng, forked=arguments.forked) if task in tasks else None
            )
            for way in arguments.ways:
                counts: Counter[str] = Counter()
                for number in range(arguments.times):
                    faults = chaos.disturb(way) if chaos else disturb_server(place, films, way, rng)
                    for fault in faults:
                        print(f"{task}, {way} {number}: {fault}", file=sys.stderr, flush=True)
                    counts.update({fault.partition(":")[0] for fault in faults} or {""})
                wrong = ", ".join(f"{what} ({count})" for what, count in counts.items() if what)
                is_right = is_right and not wrong
                right = counts[""]
                print(f"| {task} | {way} | {arguments.times} | {right} | {wrong} |", flush=True)
    return int(not is_right)


if __name__ == "__main__":
    sys.exit(main())
