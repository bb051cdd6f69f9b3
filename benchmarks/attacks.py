"""What `lungseg serve` does under attack, as a Markdown table: who came, what was answered, and
what happened to the others.

    python benchmarks/attacks.py [--seconds 30] [--connections 1000] [--megabytes 300]
    [--model NAME] [--attacks NAME...]

Starts a server of its own on a free port of loopback, and one after the other: twenty clients from
twenty addresses that send a film, wait and fetch the mask; one address that sends as many as it
can, while another one comes once; clients that send a byte a second; more connections than are
taken; an upload above the limit, honest about its size and not; jobs that are cancelled as soon as
they are there; workers that are killed. Right is every answer of 2xx, 4xx or 503, a server whose
memory grows by less than 50 MB after the first attack, and one that segments as before afterwards.

Exit status: 0 all is right, 1 something is not. Linux only, where all of 127.0.0.0/8 is this
machine.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import httpx

from lungseg.phantom.radiograph import radiograph_phantom

MAX_GROWTH_MB: Final = 50.0
MAX_UPLOAD_MB: Final = 50
QUEUE: Final = 16


class Attacks:
    """On one server.

    Args:
        arguments: of the command.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        options = ["--queue", str(QUEUE), "--queue-per-client", str(QUEUE // 2)]
        options += ["--max-upload-mb", str(MAX_UPLOAD_MB), "--client-timeout", "5"]
        options += ["--model", arguments.model] if arguments.model else []
        self.server = subprocess.Popen(
            [sys.executable, "-m", "lungseg", "serve", "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.server.stderr is not None
        self._address = self.server.stderr.readline().split()[0]
        self._port = int(self._address.rpartition(":")[2])
        threading.Thread(target=self.server.stderr.read, daemon=True).start()
        picture = radiograph_phantom((256, 256)).image.array
        self._film = cv2.imencode(".png", picture)[1].tobytes()
        self.answers: Counter[str] = Counter()

    def client(self, number: int = 1) -> httpx.Client:
        """One at an address of its own."""
        transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
        return httpx.Client(base_url=self._address, transport=transport, timeout=120)

    def send(self, client: httpx.Client, query: str = "") -> httpx.Response:
        """A film."""
        return self.ask(client, "POST", f"/segment{query}", files={"file": self._film})

    def ask(self, client: httpx.Client, method: str, path: str, **more: object) -> httpx.Response:
        """An answer, which is counted; 599 where the connection ended without one."""
        try:
            reply = client.request(method, path, **more)  # type: ignore[arg-type]
        except httpx.TransportError:
            reply = httpx.Response(599)
        self.answers["no answer" if reply.status_code == 599 else str(reply.status_code)] += 1
        return reply

    def many_clients(self) -> str:
        """Twenty that do what clients do."""
        done: list[float] = []

        def one(number: int) -> None:
            end = time.monotonic() + self._arguments.seconds
            with self.client(number) as client:
                while time.monotonic() < end:
                    start = time.monotonic()
                    reply = self.send(client, "?wait=60")
                    if reply.status_code != 200:
                        time.sleep(1)
                        continue
                    job = reply.json()
                    self.ask(client, "GET", job["files"].get("mask", "/none"))
                    self.ask(client, "DELETE", f"/jobs/{job['id']}")
                    done.append(time.monotonic() - start)

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(10, 30)))
        return f"{len(done)} done, the slowest in {max(done, default=0):.1f} s"

    def one_takes_all(self) -> str:
        """An address that fills what it can of the queue; another one finds a place."""
        with self.client(2) as greedy, self.client(3) as other:
            jobs = [self.send(greedy) for _ in range(3 * QUEUE)]
            taken = [reply.json()["id"] for reply in jobs if reply.status_code == 202]
            start = time.monotonic()
            status = self.send(other, "?wait=60").status_code
            waited = time.monotonic() - start
            for number in taken:
                self.ask(greedy, "DELETE", f"/jobs/{number}")
        if status not in (200, 202):
            raise AssertionError(f"the other one got {status}")
        return f"{len(taken)} of {len(jobs)} taken; another address was served in {waited:.1f} s"

    def slow_clients(self) -> str:
        """Those that send a byte a second, in the header and in the body."""
        head = b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
        kind = b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
        slow = [self._connection() for _ in range(40)]
        for number, connection in enumerate(slow):
            connection.sendall(head + (kind if number % 2 else b"X: "))
        start, closed = time.monotonic(), 0
        while slow and time.monotonic() - start < 60:
            time.sleep(1)
            for connection in list(slow):
                if _is_over(connection):
                    slow.remove(connection)
                    closed += 1
        if slow:
            raise AssertionError(f"{len(slow)} of 40 are still connected")
        return f"{closed} of 40 ended within {time.monotonic() - start:.0f} s"

    def many_connections(self) -> str:
        """More than are taken, all open at once."""
        held = []
        for _ in range(self._arguments.connections):
            try:
                held.append(self._connection())
            except OSError:
                break
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        found = Counter(_status(connection) for connection in held)
        self.answers.update(found)
        for connection in held:
            connection.close()
        return f"{len(held)} open: " + ", ".join(f"{one} {n}" for one, n in sorted(found.items()))

    def large_uploads(self) -> str:
        """One that says how large it is, and one that does not."""
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

        def endless() -> Iterator[bytes]:
            yield head
            for _ in range(self._arguments.megabytes):
                yield bytes(2**20)

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        length = {"Content-Length": str(len(head) + self._arguments.megabytes * 2**20)}
        with self.client(4) as client:
            replies = [
                self.ask(client, "POST", "/segment", content=endless(), headers={**kind, **more})
                for more in (length, {})
            ]
        # One is told at once, and may find the door closed while it still talks.
        return f"{self._arguments.megabytes} MB: " + ", ".join(str(r.status_code) for r in replies)

    def cancel_storm(self) -> str:
        """Jobs that are cancelled as soon as they are there."""

        def one(number: int) -> int:
            with self.client(number) as client:
                replies = [self.send(client) for _ in range(5)]
                jobs = [reply.json()["id"] for reply in replies if reply.status_code == 202]
                for job in jobs:
                    self.ask(client, "DELETE", f"/jobs/{job}")
                return len(jobs)

        with ThreadPoolExecutor(10) as pool:
            return f"{sum(pool.map(one, range(40, 50)))} cancelled"

    def killed_workers(self) -> str:
        """Workers that the system ends while they work."""
        states = []
        with self.client(5) as client:
            for _ in range(3):
                job = self.send(client).json()["id"]
                time.sleep(0.5)
                for worker in self.workers():
                    os.kill(worker, signal.SIGKILL)
                reply = self.ask(client, "GET", f"/jobs/{job}?wait=60")
                states.append(reply.json()["state"])
        return f"jobs {', '.join(states)}"

    def works(self) -> bool:
        """Whether a film is segmented, as it should be at any time."""
        with self.client(6) as client:
            for _ in range(30):
                reply = client.post("/segment?wait=60", files={"file": self._film})
                if reply.status_code == 200:
                    return bool(reply.json()["state"] == "done")
                time.sleep(2)
        return False

    def workers(self) -> list[int]:
        """Their process ids."""
        children = [
            int(child)
            for path in Path(f"/proc/{self.server.pid}/task").glob("*/children")
            for child in path.read_text().split()
        ]
        return [one for one in children if b"spawn_main" in _command(one)]

    def resident_mb(self) -> float:
        """Of the server, without its workers."""
        lines = Path(f"/proc/{self.server.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", lines)
        return int(found[1]) / 1024 if found else 0.0

    def _connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=30)


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_over(connection: socket.socket) -> bool:
    """Whether the server closed it; else it gets another byte."""
    try:
        connection.sendall(b"x")
        connection.setblocking(False)  # noqa: FBT003 (as the library has it)
        try:
            return not connection.recv(1)
        except BlockingIOError:
            return False
        finally:
            connection.settimeout(30)
    except OSError:
        return True


def _status(connection: socket.socket) -> str:
    try:
        found = re.match(rb"HTTP/1.1 (\d+)", connection.recv(200))
    except OSError:
        return "no answer"
    return found[1].decode() if found else "no answer"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--model")
    names = ["many_clients", "one_takes_all", "slow_clients", "many_connections", "large_uploads"]
    names += ["cancel_storm", "killed_workers"]
    parser.add_argument("--attacks", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    attacks = Attacks(arguments)
    ways: list[Callable[[], str]] = [getattr(attacks, name) for name in arguments.attacks]
    is_right, first = True, 0.0
    print(
        "| attack | what came of it | answers | server, MB | works after |\n|---|---|---|---|---|"
    )
    try:
        attacks.works()
        for way in ways:
            attacks.answers.clear()
            try:
                came = way()
            except AssertionError as problem:
                came, is_right = str(problem), False
            works, now = attacks.works(), attacks.resident_mb()
            first = first or now
            odd = [one for one in attacks.answers if not re.fullmatch(r"[24]\d\d|503", one)]
            odd = [] if way == attacks.large_uploads and odd == ["no answer"] else odd
            is_right = is_right and works and not odd and now < first + MAX_GROWTH_MB
            answers = ", ".join(f"{one} {n}" for one, n in sorted(attacks.answers.items()))
            name = way.__name__.replace("_", " ")
            print(f"| {name} | {came} | {answers} | {now:.0f} | {works} |", flush=True)
    finally:
        attacks.server.terminate()
        attacks.server.wait()
    return int(not is_right)


if __name__ == "__main__":
    sys.exit(main())
