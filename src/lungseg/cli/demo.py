"""The command that shows what lungseg does: demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from lungseg.result import Result


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the pictures.")
    ] = Path("lungseg-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another number draws another chest.")] = 0,
) -> None:
    """Draw a radiograph and a CT of phantoms with known lungs, segment them, and compare.

    Example: lungseg demo
    """
    from lungseg.phantom.ct import ct_phantom
    from lungseg.phantom.radiograph import radiograph_phantom
    from lungseg.predict import embedded_models
    from lungseg.segmenter import Segmenter
    from lungseg.writers import image_png, volume_nifti, write_file

    segmenter = Segmenter()
    radiograph = radiograph_phantom((768, 768), seed=seed)
    result = segmenter(radiograph.image)
    paths = [output / "phantom.png", *result.save(output, name="phantom", overwrite=True).values()]
    write_file(paths[0], image_png(radiograph.image.array, of=radiograph.image))
    _compare("Radiograph", radiograph.ground_truth.labels, result)
    if "ct" in embedded_models():
        scan = ct_phantom(seed=seed)
        found = segmenter(scan.volume)
        paths += [
            output / "phantom_ct.nii.gz",
            *found.save(output, name="phantom_ct", overwrite=True).values(),
        ]
        write_file(output / "phantom_ct.nii.gz", volume_nifti(scan.volume))
        _compare("CT", scan.ground_truth.labels, found)
    typer.echo("Pictures: " + ", ".join(str(path) for path in paths))


def _compare(what: str, ground_truth: Any, result: Result[Any]) -> None:
    """Says what was measured, and how much what was found is what was drawn."""
    from lungseg.scores import dice
    from lungseg.structures import LUNGS, PLURAL

    typer.echo(what)
    for label in LUNGS:
        value = dice(ground_truth == label.number, result.mask == label.number)
        typer.echo(f"  {label.name + ' Dice to ground truth':32s}{value:12.4f}")
    typer.echo(
        f"  {'lungs Dice to ground truth':32s}{dice(ground_truth > 0, result.mask > 0):12.4f}"
    )
    for measurement in result.measurements.values():
        if measurement.structure == PLURAL:
            unit, digits = ("", 4) if measurement.unit == "1" else (f" {measurement.unit}", 1)
            typer.echo(f"  {'lungs ' + measurement.name:32s}{measurement.value:12.{digits}f}{unit}")
    typer.echo(
        f"  {'verdict':32s}{'; '.join((result.verdict.status, *result.verdict.reasons)):>12s}"
    )
