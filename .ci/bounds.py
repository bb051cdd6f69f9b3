"""Whether the bounds of pyproject.toml are true: the tests with the lowest and with the newest
versions that it allows, extras included, each in a fresh environment.

    python .ci/bounds.py lowest   # what passed is written to .ci/lowest.txt
    python .ci/bounds.py newest   # for before a release; nothing is written
    python .ci/bounds.py known    # whether .ci/lowest.txt is about the bounds as they stand
    python .ci/bounds.py wheels   # whether there are wheels for each Python, by pip's resolver

.ci/run asks for `known`, and runs `lowest` where it fails. The tools of the tests are those of
constraints.txt in each, and so is torch, whose other versions bring gigabytes of CUDA with them.
What follows the command goes to pytest. Needs the library packaging, which pytest brings.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PASSED = ROOT / ".ci" / "lowest.txt"
EXTRAS = ("train", "pdf", "serve", "formats")  # those that users install
TOOLS = ("httpx", "hypothesis", "jsonschema", "nibabel", "playwright", "pytest", "pytest-xdist")
TOOLS += ("ipywidgets", "simpleitk")  # all that the tests import of the extra dev
NEWER_TOOLS = ("schemathesis",)
"""Which want newer libraries than the lowest; there the tests that need them are skipped."""
AS_PINNED = ("torch",)
PYTHONS = ("3.11", "3.12", "3.13")
QUIET = ("-Wignore::DeprecationWarning", "-Wignore::PendingDeprecationWarning")
"""Of libraries that are older or newer than those which the tests are strict with."""


def requirements() -> list[Requirement]:
    """What users may install, of the core and of extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][name] for name in EXTRAS)]
    return [Requirement(entry) for group in groups for entry in group]


def lowest() -> list[str]:
    """One line for each: the version of its lower bound."""
    lines = []
    for requirement in requirements():
        bounds = [entry.version for entry in requirement.specifier if entry.operator == ">="]
        if len(bounds) != 1:
            sys.exit(f"pyproject.toml: {requirement.name} needs one lower bound")
        if requirement.name not in AS_PINNED:
            lines.append(f"{requirement.name}=={bounds[0]}")
    return sorted(lines)


def pinned() -> list[str]:
    """The lines of constraints.txt that hold in either environment."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    names = (*TOOLS, *NEWER_TOOLS, *AS_PINNED)
    return [line for line in lines if line.partition("==")[0] in names]


def run_tests(constraints: list[str], tools: tuple[str, ...], arguments: list[str]) -> int:
    """The status of pytest in a fresh environment with these versions and tools."""
    with tempfile.TemporaryDirectory() as folder:
        file, python = Path(folder, "constraints.txt"), str(Path(folder, "venv", "bin", "python"))
        file.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        venv.create(Path(folder, "venv"), with_pip=True)
        wanted = ["-e", f"{ROOT}[{','.join(EXTRAS)}]", *tools]
        for command in (
            ["pip", "install", "-q", "-c", str(file), *wanted],
            ["pip", "check"],
            ["lungseg", "info"],
        ):
            subprocess.run([python, "-m", *command], check=True)
        tests = [python, "-m", "pytest", *QUIET, *arguments]
        return subprocess.run(tests, cwd=ROOT, check=False).returncode


def look_for_wheels() -> int:
    """0 where pip finds a wheel of everything for every Python, without installing any."""
    wanted = [str(entry) for entry in requirements() if entry.name not in AS_PINNED]
    status = 0
    for version in PYTHONS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "-t", folder]
            command += ["--ignore-installed", "--only-binary=:all:", "--python-version", version]
            done = subprocess.run([*command, *wanted], check=False).returncode
        print(
            f"Python {version}: {'wheels of everything' if done == 0 else 'something is missing'}"
        )
        status = status or done
    return status


def main() -> int:
    """0 where all is well, as of every program."""
    command, *arguments = sys.argv[1:] or [""]
    if command == "known":
        known = PASSED.read_text(encoding="utf-8").splitlines() if PASSED.is_file() else []
        return 0 if known[1:] == lowest() else 1
    if command == "wheels":
        return look_for_wheels()
    if command == "newest":
        return run_tests(pinned(), (*TOOLS, *NEWER_TOOLS), arguments)
    if command == "lowest":
        status = run_tests(pinned() + lowest(), TOOLS, arguments)
        if status == 0:
            first = " ".join(["# These pass: pytest", *map(shlex.quote, arguments)])
            PASSED.write_text("\n".join([first, *lowest()]) + "\n", encoding="utf-8")
        return status
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
