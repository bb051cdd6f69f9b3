"""Whether the libraries that the core needs are there and whole; asked before a user's file is
called damaged.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Final

from lungseg.errors import InstallationError, LungsegError, UsageError


@dataclass(frozen=True, slots=True)
class Library:
    """A library that the core needs.

    Attributes:
        package: what pip calls it.
        module: of it, that is imported.
        has: a name in that module; where it is missing, the module is a leftover.
    """

    package: str
    module: str
    has: str

    @property
    def name(self) -> str:
        """The module that Python calls it by."""
        return self.module.partition(".")[0]


LIBRARIES: Final = (
    Library("numpy", "numpy", "ndarray"),
    Library("opencv-python-headless", "cv2", "resize"),
    Library("pillow", "PIL.Image", "open"),
    Library("onnxruntime", "onnxruntime", "InferenceSession"),
    Library("pydicom", "pydicom", "dcmread"),
    Library("python-gdcm", "gdcm", "ImageReader"),
    Library("pynrrd", "nrrd", "read_header"),
    Library("jinja2", "jinja2", "Environment"),
    Library("rich", "rich.progress", "Progress"),
    Library("typer", "typer", "Typer"),
)
"""All of the core, those that the others need first."""

NEED_NUMPY: Final = ("cv2", "onnxruntime", "nrrd")
"""Those that cannot be loaded without NumPy."""

ALWAYS_LOADED: Final = ("numpy", "cv2")
"""Those that every command but info loads sooner or later; trying them costs nothing more."""


def check_installation() -> None:
    """That every library is there, and that those which are loaded anyway can be.

    Raises:
        InstallationError: one is missing or broken.
    """
    for library in LIBRARIES:
        problem = _not_there(library)
        if problem is None and library.name in ALWAYS_LOADED:
            problem = problem_of(library)
        if problem is not None:
            raise error_of(library, problem)


def broken_library() -> InstallationError | None:
    """The first library that is missing or cannot be loaded; all of them are tried."""
    return next((error_of(library, problem) for library, problem in problems()), None)


def culprit(error: BaseException) -> InstallationError | None:
    """The library that an error is the fault of, where it, or what it came of, looks like that of a
    missing or broken one: asking all of them takes a second.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ImportError | AttributeError) or "dependencies" in str(seen):
            return broken_library()
        seen = seen.__cause__ or seen.__context__
    return None


def problems() -> Iterator[tuple[Library, str]]:
    """Every library that is missing or cannot be loaded, and what is wrong with it; those that need
    NumPy are not tried where that is.
    """
    broken: set[str] = set()
    for library in LIBRARIES:
        if "numpy" in broken and library.name in NEED_NUMPY:
            continue
        problem = problem_of(library)
        if problem is not None:
            broken.add(library.name)
            yield library, problem


def problem_of(library: Library) -> str | None:
    """What is wrong with a library, in a few words; None where it can be loaded."""
    # Where this is not set, onnxruntime reports to its maker from the import on.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        with redirect_stdout(StringIO()):  # where some tell their troubles
            module = import_module(library.module)
    except ModuleNotFoundError as error:
        missing = "it is missing" if error.name == library.name else str(error)
    except Exception as error:  # noqa: BLE001 (what half a library throws)
        missing = str(error) or type(error).__name__
    else:
        if hasattr(module, library.has):
            return None
        missing = f"it has no {library.has}: only a leftover of it is there"
    return " ".join(missing.split())


def error_of(library: Library, problem: str) -> InstallationError:
    """The error that says what is wrong, and how it is mended."""
    return InstallationError(
        f"the library {library.name} cannot be used ({problem})",
        cure=f"install it again with `{cure_of(library)}`",
    )


def cure_of(library: Library) -> str:
    """The command that mends a library."""
    return f"pip install --force-reinstall {library.package}"


def extra_error(error: ImportError, task: str, extra: str) -> LungsegError:
    """What an import that failed means to the user of an extra.

    Args:
        error: that came of it.
        task: what the libraries are for, such as "training".
        extra: the extra that brings them.

    Returns:
        A UsageError where the library is not installed; an InstallationError where it is there and
        broken, or belongs to Python itself.
    """
    name = (error.name or "").partition(".")[0]
    core = {library.name for library in LIBRARIES}
    if isinstance(error, ModuleNotFoundError) and name == error.name and name not in core:
        if name not in sys.stdlib_module_names:
            return UsageError(
                f"{task} needs the library {name}",
                cure=f"install it with `pip install 'lungseg[{extra}]'`",
            )
        return InstallationError(
            f"Python itself lacks its module {name}, which {task} needs",
            cure="install a whole Python, and lungseg in it",
        )
    broken = broken_library()
    if broken is not None:
        return broken
    if name in sys.stdlib_module_names:
        return InstallationError(
            f"Python's own module {name} cannot be loaded ({' '.join(str(error).split())})",
            cure="install a whole Python, and lungseg in it",
        )
    return InstallationError(
        f"{task} needs the library {name or 'that cannot be loaded'}, which is broken "
        f"({' '.join(str(error).split())})",
        cure=f"install it again with `pip install --force-reinstall 'lungseg[{extra}]'`",
    )


def _not_there(library: Library) -> str | None:
    try:
        spec = find_spec(library.name)
    except (ImportError, ValueError) as error:
        return str(error)
    if spec is None:
        return "it is missing"
    return None if spec.origin else "only an empty folder of it is there"
