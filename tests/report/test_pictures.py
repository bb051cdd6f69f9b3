"""What of several layers of structures a report shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from lungseg.batch import segment_many
from lungseg.geometry import ImageGeometry
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.report.pictures import pictures_again, pictures_of
from lungseg.runner import RunOptions
from lungseg.structures import HEART, LUNGS, OPACITY
from tiny_model import write_tiny_model


def with_opacity(film):
    opacity = np.where(film.segmentation.mask("right lung"), np.uint8(OPACITY.number), np.uint8(0))
    opacity[:48] = 0
    both = film.image.with_layers([film.segmentation.labels, opacity], [LUNGS, (OPACITY,)])
    return replace(film, segmentation=both)


def test_all_layers_are_marked_and_named(film) -> None:
    several = with_opacity(film)
    alone = pictures_of(film.image, film.segmentation, film.verdict)
    shown = pictures_of(several.image, several.segmentation, several.verdict)
    assert (alone.structures, shown.structures) == (LUNGS, (*LUNGS, OPACITY))
    assert (shown.marked != alone.marked).any()


def test_a_film_of_oblong_pixels_is_shown_in_its_proportions(film) -> None:
    rows, columns = film.image.array.shape
    image = replace(film.image, geometry=ImageGeometry((rows, columns), (0.8, 0.4)))
    found = image.with_labels(film.segmentation.labels)
    shown = pictures_of(image, found, film.verdict)
    assert shown.original is not None
    assert shown.marked is not None
    assert shown.original.shape == shown.marked.shape == (2 * rows, columns, 3)


def test_layers_in_files_of_their_own_are_marked_again_from_the_overlay(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path, heart=True, mediastinum=True)
    file, out = tmp_path / "film.png", tmp_path / "out"
    cv2.imwrite(str(file), radiograph_phantom((128, 128)).image.array)
    options = SegmentOptions(model=model, lung_extent="through-heart")
    (done,) = segment_many([file], options, RunOptions(out, outputs=("mask", "overlay")), 1)
    assert done.status == "done"
    record = json.loads((out / "results.jsonl").read_text())
    assert set(record["outputs"]) >= {"mask", "overlay", "heart"}
    shown = pictures_again(record, out, hidden=False)
    assert shown.structures == (*LUNGS, HEART)
    overlay = cv2.imread(str(out / record["outputs"]["overlay"]))[..., ::-1]
    np.testing.assert_array_equal(shown.marked, overlay)
    assert shown.original is not None
    (out / record["outputs"]["overlay"]).unlink()
    assert pictures_again(record, out, hidden=False).structures == LUNGS
