"""The server's workers cannot do more than their work."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import confined_calls
from lungseg.confine import lacking
from lungseg.errors import UnexpectedError
from lungseg.serve import confined
from lungseg.serve.confined import confinement_in_words, confinement_of
from lungseg.serve.settings import ServerSettings
from running_server import running

can_confine = pytest.mark.skipif(lacking() is not None, reason=f"nothing confines: {lacking()}")


async def mask(client, film):
    """Of a film that is sent."""
    job = (await client.post("/segment?wait=60", files={"file": ("a.png", film)})).json()
    while job["state"] in ("queued", "running"):
        job = (await client.get(f"/jobs/{job['id']}?wait=60")).json()
    assert job["state"] == "done", job
    return (await client.get(job["files"]["mask"])).content


async def tried(server, call, *arguments):
    return await asyncio.wrap_future(server.pool.submit(call, *arguments))


@pytest.mark.slow
@can_confine
def test_a_worker_reads_and_reaches_nothing_and_gives_the_same_masks(tiny_model, film, tmp_path):
    (tmp_path / "x").write_bytes(b"x")

    async def scenario():
        async with running(tiny_model) as (server, client):
            for file in (
                Path("/etc/passwd"),
                tmp_path / "x",
                Path(__file__).parents[2] / "README.md",
            ):
                with pytest.raises(PermissionError):
                    await tried(server, confined_calls.read, file)
            with pytest.raises(PermissionError):
                await tried(server, confined_calls.write, tmp_path / "y")
            with pytest.raises(PermissionError):
                await tried(server, confined_calls.socket_of, socket.AF_INET, socket.SOCK_STREAM)
            given = await mask(client, film)
            with pytest.raises(UnexpectedError):  # and it would not be believed
                await tried(server, confined_calls.take_over, tmp_path / "z")
            assert await mask(client, film) == given
        async with running(tiny_model, sandbox=False) as (server, client):
            assert await tried(server, confined_calls.read, tmp_path / "x") == b"x"
            assert await mask(client, film) == given

    asyncio.run(scenario())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]


def test_the_log_says_what_confines_workers(monkeypatch):
    monkeypatch.setattr(confined, "memory_for", lambda workers: 4_000_000_000 // workers)
    monkeypatch.setattr(confined, "lacking", lambda: None)
    settings = ServerSettings(workers=2, job_timeout=30)
    assert confinement_in_words(settings) == (
        "workers are confined by Landlock and seccomp: their folder alone, no network, 30 s a "
        "job, 2.0 GB of memory each"
    )
    monkeypatch.setattr(confined, "lacking", lambda: "Landlock")
    assert confinement_in_words(settings) == (
        "workers are confined in part, as this system lacks Landlock: 30 s a job, 2.0 GB of "
        "memory each"
    )
    monkeypatch.setattr(confined, "memory_for", lambda workers: None)
    assert confinement_in_words(settings) == (
        "workers are confined in part, as this system lacks Landlock: 30 s a job"
    )
    refused = ServerSettings(sandbox=False)
    assert confinement_in_words(refused) == "workers are not confined, as --no-sandbox says"
    assert confinement_of(refused, Path("folder")) is None


def test_a_model_of_ones_own_is_read(tiny_model, tmp_path):
    found = confinement_of(ServerSettings(model=str(tiny_model), job_timeout=9), tmp_path)
    assert [path.name for path in found.read] == ["tiny.onnx", "tiny.json", "tiny.judge.json"]
    assert (found.write, found.seconds) == ((tmp_path,), 9)
