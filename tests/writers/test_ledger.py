from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lungseg.errors import OutputError
from lungseg.writers import Ledger, Record, read_records
from made_up_records import failed, made_up, measured


def entry(source: str, *, unit: str = "mm2", value: float = 1.0) -> Record:
    return made_up(source, measurements=[measured("area", value, unit)])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def records(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "results.jsonl").read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_each_record_is_kept_at_once_and_the_table_at_the_end(tmp_path: Path) -> None:
    with Ledger(tmp_path / "out") as ledger:
        for number, source in enumerate(("/a/x.png", "/a/y, z.png"), 1):
            ledger.add(entry(source, value=number))
            assert len(records(tmp_path / "out")) == number
        assert not (tmp_path / "out" / "summary.csv").exists()
    assert [row["input"] for row in table(tmp_path / "out")] == ["/a/x.png", "/a/y, z.png"]
    assert [row["lungs_area_mm2"] for row in table(tmp_path / "out")] == ["1", "2"]


def test_a_result_is_on_the_disk_once_it_is_recorded_and_what_is_done_again_need_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    with Ledger(tmp_path) as ledger:
        monkeypatch.setattr(
            "os.fsync", lambda file: (synced.append(os.fstat(file).st_size), fsync(file))
        )
        ledger.add(failed("/y"))
        assert synced == []
        ledger.add(entry("/x"))
        assert synced == [(tmp_path / "results.jsonl").stat().st_size]


def test_the_table_is_written_where_a_run_is_interrupted(tmp_path: Path) -> None:
    def run() -> None:
        with Ledger(tmp_path) as ledger:
            ledger.add(entry("/x"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [row["input"] for row in table(tmp_path)] == ["/x"]


def test_a_second_run_extends_the_first(tmp_path: Path) -> None:
    for source in ("/x", "/y"):
        with Ledger(tmp_path) as ledger:
            ledger.add(entry(source))
    assert [row["input"] for row in table(tmp_path)] == ["/x", "/y"]
    assert [record["input"] for record in records(tmp_path)] == ["/x", "/y"]


def test_a_record_done_again_replaces_the_first_in_its_place(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/x", unit="mm2"))
        ledger.add(entry("/y", unit="pixels"))
        ledger.add(entry("/x", unit="pixels", value=5))
        assert ledger.record("/x") == entry("/x", unit="pixels", value=5)
    assert records(tmp_path) == [entry("/x", unit="pixels", value=5), entry("/y", unit="pixels")]
    first = table(tmp_path)[0]
    assert (first["input"], first["lungs_area_mm2"], first["lungs_area_pixels"]) == ("/x", "", "5")


def test_a_failure_gives_way_to_a_success_but_not_the_other_way(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(failed("/x"))
        ledger.add(entry("/x"))
        ledger.add(failed("/x"))
    assert [row["verdict"] for row in table(tmp_path)] == ["ok"]


def test_half_a_line_of_a_killed_run_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/x"))
    for name in ("results.jsonl", "summary.csv"):
        with (tmp_path / name).open("a") as stream:
            stream.write('{"input": "/y", "verd')
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/y"))
    assert [record["input"] for record in records(tmp_path)] == ["/x", "/y"]
    assert [row["input"] for row in table(tmp_path)] == ["/x", "/y"]


def test_a_lost_table_is_made_from_the_records(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/x"))
    before = (tmp_path / "summary.csv").read_bytes()
    (tmp_path / "summary.csv").unlink()
    with Ledger(tmp_path):
        pass
    assert (tmp_path / "summary.csv").read_bytes() == before


def test_a_table_of_a_version_that_had_fewer_columns_is_written_again(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/x"))
        ledger.add(entry("/y") | {"sides": "assigned"})
    path = tmp_path / "summary.csv"
    before = path.read_text()
    path.write_text(before.replace(",sides,", ",").replace(",assigned,", ","))
    with Ledger(tmp_path):
        pass
    assert path.read_text() == before
    assert [row["sides"] for row in table(tmp_path)] == ["", "assigned"]


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    odd = '/å/"quoted", \udcff\n.png'
    with Ledger(tmp_path) as ledger:
        ledger.add(entry(odd))
    with Ledger(tmp_path) as ledger:
        assert ledger.record(odd) == entry(odd)
    (line,) = (tmp_path / "results.jsonl").read_bytes().decode("utf-8").splitlines()
    stored = json.loads(line)["input"]
    assert stored == '/å/"quoted", \\udcff\n.png'
    assert stored.encode("utf-8").decode("utf-8") == stored  # no half of a character
    assert table(tmp_path)[0]["input"] == '/å/"quoted", \\udcff\n.png'


def test_a_record_of_names_that_are_no_text_can_be_written_again(tmp_path: Path) -> None:
    odd, plain = "/caf\udce9.png", "/caf\u00e9 \N{GRINNING FACE}.png"
    for _ in range(2):
        with Ledger(tmp_path) as ledger:
            ledger.add(entry(odd) | {"reasons": [f"{odd}: empty", plain]})
            ledger.add(entry(plain))
    with Ledger(tmp_path) as ledger:
        assert [one["input"] for one in ledger.records()] == [odd, plain]
        assert ledger.record(odd)["reasons"] == [f"{odd}: empty", plain]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.add(entry("/x"))
    before = (tmp_path / "results.jsonl").read_bytes()
    plain_open = Path.open

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

    def disk(self: Path, mode: str = "r", buffering: int = -1, **rest: Any) -> Any:
        return (
            Full(self, "a")
            if (self.name, mode) == ("results.jsonl", "ab")
            else plain_open(self, mode, buffering, **rest)
        )

    monkeypatch.setattr(Path, "open", disk)
    with (
        ledger,
        pytest.raises(
            OutputError, match=r"results\.jsonl: cannot be written \(no space left on device\)"
        ),
    ):
        ledger.add(entry("/y"))
    assert (tmp_path / "results.jsonl").read_bytes() == before


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out: is a file, and results need a folder"):
        Ledger(tmp_path / "out")


def test_record_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"results\.jsonl: cannot be read \(is a directory\)"):
        Ledger(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {"verdict": "odd"},
        {"modality": "odd"},
        {"modality": None},
        {"schema": None},
        {"schema": "0.9"},
        {"schema": "1"},
        {"codes": None},
        {"reasons": None},
        {"measurements": [measured("area", "<b>", "1")]},  # type: ignore[arg-type]
        {"name": "../x"},
        {"name": "/x"},
        {"name": 7},
        {"outputs": {"report": "../../letter"}},
        {"outputs": {"mask": ""}},
        {"outputs": ["x"]},
        {"input": 7},
        {"input": ["x"]},
        {"model": None},
        {"options": ["x"]},
        {"measurements": [measured("area", 10**400, "1")]},
        {"measurements": [measured("area", [[1]], "1")]},  # type: ignore[arg-type]
        {"measurements": [measured("area", 1.0, [1, "a"])]},  # type: ignore[arg-type]
    ],
)
def test_a_record_that_is_odd_or_names_files_of_other_folders_is_none(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    lines = [json.dumps(entry("/a/x.png")), json.dumps(entry("/a/y.png") | more)]
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    assert [record["input"] for record in read_records(tmp_path / "results.jsonl")] == ["/a/x.png"]


def test_lines_that_no_honest_program_writes_are_dropped(tmp_path: Path) -> None:
    odd = json.dumps(entry("/a/y.png") | {"more": "?"})
    lines = [
        json.dumps(entry("/a/x.png")),
        *(odd.replace('"?"', text) for text in ("[" * 100_000, "NaN", "1e999", "9" * 5000)),
    ]
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    with Ledger(tmp_path) as ledger:
        assert [record["input"] for record in ledger.records()] == ["/a/x.png"]
    assert [record["input"] for record in records(tmp_path)] == ["/a/x.png"]


@pytest.mark.parametrize("verdict", ["ok", "failed"])
def test_only_a_failure_may_be_of_unknown_modality(tmp_path: Path, verdict: str) -> None:
    record = failed("/a/x.png") | {"verdict": verdict}
    (tmp_path / "results.jsonl").write_text(json.dumps(record))
    assert list(read_records(tmp_path / "results.jsonl")) == [record] * (verdict == "failed")


def test_records_of_a_later_schema_are_read_unless_its_first_number_is_higher(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(entry("/a") | {"schema": "1.7", "breath": 3}) + "\n")
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("/b"))
    assert [record.get("breath") for record in records(tmp_path)] == [3, None]
    before = json.dumps(entry("/a") | {"schema": "2.0"}) + "\n"
    path.write_text(before)
    with pytest.raises(
        OutputError,
        match=r"results\.jsonl: has records of schema 2\.0, and this lungseg reads those of 1; "
        r"use a "
        r"newer lungseg, or another folder\.$",
    ):
        Ledger(tmp_path)
    assert path.read_text() == before


def test_an_unfinished_input_is_known_to_the_next_run_under_a_name_of_this_folder(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path) as ledger:
        for source, name in (("/x", "x"), ("/y", "y"), ("/z", "../z"), ("/v", "v")):
            ledger.begin(source, name)
        ledger.add(entry("/y"))
        ledger.give_up("/v")
    with Ledger(tmp_path) as ledger:
        assert ledger.unfinished == {"/x": "x"}
