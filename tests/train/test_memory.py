"""What a run will take, and what is said where that is too much."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from lungseg.errors import UsageError
from lungseg.train import memory
from lungseg.train.memory import (
    IN_HALVES,
    LIBRARIES_BYTES,
    check_memory,
    fitting_batch,
    free_bytes,
    memory_need,
    peak_bytes,
)
from lungseg.train.recipes import read_recipe
from lungseg.train.settings import TrainingSettings

SMALL = TrainingSettings(width=4, depth=3, size=64, batch=8, precision="32-true")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.torch.cuda, "is_available", lambda: False)


def test_the_need_grows_with_pictures_channels_and_cases(monkeypatch) -> None:
    monkeypatch.setattr(memory, "has_bfloat16", lambda _: True)
    need = memory_need(SMALL, 0)
    assert need.fixed > LIBRARIES_BYTES
    wide, large = (memory_need(replace(SMALL, **c), 0) for c in ({"width": 8}, {"size": 128}))
    assert 1.6 < wide.per_image / need.per_image < 2.1
    assert large.per_image == pytest.approx(4 * need.per_image, rel=0.01)
    halves = memory_need(replace(SMALL, precision="bf16-mixed"), 0)
    assert halves.per_image * 2 == pytest.approx(IN_HALVES * need.per_image, abs=2)
    assert halves.fixed - LIBRARIES_BYTES == round(IN_HALVES * (need.fixed - LIBRARIES_BYTES))
    assert memory_need(SMALL, 10).fixed - need.fixed == 10 * 2 * 96 * 96
    assert memory_need(replace(SMALL, cache="kept"), 10).fixed == need.fixed
    deep = replace(SMALL, architecture="unetpp")
    assert memory_need(deep, 0).per_image > need.per_image


@pytest.mark.parametrize(
    ("recipe", "width", "cases", "measured"),
    [("r2-unetpp-512", 8, 443, 2_414_000_000), ("r4-ct-unet-512", 8, 159, 2_200_000_000)],
)
def test_no_less_is_expected_than_whole_runs_took(
    recipe, width, cases, measured, monkeypatch
) -> None:
    monkeypatch.setattr(memory, "has_bfloat16", lambda _: True)
    settings = replace(
        read_recipe(recipe), width=width, max_width=16 * width, precision="bf16-mixed"
    )
    expected = memory_need(settings, cases).of_batch(settings.batch)
    assert measured <= expected < 1.15 * measured


def test_what_the_first_level_keeps_is_counted_layer_by_layer() -> None:
    """By hand: a U-Net of two levels, without normalisation."""
    settings = replace(SMALL, depth=2, norm="none", layers=(("lungs",),), max_width=8)
    each = memory_need(settings, 0).per_image
    fine, coarse = 64 * 64, 32 * 32
    convolutions = 4 * 4 * fine + 2 * 8 * coarse + 4 * fine + 3 * fine
    assert each > 4 * convolutions


def test_each_process_takes_as_much_of_the_same_memory() -> None:
    one, four = (memory_need(replace(SMALL, devices=devices), 4) for devices in (1, 4))
    assert four.of_batch(8) == 4 * one.of_batch(8)


def test_a_run_that_goes_on_cannot_take_another_batch(monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1)
    with pytest.raises(UsageError, match="; free memory, or resume it on a machine that has more"):
        check_memory(SMALL, 4, resume=True)


def test_a_run_that_does_not_fit_says_what_would(monkeypatch) -> None:
    need = memory_need(SMALL, 4)
    monkeypatch.setattr(memory, "free_bytes", lambda: need.of_batch(5))
    with pytest.raises(UsageError) as refused:
        check_memory(SMALL, 4)
    said = str(refused.value)
    assert said.startswith("a batch of 8 at 64 x 64 takes about 0.6 GB, and 0.6 GB are free; take ")
    assert said.endswith("take `batch` 4 and `accumulate` 2.")
    fitting = fitting_batch(SMALL, need, need.of_batch(5))
    assert fitting is not None
    check_memory(fitting, 4)


def test_where_not_one_image_fits_something_else_helps(monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    with pytest.raises(UsageError, match="take a smaller `size` or `width`, or give a `cache`"):
        check_memory(SMALL, 4)


def test_where_nothing_says_what_is_free_nothing_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    check_memory(SMALL, 10**9)


def test_this_machine_says_what_is_free_and_taken() -> None:
    free, peak = free_bytes(), peak_bytes()
    assert free is None or free > 0
    assert peak is None or peak > 50_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_linux_says_it_outside_of_containers_too(monkeypatch) -> None:
    monkeypatch.setattr(memory, "CGROUPS", ())
    free, peak = free_bytes(), peak_bytes()
    assert free is not None
    assert peak is not None
    assert (free > 0, peak > 50_000_000) == (True, True)


def test_on_a_gpu_its_own_memory_counts(monkeypatch) -> None:
    on_cpu = memory_need(SMALL, 10)
    monkeypatch.setattr(memory.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(memory.torch.cuda, "mem_get_info", lambda: (123, 456))
    monkeypatch.setattr(memory.torch.cuda, "max_memory_reserved", lambda: 77)
    assert (free_bytes(), peak_bytes()) == (123, 77)
    assert on_cpu.fixed - memory_need(SMALL, 10).fixed == LIBRARIES_BYTES + 10 * 2 * 96 * 96
    assert memory_need(replace(SMALL, devices=2), 10) == memory_need(SMALL, 10)
    halves = memory_need(replace(SMALL, precision="bf16-mixed"), 10)
    assert halves.per_image * 2 == pytest.approx(memory_need(SMALL, 10).per_image, abs=2)


def test_files_that_a_container_only_keeps_are_free(monkeypatch, tmp_path) -> None:
    for name, text in (
        ("memory.max", "1000000"),
        ("memory.current", "900000"),
        ("memory.stat", "anon 100000\ninactive_file 700000\n"),
    ):
        (tmp_path / name).write_text(text)
    places = (str(tmp_path / "memory.max"), str(tmp_path / "memory.current"))
    monkeypatch.setattr(memory, "CGROUPS", (places,))
    monkeypatch.setattr(memory.torch.cuda, "is_available", lambda: False)
    assert free_bytes() == 800_000
    (tmp_path / "memory.stat").unlink()
    assert free_bytes() == 100_000
