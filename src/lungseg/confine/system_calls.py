"""What Landlock leaves open, forbidden by a filter of system calls (seccomp): the network as a
whole, rights and owners of files, and other processes' memory.

The filter is a program of Linux's BPF, written out here; its words are those of linux/filter.h and
linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from typing import Final

from lungseg.confine.landlock import forbid_new_privileges

FORBIDDEN: Final[dict[str, tuple[int | None, int | None]]] = {
    # The network, of whatever family. io_uring makes sockets past every filter.
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    # Landlock of kernels before 6.2 does not know the first one, and none knows the others.
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    # Other processes of the same user.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
}
"""Numbers of system calls on x86-64 and on 64-bit ARM, None where there is no such call."""

_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Place in `FORBIDDEN`, and AUDIT_ARCH of linux/audit.h."""
_X32: Final = 0x4000_0000
"""Numbers from here on are those of a second interface of x86-64, which nothing uses."""

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _MACHINE_AT = 0, 4
"""Bytes into what the kernel shows the filter."""
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_REFUSE: Final = 0x0005_0000 | errno.EACCES
_SET_SECCOMP, _FILTER = 22, 2
"""Of prctl."""


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.POINTER(_Instruction)))


def can_filter() -> bool:
    """Whether the kernel takes a filter, and this one is for its processor."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # Of a kernel that knows filters, the address of none is wrong.
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, None)) and ctypes.get_errno() == errno.EFAULT


def forbid() -> None:
    """Lets every call of `FORBIDDEN` fail with EACCES from here on, in this thread and whatever it
    starts.

    Raises:
        OSError: the kernel takes no filter.
    """
    code = _filter(*_MACHINES[platform.machine()])
    program = _Program(len(code), code)
    forbid_new_privileges()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter(column: int, machine: int) -> ctypes.Array[_Instruction]:
    numbers = [calls[column] for calls in FORBIDDEN.values()]
    steps = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for number in numbers:
        if number is not None:
            steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
