"""Broken installations: one sentence with the cure, status 2, and never the user's file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from lungseg.errors import InstallationError, UsageError
from lungseg.installation import LIBRARIES, Library, extra_error, problem_of
from lungseg.phantom.radiograph import radiograph_phantom
from tiny_model import write_tiny_model

SOURCE = Path(__file__).resolve().parent.parent / "src"
EMPTY = ""
NO_LIBRARY = 'raise ImportError("libGL.so.1: cannot open shared object file")'


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.png"
    cv2.imwrite(str(path), radiograph_phantom((96, 96)).image.array)
    return path


def broken(folder: Path, module: str, content: str, *arguments: object) -> tuple[int, str, str]:
    """Status and output of a command where a library is what `content` says."""
    place = folder / "broken" / module
    place.mkdir(parents=True, exist_ok=True)
    (place / "__init__.py").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "lungseg", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{place.parent}{os.pathsep}{SOURCE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("content", [EMPTY, NO_LIBRARY], ids=["empty", "libGL"])
def test_a_broken_opencv_is_named_with_its_cure(film: Path, tmp_path: Path, content: str) -> None:
    status, out, said = broken(tmp_path, "cv2", content, "segment", film, "-o", tmp_path / "out")
    assert status == 2
    assert out == ""
    assert said.count("\n") == 1
    assert said.startswith("Error: the library cv2 cannot be used (")
    assert said.endswith("`pip install --force-reinstall opencv-python-headless`.\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_info_answers_and_names_what_is_broken(tmp_path: Path, library: Library) -> None:
    status, out, said = broken(tmp_path, library.name, NO_LIBRARY, "info")
    assert (status, said) == (0, "")
    assert library.name in out
    assert "libGL.so.1: cannot open shared object file" in out
    assert f"`pip install --force-reinstall {library.package}`" in out
    if library.name != "typer":
        known = json.loads(broken(tmp_path, library.name, NO_LIBRARY, "info", "--json")[1])
        assert [entry["library"] for entry in known["broken"]] == [library.name]
        assert "lungseg" in known["versions"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "PIL", "onnxruntime", "typer"])
def test_other_libraries_end_a_run_with_their_cure(
    film: Path, tmp_path: Path, library: str
) -> None:
    model = write_tiny_model(tmp_path)
    arguments = ("segment", film, "-o", tmp_path / "out", "--model", model)
    status, _, said = broken(tmp_path, library, EMPTY, *arguments)
    package = {entry.name: entry.package for entry in LIBRARIES}[library]
    assert status == 2
    assert said.startswith(f"Error: the library {library} cannot be used (")
    assert said.endswith(f"`pip install --force-reinstall {package}`.\n")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_library_that_a_file_needs_is_blamed_instead_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "film.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 200)
    arguments = ("segment", tmp_path / "film.dcm", "-o", tmp_path / "out")
    status, _, said = broken(tmp_path, "pydicom", EMPTY, *arguments)
    assert (status, "pip install --force-reinstall pydicom" in said) == (2, True)
    assert "damaged" not in said


def test_whole_libraries_have_no_problem() -> None:
    assert [problem_of(library) for library in LIBRARIES] == [None] * len(LIBRARIES)
    assert problem_of(Library("none", "no_such_library", "name")) == "it is missing"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            ModuleNotFoundError("No module named 'lightning'", name="lightning"),
            UsageError,
            "training needs the library lightning; install it with `pip install 'lungseg[train]'`.",
        ),
        (
            ModuleNotFoundError("No module named '_ssl'", name="_ssl"),
            InstallationError,
            "Python itself lacks its module _ssl, which training needs; install a whole Python",
        ),
        (
            ImportError("libssl.so.3: cannot open shared object file", name="_ssl"),
            InstallationError,
            "Python's own module _ssl cannot be loaded (libssl.so.3: cannot open shared",
        ),
        (
            ImportError("undefined symbol", name="torch._C"),
            InstallationError,
            "training needs the library torch, which is broken (undefined symbol); install it "
            "again with `pip install --force-reinstall 'lungseg[train]'`",
        ),
        (
            ModuleNotFoundError("No module named 'torch._C'", name="torch._C"),
            InstallationError,
            "training needs the library torch, which is broken",
        ),
    ],
)
def test_a_broken_library_of_an_extra_is_no_missing_extra(
    error: ImportError, kind: type[Exception], words: str
) -> None:
    found = extra_error(error, "training", "train")
    assert type(found) is kind
    assert str(found).startswith(words)


@pytest.mark.parametrize("module", ["fit", "finalise", "export"])
@pytest.mark.parametrize("missing", ["torch", "lightning", "onnx"])
def test_whoever_imports_training_is_told_what_it_needs(module, missing) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from lungseg.errors import LungsegError\n"
        f"try: import lungseg.train.{module}\n"
        "except LungsegError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"training needs the library {missing}; install it with `pip install 'lungseg[train]'`.\n"
    )
