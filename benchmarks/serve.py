"""Many clients at once at `lungseg serve`: what they are answered, how long it takes, what memory
does, and whether the masks are right.

    python benchmarks/serve.py IMAGE... [--clients 8] [--seconds 60] [--workers 1] [--queue 16]
    [--skip-quality] [--delete]

Starts a server of its own on a free port. Each client sends one image after the other, waits for
the job, fetches the mask and compares it, byte for byte, with what `lungseg segment` wrote for the
same image before; with --delete it then deletes the job, as a program would that has what it came
for. After 429 it waits for as long as it is told, a second at most. Memory is what is resident, in
MB, of the server and of its workers together (Linux only).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

COMMAND = (sys.executable, "-m", "lungseg")


class Load:
    """What the clients share."""

    def __init__(
        self, address: str, masks: dict[Path, bytes], arguments: argparse.Namespace
    ) -> None:
        self._address, self._masks, self._arguments = address, masks, arguments
        self._files = {path: path.read_bytes() for path in masks}
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.wrong = 0

    def run(self, number: int) -> None:
        """One client, until its time is over."""
        end = time.monotonic() + self._arguments.seconds
        paths = list(self._masks)
        with httpx.Client(base_url=self._address, timeout=300, trust_env=False) as client:
            while time.monotonic() < end:
                self._once(client, paths[number % len(paths)])
                number += 1

    def _once(self, client: httpx.Client, path: Path) -> None:
        start = time.perf_counter()
        fields = {"skip_quality": "true"} if self._arguments.skip_quality else {}
        reply = client.post(
            "/segment?wait=60", files={"file": (path.name, self._files[path])}, data=fields
        )
        self._count(f"POST {reply.status_code}")
        if reply.status_code == 429:
            time.sleep(min(1.0, float(reply.headers["Retry-After"])))
            return
        job = reply.json()
        while job["state"] in ("queued", "running"):
            job = client.get(f"/jobs/{job['id']}?wait=60").json()
        self._count(f"job {job['state']}")
        passed = time.perf_counter() - start
        mask = client.get(job["files"]["mask"]) if job["state"] == "done" else None
        with self._lock:
            self.seconds.append(passed)
            self.wrong += mask is None or mask.content != self._masks[path]
        if self._arguments.delete:
            client.delete(f"/jobs/{job['id']}")

    def _count(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1


def command_line(files: list[Path], folder: Path) -> dict[Path, bytes]:
    """The masks that `lungseg segment` writes."""
    subprocess.run(
        [*COMMAND, "segment", *map(str, files), "-o", str(folder), "--quiet"], check=True
    )
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return {
        Path(record["input"]): (folder / record["outputs"]["mask"]).read_bytes()
        for record in records
        if "input" in record
    }


def memory(server: int) -> tuple[float, float]:
    """MB resident of a process, and of its children together."""
    children = [
        int(child)
        for path in Path(f"/proc/{server}/task").glob("*/children")
        for child in path.read_text().split()
    ]

    def resident(process: int) -> float:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    return resident(server), sum(map(resident, children))


def main() -> None:
    """Prints what became of the load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", nargs="+", type=Path)
    for name, default in (("clients", 8), ("seconds", 60), ("workers", 1), ("queue", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("skip-quality", "delete"):
        parser.add_argument(f"--{name}", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        masks = command_line([path.resolve() for path in arguments.images], Path(folder))
    options = ["--port", "0", "--workers", str(arguments.workers), "--queue", str(arguments.queue)]
    server = subprocess.Popen([*COMMAND, "serve", *options], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        load = Load(server.stderr.readline().split()[0], masks, arguments)
        print("| seconds | server MB | workers MB | jobs |\n|---|---|---|---|")
        with ThreadPoolExecutor(arguments.clients) as pool:
            start = time.monotonic()
            clients = [pool.submit(load.run, number) for number in range(arguments.clients)]
            for part in range(1, 7):
                time.sleep(max(0.0, start + part * arguments.seconds / 6 - time.monotonic()))
                own, workers = memory(server.pid)
                print(
                    f"| {time.monotonic() - start:.0f} | {own:.0f} | {workers:.0f} | "
                    f"{len(load.seconds)} |",
                    flush=True,
                )
            for client in clients:
                client.result()
        passed = time.monotonic() - start
    finally:
        server.terminate()
        server.wait()
    print(f"\n{', '.join(f'{what}: {count}' for what, count in sorted(load.answers.items()))}")
    ordered = sorted(load.seconds)
    print(
        f"{len(ordered) / passed:.2f} jobs a second; {statistics.median(ordered):.2f} s each, at "
        f"most {ordered[-1]:.2f} s"
    )
    print(f"masks that differ from the command line's: {load.wrong} of {len(ordered)}")


if __name__ == "__main__":
    main()
