"""Which wing a source goes to."""

from __future__ import annotations

import gzip
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from pydicom.uid import DigitalXRayImageStorageForPresentation, SecondaryCaptureImageStorage

import lungseg
from ellipsoids import ellipsoids
from lungseg import predict, segmenter
from lungseg.ct.segment import VolumeSegmenter
from lungseg.errors import ModelError, UnreadableError, UsageError
from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.segmenter import Segmenter, segment
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from phantom_volumes import ct_slice
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder, name="cxr")
    write_tiny_model(folder, name="ct", modality="ct")
    return folder


@pytest.fixture(autouse=True)
def _embedded(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiny models in place of those of the package, also where one was kept loaded."""
    segmenter._kept.cache_clear()
    monkeypatch.setattr(predict, "MODELS", models)
    yield
    segmenter._kept.cache_clear()


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


def test_a_file_goes_to_the_wing_of_what_it_is(scan: Path, film: Path, tmp_path: Path) -> None:
    both = Segmenter()
    volume, radiograph = both(scan), both(film)
    assert (type(volume.image), volume.card.name) == (Volume, "ct")
    assert (type(radiograph.image), radiograph.card.name) == (Image, "cxr")
    assert next(iter(volume.seconds)) == next(iter(radiograph.seconds)) == "read"
    cv2.imwrite(str(tmp_path / "slice.png"), slice_of_scan())
    single = both(tmp_path / "slice.png")
    assert (type(single.image), single.mask.shape) == (Volume, (1, 128, 128))


@pytest.mark.parametrize("name", ["flat.mha", "flat.nrrd", "flat.nii.gz"])
def test_a_volume_file_of_two_axes_is_film_or_slice_as_any_picture(
    tmp_path: Path, name: str
) -> None:
    both, path = Segmenter(), tmp_path / name

    def written(pixels: np.ndarray) -> Path:
        image = SimpleITK.GetImageFromArray(pixels)
        image.SetSpacing((0.5, 0.5))
        SimpleITK.WriteImage(image, str(path))
        return path

    film = radiograph_phantom((256, 256)).image.array
    found = both(written(film))
    assert type(found.image) is Image
    np.testing.assert_array_equal(found.mask, both(film).mask)
    assert type(both(path, SegmentOptions(modality="ct")).image) is Volume
    plane = ellipsoids((5, 128, 128))[0].array[2]
    sliced = both(written(plane))
    assert (type(sliced.image), sliced.image.hounsfield) == (Volume, True)
    assert sliced.image.geometry.spacing == (1.0, 0.5, 0.5)
    assert type(both(path, SegmentOptions(modality="radiograph")).image) is Image
    given = both(path, SegmentOptions(modality="ct", spacing=(2.0, 0.6, 0.6)))
    assert given.image.geometry.spacing == (2.0, 0.6, 0.6)


@pytest.mark.parametrize("modality", ["OT", "SC", None])
@pytest.mark.parametrize("way", ["file", "folder", "bytes", "data set"])
def test_a_secondary_capture_is_film_or_slice_as_any_picture(
    tmp_path: Path, modality: str | None, way: str
) -> None:
    both = Segmenter()

    def captured(pixels: np.ndarray, storage: str = SecondaryCaptureImageStorage) -> Any:
        header = {"RescaleIntercept": 0, "Modality": modality, "SOPClassUID": storage}
        dataset = ct_slice(pixels, (0, 0, 0), **header)
        path = tmp_path / "captured"
        dataset.save_as(path, enforce_file_format=True)
        return {"file": path, "folder": tmp_path, "bytes": path.read_bytes()}.get(way, dataset)

    film = radiograph_phantom((256, 256)).image.array
    sliced, found = both(captured(slice_of_scan())), both(captured(film))
    assert (type(sliced.image), sliced.card.name) == (Volume, "ct")
    assert (type(found.image), found.card.name) == (Image, "cxr")
    assert found.mask.any()
    stated = both(captured(slice_of_scan(), DigitalXRayImageStorageForPresentation))
    assert type(stated.image) is Image  # which the kind of object says
    options = SegmentOptions(modality="radiograph")
    assert type(both(captured(slice_of_scan()), options).image) is Image
    options = SegmentOptions(modality="ct")
    assert type(both(captured(slice_of_scan()), options).image) is Volume


def test_an_object_of_ct_is_ct_whatever_modality_a_writer_left_out(tmp_path: Path) -> None:
    ct_slice(slice_of_scan(), (0, 0, 0), RescaleIntercept=-1000, Modality="OT").save_as(
        tmp_path / "slice", enforce_file_format=True
    )
    image = Segmenter()(tmp_path / "slice").image
    assert (type(image), image.hounsfield) == (Volume, True)


def test_what_was_read_before_goes_to_the_wing_of_what_it_is() -> None:
    both = Segmenter()
    volume = ellipsoids()[0]
    assert both(volume).image is volume
    assert type(both(radiograph_phantom((256, 256)).image).image) is Image
    assert type(both(slice_of_scan()).image) is Volume
    assert type(both(radiograph_phantom((256, 256)).image.array).image) is Image


def test_a_slice_in_a_frame_is_a_slice_with_the_mask_it_has_without() -> None:
    both = Segmenter(modality="ct")
    grain = np.random.default_rng(0).integers(0, 40, (128, 128))  # as no frame has
    pixels = (slice_of_scan() // 2 + grain).astype(np.uint8)
    framed = np.full((168, 200), 255, np.uint8)
    framed[10:138, 30:158] = pixels
    plain, result = both(pixels), both(framed, SegmentOptions(spacing=(1.0, 2.0, 3.0)))
    assert plain.mask.any()
    assert result.mask.shape == (1, 168, 200)
    np.testing.assert_array_equal(result.mask[:, 10:138, 30:158], plain.mask)
    assert result.mask.sum() == plain.mask.sum()
    area = result.measurements["area", "lungs"]
    assert (area.value, area.unit) == (6.0 * (plain.mask > 0).sum(), "mm2")
    for probability in result.probabilities.values():
        assert probability.shape == (1, 168, 200)
        assert probability.sum() == probability[:, 10:138, 30:158].sum() > 0
    assert result.record()["notes"][-1].startswith("a frame round the picture was left out (10 at")


@pytest.mark.parametrize("odds", [-1.0, 1.0])
def test_where_it_is_not_plain_both_networks_are_asked(
    film: Path, monkeypatch: pytest.MonkeyPatch, odds: float
) -> None:
    monkeypatch.setattr("lungseg.readers.pictures.ct_log_odds", lambda _: odds)
    result = Segmenter()(film)
    assert type(result.image) is Image
    note = "whether it is a radiograph or a slice of CT was not plain: taken for a radiograph"
    assert result.notes == (note,)
    # What only CT has is asked for, so it is none of the two.
    assert type(Segmenter()(film, SegmentOptions(spacing=(1.0, 1.0, 1.0))).image) is Volume


@pytest.mark.parametrize("skip_quality", [False, True])
def test_the_options_reach_every_wing_whole(
    scan: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, skip_quality: bool
) -> None:
    told: list[object] = []
    for wing in (VolumeSegmenter, RadiographSegmenter):

        def call(
            self: object,
            value: object,
            options: object,
            call: Callable[..., object] = wing.__call__,
            **more: object,
        ) -> object:
            told.append(options)
            return call(self, value, options, **more)

        monkeypatch.setattr(wing, "__call__", call)
    cv2.imwrite(str(tmp_path / "slice.png"), slice_of_scan())
    options = SegmentOptions(skip_quality=skip_quality)
    for source in (scan, film, tmp_path / "slice.png"):
        Segmenter()(source, options)
    assert len(told) >= 3  # the slice may be looked at twice
    assert all(one == options for one in told)


def test_progress_is_told_from_nothing_to_measuring(scan: Path, film: Path) -> None:
    steps: list[tuple[float, str]] = []
    Segmenter()(film, progress=lambda fraction, step: steps.append((fraction, step)))
    assert steps == [(0.0, "reading"), (0.1, "finding the lungs")]
    steps.clear()
    Segmenter()(scan, progress=lambda fraction, step: steps.append((fraction, step)))
    assert [steps[0], steps[1], steps[-1]] == [
        (0.0, "reading"),
        (0.1, "finding the lungs"),
        (pytest.approx(0.8), "cleaning and measuring"),
    ]
    assert steps == sorted(steps, key=lambda entry: entry[0])


def test_the_caller_may_know_better(scan: Path, film: Path) -> None:
    as_ct, as_film = Segmenter(modality="ct"), Segmenter(modality="radiograph")
    assert type(as_ct(film).image) is Volume
    assert type(as_ct(lungseg.read(film)).image) is Volume
    assert type(as_film(slice_of_scan()).image) is Image
    unpacked = scan.with_suffix("")
    unpacked.write_bytes(gzip.decompress(scan.read_bytes()))
    with pytest.raises(
        lungseg.UnsupportedError,
        match="a NIfTI file may hold a volume, but no radiograph; set `modality` to ct",
    ):
        as_film(unpacked)
    with pytest.raises(
        UsageError,
        match="it is a volume, and is to be taken for a radiograph; set `modality` to ct",
    ):
        as_film(ellipsoids()[0])


def test_a_model_is_for_one_modality(models: Path, film: Path) -> None:
    assert Segmenter(models / "ct.onnx").modality() == Segmenter("ct").modality() == "ct"
    assert Segmenter().modality(SegmentOptions(model="cxr")) == "radiograph"
    assert Segmenter().modality() is None
    assert type(Segmenter("ct")(film).image) is Volume
    assert type(Segmenter()(film, SegmentOptions(model="ct")).image) is Volume
    with pytest.raises(
        UsageError,
        match="ct: the model is for ct, not for radiograph; leave out `model` or `modality`",
    ):
        Segmenter("ct", modality="radiograph")
    with pytest.raises(UsageError, match="cxr: the model is for radiograph, not for ct"):
        Segmenter("cxr")(film, SegmentOptions(modality="ct"))
    with pytest.raises(
        ModelError, match="no model named 'mri' comes with this package; name one of ct, cxr"
    ):
        Segmenter("mri")
    assert (Segmenter().card("ct").name, Segmenter("ct").card("ct").name) == ("ct", "ct")


def test_a_card_is_read_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = Segmenter("cxr")
    monkeypatch.setattr("lungseg.segmenter.read_card", lambda path: pytest.fail("read again"))
    assert segmenter.card("radiograph").name == "cxr"
    assert segmenter.modality() == "radiograph"


def test_a_segmenter_pickles_without_its_models(film: Path) -> None:
    before = Segmenter(threads=1)
    mask = before(film).mask
    packed = pickle.dumps(before)
    assert len(packed) < 200
    after, again = pickle.loads(packed), pickle.loads(packed)
    assert after is again  # one a process
    assert after is not before
    np.testing.assert_array_equal(after(film).mask, mask)


def test_models_are_loaded_when_they_are_needed(
    film: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "MODELS", tmp_path)
    write_tiny_model(tmp_path, name="cxr")
    both = Segmenter()
    assert type(both(film).image) is Image
    with pytest.raises(ModelError, match="no model named 'ct'"):
        both(ellipsoids()[0])


def test_what_means_nothing_for_the_modality_is_refused(scan: Path, film: Path) -> None:
    both = Segmenter()
    with pytest.raises(
        UsageError,
        match=r"scan\.nii\.gz: `hull` is for radiographs, and this is CT; leave `hull` out",
    ):
        both(scan, SegmentOptions(hull=True))
    with pytest.raises(UsageError, match="array: `dilate` is for radiographs, and this is CT"):
        both(slice_of_scan(), SegmentOptions(dilate=2.0))
    with pytest.raises(
        UsageError,
        match=r"film\.png: `series` is for CT, and this is a radiograph; leave `series` out",
    ):
        both(film, SegmentOptions(series="1"))
    with pytest.raises(
        UsageError,
        match=r"scan\.nii\.gz: the `spacing` of a volume is three numbers, of slices, rows and "
        "columns; give three",
    ):
        both(scan, SegmentOptions(spacing=(1.0, 1.0)))
    with pytest.raises(
        UsageError,
        match=r"film\.png: the `spacing` of a radiograph is two numbers, of rows and columns",
    ):
        both(film, SegmentOptions(spacing=(1.0, 1.0, 1.0)))


def test_what_was_read_before_has_its_frame_and_spacing() -> None:
    both = Segmenter()
    for source in (ellipsoids()[0], radiograph_phantom((64, 64)).image):
        for name, value in (("frame", 1), ("spacing", (1.0, 1.0))):
            with pytest.raises(
                UsageError,
                match=f"`{name}` was given for what was read before; leave `{name}` out",
            ):
                both(source, SegmentOptions(**{name: value}))


def test_a_spacing_is_given_once() -> None:
    with pytest.raises(
        UsageError, match="`spacing` was given twice, also among the options; give it once"
    ):
        segment(dark_ellipses(), SegmentOptions(spacing=(1.0, 1.0)), spacing=(1.0, 1.0))
    result = segment(radiograph_phantom((256, 256)).image.array, spacing=(0.5, 0.25))
    assert result.image.geometry.spacing == (0.5, 0.25)


def test_the_spacing_of_a_volume_can_be_stated(scan: Path) -> None:
    as_stored = Segmenter()(scan)
    stated = Segmenter()(scan, SegmentOptions(spacing=(10.0, 3.0, 1.5)))
    assert as_stored.image.geometry.spacing == pytest.approx((5.0, 3.0, 3.0))
    assert stated.image.geometry.spacing == pytest.approx((10.0, 3.0, 1.5))
    np.testing.assert_array_equal(stated.mask, as_stored.mask)
    volumes = [each.measurements["volume", "lungs"].value for each in (as_stored, stated)]
    assert volumes[1] == pytest.approx(volumes[0])


def test_a_slice_with_a_spacing_has_an_area() -> None:
    for spacing in ((2.0, 2.0), (5.0, 2.0, 2.0)):
        result = Segmenter()(slice_of_scan(), SegmentOptions(spacing=spacing))
        assert isinstance(result.image, Volume)
        assert result.image.geometry.spacing == (spacing if len(spacing) == 3 else (1, 2, 2))
        found = result.measurements["area", "right lung"]
        assert (found.unit, found.value) == ("mm2", 4.0 * (result.mask == 1).sum())


@pytest.mark.slow
def test_whatever_holds_a_scan_gives_the_same_lungs(scan: Path) -> None:
    expected, voxels = segment(scan), ellipsoids()[0]
    for source in (
        scan.read_bytes(),
        io.BytesIO(scan.read_bytes()),
        nibabel.load(scan),
        SimpleITK.ReadImage(str(scan)),
        voxels,
    ):
        found = segment(source)
        np.testing.assert_array_equal(found.mask, expected.mask)
        assert found.measurements == expected.measurements
    affine = voxels.geometry.affine
    found = segment(voxels.array, affine=affine, hounsfield=True)
    np.testing.assert_array_equal(found.mask, expected.mask)
    with pytest.raises(UsageError, match="`affine` is for arrays"):
        segment(scan, affine=affine)
    with pytest.raises(UsageError, match="None is no image; give a path, bytes"):
        segment(None)  # type: ignore[arg-type]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path / "nowhere.png", str(tmp_path / "nowhere")):
        with pytest.raises(UnreadableError, match="nowhere"):
            Segmenter()(source)


def test_segment_loads_a_model_once() -> None:
    segmenter._kept.cache_clear()
    first, second = (segment(dark_ellipses(), SegmentOptions(model="cxr")) for _ in range(2))
    np.testing.assert_array_equal(first.mask, second.mask)
    assert first.card is second.card
    segmenter._kept.cache_clear()


@pytest.mark.parametrize("file", ["film", "scan"])
def test_a_result_pickles_without_the_network(file: str, request: pytest.FixtureRequest) -> None:
    result = Segmenter()(request.getfixturevalue(file))
    packed = pickle.dumps(result)
    after = pickle.loads(packed)
    np.testing.assert_array_equal(after.mask, result.mask)
    np.testing.assert_array_equal(
        after.probabilities["right lung"], result.probabilities["right lung"]
    )
    assert (after.measurements, after.verdict, after.card) == (
        result.measurements,
        result.verdict,
        result.card,
    )
    assert after.record() == result.record()


def test_public_names() -> None:
    assert isinstance(lungseg.read(dark_ellipses()), Image)
    assert lungseg.Volume is Volume
    assert lungseg.__version__.count(".") == 2


def test_a_card_is_that_of_the_modality(scan: Path) -> None:
    both = Segmenter()
    assert [both.card(one).modality for one in ("radiograph", "ct")] == ["radiograph", "ct"]
    with pytest.raises(UsageError, match="ct: the model is for ct, not for radiograph"):
        Segmenter("ct").card("radiograph")
