from __future__ import annotations

import os
import pickle
from fractions import Fraction
from pathlib import Path

import pytest

from confined_calls import Taken
from lungseg.errors import UnreadableError
from lungseg.runner import Outcome
from lungseg.runner.answers import StrangeAnswerError, read_answer
from lungseg.runner.executors import Call

OUTCOME = Outcome(
    Path("a.png"), "done", {"verdict": "ok"}, {"mask": Path("out/a_mask.png")}, why="x"
)


def answered(*answer: object, answers: tuple[type, ...] = ()) -> tuple[object, ...]:
    return read_answer(pickle.dumps(answer), answers)


def test_what_work_says_comes_through() -> None:
    assert answered("progress", 0.5, "reading") == ("progress", 0.5, "reading")
    assert answered("result", OUTCOME, answers=(Outcome,)) == ("result", OUTCOME)
    assert answered("result", [1, {"x": 0.5}, Path("x")]) == ("result", [1, {"x": 0.5}, Path("x")])
    for error in (UnreadableError("it is empty", where="x", cure="copy it"), OSError(13, "no")):
        what, found = answered("error", error)
        assert (what, type(found), str(found)) == ("error", type(error), str(error))


def test_progress_is_a_fraction_and_a_few_words() -> None:
    assert answered("progress", 1e9, "x" * 1000) == ("progress", 1.0, "x" * 100)
    assert answered("progress", float("nan"), "") == ("progress", 0.0, "")


@pytest.mark.parametrize(
    "answer",
    [
        ("result", Fraction(1, 2)),
        ("result", Call),
        ("result", os.getcwd),
        ("result", "a text, where an outcome is due"),
        ("error", KeyboardInterrupt()),
        ("error", "a text"),
        ("progress", "half", "reading"),
        ("other",),
        ("result",),
    ],
)
def test_all_else_is_strange(answer: tuple[object, ...]) -> None:
    with pytest.raises(StrangeAnswerError):
        answered(*answer, answers=(Outcome,))


def test_no_function_is_called_and_no_class_changed(tmp_path: Path) -> None:
    with pytest.raises(StrangeAnswerError):
        answered("result", Taken(tmp_path / "taken"), answers=(Outcome,))
    assert not (tmp_path / "taken").exists()
    state = b"(N}\x8c\x04repr\x8c\x01xstb."  # what a pickle says that sets an attribute of a class
    for module, name in (
        ("pathlib", "PosixPath"),
        ("lungseg.runner.job", "Outcome"),
        ("lungseg.errors", "UnreadableError"),
        ("lungseg.errors", "_unpickled"),
    ):
        with pytest.raises(StrangeAnswerError):
            read_answer(f"c{module}\n{name}\n".encode() + state, (Outcome,))
    for kind in (Path, type(Path("x")), Outcome, UnreadableError):
        assert not hasattr(kind, "repr")


@pytest.mark.parametrize("content", [b"", b"\x80", b"nothing", pickle.dumps(None)])
def test_what_is_no_pickle_of_ours_is_strange(content: bytes) -> None:
    with pytest.raises(StrangeAnswerError):
        read_answer(content, ())
