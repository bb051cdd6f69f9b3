"""Which road a source takes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import lungseg
from ellipsoids import ellipsoids
from lungseg import predict, segmenter
from lungseg.ct.segment import VolumeSegmenter
from lungseg.errors import ModelError, UnreadableError, UsageError
from lungseg.image import Image
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.segmenter import Segmenter, segment, taken_for
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder, name="cxr")
    write_tiny_model(folder, name="ct", modality="ct")
    return folder


@pytest.fixture(autouse=True)
def _embedded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "MODELS", models)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(volume_nifti(ellipsoids()[0]))
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), radiograph_phantom((256, 256)).image.array)
    return path


def slice_of_scan() -> np.ndarray:
    """A picture of few greys and steep edges, as slices are."""
    return ((ellipsoids((5, 128, 128))[0].array[2] + 1000) // 5).astype(np.uint8)


def test_a_file_takes_the_road_of_what_it_is(scan: Path, film: Path, tmp_path: Path) -> None:
    both = Segmenter()
    volume, radiograph = both(scan), both(film)
    assert (type(volume.image), volume.card.name) == (Volume, "ct")
    assert (type(radiograph.image), radiograph.card.name) == (Image, "cxr")
    assert next(iter(volume.seconds)) == next(iter(radiograph.seconds)) == "read"
    cv2.imwrite(str(tmp_path / "slice.png"), slice_of_scan())
    single = both(tmp_path / "slice.png")
    assert (type(single.image), single.mask.shape) == (Volume, (1, 128, 128))


def test_what_was_read_before_takes_the_road_of_what_it_is() -> None:
    both = Segmenter()
    volume = ellipsoids()[0]
    assert both(volume).image is volume
    assert type(both(radiograph_phantom((256, 256)).image).image) is Image
    assert type(both(slice_of_scan()).image) is Volume
    assert type(both(radiograph_phantom((256, 256)).image.array).image) is Image


@pytest.mark.parametrize("quick", [False, True])
def test_volumes_and_slices_are_told_to_be_quick(
    scan: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, quick: bool
) -> None:
    told: list[bool] = []

    def finish(
        self: object,
        *arguments: object,
        finish: Callable[..., object] = VolumeSegmenter.finish,
        **settings: object,
    ) -> object:
        told.append(bool(settings["quick"]))
        return finish(self, *arguments, **settings)

    monkeypatch.setattr(VolumeSegmenter, "finish", finish)
    cv2.imwrite(str(tmp_path / "slice.png"), slice_of_scan())
    both = Segmenter()
    for source in (scan, film, tmp_path / "slice.png"):
        both(source, quick=quick)
    assert told == [quick, quick]


def test_the_caller_may_know_better(scan: Path, film: Path) -> None:
    as_ct, as_film = Segmenter(kind="ct"), Segmenter(kind="cxr")
    assert type(as_ct(film).image) is Volume
    assert type(as_ct(lungseg.read(film)).image) is Volume
    assert type(as_film(slice_of_scan()).image) is Image
    unpacked = scan.with_suffix("")
    unpacked.write_bytes(gzip.decompress(scan.read_bytes()))
    with pytest.raises(
        lungseg.UnsupportedError,
        match="a NIfTI file may hold a volume, but no radiograph; take it for CT",
    ):
        as_film(unpacked)
    with pytest.raises(
        UsageError, match="it is a volume, and is to be taken for a radiograph; take it for CT"
    ):
        as_film(ellipsoids()[0])


def test_a_model_is_for_one_kind(models: Path, film: Path) -> None:
    assert taken_for(models / "ct.onnx", None) == taken_for("ct", "ct") == "ct"
    assert taken_for("cxr", None) == "cxr"
    assert taken_for(None, None) is None
    assert type(Segmenter("ct")(film).image) is Volume
    with pytest.raises(
        UsageError, match="ct: the model is for ct, not for cxr; leave one of the two out"
    ):
        Segmenter("ct", kind="cxr")
    with pytest.raises(
        UsageError, match="there is no kind of image called 'mri'; choose from ct, cxr"
    ):
        Segmenter(kind="mri")  # type: ignore[arg-type]
    with pytest.raises(
        ModelError, match="no model named 'mri' comes with this package; name one of ct, cxr"
    ):
        Segmenter("mri")
    assert (Segmenter().card("ct").name, Segmenter("ct").card("ct").name) == ("ct", "ct")


def test_models_are_loaded_when_they_are_needed(
    film: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "MODELS", tmp_path)
    write_tiny_model(tmp_path, name="cxr")
    both = Segmenter()
    assert type(both(film).image) is Image
    with pytest.raises(ModelError, match="no model named 'ct'"):
        both(ellipsoids()[0])


def test_what_is_for_radiographs_is_refused_for_ct(scan: Path) -> None:
    both = Segmenter()
    with pytest.raises(
        UsageError,
        match=r"scan\.nii\.gz: a spacing is for radiographs, and this is CT; segment CT without it",
    ):
        both(scan, spacing=(1.0, 1.0))
    with pytest.raises(
        UsageError,
        match=r"scan\.nii\.gz: a widened mask is for radiographs, and this is CT; segment CT "
        r"without it",
    ):
        both(scan, hull=True)
    with pytest.raises(UsageError, match="array: a widened mask is for radiographs"):
        both(slice_of_scan(), dilate=2.0)
    with pytest.raises(
        UsageError, match="a volume that was read before has its page and series; leave both out"
    ):
        both(ellipsoids()[0], page=1)
    with pytest.raises(UsageError, match="an image that was read before has its spacing and page"):
        both(radiograph_phantom((64, 64)).image, page=1)


def test_a_slice_with_a_spacing_has_an_area() -> None:
    result = Segmenter()(slice_of_scan(), spacing=(2.0, 2.0))
    assert isinstance(result.image, Volume)
    found = result.measurement("area", "right lung")
    assert (found.unit, found.value) == ("mm2", 4.0 * (result.mask == 1).sum())


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path / "nowhere.png", str(tmp_path / "nowhere")):
        with pytest.raises(UnreadableError, match="nowhere"):
            Segmenter()(source)


def test_segment_loads_a_model_once() -> None:
    segmenter._kept.cache_clear()
    first, second = (segment(dark_ellipses(), model="cxr") for _ in range(2))
    np.testing.assert_array_equal(first.mask, second.mask)
    assert first.card is second.card
    segmenter._kept.cache_clear()


def test_public_names() -> None:
    assert all(hasattr(lungseg, name) for name in lungseg.__all__)
    assert isinstance(lungseg.read(dark_ellipses()), Image)
    assert lungseg.Volume is Volume
    assert lungseg.__version__.count(".") == 2
