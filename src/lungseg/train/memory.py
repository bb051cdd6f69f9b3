"""How much memory a training run takes, before it begins and after."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lungseg.errors import UsageError
from lungseg.train.module import build_network
from lungseg.train.precision import has_bfloat16
from lungseg.train.settings import TrainingSettings

LIBRARIES_BYTES: Final = 600_000_000
"""What a process takes with all libraries loaded, on Linux."""

COPIES: Final = 5
"""Of every weight: itself, its gradient, two moments of Adam, and the moving average."""

LOSS_CHANNELS: Final = 6
"""Tensors of the size of the output that the loss keeps for each head."""

BESIDE: Final = 1.1
"""What is taken in all, beside what the layers keep: two steps of U-Net on the CPU took 1.12 times
as much at 128 x 128 and 1.06 times at 256 x 256."""

IN_HALVES: Final = 1.4
"""What is taken in all, beside the libraries, where a processor computes in 16 bits, times what is
counted. Two runs took 1.38 and 1.25 times as much: R2 (U-Net++ of width 8, 443 films, batches of 2)
2.41 GB in its first four epochs where 1.91 were expected, and R4 (U-Net of width 8, 159 slices,
batches of 8) 2.2 GB where 1.88 were."""

CGROUPS: Final = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a run is expected to take, in bytes.

    Attributes:
        fixed: whatever the batch: libraries where they count, weights, decoded cases.
        per_image: for each image in a batch.
    """

    fixed: int
    per_image: int

    def of_batch(self, batch: int) -> int:
        """With so many images in a batch."""
        return self.fixed + batch * self.per_image


def memory_need(settings: TrainingSettings, cases: int) -> MemoryNeed:
    """What a run will take, of the processor's memory in all processes together, else on each
    device, by the sizes of all that its network computes for an image; nothing is computed for it.
    Of a network of one's own that cannot be followed without values it is 0.

    Args:
        settings: of the run.
        cases: that are decoded and kept, of training and validation together.
    """
    on_cpu = not torch.cuda.is_available()
    try:
        with torch.device("meta"):
            net = build_network(settings)
            picture = torch.empty(1, 1, settings.size, settings.size)
        numbers = _kept_numbers(net, picture)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        if not settings.is_own_network:
            raise
        return MemoryNeed(0, 0)  # it has to have values, and nobody knows
    width = 2 if _in_halves(settings) else 4
    more = IN_HALVES if on_cpu and width == 2 else 1.0
    weights = COPIES * 4 * sum(weight.numel() for weight in net.parameters())
    kept = 0 if settings.cache else cases * _case_bytes(settings)
    fixed = round(more * (weights + kept)) + LIBRARIES_BYTES if on_cpu else weights
    processes = settings.devices if on_cpu else 1
    return MemoryNeed(processes * fixed, processes * round(more * BESIDE * numbers * width))


def _in_halves(settings: TrainingSettings) -> bool:
    """Whether the network computes in 16 bits, see `lungseg.train.precision`."""
    if settings.precision == "32-true" or torch.cuda.is_available():
        return settings.precision != "32-true"
    known: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    return has_bfloat16(known())


def _case_bytes(settings: TrainingSettings) -> int:
    """Of a decoded case: picture and sets, somewhat larger than the network's input."""
    from lungseg.train.data import MARGIN

    return round((1 + len(settings.classes)) * (MARGIN * settings.size) ** 2)


def _kept_numbers(net: nn.Module, picture: Tensor) -> int:
    """How many numbers a forward pass keeps for the backward pass: the outputs of all layers, and
    what the loss makes of those of the heads.
    """
    total = 0

    def add(_: nn.Module, __: Any, output: Any) -> None:
        nonlocal total
        outputs = output if isinstance(output, list | tuple) else (output,)
        total += sum(one.numel() for one in outputs if isinstance(one, Tensor))

    hooks = [
        module.register_forward_hook(add)
        for module in net.modules()
        if not list(module.children()) and not isinstance(module, nn.Identity)
    ]
    everything: Callable[[Tensor], Any] = getattr(net, "forward_all", net)
    heads = everything(picture)
    for hook in hooks:
        hook.remove()
    each = [heads] if isinstance(heads, Tensor) else list(heads)
    return total + LOSS_CHANNELS * sum(head.numel() for head in each)


def free_bytes() -> int | None:
    """The memory that is free for a run: of the GPU where there is one, else of this machine and
    the container that this runs in; None where nothing says.
    """
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    known = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        known.append(1024 * int(line.split()[1]))
    for limit, used in CGROUPS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            top, now = (int(Path(path).read_text(encoding="ascii")) for path in (limit, used))
            known.append(top - now + _cached(Path(used).with_name("memory.stat")))
    return min(known) if known else None


def _cached(statistics: Path) -> int:
    """Bytes of files that a container keeps in memory, and gives up where it is needed."""
    with suppress(OSError, ValueError):
        lines = (line.split() for line in statistics.read_text(encoding="ascii").splitlines())
        known = {name: int(number) for name, number in lines}
        return known.get("total_inactive_file", known.get("inactive_file", 0))
    return 0


def check_memory(settings: TrainingSettings, cases: int, *, resume: bool = False) -> None:
    """That a run will fit.

    Args:
        settings: of the run.
        cases: as for `memory_need`.
        resume: whether it goes on, with the settings with which it began.

    Raises:
        UsageError: it will not; the largest batch that will is named, with the accumulation that
            takes the same steps.
    """
    free = free_bytes()
    need = memory_need(settings, cases)
    if free is None or need.of_batch(settings.batch) <= free:
        return
    what = (
        f"a batch of {settings.batch} at {settings.size} x {settings.size} takes about "
        f"{need.of_batch(settings.batch) / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
    )
    if resume:
        raise UsageError(what, cure="free memory, or resume it on a machine that has more")
    fitting = fitting_batch(settings, need, free)
    if fitting is None:
        cure = "take a smaller `size` or `width`"
        raise UsageError(what, cure=cure if settings.cache else f"{cure}, or give a `cache`")
    raise UsageError(
        what, cure=f"take `batch` {fitting.batch} and `accumulate` {fitting.accumulate}"
    )


def fitting_batch(
    settings: TrainingSettings, need: MemoryNeed, free: int
) -> TrainingSettings | None:
    """The same settings with the largest batch that fits and divides the steps; None where not even
    a single image does.
    """
    step = settings.batch * settings.accumulate
    for batch in range(settings.batch - 1, 0, -1):
        if step % batch == 0 and need.of_batch(batch) <= free:
            return replace(settings, batch=batch, accumulate=step // batch)
    return None


def peak_bytes() -> int | None:
    """The most memory that this process has taken so far: of the GPU where there is one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_reserved())
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
