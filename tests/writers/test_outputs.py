from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from lungseg.errors import OutputError, UsageError
from lungseg.image import Image
from lungseg.result import Result
from lungseg.segmentation import Probabilities, Segmentation
from lungseg.structures import LUNGS, OPACITY
from lungseg.writers import OUTPUTS, check_outputs, save, stem
from made_up_probabilities import probabilities_of


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/b.png", "b"),
        ("b.c.PNG", "b.c"),
        ("IM0001", "IM0001"),
        ("1.2.840.10008.7", "1.2.840.10008.7"),
        ("x.dicom", "x"),
        ("a/b.nii.gz", "b"),
        ("b.NII.GZ", "b"),
        ("b.nii.zst", "b"),
        ("1.2.dcm.bz2", "1.2"),
        ("b.png.gz", "b.png"),
        ("array", "array"),
    ],
)
def test_stem(source: str, expected: str) -> None:
    assert stem(source) == expected


def test_each_output_has_its_file(result: Result, tmp_path: Path) -> None:
    paths = result.save(tmp_path / "new" / "out", [output.name for output in OUTPUTS])
    assert names(tmp_path / "new" / "out") == [
        "b_crop.png",
        "b_mask.png",
        "b_masked.png",
        "b_overlay.png",
        "b_probabilities.tif",
        "b_viewer.npy",
    ]
    endings = {"probabilities": "tif", "viewer": "npy"}
    assert {name: path.name for name, path in paths.items()} == {
        output.name: f"b_{output.name}.{endings.get(output.name, 'png')}" for output in OUTPUTS
    }


def test_unknown_output_is_named_with_the_known_ones(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError,
        match="there is no output called 'masks'; choose from mask, overlay, crop, masked, "
        "probabilities, viewer",
    ):
        save(image, lungs, tmp_path, ["mask", "masks"])
    assert names(tmp_path) == []


def test_probabilities_are_pages_of_a_tiff(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    probabilities = probabilities_of(image, lungs.labels, inside=204, outside=51)
    path = save(image, lungs, tmp_path, ["probabilities"], probabilities=probabilities)
    with Picture.open(path["probabilities"]) as pages:
        assert pages.n_frames == 2
        for number, name in ((1, "right lung"), (2, "left lung")):
            pages.seek(number - 1)
            assert pages.tag_v2[270] == name
            expected = np.where(lungs.labels == number, 204, 51)
            np.testing.assert_array_equal(np.asarray(pages), expected)
    with pytest.raises(
        UsageError, match="probabilities cannot be written, as nothing was given that makes them"
    ):
        save(image, lungs, tmp_path / "other", ["probabilities"])


def test_structures_that_overlap_the_lungs_have_a_file_of_their_own(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    opacity = np.zeros_like(lungs.labels)
    opacity[30:40, 10:20] = 5
    both = image.with_layers([lungs.labels, opacity], [LUNGS, [OPACITY]])
    paths = save(image, both, tmp_path, ["mask"])
    assert {name: path.name for name, path in paths.items()} == {
        "mask": "b_mask.png",
        "opacity": "b_opacity.png",
    }
    for name, pixels in (("mask", lungs.labels), ("opacity", opacity // 5 * 255)):
        np.testing.assert_array_equal(np.asarray(Picture.open(paths[name])), pixels)


def test_an_opacity_is_written_as_its_probability_inside_the_lungs(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    both = image.with_layers([lungs.labels, np.zeros_like(lungs.labels)], [LUNGS, [OPACITY]])
    channels = np.full((1, *lungs.labels.shape), 0.4, np.float32)
    known = Probabilities(("opacity",), channels, image.geometry)
    paths = save(image, both, tmp_path, ["mask"], probabilities=known)
    written = np.asarray(Picture.open(paths["opacity"]))
    np.testing.assert_array_equal(written, np.where(lungs.labels > 0, 102, 0))


def test_an_ending_that_no_output_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no output ends in '\.bmp'; there are \.png, \.nii\.gz,"):
        OUTPUTS[0].path(tmp_path, "b", ".bmp")


def test_no_output_is_refused() -> None:
    with pytest.raises(UsageError, match="no output was asked for"):
        check_outputs([])


def test_outputs_come_once_and_in_order() -> None:
    assert [output.name for output in check_outputs(["crop", "mask", "crop"])] == ["mask", "crop"]
    assert [output.name for output in check_outputs("crop, mask")] == ["mask", "crop"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\0b"])
def test_a_name_is_one_of_a_file_in_the_folder(result: Result, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a file; give one without folders"):
        result.save(tmp_path / "out", name=name)
    assert names(tmp_path) == []


def test_a_folder_that_was_named_by_a_dot_has_its_name(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "series").mkdir()
    monkeypatch.chdir(tmp_path / "series")
    here = replace(result.image, provenance=replace(result.image.provenance, source="."))
    paths = replace(result, image=here).save(tmp_path / "out", "mask")
    assert [path.name for path in paths.values()] == ["series_mask.png"]


def test_existing_file_is_an_error_and_nothing_is_written(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    (tmp_path / "b_overlay.png").write_bytes(b"mine")
    with pytest.raises(
        OutputError,
        match=r"b_overlay\.png: exists already, and was left as it is; choose another folder or "
        r"name",
    ):
        save(image, lungs, tmp_path)
    assert names(tmp_path) == ["b_overlay.png"]
    assert (tmp_path / "b_overlay.png").read_bytes() == b"mine"


def test_overwrite_replaces(result: Result, tmp_path: Path) -> None:
    (tmp_path / "n_mask.png").write_bytes(b"old")
    paths = result.save(tmp_path, ["mask"], name="n", binary=True, overwrite=True)
    assert paths == {"mask": tmp_path / "n_mask.png"}
    np.testing.assert_array_equal(
        cv2.imread(str(paths["mask"]), cv2.IMREAD_UNCHANGED), np.where(result.mask > 0, 255, 0)
    )


def test_full_disk_at_the_second_file_leaves_neither(
    image: Image, lungs: Segmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b_mask.png").write_bytes(b"old")
    plain, opened = Path.open, []

    def disk(self: Path, mode: str = "r") -> Any:
        opened.append(self)
        if len(opened) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, mode)

    monkeypatch.setattr(Path, "open", disk)
    with pytest.raises(
        OutputError, match=r"b_overlay\.png: cannot be written \(no space left on device\)"
    ):
        save(image, lungs, tmp_path, overwrite=True)
    monkeypatch.undo()
    assert names(tmp_path) == ["b_mask.png"]
    assert (tmp_path / "b_mask.png").read_bytes() == b"old"


def test_a_name_that_is_too_long_is_one_sentence(
    image: Image, lungs: Segmentation, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"_mask\.png: cannot be written \(file name too long\)"):
        save(image, lungs, tmp_path, name="x" * 250)
    assert names(tmp_path) == []
