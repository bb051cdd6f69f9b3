"""The command for models that were trained elsewhere: card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungseg import ends
from lungseg import modality as modalities
from lungseg.card import Intensity as Rule
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
Output = Annotated[
    str | None, typer.Option(metavar="NAME", help="Output that is used, where there are several.")
]
Activation = Annotated[
    ends.Activation,
    typer.Option(help="What makes probabilities of the output, where it gives logits."),
]
Intensity = Annotated[
    Rule,
    typer.Option(
        help="How greys become input: 'percentile' cuts off what --clip says, then makes mean 0 "
        "and standard deviation 1; '255' divides those of 8 bits by 255, and makes 0 of the lowest "
        "of any others, such as CT and most DICOM, and 1 of the highest."
    ),
]
Mean = Annotated[
    str,
    typer.Option(metavar="NUMBERS", help="Taken off then; one, or three with commas between."),
]
Std = Annotated[str, typer.Option(metavar="NUMBERS", help="The greys are divided by it then.")]
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
    output: Output = None,
    activation: Activation = "none",
    intensity: Intensity = "percentile",
    mean: Mean = "0",
    std: Std = "1",
    clip: Clip = "0.5,99.5",
    threshold: Threshold = 0.5,
    terms: Terms = "",
    overwrite: Overwrite = False,
) -> None:
    """Write the card of an ONNX file that was made elsewhere, so that it can be used as a model.

    The network takes pictures of one grey channel, or of three equal ones, and gives a channel for
    each class: of each layer the background, then its structures, adding up to 1; or the
    probability of one structure alone. Names, axes (channels first or last) and types are read from
    the file, and it is computed once to see what it gives. The card is FILE with the ending .json.

    Example: lungseg card mine.onnx --layers lungs && lungseg segment film.png -o out --model
    mine.onnx
    """
    from lungseg.describe import describe_model
    from lungseg.predict import find_model
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
        output=output,
        activation=activation,
        intensity=intensity,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        clip=(low, high),
        threshold=threshold,
        terms=terms,
    )
    rows, columns = written.input_size
    typer.echo(f"{path}: {', '.join(written.outputs)} of {rows} x {columns} pixels")
    if written.ends != ends.ENDS:
        takes, gives = written.ends.written(
            written.input_size, written.input_channels, len(written.outputs)
        )
        typer.echo(f"takes {takes}; gives {gives}")


def _numbers(flag: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"{flag} {text} is not one number or three", cure="give 0.5") from None
