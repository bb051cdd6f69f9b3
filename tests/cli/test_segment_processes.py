"""The command in a process of its own: exit status, streams, interruption and terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from command_line import lungseg
from lungseg.writers.lock import LOCK
from tiny_model import dark_ellipses, write_card, write_tiny_model
from written import pictures, table


def start(*arguments: object, **streams: int) -> subprocess.Popen[bytes]:
    """A process that hears Ctrl-C, also where the tests themselves run in a shell's background and
    ignore it."""
    command = [sys.executable, "-m", "lungseg", *map(str, arguments)]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, preexec_fn=heard, **streams)  # noqa: PLW1509 (the tests start no threads)


@pytest.mark.slow
def test_a_process_of_its_own_and_its_exit_status(films: Path, model: Path, tmp_path: Path) -> None:
    for files, status in (([films / "x.png"], 0), ([films / "gone.png"], 1), ([], 2)):
        process = start(
            "segment",
            *files,
            "-o",
            tmp_path / "out",
            "--model",
            model,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.wait(60) == status
    assert pictures(tmp_path / "out") == ["x_mask.png", "x_overlay.png"]


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="no /dev/full here, which plays the full disk"
)
def test_standard_output_that_cannot_be_written_is_one_sentence(
    films: Path, model: Path, tmp_path: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(
            "segment",
            films / "x.png",
            "-o",
            tmp_path,
            "--model",
            model,
            stdout=full.fileno(),
            stderr=subprocess.PIPE,
        )
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.decode().splitlines()[1:] == [
        "Error: standard output: no space left on device; make room or check permissions."
    ]


@pytest.mark.slow
def test_warnings_of_libraries_are_not_shown(model: Path, tmp_path: Path) -> None:
    """Pillow warns of EXIF that ends early; nothing is wrong with the pixels."""
    content = cv2.imencode(".jpg", dark_ellipses())[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0"
    (tmp_path / "x.jpg").write_bytes(
        content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    )
    process = start(
        "segment",
        tmp_path / "x.jpg",
        "-o",
        tmp_path,
        "--model",
        model,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, stderr = process.communicate(timeout=60)
    assert stderr.decode() == f"1/1 {tmp_path / 'x.jpg'}: ok\n"


def test_a_failed_write_names_the_input_too(films: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x_mask.png").mkdir()
    ran = lungseg("segment", films / "x.png", "-o", tmp_path, "--model", model, "--overwrite")
    assert ran.exit_code == 1
    assert ran.stderr.startswith(
        f"1/1 failed: {films / 'x.png'}: {tmp_path / 'x_mask.png'}: cannot be written (is a "
        "directory); "
    )


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done_and_the_same_command_goes_on(
    model: Path, tmp_path: Path
) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    films.mkdir()
    content = cv2.imencode(".png", dark_ellipses((800, 800)))[1].tobytes()
    for number in range(150):
        (films / f"{number:03d}.png").write_bytes(content)
    process = start(
        "segment",
        films,
        "-o",
        out,
        "--model",
        model,
        "--workers",
        2,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (out / "results.jsonl").exists() or not (out / "results.jsonl").read_bytes():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.decode().endswith(
        f"Stopped. What was done is recorded in {out}; the same command goes on from there.\n"
    )
    done = [row["name"] for row in table(out)]
    assert 1 <= len(done) < 150
    assert done == [f"{number:03d}" for number in range(len(done))]
    assert pictures(out) == sorted(
        f"{name}_{output}.png" for name in done for output in ("mask", "overlay")
    )
    assert (
        f"{150 - len(done)} of 150 segmented, {len(done)} skipped"
        in lungseg("segment", films, "-o", out, "--model", model).stdout
    )


@pytest.mark.slow
def test_a_terminal_gets_a_bar_and_the_failures(films: Path, model: Path, tmp_path: Path) -> None:
    (films / "bad.png").write_bytes(b"")
    terminal, end = pty.openpty()
    process = start(
        "segment",
        films,
        "-o",
        tmp_path / "out",
        "--model",
        model,
        stdout=subprocess.DEVNULL,
        stderr=end,
    )
    os.close(end)
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:
        pass  # how the end of a terminal looks like on Linux
    os.close(terminal)
    assert process.wait(60) == 1
    text = seen.decode()
    assert "4/4" in text
    assert "\x1b[2K1/4 failed: " in text  # the line is cleared of the bar before
    assert "x.png: ok" not in text


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that never ends."""
    path = write_tiny_model(tmp_path_factory.mktemp("endless"))
    model = onnx.load(path)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["still"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    model.graph.node.insert(0, helper.make_node("Loop", ["", "", "image"], ["same"], body=body))
    model.graph.node[1].input[0] = "same"
    onnx.save(model, str(path))
    write_card(path)
    return path


@pytest.mark.slow
def test_a_model_that_never_ends_is_given_up_in_time(
    endless: Path, model: Path, films: Path, tmp_path: Path
) -> None:
    limited = ("-o", tmp_path, "--workers", 1, "--job-timeout")
    ran = lungseg("segment", films / "x.png", *limited, 4, "--model", endless)
    assert ran.exit_code == 1
    assert "it was not done within 4 s, and was stopped; give a smaller one." in ran.stderr
    assert [(row["verdict"], row["codes"]) for row in table(tmp_path)] == [("failed", "timed_out")]
    assert lungseg("segment", films / "x.png", *limited, 60, "--model", model).exit_code == 0
    assert [row["verdict"] for row in table(tmp_path)] == ["ok"]
    assert lungseg("segment", films / "x.png", *limited, 0, "--model", model).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segment", "evaluate", "calibrate"])
def test_the_second_ctrl_c_ends_what_would_never_end(
    endless: Path, tmp_path: Path, name: str
) -> None:
    cases, out = tmp_path / "cases", tmp_path / "out"
    film = dark_ellipses()
    for folder, picture in (("images", film), ("masks", (film == film.min()) * np.uint8(255))):
        (cases / folder).mkdir(parents=True)
        cv2.imwrite(str(cases / folder / "x.png"), picture)
    command, lock = {
        "segment": (("segment", cases / "images", "-o", out, "--model", endless), out / LOCK),
        "evaluate": (
            ("evaluate", endless, cases, "-o", out, "--split", "all", "--no-check"),
            out / LOCK,
        ),
        "calibrate": (("calibrate", endless, cases), endless.with_name(f".{endless.stem}{LOCK}")),
    }[name]
    process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while not lock.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.5)  # until it is in the network; nothing is asserted of it
    process.send_signal(signal.SIGINT)
    said = b""
    while b"Ctrl-C again" not in said:
        said = process.stderr.readline()
        assert said
    assert said == b"Stopping once what has begun is done; Ctrl-C again stops at once.\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.stderr.close()
    assert not list(out.glob("*.png"))
