"""Landlock, by which Linux lets a process give up its rights to files: its three system calls, as
https://docs.kernel.org/userspace-api/landlock.html describes them.

The packages on PyPI that wrap them are previews of one author each; these calls are an interface of
the kernel, which does not change.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""Numbers of the system calls, the same on every processor."""
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38
"""Of prctl."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_FILE, TRUNCATE = 1 << 7, 1 << 8, 1 << 14
READ: Final = READ_FILE | READ_DIR
WRITE: Final = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_FILE
"""No links, devices, pipes or sockets are made, and no program is started."""
_OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
"""Rights that a rule for a single file may give."""

_FILE_RIGHTS: Final = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Versions from which on the kernel knows so many rights to files."""
_TCP: Final = 0b11
_OTHER_PROCESSES: Final = 0b11
"""Abstract sockets and signals."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """That of the kernel's Landlock; 0 where it has none, or it is switched off."""
    if sys.platform != "linux":  # where the number may be that of another call
        return 0
    try:
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(allowed: Iterable[tuple[Path, int]]) -> None:
    """Takes all rights to files from this thread and whatever it starts, but for those given; TCP
    too, and signals to other processes, where the kernel can.

    Args:
        allowed: files, and folders with all below, each with rights such as `READ`; one that is not
            there is passed over.

    Raises:
        OSError: the kernel has no Landlock.
    """
    known = version()
    count = max((rights for since, rights in _FILE_RIGHTS if known >= since), default=0)
    handled = (1 << count) - 1
    rules = _Ruleset(handled, _TCP if known >= 4 else 0, _OTHER_PROCESSES if known >= 6 else 0)
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        for path, rights in allowed:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                _allow(ruleset, path, rights & handled)
        forbid_new_privileges()
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def forbid_new_privileges() -> None:
    """No program that is started gets more rights than this one has; what the kernel wants before
    it lets a process restrict itself.

    Raises:
        OSError: it cannot be.
    """
    if _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _allow(ruleset: int, path: Path, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, place)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    """Raises:
    OSError: the kernel refused.
    """
    result: int = _libc().syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
