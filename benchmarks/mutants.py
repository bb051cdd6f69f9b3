"""How many small faults in a module its tests notice.

    python benchmarks/mutants.py                        # the readers of volumes, 40 faults each
    python benchmarks/mutants.py --of nifti --count 100 --show

Each fault ("mutant") is one change to the module's syntax tree: another comparison, operator,
number, sign, word or name of a type, a condition turned round, `and` for `or`. It is put into a
copy of the package, and the tests of that module run against the copy until one fails. Sentences,
errors and annotations are not changed. The same seed draws the same faults.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READERS = "lungseg/readers"
TESTS = {
    "nifti": ["test_nifti_header.py", "test_nifti_oracle.py"],
    "nrrd": [
        "test_nrrd_header.py",
        "test_nrrd.py",
        "test_nrrd_oracle.py",
        "test_simpleitk_oracle.py",
    ],
    "metaimage": [
        "test_metaimage_header.py",
        "test_metaimage.py",
        "test_metaimage_oracle.py",
        "test_simpleitk_oracle.py",
    ],
    "raw_volume": ["test_nrrd.py", "test_metaimage.py", "test_volume.py"],
    "voxels": ["test_voxels.py"],
    "limits": ["test_limits.py"],
    "units": ["test_nrrd.py", "test_metaimage.py"],
    "flat": ["test_flat.py"],
    "packing": ["test_other_content.py"],
    "tiff": ["test_tiff.py"],
}
"""Of each reader, the quickest to fail first."""
TIMEOUT_S = 300
"""A mutant that makes an endless loop is noticed, too."""

_LIBRARIES = ("cv2", "hypothesis", "nibabel", "nrrd", "numpy.testing", "pydicom", "SimpleITK")
"""What is imported once, so that no mutant need do so."""
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.MatMult: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """A change: where it is, in words, and the module's source with it."""

    line: int
    what: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """Every change that there is, in the order of the lines."""
    tree = ast.parse(source)
    found = []
    for number, (node, _) in enumerate(_places(tree)):
        for choice in range(len(_changes(node))):
            changed = deepcopy(tree)
            target = next(pair for i, pair in enumerate(_places(changed)) if i == number)[0]
            what, change = _changes(target)[choice]
            change()
            found.append(Mutant(getattr(target, "lineno", 0), what, ast.unparse(changed)))
    return found


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """The nodes that may be changed: not those of docstrings, annotations, imports, logs, errors
    and notes.
    """
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_silent(child):
                continue
            yield child, True
            yield from _places(child)


def _is_silent(node: ast.AST) -> bool:
    is_words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    is_log = (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).startswith("_log.")
    )
    is_error = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error")
    is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    imports = isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr)
    return is_words or is_log or is_error or is_typing or imports


def _changes(node: ast.AST) -> list[tuple[str, Callable[[], None]]]:
    """What can be done to a node, in words, and what does it."""

    def put(name: str, value: object) -> Callable[[], None]:
        return lambda: setattr(node, name, value)

    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            other = _COMPARISONS[type(op)]
            return [(f"{type(op).__name__} to {other.__name__}", put("ops", [other()]))]
        case ast.Compare(ops=[first, *rest]) if type(first) in _COMPARISONS:
            other = _COMPARISONS[type(first)]
            return [(f"{type(first).__name__} to {other.__name__}", put("ops", [other(), *rest]))]
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            operator = _OPERATORS[type(op)]
            return [(f"{type(op).__name__} to {operator.__name__}", put("op", operator()))]
        case ast.BoolOp(op=op):
            words: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            return [(f"{type(op).__name__} to {type(words).__name__}", put("op", words))]
        case ast.UnaryOp(op=ast.USub()):
            return [("sign changed", put("op", ast.UAdd()))]
        case ast.If() | ast.IfExp() | ast.While():
            turned = ast.UnaryOp(ast.Not(), node.test)
            return [("condition turned round", put("test", turned))]
        case ast.Constant(value=bool() as value):
            return [(f"{value} to {not value}", put("value", not value))]
        case ast.Constant(value=int() | float() as value):
            return [(f"{value} to {value + 1}", put("value", value + 1))]
        case ast.Constant(value=str() as value) if 0 < len(value) <= 24 and " " not in value:
            return [(f"{value!r} changed", put("value", value[:-1] + chr(ord(value[-1]) ^ 1)))]
        case ast.Constant(value=bytes() as value) if value:
            return [(f"{value!r} changed", put("value", value[:-1] + bytes([value[-1] ^ 1])))]
    return []


def is_noticed(mutant: Mutant | None, module: Path, tests: list[str], copy: Path) -> bool:
    """Whether one of the tests fails; without a mutant, whether they do as it is.

    They run in a fork of this process, in which everything but the package is imported already.
    """
    original = (ROOT / "src" / module).read_text(encoding="utf-8")
    (copy / module).write_text(original if mutant is None else mutant.source, encoding="utf-8")
    child = os.fork()
    if not child:
        os._exit(_run_tests(tests, copy))
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run_tests(tests: list[str], copy: Path) -> int:
    """The exit status of pytest, whose words nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    os.chdir(ROOT)
    options = ["-x", "-q", "-n0", "--assert=plain", "-p", "no:cacheprovider"]
    options += ["-m", "not data and not slow"]
    return int(pytest.main([*options, *(f"tests/readers/{name}" for name in tests)]))


def measure(name: str, *, count: int, seed: int, show: bool) -> tuple[int, int]:
    """How many of the drawn mutants of a reader are noticed, and how many there are."""
    module = Path(READERS, f"{name}.py")
    every = mutants((ROOT / "src" / module).read_text(encoding="utf-8"))
    drawn = random.Random(seed).sample(every, min(count, len(every)))
    drawn.sort(key=lambda mutant: mutant.line)
    started, noticed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "src")
        shutil.copytree(ROOT / "src", copy)
        if is_noticed(None, module, TESTS[name], copy):
            raise SystemExit(f"the tests of {name} fail without a mutant")
        for mutant in drawn:
            found = is_noticed(mutant, module, TESTS[name], copy)
            noticed += found
            if show and not found:
                print(f"    {module}:{mutant.line}: {mutant.what}", flush=True)
    seconds = time.monotonic() - started
    cells = [name, len(every), len(drawn), noticed, f"{noticed / len(drawn):.0%}", f"{seconds:.0f}"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    return noticed, len(drawn)


def main() -> None:
    """Prints a line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--of", nargs="*", choices=list(TESTS), default=["nifti", "nrrd", "metaimage"]
    )
    parser.add_argument("--count", type=int, default=40, help="mutants of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="those that no test noticed")
    given = parser.parse_args()
    for library in _LIBRARIES:
        importlib.import_module(library)
    print("| reader | there are | drawn | noticed | | seconds |\n|---|---|---|---|---|---|")
    parts = [
        measure(name, count=given.count, seed=given.seed, show=given.show) for name in given.of
    ]
    noticed, drawn = (sum(numbers) for numbers in zip(*parts, strict=True))
    print(f"| all | | {drawn} | {noticed} | {noticed / drawn:.0%} | |")


if __name__ == "__main__":
    main()
