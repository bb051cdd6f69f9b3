"""How fast masks are scored: all surface distances of this package against MONAI's metric code, on
the same masks in one process.

    python benchmarks/evaluation.py [MASKS]
    python benchmarks/evaluation.py --volume

MASKS is a folder of masks; without it those of phantoms are used. Each is brought to 512 x 512 and
compared with itself bent, so that the outlines differ everywhere by a few pixels. HD, HD95, ASSD
and NSD at 1, 2 and 3 pixels are computed by both, with one thread each, and must agree to 1e-4.
Prints a Markdown table of the median of seven rounds.

With --volume the distances between the surfaces of two pairs of lungs of 512 x 512 x 300 voxels are
compared with those of SciPy's exact distance transform on the same box: seconds of one core, and
how much memory more than the masks.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy.ndimage import distance_transform_edt

from lungseg.morphology.boxes import enclosing_box
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.scores import outline, surface_distances

SIDE = 512
MASKS, ROUNDS = 12, 7

Mask = np.ndarray
Figures = list[float]


def masks(folder: Path | None) -> list[Mask]:
    """`MASKS` lung masks (512, 512)."""
    if folder is None:
        return [
            radiograph_phantom((SIDE, SIDE), seed=seed).ground_truth.labels > 0
            for seed in range(MASKS)
        ]
    read = [
        cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())[:MASKS]
    ]
    return [cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0 for mask in read]


def bent(mask: Mask, seed: int) -> Mask:
    """The mask, moved smoothly by some three pixels here and there."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(mask.shape, dtype=np.float32)
    down, across = (
        cv2.GaussianBlur(rng.normal(size=mask.shape).astype(np.float32), (0, 0), 30) * 300
        for _ in range(2)
    )
    return cv2.remap(mask.astype(np.uint8), x + across, y + down, cv2.INTER_NEAREST) > 0


def ours(ground_truth: Mask, found: Mask) -> Figures:
    """The six figures from one pass."""
    distances = surface_distances(ground_truth, found)
    return [
        distances.hd,
        distances.hd95,
        distances.assd,
        *(distances.nsd(tolerance) for tolerance in (1, 2, 3)),
    ]


def monai(ground_truth: Mask, found: Mask) -> Figures:
    """The six figures by MONAI's functions."""
    y, y_pred = (torch.from_numpy(mask)[None, None] for mask in (ground_truth, found))
    figures = [
        compute_hausdorff_distance(y_pred, y, include_background=True),
        compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95),
        compute_average_surface_distance(y_pred, y, include_background=True, symmetric=True),
        *(
            compute_surface_dice(y_pred, y, [float(tolerance)], include_background=True)
            for tolerance in (1, 2, 3)
        ),
    ]
    return [float(figure) for figure in figures]


def milliseconds(score: Callable[[Mask, Mask], Figures], pairs: list[tuple[Mask, Mask]]) -> float:
    """For one pair of masks."""
    start = time.perf_counter()
    for ground_truth, found in pairs:
        score(ground_truth, found)
    return (time.perf_counter() - start) / len(pairs) * 1000


def ellipsoids(shift: float, size: float) -> Mask:
    """Two lungs (300, 512, 512)."""
    z, y, x = np.ogrid[:300, :512, :512]
    mask = np.zeros((300, SIDE, SIDE), bool)
    for number, height in enumerate(z[:, 0, 0]):  # slice by slice, so that drawing takes no memory
        rest = (y[0] - 256) ** 2 / 150**2 + ((height - 150) / 130) ** 2
        for middle in (160, 350):
            mask[number] |= (x[0] - middle - shift) ** 2 / 90**2 + rest < size**2
    return mask


def volume() -> None:
    """Prints a table for a volume."""
    cv2.setNumThreads(1)
    spacing = (1.0, 0.7, 0.7)
    ground_truth, found = ellipsoids(0, 1), ellipsoids(4, 1.03)
    print("| surfaces of 512 x 512 x 300 voxels | seconds | further memory, MB |\n|---|---|---|")

    def by_scipy() -> list[Mask]:
        box = enclosing_box(ground_truth | found)
        edges = [outline(mask[box]) for mask in (ground_truth, found)]
        return [
            distance_transform_edt(~other, sampling=spacing)[edge]
            for edge, other in zip(edges, edges[::-1], strict=True)
        ]

    def by_lungseg() -> list[Mask]:
        distances = surface_distances(ground_truth, found, spacing)
        return [distances.there, distances.back]

    both = []
    for name, measured in (("lungseg", by_lungseg), ("SciPy's distance transform", by_scipy)):
        peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        both.append(measured())
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
        print(f"| {name} | {time.process_time() - start:.1f} | {more:.0f} |", flush=True)
    largest = max(float(np.abs(np.sort(a) - np.sort(b)).max()) for a, b in zip(*both, strict=True))
    print(f"\nLargest difference: {largest:.1e} mm")


def main(folder: Path | None) -> None:
    """Prints the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pairs = [(mask, bent(mask, seed)) for seed, mask in enumerate(masks(folder))]
    largest = max(float(np.abs(np.subtract(ours(*pair), monai(*pair))).max()) for pair in pairs)
    rounds = [(milliseconds(ours, pairs), milliseconds(monai, pairs)) for _ in range(ROUNDS)]
    mine, theirs = (float(np.median(times)) for times in zip(*rounds, strict=True))
    print(
        "| all surface distances, 512 x 512 | lungseg, ms | MONAI, ms | ratio | largest "
        "difference |\n|---|---|---|---|---|"
    )
    print(
        f"| {'phantoms' if folder is None else 'masks'} | {mine:.1f} | {theirs:.1f} | "
        f"{theirs / mine:.1f} | {largest:.1e} |"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--volume"]:
        volume()
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
