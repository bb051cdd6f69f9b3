"""A server that is disturbed while it works, for `chaos.py`: what it answers, what it leaves, and
whether it goes on, or one after it on the same port.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from chaos_ways import SIGNALS, command, environment, small_disk

KEPT_S: Final = 3.0
"""Seconds for which results are kept by a server whose clock goes back."""
PATIENCE_S: Final = 60.0
LATEST_S: Final = 6.0
"""Seconds after the films within which a server is disturbed."""
ROOM: Final = (8192, 2_000_000)
"""Bytes of a full disk, least and most; three films and their results take most of it."""


class Served:
    """A server in a process of its own.

    Args:
        folder: for its temporary files.
        port: to listen on, 0 for any.
        clock: seconds after which its clock goes back; never where it is None.
        options: further ones.

    Attributes:
        folder: for its temporary files.
        address: such as http://127.0.0.1:40123; empty where it did not begin.
    """

    def __init__(
        self, folder: Path, port: str = "0", clock: float | None = None, *options: str
    ) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [*command(clock), "serve", "--port", port, *options],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(folder),
        )
        assert self._process.stderr is not None
        first = self._process.stderr.readline()
        self._said = "" if first.startswith("http://") else first
        self.address = "" if self._said else first.split()[0]

    @property
    def port(self) -> str:
        """On which it listens."""
        return self.address.rpartition(":")[2]

    def workers(self) -> list[int]:
        """Its processes."""
        children = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(child) for path in children for child in path.read_text().split()]

    def folders(self) -> list[Path]:
        """What servers have in the folder for temporary files."""
        return sorted(self.folder.glob("lungseg-serve-*"))

    def send(self, film: Path) -> httpx.Response:
        """A film, and what is answered at once."""
        return httpx.post(
            f"{self.address}/segment",
            files={"file": film.read_bytes()},
            timeout=PATIENCE_S,
            trust_env=False,
        )

    def get(self, path: str) -> httpx.Response:
        """What it answers."""
        return httpx.get(f"{self.address}{path}", timeout=2 * PATIENCE_S, trust_env=False)

    def become(self, reply: httpx.Response) -> str:
        """What becomes of what was sent: "done", or a sentence that says why not; "?" and the
        answer where it is neither.
        """
        answer: dict[str, Any] = reply.json()
        if reply.status_code in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            reply = self.get(f"/jobs/{answer['id']}?wait=60")
            answer = reply.json()
            if answer.get("state") == "done":
                return self._fetched(answer)
            if answer.get("state") == "failed" and str(answer["error"]).endswith("."):
                return str(answer["error"])
        elif reply.status_code == HTTPStatus.INSUFFICIENT_STORAGE:
            return str(answer["detail"])
        return f"? {reply.status_code} {reply.text[:200]}"

    def _fetched(self, job: dict[str, Any]) -> str:
        """What is said of a job that is done once its files are fetched."""
        for address in job["files"].values():
            reply = self.get(address)
            if reply.status_code == HTTPStatus.NOT_FOUND:
                return str(reply.json()["detail"])
            if reply.status_code != HTTPStatus.OK or not reply.content:
                return f"? {reply.status_code} {address}"
        return "done"

    def end(self, way: str = "term") -> list[str]:
        """What is wrong of how it ends after a signal."""
        workers = self.workers()
        self._process.send_signal(SIGNALS[way])
        _, said = self.ended()
        moment = time.monotonic() + 20
        while (alive := [one for one in workers if Path(f"/proc/{one}").exists()]) and (
            time.monotonic() < moment
        ):
            time.sleep(0.1)
        faults = [f"{len(alive)} workers stay"] if alive else []
        faults += [f"trace: {said[-300:]}"] if "Traceback" in said else []
        faults += [f"unforeseen: {said[-300:]}"] if "unexpected" in said else []
        faults += ["its folder stays"] if way != "kill" and self.folders() else []
        return faults

    def ended(self) -> tuple[int, str]:
        """Its status and what it said, where it ends by itself."""
        try:
            _, said = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return 1, f"Traceback: it did not end within {PATIENCE_S:g} s"
        return self._process.returncode, self._said + said


def disturb_server(folder: Path, films: Sequence[Path], way: str, rng: random.Random) -> list[str]:
    """One server, disturbed in one way, and one after it; what is wrong of it."""
    moment = rng.uniform(0, LATEST_S)
    with small_disk(folder, rng.randrange(*ROOM) if way == "full" else None) as give_room:
        clock = moment if way == "clock" else None
        server = Served(folder, "0", clock, *(("--retention", f"{KEPT_S:g}") if clock else ()))
        if not server.address:  # there was not even room for its folder
            status, said = server.ended()
            faults = [] if status and _is_sentence(said) else [f"start: {said[-300:]}"]
            give_room()
            return faults + _next_one(folder, films[0], "0")
        replies = [server.send(film) for film in films]
        if way not in ("clock", "full"):
            time.sleep(moment)
        disturbed = DISTURBED.get(way)
        faults = disturbed(server, replies, films[0], give_room) if disturbed else []
        faults += server.end(way if way in SIGNALS else "term")
        return faults + _next_one(folder, films[0], server.port)


def _next_one(folder: Path, film: Path, port: str) -> list[str]:
    """Of a server on the same port, whether it works, and is the only one that has a folder."""
    server = Served(folder, port)
    if not server.address:
        return [f"the next server does not begin: {server.ended()[1]}"]
    faults = [] if server.become(server.send(film)) == "done" else ["the next server does not work"]
    faults += ["the folder of the server before stays"] if len(server.folders()) != 1 else []
    return faults + server.end()


def _full(
    server: Served, replies: list[httpx.Response], film: Path, give_room: Callable[[], object]
) -> list[str]:
    """Each film is done or refused in a sentence, and once there is room the server goes on."""
    ends = [server.become(reply) for reply in replies]
    faults = [f"answer: {one}" for one in ends if one.startswith("?")]
    give_room()
    end = server.become(server.send(film))
    return faults + ([] if end == "done" else [f"does not go on: {end}"])


def _removed(server: Served, replies: list[httpx.Response], film: Path, _: object) -> list[str]:
    """Each film is done or refused in a sentence, those that come later too."""
    for folder in server.folders():
        shutil.rmtree(folder, ignore_errors=True)
    ends = [server.become(reply) for reply in (*replies, server.send(film))]
    return [f"answer: {one}" for one in ends if one.startswith("?")]


def _twice(server: Served, replies: list[httpx.Response], film: Path, _: object) -> list[str]:
    """A second server on the port says that it cannot be, and the first does what it had begun and
    what comes.
    """
    status, said = Served(server.folder, server.port).ended()
    is_said = status == 2 and _is_sentence(said) and "cannot be listened on" in said
    faults = [] if is_said else [f"the second: {status} {said[-300:]}"]
    ends = [server.become(reply) for reply in (*replies, server.send(film))]
    return faults + [f"the first: {one}" for one in ends if one != "done"]


def _clock(server: Served, replies: list[httpx.Response], film: Path, _: object) -> list[str]:
    """Films are done whenever the clock goes back, and their results do not outlive their time."""
    ends = [server.become(reply) for reply in replies]
    faults = [f"not done: {one}" for one in ends if one != "done" and "no such job" not in one]
    time.sleep(LATEST_S)  # the clock went back
    last = server.send(film)
    end = server.become(last)
    faults += [] if end == "done" else [f"not done: {end}"]
    time.sleep(2 * KEPT_S)
    for reply in (*replies, last):
        if server.get(f"/jobs/{reply.json()['id']}").status_code != HTTPStatus.NOT_FOUND:
            faults.append("results outlive their time")
    left = [path for place in server.folders() for path in place.glob("[!.]*")]
    return faults + (["files outlive their time"] if left else [])


DISTURBED: Final[
    dict[
        str,
        Callable[[Served, list[httpx.Response], Path, Callable[[], object]], list[str]],
    ]
] = {"full": _full, "removed": _removed, "twice": _twice, "clock": _clock}


def _is_sentence(said: str) -> bool:
    return said.startswith("Error: ") and "Traceback" not in said
