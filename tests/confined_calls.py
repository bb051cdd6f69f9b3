"""What tests let confined processes try; functions of a module that a new process can import."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from fractions import Fraction
from pathlib import Path

from lungseg.errors import UnreadableError


def read(file: Path) -> bytes:
    """All of it."""
    return file.read_bytes()


def names_in(folder: Path) -> list[str]:
    """What is in it."""
    return sorted(path.name for path in folder.iterdir())


def write(file: Path, size: int = 3) -> str:
    """So many bytes."""
    file.write_bytes(bytes(size))
    return file.name


def replace(file: Path) -> str:
    """In a new folder, under another name, then back again."""
    (file.parent / "new").mkdir()
    (file.parent / "new" / "x").write_text("x")
    (file.parent / "new" / "x").unlink()
    (file.parent / "new").rmdir()
    file.rename(file.with_name("moved"))
    return file.with_name("moved").rename(file).name


def link(place: Path, target: Path) -> None:
    """A symbolic one."""
    place.symlink_to(target)


def open_to_all(file: Path) -> None:
    """Whoever may enter its folder may then write it."""
    file.chmod(0o777)


def cut(file: Path) -> None:
    """To nothing, without opening it."""
    os.truncate(file, 0)


def signal_to(process: int) -> None:
    """None that does anything."""
    os.kill(process, 0)


def error_of_call(number: int) -> int:
    """What a system call by its number answers, with arguments that mean nothing; else 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_long(-1),) * 6
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *arguments) < 0 else 0


def run(program: Path) -> None:
    """Another program."""
    subprocess.run([program], check=True)


def socket_of(family: int, kind: int) -> None:
    """What every connection begins with."""
    socket.socket(family, kind).close()


def read_in_a_thread(file: Path) -> str:
    """What became of it in a thread that began later."""
    found = []

    def tried() -> None:
        try:
            found.append(str(read(file)))
        except OSError as error:
            found.append(type(error).__name__)

    thread = threading.Thread(target=tried)
    thread.start()
    thread.join()
    return found[0]


def take(size: int) -> int:
    """Bytes of memory."""
    return len(bytearray(size))


def network_of_a_model(path: Path) -> list[float]:
    """What ONNX Runtime, loaded here first, gives."""
    import numpy as np

    from lungseg.predict import Predictor

    predictor = Predictor(path, threads=2)
    batch = np.zeros((1, 1, *predictor.card.input_size), np.float32)
    return predictor(batch).mean(axis=(0, 2, 3)).tolist()


def never_ends() -> None:
    """Computes."""
    while True:
        pass


def process_id() -> int:
    """Of the process that does it."""
    return os.getpid()


def refuse() -> None:
    """An error of the package."""
    raise UnreadableError("the file is empty", where=Path("x.png"), cure="copy it again")


class Taken:
    """What runs a function in whoever unpacks it."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._place),)


def take_over(place: Path) -> Taken:
    """As a process that a file has taken over would answer."""
    return Taken(place)


def fraction() -> Fraction:
    """A class that nobody said would come."""
    return Fraction(1, 2)
