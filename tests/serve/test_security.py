"""What is refused before anything of a request is read, and what every answer carries."""

from __future__ import annotations

import threading
from functools import cache
from types import SimpleNamespace

import pytest

from asked import Asked
from lungseg.serve.app import Server
from lungseg.serve.security import HEADERS
from lungseg.serve.settings import ServerSettings

TOKEN = "0123456789abcdef"


@cache
def client(**settings):
    return Asked(Server(ServerSettings(**settings)).app)


def test_every_answer_has_the_same_headers():
    for address in ("/about", "/nothing", "/jobs/x", "/openapi.json"):
        headers = client().get(address).headers
        for name, value in HEADERS.items():
            assert headers[name] == value
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'self'; img-src 'self' blob: data:;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert HEADERS["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"]
)
def test_it_answers_to_its_own_names(host):
    assert client().get("/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "[::1",
        "",
        "localhost@evil.example",
    ],
)
def test_it_does_not_answer_to_foreign_names(host):
    answer = client().get("/about", headers={"host": host})
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "This server is asked for under its own name only, such as localhost."},
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_beyond_loopback_any_name_may_lead_here():
    assert (
        client(host="0.0.0.0", token=TOKEN)
        .get("/about", headers={"host": "lungs.example"})
        .status_code
        == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8081"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"},
    ],
)
@pytest.mark.parametrize(("method", "address"), [("POST", "/segment"), ("DELETE", "/jobs/x")])
def test_pages_of_other_sites_may_change_nothing(headers, method, address):
    answer = client().request(method, address, headers=headers)
    assert (answer.status_code, answer.json()) == (
        403,
        {"detail": "Pages of other sites may not use this server."},
    )


def test_no_other_site_is_let_in_by_cors():
    answer = client().get("/about", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (
        client()
        .request("OPTIONS", "/segment", headers={"origin": "http://evil.example"})
        .status_code
        == 405
    )


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        TOKEN,
        "Bearer \xe9",
    ],
)
@pytest.mark.parametrize("address", ["/jobs/x", "/metrics", "/jobs/x/files/mask", "//jobs/x"])
def test_without_the_token_nothing_is_told(sent, address):
    headers = {} if sent is None else {"authorization": sent.encode("latin-1")}
    answer = client(token=TOKEN).get(f"http://127.0.0.1:8080{address}", headers=headers)
    assert (answer.status_code, answer.json()) == (
        401,
        {"detail": "This server needs its token, as Authorization: Bearer TOKEN."},
    )
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_token_opens_and_is_no_part_of_an_address():
    asked = client(token=TOKEN)
    assert asked.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert asked.get(f"/metrics?token={TOKEN}").status_code == 401


def test_the_page_and_what_it_needs_first_are_open():
    asked = client(token=TOKEN)
    about = asked.get("/about").json()
    assert about["needs_token"] is True
    assert asked.get("/openapi.json").status_code == 200
    assert asked.get("/page/nothing").status_code == 404


def test_about_tells_limits_and_models():
    about = client(max_upload_mb=1, retention=60, queue=3, job_timeout=5).get("/about").json()
    assert about["limits"] == {
        "max_upload_bytes": 10**6,
        "retention_seconds": 60,
        "job_timeout_seconds": 5,
        "queue": 3,
        "max_files": 3000,
    }
    assert {model["modality"] for model in about["models"]} == {"radiograph", "ct"}
    assert about["needs_token"] is False


def test_the_page_is_a_fixed_list_of_files():
    for address in (
        "/page/..%2fapp.py",
        "/page/%2e%2e/app.py",
        "/page/.%2e%2fapp.py",
        "/page//etc/passwd",
        "/page/app.py",
        "/docs",
        "/redoc",
    ):
        answer = client().get(address)
        assert answer.status_code == 404
        assert answer.json()["detail"].endswith(".")


def test_the_interface_describes_itself():
    described = client().get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/about",
        "/bundle",
        "/healthz",
        "/metrics",
        "/segment",
        "/jobs/{number}",
        "/jobs/{number}/files/{name}",
        "/jobs/{number}/slices/{index}",
        "/jobs/{number}/labels/{index}",
    }
    form = described["paths"]["/segment"]["post"]["requestBody"]["content"]["multipart/form-data"][
        "schema"
    ]
    assert form["properties"]["modality"] == {
        "type": "string",
        "enum": ["radiograph", "ct"],
        "description": "Take every input for this, instead of what it looks like.",
    }
    assert {"200", "202", "401", "413", "415", "422", "429"} <= set(
        described["paths"]["/segment"]["post"]["responses"]
    )


def test_every_refusal_is_described_as_it_is_answered():
    described = client().get("/openapi.json").json()
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, methods in described["paths"].items():
        for method in methods.values():
            for status, answer in method["responses"].items():
                if status >= "400":
                    assert answer["content"]["application/json"]["schema"] == problem, path
    assert "HTTPValidationError" not in described["components"]["schemas"]
    answer = client().get("/jobs/1/slices/first")
    assert (answer.status_code, type(answer.json()["detail"])) == (422, str)
    assert "422" in described["paths"]["/jobs/{number}/slices/{index}"]["get"]["responses"]


def test_an_address_names_all_of_its_methods():
    answer = client().request("PUT", "/jobs/1")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    assert answer.json() == {"detail": "Method Not Allowed."}


def test_a_header_that_comes_at_once_is_bounded_too():
    answer = client().get("/about", headers={"X-Long": "x" * 16384})
    assert (answer.status_code, answer.json()) == (
        431,
        {"detail": "Address and header have at most 16384 bytes together."},
    )
    assert client().get(f"/about?{'x' * 16384}").status_code == 431
    many = [("a", "")] * 4000  # of five bytes each, as they are sent
    assert client().get("/about", headers=many).status_code == 431
    assert client().get("/about", headers={"X-Long": "x" * 16000}).status_code == 200


def test_a_list_of_jobs_says_how_long_it_is():
    async def in_pieces():
        yield b'{"jobs": []}'

    sent = client().post("/bundle", content=in_pieces())
    sentence = "A list of jobs is sent with its Content-Length."
    assert (sent.status_code, sent.json()) == (411, {"detail": sentence})
    sent = client().post("/bundle", content=b" " * 1_000_001)
    assert (sent.status_code, sent.json()["detail"]) == (
        413,
        "A list of jobs has at most a megabyte.",
    )


def test_jobs_are_counted_where_nothing_changes_them_meanwhile(monkeypatch, tmp_path):
    server = Server(ServerSettings())
    monkeypatch.setattr(server, "_folder", tmp_path, raising=False)
    threads = []
    counted = property(lambda _: threads.append(threading.get_ident()) or 0)
    server.jobs, server.pool = (
        type("Jobs", (), {"running": counted, "queued": 0})(),
        SimpleNamespace(processes=[]),
    )
    server.metrics.watch("running", "Jobs that a worker has.", lambda: server.jobs.running)
    for address in ("/healthz", "/metrics"):
        assert Asked(server.app).get(address).status_code == 200
    assert threads == [threading.get_ident()] * 2
