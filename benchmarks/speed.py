"""Prints how fast and how small lungseg is, on phantoms drawn on the fly, as Markdown tables.

    python benchmarks/speed.py                  # one image, a folder, the network alone
    python benchmarks/speed.py --install-size   # a fresh core install, by package
    python benchmarks/speed.py --first-cell     # a notebook's first cell, to its picture

The network's table needs the train extra, for the comparison with torch. Close other programs
first: on a busy machine the figures say nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as lungseg has it
ROOT = Path(__file__).resolve().parent.parent
LUNGSEG = Path(sys.executable).parent / "lungseg"
IMPORTS_ONLY = "import numpy, cv2, onnxruntime"
"""The least that any process with this work to do has to import."""
FIRST_CELL = """
import sys, time
start = time.perf_counter()
import lungseg
imported = time.perf_counter()
found = lungseg.segment(sys.argv[1])
segmented = time.perf_counter()
found._repr_html_(), found._repr_png_()  # a notebook asks for both before it shows one
end = time.perf_counter()
print(imported - start, segmented - imported, end - segmented)
"""
"""What a fresh kernel does for a first cell, timed within; the path of a film is its argument."""
CELL_SIDE = 2048
"""Rows and columns of that film."""
CHANNELS = 4
"""Classes the network was trained with; the exported one merges the last into the background (see
`lungseg.train.export`)."""


def main() -> None:
    """Reads the flags and prints what they ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, default=200, help="how many radiographs the folder holds (200)"
    )
    parser.add_argument(
        "--repeat",
        type=int,
        default=9,
        help="how often each process and each network is run; medians are printed (9)",
    )
    parser.add_argument(
        "--install-size",
        action="store_true",
        help="install the core into a fresh environment instead, and print its size",
    )
    parser.add_argument(
        "--first-cell",
        action="store_true",
        help="print instead how long the first cell of a notebook takes",
    )
    flags = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if flags.install_size:
            install_size(folder)
            return
        if flags.first_cell:
            first_cell(folder / "film.png")
            return
        films = folder / "films"
        # In a process of its own: the peak memory of a child counts from what its parent had in
        # memory when it was started.
        drawing = multiprocessing.get_context("spawn").Process(
            target=draw_phantoms, args=(films, flags.images)
        )
        drawing.start()
        drawing.join()
        one_image(min(films.iterdir()), folder / "one", flags.repeat)
        whole_folder(films, folder / "many", flags.images)
    network_alone(flags.repeat)


def draw_phantoms(folder: Path, count: int) -> None:
    """Writes `count` phantom radiographs of 512 x 512 pixels; a dozen different ones, in turn."""
    import cv2

    from lungseg.phantom.radiograph import radiograph_phantom

    folder.mkdir()
    pixels = [radiograph_phantom(seed=seed).image.array for seed in range(min(count, 12))]
    for number in range(count):
        cv2.imwrite(str(folder / f"film{number:04}.png"), pixels[number % len(pixels)])


def run(
    command: list[str], variables: dict[str, str] | None = None, folder: Path | None = None
) -> tuple[float, float]:
    """Seconds and peak memory (MB, resident) of a whole process, with these variables of its
    environment and in this folder, or with those of this process.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=said, env=variables, cwd=folder
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(
                f"{' '.join(command)} ended with status {process.returncode}: "
                f"{said.read().decode()}"
            )
    unit = (
        1 if sys.platform == "darwin" else 1024
    )  # ru_maxrss is in bytes there, in kilobytes elsewhere
    return seconds, usage.ru_maxrss * unit / 1e6


def median_run(commands: list[list[str]]) -> tuple[float, float]:
    """Median seconds and the largest peak memory of several processes, after one that is not
    counted and warms the disk cache.
    """
    run(commands[0])
    seconds, memory = zip(*(run(command) for command in commands[1:]), strict=True)
    return statistics.median(seconds), max(memory)


def one_image(film: Path, folder: Path, repeat: int) -> None:
    """Whole processes that segment one image, beside one that only imports."""
    imports, imports_memory = median_run([[sys.executable, "-c", IMPORTS_ONLY]] * (repeat + 1))
    whole, memory = median_run(
        [
            [str(LUNGSEG), "segment", str(film), "-o", str(folder / str(turn))]
            for turn in range(repeat + 1)
        ]
    )
    print("| one 512 x 512 image, whole process | seconds | peak memory, MB |")
    print("|---|---|---|")
    print(f"| `{IMPORTS_ONLY}` | {imports:.2f} | {imports_memory:.0f} |")
    print(f"| `lungseg segment one.png` | {whole:.2f} | {memory:.0f} |")
    print(f"| ratio | {whole / imports:.2f} | {memory / imports_memory:.2f} |\n", flush=True)


def first_cell(film: Path, repeat: int = 5) -> None:
    """Fresh processes that segment a film as the first cell of a notebook does."""
    import cv2

    from lungseg.phantom.radiograph import radiograph_phantom

    cv2.imwrite(str(film), radiograph_phantom((CELL_SIDE, CELL_SIDE)).image.array)
    command = [sys.executable, "-c", FIRST_CELL, str(film)]
    runs = []
    for _ in range(1 + repeat):  # the first warms the disk cache, and is not counted
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append([float(seconds) for seconds in done.stdout.split()])
    print(f"| first cell, {CELL_SIDE} x {CELL_SIDE} | seconds, median of {repeat} |")
    print("|---|---|")
    for step, parts in {
        "`import lungseg`": slice(0, 1),
        "`segment`": slice(1, 2),
        "the picture": slice(2, 3),
        "`segment` to the picture": slice(1, 3),
        "`import` to the picture": slice(0, 3),
    }.items():
        print(f"| {step} | {statistics.median(sum(one[parts]) for one in runs[1:]):.2f} |")


def whole_folder(films: Path, output: Path, count: int) -> None:
    """A process that segments a folder, masks and overlays written."""
    print(
        "| folder of 512 x 512 images, masks and overlays written | images | seconds | images a "
        "second | peak memory, MB |"
    )
    print("|---|---|---|---|---|")
    seconds, memory = run([str(LUNGSEG), "segment", str(films), "-o", str(output)])
    masks, overlays = (
        len(list(output.rglob("*_mask.png"))),
        len(list(output.rglob("*_overlay.png"))),
    )
    if (masks, overlays) != (count, count):
        raise RuntimeError(f"{count} images gave {masks} masks and {overlays} overlays")
    print(
        f"| `lungseg segment films/` | {count} | {seconds:.1f} | {count / seconds:.1f} | "
        f"{memory:.0f} |\n",
        flush=True,
    )


def network_alone(repeat: int) -> None:
    """The embedded network in ONNX Runtime and in torch, in this process, one image at a time."""
    import numpy as np
    import torch

    from lungseg.predict import Predictor

    first = Predictor("cxr")
    rows, columns = first.card.input_size
    image = np.random.default_rng(0).standard_normal((1, 1, rows, columns), dtype=np.float32)
    net = torch_network(first.card.architecture)
    print(
        f"{first.card.architecture}, {rows} x {columns}: model file "
        f"{first.path.stat().st_size / 1e6:.1f} MB\n"
    )
    print("| network alone, one image | ONNX Runtime, ms | torch eager, ms | ratio |")
    print("|---|---|---|---|")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            eager = milliseconds(lambda: net(torch.from_numpy(image)).softmax(dim=1), repeat)
        shipped = milliseconds(partial(Predictor("cxr", threads=threads), image), repeat)
        print(
            f"| {threads} thread{'s' if threads > 1 else ''} | {shipped:.1f} | {eager:.1f} | "
            f"{eager / shipped:.2f} |",
            flush=True,
        )


def milliseconds(call: Callable[[], Any], repeat: int) -> float:
    """Median duration of a call, after three that are not counted."""
    taken = []
    for _ in range(3 + repeat):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[3:])


def torch_network(architecture: str) -> torch.nn.Module:
    """The network that a card describes, with fresh weights: which ones makes no difference to the
    time.

    Raises:
        ValueError: the words are not those that `lungseg export` writes.
    """
    from lungseg.nets import UNet, UNetPlusPlus

    pattern = (
        r"(U-Net|U-Net\+\+), width (\d+), depth (\d+), at most (\d+) channels, norm (\w+), "
        r"(\w+) up-sampling"
    )
    found = re.fullmatch(pattern, architecture)
    if not found:
        raise ValueError(f"no network can be built from {architecture!r}")
    kind = UNet if found[1] == "U-Net" else UNetPlusPlus
    net = kind(
        1,
        CHANNELS,
        width=int(found[2]),
        depth=int(found[3]),
        max_width=int(found[4]),
        norm="batch" if found[5] == "batch" else "none",
        upsampling="interpolated" if found[6] == "interpolated" else "transposed",
    )
    return net.eval()


def install_size(folder: Path) -> None:
    """Installs the core into a fresh environment, without what that held before, and prints the
    bytes of each package's files.
    """
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    before = disk_bytes(folder / "venv")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", ROOT], check=True
    )
    added = disk_bytes(folder / "venv") - before
    listing = (
        "import importlib.metadata as m\n"
        "for d in m.distributions():\n"
        "    size = sum(p.stat().st_size for f in d.files or [] if (p := f.locate()).is_file())\n"
        "    print(d.name, d.version, size, sep='\\t')\n"
    )
    lines = subprocess.run(
        [python, "-c", listing], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    packages = sorted((line.split("\t") for line in lines), key=lambda entry: -int(entry[2]))
    if any(name.lower() in ("torch", "lightning", "monai") for name, _, _ in packages):
        raise RuntimeError("the core install has torch in it")
    print("| package | version | MB |")
    print("|---|---|---|")
    for name, version, size in packages:
        if name not in ("pip", "setuptools"):
            print(f"| {name} | {version} | {int(size) / 1e6:.1f} |")
    print(f"| all that the install added | | {added / 1e6:.0f} |")


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


if __name__ == "__main__":
    main()
