"""A process that confines itself: what it may read, write and take, and what this system cannot
withhold from it.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from lungseg.confine import landlock, system_calls

MAX_FILE_BYTES: Final = 8 * 2**30
"""Of a file that is written; the largest, probabilities of a long CT, have a quarter of it."""
MIN_MEMORY_BYTES: Final = 2**30
"""Of each process, also where it is more than its part."""
_PART_OF_MEMORY: Final = 0.75

_SYSTEM: Final = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/proc/cpuinfo", "/proc/meminfo", "/dev/urandom"),
    # ONNX Runtime asks which processors there are, and says so where it may not.
    *("/sys/devices", "/sys/bus/pci", "/sys/class/drm"),
)
"""What libraries read of the system, and nobody's data."""
_CGROUP_LIMITS: Final = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process may do.

    Attributes:
        read: files, and folders with all below, that it may read, beside Python and its libraries.
        write: folders in which it may also make, change and remove files and folders.
        memory: bytes of its own at most; None for as much as there is.
        seconds: of one call, for as many processors as it may use; None for any. Whoever waits for
            it has a clock of his own: this ends what nobody waits for any more.
        file_bytes: of a file that it writes, at most.
    """

    read: tuple[Path, ...]
    write: tuple[Path, ...] = ()
    memory: int | None = None
    seconds: float | None = None
    file_bytes: int = MAX_FILE_BYTES


def lacking() -> str | None:
    """What this system lacks to confine a process, such as "Landlock, which Linux has from 5.13
    on"; None where it lacks nothing.
    """
    if sys.platform != "linux":
        return "Linux, whose Landlock and seccomp confine processes"
    missing = []
    if not landlock.version():
        missing.append(
            f"Landlock, which kernels from 5.13 on have where it is switched on (this is "
            f"{platform.release()})"
        )
    if not system_calls.can_filter():
        missing.append(f"seccomp with a list of calls for {platform.machine()}")
    return " and ".join(missing) or None


def memory_for(workers: int) -> int | None:
    """Bytes that each of so many processes may take, so that all together leave a quarter of the
    machine's memory, or of this container's; None where that is not known.
    """
    try:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, OSError, ValueError):
        return None
    for name in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            limits.append(int(Path(name).read_text("ascii")))
    return max(MIN_MEMORY_BYTES, int(_PART_OF_MEMORY * min(limits) / workers))


def confine(confinement: Confinement) -> None:
    """Confines this process for good, as far as the system can (`lacking`). It has to come first:
    threads that run already, as libraries start them, would stay as they are.

    Raises:
        RuntimeError: there are other threads.
        OSError: the system refused.
    """
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 (names)
        raise RuntimeError("a process is confined before it has other threads than the first one")
    _limit(confinement)
    if landlock.version():
        landlock.restrict(
            [
                (Path(os.devnull), landlock.READ | landlock.WRITE_FILE),
                *((path, landlock.READ) for path in (*libraries(), *confinement.read)),
                *((path, landlock.WRITE) for path in confinement.write),
            ]
        )
    if system_calls.can_filter():
        system_calls.forbid()


def begin(confinement: Confinement, module: str, function: str, *arguments: Any) -> None:
    """What a new process runs: it is confined, and only then imports what it is for."""
    confine(confinement)
    getattr(import_module(module), function)(*arguments)


def begin_call(confinement: Confinement) -> None:
    """Called before each call of a process: its time begins anew."""
    if resource is None or confinement.seconds is None:
        return
    processors = os.cpu_count() or 1
    wanted = int(time.process_time() + confinement.seconds * processors) + 1
    _, highest = resource.getrlimit(resource.RLIMIT_CPU)  # stays, so that it can be raised again
    resource.setrlimit(resource.RLIMIT_CPU, (_allowed(resource.RLIMIT_CPU, wanted), highest))


def libraries() -> list[Path]:
    """Files and folders from which this Python loads what it needs."""
    paths = sysconfig.get_paths()
    found = {Path(path).resolve() for path in sys.path if path} | {Path(paths["stdlib"]).parent}
    # The folder of a script is where Python looks first, and no library; nor are these.
    private = {Path(sys.argv[0]).resolve().parent}
    for place in (os.environ.get("PWD"), os.environ.get("HOME"), _working_folder()):
        if place:
            private |= {Path(place), *Path(place).parents}
    return [
        *(path for path in found if path not in private),
        *(Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        Path(__file__).resolve().parent.parent,
        *map(Path, _SYSTEM),
    ]


def _working_folder() -> str | None:
    with suppress(OSError):  # it was removed
        return os.getcwd()  # noqa: PTH109 (may fail)
    return None


def _limit(confinement: Confinement) -> None:
    if resource is None:
        return
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, confinement.file_bytes)]
    # Elsewhere it counts other things, or nothing.
    if confinement.memory is not None and sys.platform == "linux":
        limits.append((resource.RLIMIT_DATA, confinement.memory))
    for what, number in limits:
        allowed = _allowed(what, number)
        resource.setrlimit(what, (allowed, allowed))


def _allowed(what: int, number: int) -> int:
    """A limit, or what may be had of it."""
    _, highest = resource.getrlimit(what)
    return number if highest == resource.RLIM_INFINITY else min(number, highest)
