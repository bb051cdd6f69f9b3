from __future__ import annotations

import logging

import pytest
import torch

from lungseg.errors import UsageError
from lungseg.train.precision import has_bfloat16, usable_precision


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the processor of a machine without a GPU can do."""
    capabilities: dict[str, object] = {"avx2": True, "avx512_f": False}
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    return capabilities


def test_a_processor_without_bfloat16_computes_in_32_bits_and_it_is_said(
    processor: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert usable_precision("bf16-mixed") == "32-true"
    assert "no instructions for bfloat16: computing in 32 bits" in caplog.text


def test_a_processor_that_has_it_computes_as_asked(
    processor: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    processor["avx512_f"] = True
    assert usable_precision("bf16-mixed") == "bf16-mixed"
    assert usable_precision("32-true") == "32-true"
    assert not caplog.records


def test_half_precision_needs_a_gpu(
    processor: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="precision 16-mixed needs a GPU"):
        usable_precision("16-mixed")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert usable_precision("16-mixed") == "16-mixed"
    assert usable_precision("bf16-mixed") == "bf16-mixed"


def test_a_processor_of_which_nothing_is_known_is_believed() -> None:
    assert has_bfloat16({"architecture": "aarch64"})
    assert not has_bfloat16({"avx512_f": False})
