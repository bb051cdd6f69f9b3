"""The arithmetic that a run is really computed in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch

from lungseg.errors import UsageError
from lungseg.train.settings import Precision

log = logging.getLogger(__name__)


def usable_precision(asked: Precision) -> Precision:
    """What was asked for, but "32-true" for "bf16-mixed" on a processor that has no instructions
    for it: there PyTorch computes bfloat16 step by step, and an epoch takes eight times as long.

    Raises:
        UsageError: "16-mixed" was asked for, and there is no GPU.
    """
    if torch.accelerator.is_available():
        return asked
    if asked == "16-mixed":
        raise UsageError("precision 16-mixed needs a GPU", cure="take bf16-mixed or 32-true")
    # Where an older PyTorch cannot say, the processor is believed to have them.
    known: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    if asked == "bf16-mixed" and not has_bfloat16(known()):
        log.warning(
            "this processor has no instructions for bfloat16: computing in 32 bits, which is "
            "several times as fast here"
        )
        return "32-true"
    return asked


def has_bfloat16(capabilities: Mapping[str, object]) -> bool:
    """Whether oneDNN computes bfloat16 with instructions of the processor, which it does from
    AVX-512 on; True where nothing is known of it.

    Args:
        capabilities: as `torch.cpu.get_capabilities` gives them.
    """
    return bool(capabilities.get("avx512_f", True))
