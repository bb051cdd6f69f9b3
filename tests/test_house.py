"""The house itself: what starts light, what must agree with what, and the habits that a linter does
not know."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import lungseg

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src" / "lungseg").rglob("*.py"))
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {
    contract["name"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
}

ANY_KEYWORD = {"train.py": ["run"], "executors.py": ["submit"]}
"""Functions that may take **kwargs: one gets its signature from the table of settings, one has it
from `concurrent.futures.Executor`."""

ABOUT_THE_HEART = {
    "card.py",
    "datasets/cases.py",
    "datasets/checks.py",
    "datasets/declared_labels.py",
    "datasets/label_sets.py",
    "datasets/layouts.py",
    "datasets/public.py",
    "evaluate/run.py",
    "modality.py",
    "options.py",
    "phantom/ct.py",
    "phantom/ct_patient.py",
    "phantom/radiograph.py",
    "phantom/radiograph_patient.py",
    "radiograph/findings.py",
    "radiograph/judge.py",
    "radiograph/lung_extent.py",
    "radiograph/orientation.py",
    "radiograph/postprocess.py",
    "radiograph/segment.py",
    "radiograph/sides.py",
    "report/texts.py",
    "structures.py",
    "train/export.py",
    "train/taught.py",
}
"""Modules that may name it: the table of structures, phantoms, and what is about lungs that are
drawn through it, about its shadow, or about where it lies. Everything else is for any structure."""

TRAINING = set(CONTRACTS["The command line itself imports no torch"]["forbidden_modules"])
WATCHED = """
import json, sys
sockets = []
sys.addaudithook(lambda event,
arguments: sockets.append(event) if event.startswith("socket.") else None)
from lungseg.cli.main import main
sys.argv = ["lungseg", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(json.dumps({"status": end.code or 0, "modules": sorted(sys.modules),
    "sockets": sockets}), file=sys.stderr)
"""


def watch(*arguments: str) -> tuple[str, set[str], list[str]]:
    """What the command line prints in a process of its own, which top-level modules it loads, and
    what it asks of sockets."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stderr.splitlines()[-1])
    assert seen["status"] == 0, done.stderr
    return done.stdout, {name.partition(".")[0] for name in seen["modules"]}, seen["sockets"]


def test_help_loads_nothing_heavy() -> None:
    printed, modules, sockets = watch("--help")
    assert "segment" in printed
    heavy = {"PIL", "cv2", "gdcm", "numpy", "onnxruntime", "pydantic", "pydicom", "rich"}
    assert modules & (TRAINING | heavy) == set()
    assert sockets == []


def test_public_names_are_the_same_for_type_checkers_and_when_asked_for() -> None:
    tree = ast.parse((ROOT / "src" / "lungseg" / "__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname: str(node.module).removeprefix("lungseg.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert imported == lungseg._HOMES
    assert {name for name in lungseg.__all__ if hasattr(lungseg, name)} == set(lungseg.__all__)
    assert set(dir(lungseg)) == {*imported, "__version__"}
    with pytest.raises(AttributeError, match="module 'lungseg' has no attribute 'nothing'"):
        _ = lungseg.nothing


def test_importing_the_package_loads_no_library_for_training_and_no_model() -> None:
    code = "import sys, lungseg; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        set(done.stdout.split()) & (TRAINING | {"gdcm", "onnxruntime", "pydicom", "rich", "typer"})
        == set()
    )


@pytest.mark.slow
def test_segment_leaves_torch_alone_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    import cv2

    from lungseg.phantom.radiograph import radiograph_phantom
    from tiny_model import write_tiny_model

    film = tmp_path / "film.png"
    cv2.imwrite(str(film), radiograph_phantom((128, 128)).image.array)
    model = write_tiny_model(tmp_path)
    _, modules, sockets = watch(
        "segment", str(film), "-o", str(tmp_path / "out"), "--model", str(model)
    )
    assert (tmp_path / "out" / "film_mask.png").is_file()
    assert "onnxruntime" in modules
    assert modules & (TRAINING | {"IPython", "gdcm", "ipywidgets", "pydantic", "pydicom"}) == set()
    assert sockets == []


def rungs() -> list[set[str]]:
    """The ladder, top first."""
    layers = CONTRACTS["Imports climb one ladder, and every file stands on it"]["layers"]
    return [set(re.findall(r"\w+", layer)) for layer in layers]


COMMANDS = {"__main__", "cli"}


def first_level() -> set[str]:
    """The modules of the first level. That each stands on the ladder is for import-linter to
    say."""
    return {
        path.relative_to(ROOT / "src" / "lungseg").parts[0].removesuffix(".py") for path in SOURCES
    } - {"__init__"}


@pytest.mark.parametrize(
    ("contract", "free"),
    [
        (
            "Nothing but nets and train reaches torch, by whatever road",
            {*COMMANDS, "nets", "train"},
        ),
        ("Only predict imports ONNX Runtime", {"predict"}),
        ("Only the server imports FastAPI", {"serve"}),
        ("Only report imports Jinja2", {"report"}),
    ],
)
def test_contracts_name_every_module_but_those_that_are_free(contract: str, free: set[str]) -> None:
    named = {module.removeprefix("lungseg.") for module in CONTRACTS[contract]["source_modules"]}
    assert named == first_level() - free


def test_the_page_on_architecture_shows_the_ladder_that_is_checked() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.split("## The ladder")[1].split("```")[1].strip().splitlines()
    assert [set(re.findall(r"\w+", line)) for line in drawn] == [
        rung for rung in rungs() if rung != {"__main__"}
    ]


def test_version_is_one() -> None:
    version = PYPROJECT["project"]["version"]
    citation = re.search(
        r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    change = re.search(
        r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert citation is not None
    assert change is not None
    assert (citation[1], change[1]) == (version, version)


def test_the_terms_of_the_models_name_each_source_as_the_cards_do() -> None:
    models = ROOT / "src" / "lungseg" / "models"
    terms = (models / "LICENSE-MODELS").read_text(encoding="utf-8")
    parts = re.split(r"^Sources of (\w+)", terms, flags=re.MULTILINE)[1:]
    named = dict(zip(parts[::2], parts[1::2], strict=True))
    assert named.keys() == {path.stem for path in models.glob("*.onnx")}
    for name, text in named.items():
        card = json.loads((models / f"{name}.json").read_text(encoding="utf-8"))
        stated = [f"  {d['source']}: {d['what']}\n    {d['terms']}\n" for d in card["data"]]
        assert text.partition("\n\n")[2].strip("\n") + "\n" == "".join(stated)
    project = PYPROJECT["project"]
    assert "LicenseRef-lungseg-models" in terms.splitlines()[0]
    assert project["license"] == "Apache-2.0 AND LicenseRef-lungseg-models"
    assert project["license-files"] == ["LICENSE", "src/lungseg/models/LICENSE-MODELS"]


def test_constraints_pin_every_direct_dependency() -> None:
    def name(requirement: str) -> str:
        return re.split(r"[<>=!~ ]", requirement, maxsplit=1)[0].lower().replace("_", "-")

    project = PYPROJECT["project"]
    wanted = {
        name(entry)
        for group in (project["dependencies"], *project["optional-dependencies"].values())
        for entry in group
    }
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {name(line) for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)}
    assert wanted <= pinned


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_of_pages_that_are_not_on_the_site_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_public_name_stands_in_the_reference() -> None:
    page = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: lungseg\.(\w+)$", page, re.MULTILINE)
    assert sorted([*named, "__version__"]) == sorted(lungseg.__all__)


def _takes_any_keyword(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it has a **kwargs whose names are not stated, as those of `Unpack[...]` are."""
    kwarg = function.args.kwarg
    return kwarg is not None and not ast.unparse(kwarg.annotation).startswith("Unpack[")


def test_files_and_functions_are_short_and_say_what_they_take() -> None:
    found = []
    for path in SOURCES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        if path.stem in {"utils", "helpers", "common", "base"}:
            found.append(f"{name}: say what it does")
        if len(text.splitlines()) > 400:
            found.append(f"{name}: over 400 lines")
        functions = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for function in functions:
            if function.end_lineno is None or function.end_lineno - function.lineno >= 60:
                found.append(f"{name}: {function.name} has over 60 lines")
        takes_any = [function.name for function in functions if _takes_any_keyword(function)]
        if takes_any != ANY_KEYWORD.get(path.name, []):
            found.append(f"{name}: {takes_any} take **kwargs")
    assert found == []


def test_only_what_is_about_the_heart_names_it() -> None:
    naming = {
        path.relative_to(ROOT / "src" / "lungseg").as_posix()
        for path in SOURCES
        if "heart" in path.read_text(encoding="utf-8").lower()
    }
    assert naming == ABOUT_THE_HEART


@pytest.mark.parametrize(
    "package",
    sorted(path.parent for path in SOURCES if path.name == "__init__.py"),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_package_exports_a_function_under_the_name_of_its_module(package: Path) -> None:
    """Else `import package.module as m` gives the function."""
    modules = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    bound: set[str] = set()
    for node in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
    assert bound & modules == set()
