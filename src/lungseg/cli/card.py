"""The command for models that were trained elsewhere: card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungseg import modality as modalities
from lungseg.errors import UsageError

Model = Annotated[Path, typer.Argument(metavar="FILE", help="ONNX file of a network.")]
Layers = Annotated[
    list[str],
    typer.Option(
        "--layers",
        metavar="NAMES",
        help="Structures of the outputs behind the background, as 'lungs', 'left lung,right "
        "lung', or 'lungs as one'; repeated for a layer that may overlap them.",
    ),
]
Modality = Annotated[
    modalities.Modality, typer.Option(help="What the pictures are that it is for.")
]
Clip = Annotated[
    str,
    typer.Option(
        metavar="LOW,HIGH", help="Percentiles of an image that become black and white first."
    ),
]
Threshold = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Probability from which on a pixel is inside.")
]
Terms = Annotated[str, typer.Option(help="Under which terms the weights may be used.")]
Size = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Rows and columns, where the network takes any."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a card that is there.")]


def card(
    model: Model,
    layers: Layers,
    modality: Modality = "radiograph",
    size: Size = None,
    clip: Clip = "0.5,99.5",
    threshold: Threshold = 0.5,
    terms: Terms = "",
    overwrite: Overwrite = False,
) -> None:
    """Write the card of an ONNX file that was made elsewhere, so that it can be used as a model.

    The network maps `image`, (N, 1, rows, columns), to `probabilities`, (N, channels, rows,
    columns): of each layer the background, then its structures, adding up to 1. It is computed
    once to see that. The card is FILE with the ending .json.

    Example: lungseg card mine.onnx --layers lungs && lungseg segment film.png -o out --model
    mine.onnx
    """
    from lungseg.predict import describe_model, find_model
    from lungseg.structures import read_layer

    try:
        low, high = (float(number) for number in clip.split(","))
    except ValueError:
        raise UsageError(f"--clip {clip} is not LOW,HIGH", cure="give 0.5,99.5") from None
    path = find_model(model).with_suffix(".json")
    if path.exists() and not overwrite:
        raise UsageError("the model has a card", where=path, cure="replace it with --overwrite")
    written = describe_model(
        model,
        tuple(read_layer(names) for names in layers),
        modality=modality,
        size=size,
        clip=(low, high),
        threshold=threshold,
        terms=terms,
    )
    rows, columns = written.input_size
    typer.echo(f"{path}: {', '.join(written.outputs)} of {rows} x {columns} pixels")
