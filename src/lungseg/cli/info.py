"""The command that says what there is: info."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from io import StringIO
from typing import Annotated, Any

import typer


def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, for machines, with the whole model cards.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of results.jsonl instead.")
    ] = False,
) -> None:
    """List models, structures, outputs, formats, versions, and what of the installation is broken.
    Loads no model.

    Example: lungseg info --json
    """
    if schema:
        from lungseg.writers import record_schema

        typer.echo(json.dumps(record_schema(), indent=2))
        return
    known = _known()
    if as_json:
        typer.echo(json.dumps(known, indent=2))
        return
    for library in known["broken"]:
        typer.echo(
            f"Broken\n  {library['library']}: {library['problem']}; install it again with "
            f"`{library['cure']}`"
        )
    typer.echo("Models")
    for card in known["models"]:
        rows, columns = card["input_size"]
        typer.echo(
            f"  {card['name']} {card['version']}: {card['modality']}, {card['architecture']}, "
            f"{rows} "
            f"x {columns}; {card['terms']}"
        )
    typer.echo("Structures")
    for structure in known["structures"]:
        coded = [structure[part] for part in ("type", "laterality") if structure[part]]
        codes = ", ".join(f"{code['scheme']} {code['value']} {code['meaning']}" for code in coded)
        typer.echo(
            f"  {structure['number']} {structure['name']}" + (f" ({codes})" if codes else "")
        )
    typer.echo("Outputs")
    for entry in known["outputs"]:
        typer.echo(f"  {entry['name']}: {entry['about']}")
    typer.echo("Formats\n  " + ", ".join(known["formats"]))
    typer.echo(
        "Versions\n  "
        + ", ".join(f"{name} {version}" for name, version in known["versions"].items())
    )


def _known() -> dict[str, Any]:
    """All that there is; of a broken installation what can be told all the same."""
    from lungseg.installation import cure_of, problems

    broken = [
        {"library": library.name, "problem": problem, "cure": cure_of(library)}
        for library, problem in problems()
    ]
    parts: dict[str, Callable[[], Any]] = {
        "versions": _versions,
        "models": _models,
        "structures": _structures,
        "outputs": _outputs,
        "formats": _formats,
    }
    known: dict[str, Any] = {"broken": broken}
    for name, part in parts.items():
        try:
            with redirect_stdout(StringIO()):  # where OpenCV tells that NumPy is broken
                known[name] = part()
        except (ImportError, AttributeError):
            if not broken:
                raise
            known[name] = _installed_versions() if name == "versions" else []
    return known


def _versions() -> dict[str, str]:
    from lungseg.writers.record import versions

    return versions()


def _installed_versions() -> dict[str, str]:
    """As far as they can be told without the libraries themselves."""
    from importlib.metadata import PackageNotFoundError, version

    from lungseg.installation import LIBRARIES

    found = {}
    for package in ("lungseg", *(library.package for library in LIBRARIES)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _models() -> list[dict[str, Any]]:
    from lungseg.card import read_card
    from lungseg.predict import embedded_models, find_model

    return [read_card(find_model(name).with_suffix(".json")).facts for name in embedded_models()]


def _structures() -> list[dict[str, Any]]:
    from lungseg.structures import STRUCTURES

    return [asdict(structure) for structure in STRUCTURES]


def _outputs() -> list[dict[str, str]]:
    from lungseg.writers import OUTPUTS

    return [{"name": output.name, "about": output.about} for output in OUTPUTS]


def _formats() -> list[str]:
    from lungseg.provenance import FILE_FORMATS

    return sorted(form.value for form in FILE_FORMATS)
