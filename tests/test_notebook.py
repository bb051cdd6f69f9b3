"""What a notebook shows, with stand-ins for what a kernel brings."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import lungseg
from ellipsoids import ellipsoids
from html_pages import without_pictures
from lungseg.cell_bar import CellBar, in_notebook
from lungseg.draw.cell import MAX_JPEG, MAX_PNG, small_jpeg, small_png
from lungseg.draw.picture import thumbnail
from lungseg.draw.slider import VIEW, slices_widget
from lungseg.errors import InstallationError, UnreadableError, UsageError
from lungseg.geometry import ImageGeometry
from lungseg.notebook import Sheet, show
from lungseg.phantom.ct import ct_phantom
from lungseg.provenance import Provenance
from lungseg.result import Result
from lungseg.segmenter import Segmenter
from tiny_model import dark_ellipses, write_tiny_model

MAX_CELL = 300_000


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Result[Any]]:
    """Of one film with lungs and one without."""
    folder = tmp_path_factory.mktemp("films")
    segmenter = lungseg.Segmenter(write_tiny_model(folder))
    for name, pixels in {
        "DOE_JOHN": dark_ellipses((900, 1100)),
        "ROE": dark_ellipses(right=False, left=False),
    }.items():
        noise = np.random.default_rng(0).integers(-30, 30, pixels.shape)
        cv2.imwrite(str(folder / f"{name}.png"), np.clip(pixels + noise, 0, 255).astype(np.uint8))
    return [segmenter(folder / name) for name in ("DOE_JOHN.png", "ROE.png")]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Result[Any]:
    model = write_tiny_model(tmp_path_factory.mktemp("ct"), modality="ct")
    return lungseg.Segmenter(model)(ellipsoids((12, 80, 96), lung=-800)[0])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the kernel of a notebook was given to display, the last state of each output."""
    shown: list[str] = []

    class Handle:
        def __init__(self, place: int) -> None:
            self.place = place

        def update(self, html: str) -> None:
            shown[self.place] = html

    def display(html: str, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(html)
        return Handle(len(shown) - 1)

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=1)  # type: ignore[attr-defined]
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_result_is_a_verdict_a_picture_and_the_main_measurements(films) -> None:
    page = films[0]._repr_html_()
    assert re.search(r'<b style="background: #00704f[^"]*">ok</b>', page)
    assert '<img alt="radiograph, 900 x 1100' in page
    for text in ("right lung", "left lung", "lungs", "area", "asymmetry", "confidence", "pixels"):
        assert text in page, text
    refused = films[1]._repr_html_()
    assert ">refused</b>" in refused
    assert all(reason in refused for reason in films[1].verdict.reasons)


def test_a_cell_says_what_restricts_a_number(films) -> None:
    image = films[0].image
    shadow = replace(image, geometry=ImageGeometry(image.array.shape, (0.4, 0.4), "detector"))
    assert "mm², detector plane" in Segmenter("cxr", threads=1)(shadow)._repr_html_()


def test_a_film_of_oblong_pixels_is_shown_in_its_proportions(films) -> None:
    image, pixels = films[0].image, films[0].image.array[::2]
    oblong = replace(image, array=pixels, geometry=ImageGeometry(pixels.shape, (0.8, 0.4)))
    shown = Segmenter("cxr", threads=1)(oblong)
    rows, columns = cv2.imdecode(np.frombuffer(shown._repr_png_(), np.uint8), 1).shape[:2]
    assert rows / columns == pytest.approx(900 / 1100, rel=0.02)
    for sheet in (show(shown), show(oblong)):
        rows, columns = sheet.picture.shape[:2]
        assert rows / columns == pytest.approx(900 / 1100, rel=0.02)
    assert shown.overlay().shape[:2] == pixels.shape


@pytest.mark.slow
def test_no_cell_is_large_or_says_whose_it_is(films, scan) -> None:
    for result in (*films, scan):
        page, picture = result._repr_html_(), result._repr_png_()
        assert len(page) + 4 / 3 * len(picture) < MAX_CELL
        text = without_pictures(page)
        assert "DOE" not in text
        assert "ROE" not in text
        assert picture.startswith(b"\x89PNG")


def test_cells_can_be_read_on_light_and_dark_pages(films) -> None:
    """Text has the page's own colour, or white on a dark ground of its own."""
    page = films[0]._repr_html_()
    grounds = re.findall(r"background: (#\w+); color: #fff", page)
    assert page.count("background") == page.count("color: #fff") == len(grounds)
    for ground in grounds:
        red, green, blue = (int(ground[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18  # 4.5 to 1


def test_pictures_of_noise_are_made_small_too() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1400, 3), np.uint8)
    assert 4 / 3 * (MAX_JPEG + MAX_PNG) < MAX_CELL - 10_000  # for what is written beside them
    for content, most in ((small_jpeg(noise), MAX_JPEG), (small_png(noise), MAX_PNG)):
        assert len(content) <= most
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert abs(picture.shape[1] / picture.shape[0] - 14 / 9) < 0.02


@pytest.mark.slow
def test_a_ct_can_be_read_in_a_cell() -> None:
    """Slices in three planes, with the noise of a scan."""
    picture = show(ct_phantom((60, 256, 256)).volume).picture
    page, small = small_jpeg(picture), small_png(picture)
    assert len(page) + len(small) <= MAX_JPEG + MAX_PNG
    for content, least in ((page, 640), (small, 400)):
        assert min(cv2.imdecode(np.frombuffer(content, np.uint8), 1).shape[:2]) >= least
    few = cv2.imdecode(np.frombuffer(small, np.uint8), 1)[..., ::-1]
    exact = thumbnail(picture, max(few.shape[:2]))
    assert np.abs(few.astype(int) - exact).max() <= 12


def test_a_film_leaves_room_on_the_screen_for_what_is_below_it(films, scan) -> None:
    limit = "max-height: 640px"
    for shown in (films[0], show(films[0]), show(films[0].image)):
        assert limit in shown._repr_html_()
    for shown in (scan, show(scan), show(films)):  # of several pictures
        assert limit not in shown._repr_html_()


def test_show_takes_images_volumes_results_and_lists(films, scan) -> None:
    sheets = [show(films[0].image), show(scan.image), show(scan), show(films[0]), show(films)]
    assert [sheet.about.split(",")[0] for sheet in sheets] == [
        "radiograph",
        "CT",
        "CT",
        "radiograph",
        "2 results",
    ]
    for sheet in sheets:
        assert sheet._repr_html_().startswith("<img alt=")
        assert sheet._repr_mimebundle_() == {}
        assert repr(sheet) == f"<Sheet: {sheet.about}>"
    plain, marked = sheets[1].picture, sheets[2].picture
    assert (plain[..., 0] == plain[..., 2]).all()
    assert (marked[..., 0] != marked[..., 2]).any()
    assert sheets[4].picture.shape[1] > sheets[4].picture.shape[0]
    assert lungseg.show is show


def test_show_takes_the_path_of_a_picture(films, tmp_path) -> None:
    path = films[0].save(tmp_path, ["overlay"])["overlay"]
    np.testing.assert_array_equal(show(path).picture, films[0].overlay())
    assert show(path).about == "picture"  # its name may be a patient's
    for wrong in (tmp_path / "nowhere.png", tmp_path):
        with pytest.raises(UnreadableError, match="no picture to show; give a PNG"):
            show(str(wrong))


@pytest.mark.parametrize("nothing", [3, [], ["film.png"], None])
def test_what_cannot_be_shown_is_refused(nothing) -> None:
    with pytest.raises(UsageError, match=r"nothing to show; give an image.*a list of results"):
        show(nothing)


def test_a_slider_is_for_a_volume_and_needs_its_extra(films, scan, monkeypatch) -> None:
    with pytest.raises(UsageError, match="a slider is for the slices of one volume"):
        show(films[0], slider=True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InstallationError, match=r"needs ipywidgets.*lungseg\[notebook\]"):
        show(scan, slider=True)


def test_without_the_extra_a_notebook_shows_three_planes(kernel, scan, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert show(scan)._repr_mimebundle_() == {}
    assert kernel == []


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page asked for whose kernel this is: a page that shows widgets and takes answers."""
    pytest.importorskip("ipywidgets")
    import IPython

    asked: dict[str, Any] = {"content": {"code": "found", "allow_stdin": True}}
    kernel = SimpleNamespace(get_parent=lambda: asked)
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    return asked


def last_line(value: object) -> dict[str, Any]:
    """What IPython hands to a page of the last line of a cell."""
    from IPython.core.formatters import DisplayFormatter

    formatter = DisplayFormatter()
    formatter.active_types = formatter.format_types
    bundle: dict[str, Any] = formatter.format(value)[0]
    return bundle


@pytest.mark.slow
def test_a_ct_as_the_last_line_is_a_slider_and_three_planes_for_pages_without(page, scan) -> None:
    import ipywidgets

    named = replace(scan, image=replace(scan.image, provenance=Provenance("DOE_JOHN.nii")))
    bundle = last_line(named)
    assert set(bundle) == {"text/plain", "text/html", "image/png", VIEW}
    box = ipywidgets.widgets.widget._instances[bundle[VIEW]["model_id"]]
    above, slider, picture, below = box.children
    assert f">{scan.verdict.status}</b> {scan.about}" in above.value
    assert "confidence" in below.value
    before = bytes(picture.value)
    slider.value = slider.max
    assert bytes(picture.value) != before
    small = {key: bundle[key] for key in ("text/html", "image/png")}
    assert small == {"text/html": scan._repr_html_(), "image/png": scan._repr_png_()}
    assert len(small["text/html"]) + 4 / 3 * len(small["image/png"]) < MAX_CELL
    assert "DOE" not in without_pictures(f"{bundle}{above.value}{below.value}")
    assert set(last_line(show(named))) == set(bundle)


@pytest.mark.slow
def test_who_cannot_move_a_slider_has_three_planes(page, scan, films, monkeypatch) -> None:
    static = {"text/plain", "text/html", "image/png"}
    one_slice = Segmenter("ct", threads=1)(ct_phantom((60, 128, 128)).volume.array[30:31])
    for value in (films[0], one_slice):
        assert set(last_line(value)) == static
    page["content"]["allow_stdin"] = False  # nbconvert and papermill
    assert set(last_line(scan)) == set(last_line(show(scan))) == static
    page["content"]["allow_stdin"] = True
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set(last_line(scan)) == set(last_line(show(scan))) == static


@pytest.mark.slow
def test_the_slider_moves_through_the_slices(scan) -> None:
    pytest.importorskip("ipywidgets")
    sheet = show(scan, slider=True)
    assert list(sheet._repr_mimebundle_()) == [VIEW]
    assert isinstance(sheet, Sheet)
    slider, picture = slices_widget(scan.image, scan.mask).children
    before = bytes(picture.value)
    assert (slider.min, slider.max) == (0, 11)
    slider.value = 3
    assert bytes(picture.value) != before
    assert bytes(picture.value).startswith(b"\xff\xd8")


@pytest.mark.slow
def test_only_the_latest_sliders_keep_their_volumes(scan) -> None:
    pytest.importorskip("ipywidgets")
    first, *others = [slices_widget(scan.image, scan.mask).children for _ in range(4)]
    before = bytes(first[1].value)
    first[0].value = 3
    assert first[0].disabled
    assert bytes(first[1].value) == before
    for slider, picture in others:
        before = bytes(picture.value)
        slider.value = 3
        assert not slider.disabled
        assert bytes(picture.value) != before


@pytest.mark.slow
def test_slices_of_a_refused_mask_say_so(scan) -> None:
    pytest.importorskip("ipywidgets")
    refused = replace(scan.verdict, status="refused")
    plain, stamped = (
        slices_widget(scan.image, scan.mask, verdict=one).children[1].value
        for one in (scan.verdict, refused)
    )
    assert plain != stamped


def test_a_bar_is_drawn_in_one_place_and_only_in_a_notebook(kernel, monkeypatch) -> None:
    assert in_notebook()
    bar = CellBar()
    bar.show(0.25, "1 of <4>")
    bar.show(0.5, "2 of 4")
    assert kernel == ['<progress value="0.5000" style="width: 20em"></progress> 2 of 4']
    CellBar().show(1, "<b>")
    assert kernel[1].endswith(" &lt;b&gt;")
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_many_inputs_are_counted_in_a_cell(kernel, tmp_path: Path) -> None:
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), dark_ellipses())
    segmenter = lungseg.Segmenter(write_tiny_model(tmp_path), threads=1)
    run = lungseg.RunOptions(tmp_path / "out")
    inputs = [tmp_path / "a.png", tmp_path / "b.png"]
    found = list(
        lungseg.segment_many(inputs, lungseg.SegmentOptions(), run, 1, segmenter=segmenter)
    )
    assert [outcome.status for outcome in found] == ["done", "done"]
    assert kernel == ['<progress value="1.0000" style="width: 20em"></progress> 2 of 2']
