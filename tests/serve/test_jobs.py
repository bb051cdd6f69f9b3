"""Workers and what becomes of jobs that do not end well. A worker is made to work for ever by
stopping its process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal

import pytest

from running_server import running

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped on this system"
)


async def begun(client, film):
    """A job that runs."""
    job = (await client.post("/segment", files={"file": ("patient.png", film)})).json()
    while job["state"] == "queued":
        await asyncio.sleep(0.01)
        job = (await client.get(f"/jobs/{job['id']}")).json()
    assert job["state"] == "running"
    return job


async def ended(client, job):
    return (await client.get(f"/jobs/{job['id']}?wait=60")).json()


@pytest.mark.slow
def test_a_killed_worker_fails_its_job_a_cancelled_one_is_replaced_and_others_go_on(
    tiny_model, film, caplog
):
    async def scenario():
        async with running(tiny_model) as (server, client):
            [worker] = server.pool.processes
            os.kill(worker, signal.SIGSTOP)
            killed, waiting = (
                await begun(client, film),
                (await client.post("/segment", files={"file": ("b.png", film)})).json(),
            )
            health = (await client.get("/healthz")).json()
            assert health == {"status": "ok", "workers": 1, "running": 1, "queued": 1}
            os.kill(worker, signal.SIGKILL)
            killed = await ended(client, killed)
            assert (killed["state"], killed["files"]) == ("failed", {})
            assert killed["error"] == (
                "The process that worked on it ended unexpectedly, perhaps for want of memory; "
                "try again, or give a smaller one."
            )
            assert (await ended(client, waiting))["state"] == "done"

            [worker] = server.pool.processes
            os.kill(worker, signal.SIGSTOP)
            job = await begun(client, film)
            assert (await client.get(f"/jobs/{job['id']}/files/mask")).status_code == 404
            cancelled = (await client.delete(f"/jobs/{job['id']}")).json()
            assert (cancelled["state"], cancelled["error"]) == ("cancelled", None)
            again = (await client.post("/segment?wait=60", files={"file": ("b.png", film)})).json()
            assert again["state"] == "done"
            assert (await client.get(f"/jobs/{job['id']}")).json()["state"] == "cancelled"
            assert (await client.delete(f"/jobs/{job['id']}")).json()["state"] == "cancelled"
            assert (await client.get(f"/jobs/{job['id']}")).status_code == 404

            metrics = (await client.get("/metrics")).text
            for line in (
                'lungseg_jobs_total{state="done"} 2.0',
                'lungseg_jobs_total{state="failed"} 1.0',
                'lungseg_jobs_total{state="cancelled"} 1.0',
                "lungseg_worker_restarts 2.0",
                "lungseg_workers 1.0",
                'lungseg_requests_total{method="POST",route="/segment",status="202"} 3.0',
                'lungseg_requests_total{method="POST",route="/segment",status="200"} 1.0',
            ):
                assert line in metrics.splitlines()
            assert "patient" not in metrics
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)

    asyncio.run(scenario())
    assert caplog.text == ""


@pytest.mark.slow
def test_a_job_has_its_time_and_results_have_theirs(tiny_model, film):
    async def scenario():
        async with running(tiny_model, job_timeout=0.2, retention=0.4) as (server, client):
            os.kill(server.pool.processes[0], signal.SIGSTOP)
            job = await ended(client, await begun(client, film))
            assert job["state"] == "failed"
            assert (
                job["error"] == "It was not done within 0.2 s, and was stopped; give a smaller one."
            )
            while (await client.get(f"/jobs/{job['id']}")).status_code == 200:
                await asyncio.sleep(0.05)
            assert server.jobs.stored == 0

    asyncio.run(scenario())


@pytest.mark.slow
def test_workers_work_side_by_side(tiny_model, film):
    async def scenario():
        async with running(tiny_model, workers=2) as (server, client):
            first, second = server.pool.processes
            assert first != second
            os.kill(first, signal.SIGSTOP)
            held = await begun(client, film)
            other = (await client.post("/segment?wait=60", files={"file": ("b.png", film)})).json()
            assert other["state"] == "done"
            assert (await client.get(f"/jobs/{held['id']}")).json()["state"] == "running"
            os.kill(first, signal.SIGCONT)
            assert (await ended(client, held))["state"] == "done"

    asyncio.run(scenario())


@pytest.mark.slow
def test_what_is_cancelled_while_its_worker_is_replaced_is_left_alone(tiny_model, film):
    async def scenario():
        async with running(tiny_model) as (server, client):
            [worker] = server.pool.processes
            os.kill(worker, signal.SIGKILL)
            while server.pool.processes:
                await asyncio.sleep(0.01)
            job = await begun(client, film)
            cancelled = (await client.delete(f"/jobs/{job['id']}")).json()
            assert cancelled["state"] == "cancelled"
            assert (await client.post("/segment?wait=60", files={"file": ("b.png", film)})).json()[
                "state"
            ] == "done"
            assert len(list(server.jobs._folder.glob("[!.]*"))) == 1

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_server_whose_folder_was_removed_says_that_it_does_not_work(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def scenario():
        async with running(tiny_model) as (_, client):
            assert (await client.get("/healthz")).status_code == 200
            [folder] = tmp_path.glob("lungseg-serve-*")
            shutil.rmtree(folder)
            answer = await client.get("/healthz")
            assert (answer.status_code, answer.json()["detail"]) == (
                507,
                "The server's folder was removed, and it takes nothing until it is started anew.",
            )

    asyncio.run(scenario())
