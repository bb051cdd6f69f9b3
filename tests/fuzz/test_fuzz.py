"""Damaged files of every kind: each is read, or refused in one sentence. `tests/fuzz/run.py` does
the same for many more, in a process that may crash, hang or take too much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cases import Cases, attempt, lay_out, outcome_of
from fuzz.mutate import damaged
from fuzz.seeds import Seed, make_seeds
from fuzz.targets import PROOF, TARGETS
from lungseg.datasets import public
from lungseg.datasets.declared_labels import read_declared
from lungseg.errors import LungsegError

pytestmark = pytest.mark.slow

CASES = 12
"""Of each group."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Seed]]:
    """By group."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in a DICOMDIR
        made = make_seeds(tmp_path_factory.mktemp("seeds"))
    return {group: [seed for seed in made if seed.group == group] for group in TARGETS}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group", TARGETS)
def test_each_seed_is_read_by_one_of_its_readers(seeds, group, tmp_path):
    for number, seed in enumerate(seeds[group]):
        folder = tmp_path / str(number)
        outcomes = [
            attempt(target, lay_out(seed, folder))[0] for target in dict.fromkeys(TARGETS[group])
        ]
        assert "read" in outcomes, seed.name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group", TARGETS)
def test_what_is_damaged_is_read_or_refused(seeds, group, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cases = Cases(seeds[group], start=2)
    outcomes = [outcome_of(cases[number], tmp_path / "case") for number in range(CASES)]
    assert [one for one in outcomes if one[0] not in ("read", "refused")] == []
    assert len(outcomes) == CASES


def test_a_number_is_a_case(seeds):
    cases = [Cases(seeds["picture"] + seeds["card"], start=3) for _ in range(2)]
    assert [cases[0][number] for number in range(20)] == [cases[1][number] for number in range(20)]
    assert [cases[0].group_of(number) for number in range(20)] == [
        cases[0][number].seed.group for number in range(20)
    ]
    assert len({str(cases[0][number]) for number in range(20)}) > 15


def test_damage_of_each_kind_changes_a_file(seeds):
    for seed in (one for group in seeds.values() for one in group):
        content = next(iter(seed.files.values()))
        made = {damaged(content, seed.kind, Random(number), content) for number in range(8)}
        assert made - {content}


def test_readers_that_raise_are_found(tmp_path):
    _, _, raises, *_ = PROOF["proof"]
    assert attempt(raises, tmp_path) == ("foreign exception", "ValueError at ?: 'odd'")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of processes as Linux has them")
def test_the_command_finds_a_crash_a_hang_an_exception_and_too_much_memory(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--prove", "--cases", "5"]
    done = subprocess.run(
        [*command, "--seconds", "5", "--start", "3", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    _, _, proof, _ = (line.split("|")[1:-1] for line in done.stdout.splitlines())
    assert [int(number) for number in proof[1:4]] == [5, 0, 0]
    assert [int(number) for number in proof[4:]] == [1, 2, 1, 1]
    finds = [json.loads(line) for line in (tmp_path / "finds.jsonl").read_text().splitlines()]
    assert [find["number"] for find in finds] == list(range(5))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
LIGHT = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@LIGHT
@given(value=json_values | st.fixed_dictionaries({"labels": json_values}))
@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("declared", "labels.json"),
        ("judge", "cxr.judge.json"),
        ("questionable", "questionable.json"),
    ],
)
def test_any_json_is_read_or_refused(tmp_path, group, name, value):
    (tmp_path / name).write_text(json.dumps(value))
    for target in TARGETS[group]:
        assert attempt(target, tmp_path / name)[0] in ("read", "refused")


@LIGHT
@given(text=st.text(max_size=40))
def test_any_declaration_is_read_or_refused(text):
    try:
        read_declared(text)
    except LungsegError as error:
        assert error.cure  # noqa: PT017 (most texts are none, some are)


def test_json_that_is_nested_deep_is_refused(tmp_path):
    deep = "[" * 100_000 + "]" * 100_000
    (tmp_path / "labels.json").write_text(deep)
    outcome, _ = attempt(TARGETS["declared"][0], tmp_path / "labels.json")
    assert outcome == "refused"
    (tmp_path / "questionable.json").write_text(deep)
    with pytest.raises(LungsegError, match="are no JSON"):
        public.lung_extents(tmp_path)
