"""The command that says what there is: info."""

from __future__ import annotations

import json
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
    """List models, structures, outputs, formats and versions. Loads no model.

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
    from dataclasses import asdict

    from lungseg.card import read_card
    from lungseg.predict import embedded_models, find_model
    from lungseg.provenance import FILE_FORMATS
    from lungseg.structures import STRUCTURES
    from lungseg.writers import OUTPUTS, versions

    return {
        "versions": versions(),
        "models": [
            asdict(read_card(find_model(name).with_suffix(".json"))) for name in embedded_models()
        ],
        "structures": [asdict(structure) for structure in STRUCTURES],
        "outputs": [{"name": output.name, "about": output.about} for output in OUTPUTS],
        "formats": sorted(form.value for form in FILE_FORMATS),
    }
