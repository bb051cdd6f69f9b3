from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from lungseg.cli.main import app


def refused(*options: str, **environment: str) -> str:
    done = CliRunner().invoke(app, ["serve", *options], env={"LUNGSEG_TOKEN": "", **environment})
    assert done.exit_code == 2
    return done.stderr.strip()


def test_other_machines_are_not_served_without_a_token():
    assert refused("--host", "0.0.0.0") == (
        "Error: 0.0.0.0 can be reached from other machines, and that needs a token; give one "
        "with --token."
    )
    assert "too few to keep others out" in refused("--host", "0.0.0.0", LUNGSEG_TOKEN="short")


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused("--port", str(port)) == (
            f"Error: 127.0.0.1:{port} cannot be listened on (address already in use); choose "
            "another --port or --host."
        )


def test_without_a_folder_for_temporary_files_no_address_is_said(monkeypatch):
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    assert refused("--port", "0") == (
        "Error: there is no folder for temporary files that can be written to; make one, and name "
        "it in the environment variable TMPDIR."
    )


def test_a_model_that_is_missing_is_said_at_once():
    assert "there is no such model file" in refused("--model", "missing.onnx")


def test_what_has_no_meaning_is_said():
    assert refused("--retention", "0") == "Error: --retention is a number above 0, not 0."


@pytest.mark.parametrize("option", ["--max-upload-mb", "--max-stored-mb"])
@pytest.mark.parametrize("size", ["nan", "inf"])
def test_a_size_is_a_number(option, size):
    assert refused(option, size) == f"Error: {option} is a number above 0, not {size}."
