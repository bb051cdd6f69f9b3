"""A model that predicts both lungs as one structure, at every door of the package."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image as Picture

from command_line import lungseg
from ellipse_radiographs import write_ellipse_radiographs
from ellipsoids import ellipsoids
from lungseg import Segmenter, SegmentOptions
from lungseg.card import file_sha256, read_card
from lungseg.datasets import write_manifest
from lungseg.errors import InputError, ModelError, UsageError
from lungseg.image import Image
from lungseg.result import Result
from lungseg.serve.app import _structures
from lungseg.structures import LUNGS_AS_ONE
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from tiny_model import dark_ellipses, write_tiny_model
from written import table as summary


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("one"), name="one", as_one=True)


@pytest.fixture(scope="module")
def ct_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("ct"), name="one", as_one=True, modality="ct")


def touching() -> np.ndarray:
    """Two lungs with as much between them as they are wide."""
    pixels = dark_ellipses()
    pixels[50:110, 60:140] = 40
    return pixels


def touching_volume() -> Volume:
    """Two lungs that touch in every slice."""
    volume, labels = ellipsoids((12, 80, 96), lung=-800)
    voxels = volume.array.copy()
    between = np.zeros_like(labels, bool)
    between[:, 20:60, 30:66] = labels.any(axis=(1, 2))[:, None, None]
    voxels[between | (labels > 0)] = -800
    return Volume(voxels, volume.geometry, True)


def test_little_of_both_lungs_is_as_much_as_of_one(model: Path) -> None:
    """What cannot be parted is held against the size of the smallest lung as a whole."""
    pixels = np.full((200, 200), 200, np.uint8)
    pixels[40:60, 88:112] = 20  # 0.012 of the picture
    found = Segmenter(model)(np.ascontiguousarray(pixels))
    assert found.sides == "undecided"
    whole = np.count_nonzero(found.segmentation.mask("lungs"))
    pixels[40:60, 88:112] = 200
    pixels[40:56, 92:108] = 20  # 0.0064, each half less than the smallest lung
    small = Segmenter(model)(pixels)
    assert small.sides == "undecided"
    assert 0.2 < np.count_nonzero(small.segmentation.mask("lungs")) / whole < 0.9


def segment_film(model: Path, pixels: np.ndarray, **options: object) -> Result[Image]:
    return Segmenter(model)(pixels, SegmentOptions(**options))  # type: ignore[arg-type]


def test_sides_are_assigned_by_place_as_a_model_with_sides_gives_them(model, tmp_path) -> None:
    sided = Segmenter(write_tiny_model(tmp_path))(dark_ellipses())
    found = segment_film(model, dark_ellipses())
    np.testing.assert_array_equal(found.mask, sided.mask)
    assert (sided.sides, found.sides) == ("predicted", "assigned")
    assert found.record()["sides"] == "assigned"
    assert any("told by where they lie" in note for note in found.record()["notes"])
    assert found.card.layers == (("lungs",),)
    assert list(found.measurements) == list(sided.measurements)


def test_lungs_that_touch_give_a_binary_mask_and_no_labels(model, tmp_path) -> None:
    found = segment_film(model, touching())
    assert found.sides == found.record()["sides"] == "undecided"
    with pytest.raises(UsageError, match=r"right and left cannot be told.*mask"):
        _ = found.mask
    assert found.segmentation.names == ("lungs",)
    assert {structure for _, structure in found.measurements} == {"lungs"}
    path = found.save(tmp_path)["mask"]
    written = Picture.open(path)
    assert written.mode == "L"
    np.testing.assert_array_equal(np.array(written), 255 * found.segmentation.mask("lungs"))
    assert found.segmentation.mask("lungs").mean() > 0.3
    assert tuple(found.probabilities) == ("lungs",)
    overlay = found.overlay()
    assert (overlay == LUNGS_AS_ONE.colour).all(axis=2).any()


def test_widened_and_bridged_without_sides(model) -> None:
    plain = segment_film(model, touching()).segmentation.mask("lungs")
    wider = segment_film(model, touching(), dilate=3.0, hull=True).segmentation.mask("lungs")
    assert plain.sum() < wider.sum()
    assert not (plain & ~wider).any()


def test_one_side_is_refused_where_nothing_tells_it(model) -> None:
    assert segment_film(model, dark_ellipses(), structures=("right lung",)).sides == "assigned"
    with pytest.raises(InputError, match=r"cannot be told.*a model that tells sides"):
        segment_film(model, touching(), structures=("right lung",))


def test_a_volume_is_told_apart_by_place(ct_model) -> None:
    volume, labels = ellipsoids((12, 80, 96), lung=-800)
    found = Segmenter(ct_model)(volume)
    assert (found.sides, found.record()["sides"]) == ("assigned", "assigned")
    agree = (found.mask == labels).mean()
    assert agree > 0.98
    assert set(np.unique(found.mask)) == {0, 1, 2}


def test_slices_in_which_lungs_touch_are_told_by_their_neighbours(ct_model) -> None:
    volume, labels = ellipsoids((12, 80, 96), lung=-800)
    voxels = volume.array.copy()
    voxels[6, 25:55, 30:66] = -800
    found = Segmenter(ct_model)(Volume(voxels, volume.geometry, True))
    assert found.sides == "assigned"
    assert (found.mask[6, 40, 25], found.mask[6, 40, 70]) == (1, 2)
    assert (found.mask[labels > 0] == labels[labels > 0]).mean() > 0.9


def test_a_volume_whose_lungs_touch_everywhere_has_a_binary_mask(ct_model, tmp_path) -> None:
    found = Segmenter(ct_model)(touching_volume())
    assert found.sides == "undecided"
    with pytest.raises(UsageError, match="cannot be told"):
        found.to_nibabel()
    from lungseg.readers.nifti import read_nifti

    del read_nifti
    found.save(tmp_path, ["mask", "overlay", "crop", "masked", "probabilities"])
    assert found.record()["measurements"][0]["structure"] == "lungs"


def test_the_command_line_writes_reports_and_goes_on(model, ct_model, tmp_path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    cv2.imwrite(str(films / "apart.png"), dark_ellipses())
    cv2.imwrite(str(films / "touching.png"), touching())
    out = tmp_path / "out"
    ran = lungseg("segment", films, "-o", out, "--model", model, "--report")
    assert ran.exit_code == 0
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {Path(r["input"]).stem: r["sides"] for r in records} == {
        "apart": "assigned",
        "touching": "undecided",
    }
    assert {Path(row["input"]).stem: row["sides"] for row in summary(out)} == {
        "apart": "assigned",
        "touching": "undecided",
    }
    table = out / "summary.csv"
    before = table.read_text()
    table.write_text(before.replace(",sides,", ","))  # as an earlier version left it
    again = lungseg("segment", films, "-o", out, "--model", model, "--report")
    assert again.exit_code == 0
    assert "2 skipped" in again.stdout + again.stderr
    assert table.read_text() == before
    table.unlink()
    assert lungseg("report", out).exit_code == 0
    assert table.read_text() == before
    page = (out / "touching_report.html").read_text()
    assert "cannot be told" in page
    assert "right lung" not in page
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(volume_nifti(touching_volume()))
    ran = lungseg("segment", scan, "-o", tmp_path / "ct", "--model", ct_model, "--report")
    assert ran.exit_code == 0
    assert lungseg("report", tmp_path / "ct").exit_code == 0


def test_it_is_scored_with_and_without_sides(model, tmp_path) -> None:
    cases = write_ellipse_radiographs(tmp_path)
    pixels = touching()
    cv2.imwrite(str(cases[4].image), pixels)
    cv2.imwrite(str(cases[4].mask), np.where(pixels < 100, 255, 0).astype(np.uint8))
    write_manifest(cases[4:6], tmp_path / "cases.csv")
    ran = lungseg("evaluate", model, tmp_path / "cases.csv", "-o", tmp_path / "e")
    assert ran.exit_code == 0, ran.stdout + ran.stderr
    with (tmp_path / "e" / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert min(float(row["lungs_dice"]) for row in rows) > 0.9
    known = [row["right_lung_dice"] != "nan" for row in rows]
    assert known == [False, True]


def test_cards_name_the_lungs_as_one_or_by_their_sides(model, tmp_path) -> None:
    card = read_card(model.with_suffix(".json"))
    assert card.has_lungs
    assert not card.tells_sides
    assert card.outputs == ("background", "lungs")
    assert card.sided.outputs == ("background", "right lung", "left lung")
    path = tmp_path / "card.json"
    text = model.with_suffix(".json").read_text()
    path.write_text(text.replace('"lungs"', '"lungs",\n"left lung"', 1))
    with pytest.raises(ModelError, match="name the lungs as one and by their sides"):
        read_card(path)


def test_a_network_may_give_the_probability_of_lung_alone(model, tmp_path) -> None:
    """As binary networks of others do: one channel, after a sigmoid."""
    theirs = onnx.load(model)
    graph = theirs.graph
    softmax = graph.node[-1]
    graph.node.remove(softmax)
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    two = numpy_helper.from_array(np.array([2], np.int64), "two")
    double = numpy_helper.from_array(np.array(2, np.float32), "double")
    graph.initializer.extend([one, two, double])
    graph.node.extend(
        [
            helper.make_node("Slice", [softmax.input[0], "one", "two", "one"], ["lung"]),
            helper.make_node("Mul", ["lung", "double"], ["odds"]),
            helper.make_node("Sigmoid", ["odds"], ["probabilities"]),
        ]
    )
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    path = tmp_path / "theirs.onnx"
    onnx.save(theirs, str(path))
    card = read_card(model.with_suffix(".json"))
    replace(card, outputs=("lungs",), sha256=file_sha256(path)).write(path.with_suffix(".json"))
    ours, found = (segment_film(one, dark_ellipses()) for one in (model, path))
    assert found.sides == "assigned"
    np.testing.assert_array_equal(found.mask, ours.mask)


def test_the_page_of_a_server_can_show_what_has_sides_and_what_has_none(model) -> None:
    card = read_card(model.with_suffix(".json"))
    assert [structure.number for structure in _structures([card])] == [1, 2, 255]
