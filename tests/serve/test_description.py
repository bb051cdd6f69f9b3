"""The server does what its description at /openapi.json says, whatever is asked that it allows or
does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lungseg.runner.executors import Call
from lungseg.serve.app import Server
from lungseg.serve.jobs import Jobs
from lungseg.serve.settings import ServerSettings

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
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = Server(ServerSettings(max_upload_mb=0.1, queue=10**6))
    server.pool = NobodyWorks()
    folder: Path = tmp_path_factory.mktemp("jobs")
    server.jobs = Jobs(server.settings, folder, NobodyWorks(), server.segmenter)

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
