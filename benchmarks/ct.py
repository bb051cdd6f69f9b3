"""Prints how fast and how small lungseg is on a CT volume, a phantom drawn on the fly, as Markdown
tables.

    python benchmarks/ct.py                 # 512 x 512 x 300: a whole process, and each step
    python benchmarks/ct.py --slices 1000   # a long volume
    python benchmarks/ct.py --lungmask ENV  # lungmask on the same volume, too

ENV is the environment of lungmask, made where it does not exist.

lungmask (https://pypi.org/project/lungmask) gets weights in its file format that were drawn at
random, so that nothing has to be downloaded; the network does the same work with any weights. Its
postprocessing is switched off, as on the noise that such weights find it would take longer than on
lungs. Close other programs first: on a busy machine the figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from speed import LUNGSEG, ROOT, run

RANDOM_WEIGHTS = """
import sys, torch
from lungmask.resunet import UNet
net = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
torch.save(net.state_dict(), sys.argv[1])
"""
"""What lungmask's own loader builds, in the version that `LUNGMASK` names."""

LUNGMASK = "lungmask==0.2.22"


def main() -> None:
    """Reads the flags and prints what they ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", type=int, default=300, help="of 512 x 512 pixels (300)")
    parser.add_argument(
        "--height", type=float, default=300.0, help="millimetres that they show (300)"
    )
    parser.add_argument("--model", help="embedded model, or an .onnx file, as in lungseg segment")
    parser.add_argument(
        "--lungmask",
        type=Path,
        metavar="ENV",
        help="also run lungmask, from this environment; needs 1.5 GB there",
    )
    flags = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        volume = folder / "volume.nii.gz"
        # In a process of its own: the peak memory of a child counts from what its parent had in
        # memory when it was started.
        drawing = multiprocessing.get_context("spawn").Process(
            target=draw_phantom, args=(volume, flags.slices, flags.height)
        )
        drawing.start()
        drawing.join()
        print(
            f"512 x 512 x {flags.slices}, {flags.height / flags.slices:.3g} mm a slice, "
            f"{volume.stat().st_size / 1e6:.0f} MB as .nii.gz\n"
        )
        print("| whole process | seconds | peak memory, MB |\n|---|---|---|")
        model = ["--model", flags.model] if flags.model else []
        seconds, memory = run(
            [str(LUNGSEG), "segment", str(volume), "-o", str(folder / "out"), *model]
        )
        print(f"| `lungseg segment volume.nii.gz` | {seconds:.1f} | {memory:.0f} |", flush=True)
        if flags.lungmask:
            other, its_memory = run(lungmask_command(flags.lungmask, volume, folder))
            print(f"| `lungmask volume.nii.gz mask.nii.gz` | {other:.1f} | {its_memory:.0f} |")
            print(f"| ratio | {other / seconds:.1f} | {its_memory / memory:.1f} |")
        steps(json.loads((folder / "out" / "results.jsonl").read_text())["seconds"], seconds)


def draw_phantom(path: Path, slices: int, height: float) -> None:
    """Writes a phantom of a whole chest, 384 mm wide, with noise, which makes it as hard to unpack
    as a patient.
    """
    from lungseg.phantom.ct import ct_phantom
    from lungseg.writers import volume_nifti

    path.write_bytes(
        volume_nifti(ct_phantom((slices, 512, 512), spacing=(height / slices, 0.75, 0.75)).volume)
    )


def steps(taken: dict[str, float], whole: float) -> None:
    """Prints what the record says of each step, and what is left: starting, and loading what is not
    loaded while the volume is read.
    """
    print("\n| step | seconds | fraction |\n|---|---|---|")
    rest = whole - sum(taken.values())
    for step, seconds in (taken | {"all else": rest}).items():
        print(f"| {step} | {seconds:.2f} | {seconds / whole:.0%} |")


def lungmask_command(environment: Path, volume: Path, folder: Path) -> list[str]:
    """The command, after making what it needs."""
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", LUNGMASK],
            check=True,
        )
    weights = folder / "random.pth"
    subprocess.run([python, "-c", RANDOM_WEIGHTS, weights], check=True)
    options = ["--modelpath", str(weights), "--nopostprocess", "--noprogress"]
    return [
        str(environment / "bin" / "lungmask"),
        str(volume),
        str(folder / "mask.nii.gz"),
        *options,
    ]


if __name__ == "__main__":
    main()
