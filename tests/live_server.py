"""`lungseg serve` in a process of its own, as a user runs it, for tests that need real
connections."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

CODE = "import sys; from lungseg.cli.main import main; sys.argv[0] = 'lungseg'; main()"


class LiveServer:
    """Started when it is made; its results go below `folder`.

    Attributes:
        address: such as http://127.0.0.1:40123.
        port: the same alone.
        process: of the server.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        environment = {**os.environ, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        environment.pop("LUNGSEG_TOKEN", None)
        command = [sys.executable, "-c", CODE, "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("http://"), line + self.process.stderr.read()
        self.address = line.split()[0]
        self.port = int(self.address.rpartition(":")[2])

    def workers(self) -> list[int]:
        """Process ids of the workers (Linux only)."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        ids = [int(number) for path in children for number in path.read_text().split()]
        return [
            number
            for number in ids
            if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
        ]

    def kept(self) -> list[Path]:
        """The folders of jobs that there are."""
        return sorted(self.folder.glob("lungseg-serve-*/[!.]*"))

    def client(self) -> httpx.Client:
        """Speaks to it."""
        return httpx.Client(base_url=self.address, timeout=60, trust_env=False)

    def connect(self, client: str = "127.0.0.1") -> socket.socket:
        """A connection of a client's address, on which anything can be said."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=30, source_address=(client, 0)
        )

    def stop(self) -> str:
        """Ends it as Ctrl-C does; what it said on standard error after its address."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=60)
        return said
