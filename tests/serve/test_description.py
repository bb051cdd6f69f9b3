"""The server does what its description at /openapi.json says, whatever is asked that it allows or
does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asked import Asked
from lungseg.runner.executors import Call
from lungseg.serve.app import Server
from lungseg.serve.jobs import Jobs, ServedJob
from lungseg.serve.settings import ServerSettings
from lungseg.serve.worker import segment_upload
from lungseg.timing import no_progress

schemathesis = pytest.importorskip("schemathesis")  # it wants a newer rich than lungseg
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

pytestmark = pytest.mark.slow

ADDRESS = "http://127.0.0.1:8080"
BOUNDED = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class NobodyWorks:
    """In place of the pool: every call waits."""

    processes = ()

    def submit(self, *what: Any) -> Call[Any]:
        return Call()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Server:
    server = Server(ServerSettings(max_upload_mb=0.1, queue=10**6, model=str(tiny_model)))
    server.pool = NobodyWorks()
    folder: Path = tmp_path_factory.mktemp("jobs")
    server.jobs = Jobs(server.settings, folder, NobodyWorks(), server.segmenter)
    server._folder = folder
    return server


@pytest.fixture(scope="module")
def done(server: Server, film: bytes) -> ServedJob:
    """A job that is done."""
    sent = Asked(server.app).post("/segment", files={"file": ("a.png", film)})
    job = server.jobs.get(sent.json()["id"])
    assert job.task is not None
    server.jobs._finish_with(job, segment_upload(job.task, server.segmenter, no_progress))
    assert job.state == "done"
    return job


@pytest.fixture(scope="module")
def described(server: Server) -> Any:
    async def without_life(scope: Any, receive: Any, send: Any) -> None:
        """No process is started."""
        if scope["type"] == "http":
            await server.app(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    schema = schemathesis.openapi.from_dict(server.api.openapi())
    schema.app = without_life
    return schema


OPERATIONS = [
    "GET /about",
    "GET /healthz",
    "GET /metrics",
    "POST /segment",
    "POST /bundle",
    "GET /jobs/{number}",
    "DELETE /jobs/{number}",
    "GET /jobs/{number}/files/{name}",
    "GET /jobs/{number}/slices/{index}",
    "GET /jobs/{number}/labels/{index}",
]

TAKE_ANYTHING = (*OPERATIONS[:3], "DELETE /jobs/{number}", "GET /jobs/{number}/files/{name}")
"""Nothing or texts, of which none is against the description."""


OF_RESULTS = [label for label in OPERATIONS if "GET /jobs" in label or "bundle" in label]


def test_every_operation_is_asked(described):
    found = [one.ok() for one in described.get_all_operations()]
    assert sorted(one.label for one in found) == sorted(OPERATIONS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("label", "mode"),
    [
        *((label, schemathesis.GenerationMode.POSITIVE) for label in OPERATIONS),
        *(
            (label, schemathesis.GenerationMode.NEGATIVE)
            for label in OPERATIONS
            if label not in TAKE_ANYTHING
        ),
    ],
)
def test_answers_are_as_described(described, label, mode):
    [operation] = [one.ok() for one in described.get_all_operations() if one.ok().label == label]

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Host": "127.0.0.1:8080"}
        if "POST" in label and isinstance(dict(case.query or {}).get("wait"), int | float):
            case.query["wait"] = 0  # nobody works, and the job would never be over
        # No file that is drawn is an image.
        case.call_and_validate(base_url=ADDRESS, excluded_checks=[checks.positive_data_acceptance])

    ask()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label", OF_RESULTS)
def test_results_are_given_as_described(described: Any, done: ServedJob, label: str) -> None:
    [operation] = [one.ok() for one in described.get_all_operations() if one.ok().label == label]
    positive = schemathesis.GenerationMode.POSITIVE
    answered = Counter[int]()

    @BOUNDED
    @given(
        case=operation.as_strategy(generation_mode=positive),
        name=st.sampled_from(sorted(done.found["files"])),
    )
    def ask(case: Any, name: str) -> None:
        case.headers = {**(case.headers or {}), "Host": "127.0.0.1:8080"}
        known = {"number": done.id, "name": name, "index": 0}
        for place in (case.path_parameters or {}).keys() & known.keys():
            case.path_parameters[place] = known[place]
        if "bundle" in label:
            case.body = {"jobs": [done.id]}
        answer = case.call_and_validate(
            base_url=ADDRESS, excluded_checks=[checks.positive_data_acceptance]
        )
        assert answer.content
        answered[answer.status_code] += 1

    ask()
    assert answered[200] > 0
    assert answered.keys() <= {200, 422}  # a window whose low is above its high


@pytest.mark.parametrize("label", OPERATIONS)
def test_other_methods_are_described_for_each(described: Any, server: Server, label: str) -> None:
    [operation] = [one.ok() for one in described.get_all_operations() if one.ok().label == label]
    assert "405" in operation.definition.raw["responses"]
    address = label.partition(" ")[2].replace("{", "").replace("}", "")
    answer = Asked(server.app).request("PATCH", address)
    assert answer.status_code == 405
