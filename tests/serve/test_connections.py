"""Clients that mean no good, or are not well, against a server in a process of its own; and many at
once."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from live_server import LiveServer
from lungseg.confine import lacking
from lungseg.segmenter import Segmenter

pytestmark = pytest.mark.slow

HEAD = (
    b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
    b"boundary=xyz\r\n"
)
PART = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="patient.png"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_model):
    server = LiveServer(
        tmp_path_factory.mktemp("server"),
        "--model",
        str(tiny_model),
        "--client-timeout",
        "0.5",
        "--max-upload-mb",
        "2",
        "--queue",
        "8",
    )
    yield server
    said = server.stop()
    assert "patient" not in said
    assert "unexpected" not in said
    assert server.kept() == []
    first, second, *_, last = said.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ lungseg 0\.\d\S* began", first)
    how = "confined by Landlock and seccomp:" if lacking() is None else "confined in part,"
    assert re.match(rf"\S+Z workers are {how}", second)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ lungseg 0\.\d\S* ended", last)


def answer(connection):
    """All that comes until the server hangs up."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def until(holds):
    """Waits, and fails where it never comes."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def drip(connection, piece):
    """Sends a piece again and again, until the server has had enough; what it says then."""

    def is_answered():
        if select.select([connection], [], [], 0.05)[0]:
            return True
        connection.sendall(piece)
        return False

    with suppress(BrokenPipeError, ConnectionResetError):
        until(is_answered)
    return answer(connection)


def nothing_is_left(server):
    until(lambda: not server.kept())
    with server.client() as client:
        health = client.get("/healthz").json()
    return (health["running"], health["queued"]) == (0, 0)


@pytest.mark.parametrize("said", [b"", b"POST", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_does_not_finish_his_header_is_hung_up_on(server, said):
    with server.connect() as connection:
        connection.sendall(said)
        assert answer(connection) == b""


@pytest.mark.slow
def test_who_drips_his_header_is_too(server):
    with server.connect() as connection:
        assert drip(connection, b"X: y\r\n") == b""
    with server.connect() as connection:  # also where an earlier request was well
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert b" 200 " not in drip(connection, b"X")


@pytest.mark.slow
def test_an_upload_that_falls_silent_is_given_up(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + PART + bytes(100))
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 408")
    assert said.endswith(b'{"detail":"Nothing came for 0.5 s, and the upload was given up."}')
    assert nothing_is_left(server)


@pytest.mark.slow
def test_an_upload_that_drips_is_given_up(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + PART)
        said = drip(connection, b"x")
    assert said.startswith(b"HTTP/1.1 408")
    assert said.endswith(
        b'{"detail":"The upload is slower than 8192 bytes a second, and was given up."}'
    )
    assert nothing_is_left(server)


def test_a_browser_closed_halfway_leaves_nothing(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + PART + bytes(500_000))
        until(server.kept)
    assert nothing_is_left(server)


def test_five_gigabytes_are_refused_before_a_byte_of_them_is_read(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n")
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 413")
    assert said.endswith(b'{"detail":"At most 2 MB are taken at a time."}')


@pytest.mark.slow
def test_without_end_or_length_they_are_refused_once_it_is_too_much(server):
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with server.connect() as connection:
        connection.sendall(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PART) + PART + b"\r\n"
        )
        said = drip(connection, piece)
    assert said.startswith(b"HTTP/1.1 413")
    assert nothing_is_left(server)


def test_a_client_that_sends_all_before_it_listens_still_gets_its_answer(server, film):
    with server.client() as client:
        reply = client.post("/segment", files={"file": ("patient.png", film + bytes(3_000_000))})
    assert (reply.status_code, reply.json()) == (
        413,
        {"detail": "At most 2 MB are taken at a time."},
    )


def test_a_header_of_any_length_is_not_read(server):
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000)
        assert answer(connection).startswith(b"HTTP/1.1 400")


@pytest.mark.skipif(
    not hasattr(select, "POLLRDHUP"), reason="this system does not tell that the other side hung up"
)
def test_who_asks_and_does_not_listen_is_hung_up_on(server):
    asked = 5000
    with server.connect() as connection:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * asked)
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        assert poll.poll(60_000)
        assert 0 < answer(connection).count(b"HTTP/1.1 200") < asked


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one address on loopback")
def test_one_address_cannot_take_all_connections(tmp_path, tiny_model):
    few = ("--client-timeout", "60", "--connections-per-client", "4")
    server = LiveServer(tmp_path, "--model", str(tiny_model), *few)
    asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with ExitStack() as idle:
        for _ in range(4):
            idle.enter_context(server.connect())
        with server.connect() as connection:
            refusal = answer(connection)
        with server.connect("127.0.0.2") as connection:
            connection.sendall(asked)
            assert answer(connection).startswith(b"HTTP/1.1 200")
    assert refusal.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in refusal
    assert refusal.endswith(
        b'{"detail": "Your address has as many connections as one may have; close some."}'
    )
    with server.client() as client:  # once they are closed
        assert client.get("/healthz").status_code == 200
    server.stop()


@pytest.mark.slow
def test_eight_clients_at_once_get_the_masks_of_the_command_line(
    server, tiny_model, film, tmp_path
):
    (tmp_path / "chest.png").write_bytes(film)
    mask = Segmenter(tiny_model)(tmp_path / "chest.png").save(tmp_path)["mask"].read_bytes()

    def ask(_):
        with server.client() as client:
            job = client.post(
                "/segment?wait=60",
                files={"file": ("chest.png", film)},
                data={"skip_quality": "true"},
            ).json()
            found = client.get(job["files"]["mask"]).content
            assert client.delete(f"/jobs/{job['id']}").status_code == 200
            return job["state"], found

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [("done", mask)] * 8
    assert nothing_is_left(server)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_killed_worker_costs_one_job(server, film):
    with server.client() as client:
        client.get("/healthz")
        [worker] = server.workers()
        os.kill(worker, signal.SIGSTOP)
        job = client.post("/segment", files={"file": ("patient.png", film)}).json()
        os.kill(worker, signal.SIGKILL)
        failed = client.get(f"/jobs/{job['id']}?wait=60").json()
        assert failed["state"] == "failed"
        assert failed["error"].startswith("The process that worked on it ended unexpectedly")
        again = client.post("/segment?wait=60", files={"file": ("patient.png", film)}).json()
        assert again["state"] == "done"
        assert server.process.poll() is None
        assert server.workers() != [worker]
        assert client.delete(f"/jobs/{again['id']}").status_code == 200
