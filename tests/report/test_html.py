"""The report of one input as a page."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re

import cv2
import numpy as np
import pytest

from html_pages import EVIL, Page, outside, without_pictures
from lungseg.ct.measure import measure_volume
from lungseg.geometry import VolumeGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements
from lungseg.provenance import Provenance
from lungseg.radiograph.measure import doubted
from lungseg.report import content_of, to_html
from lungseg.report.html import html_page
from lungseg.report.texts import CT, NO_DEVICE, NONE_PUBLISHED, RADIOGRAPH, number
from lungseg.result import Result
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from made_up_probabilities import probabilities_of


def pictures(text: str) -> list[np.ndarray]:
    codes = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for code in codes
    ]


def test_a_page_stands_alone_and_shows_both_pictures(film: Result) -> None:
    text = to_html(film)
    found = Page(text)
    assert outside(text) == []
    assert found.all("html") == [{"lang": "en"}]
    (policy,) = (
        of["content"]
        for of in found.all("meta")
        if of.get("http-equiv") == "Content-Security-Policy"
    )
    (program,) = re.findall(r"<script>(.*)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
        f"'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    before, after = pictures(text)
    assert before.shape == after.shape == (96, 96, 3)
    assert np.abs(before.astype(int)[..., 0] - before[..., 2]).max() < 12  # grey
    inside = film.mask == 2
    assert after[inside][:, 2].mean() > before[inside][:, 2].mean() + 10  # the left lung is blue
    assert [of["alt"] for of in found.all("img")] == [
        "The radiograph, as read.",
        "The same with the lungs marked: right lung and left lung.",
    ]
    (slider,) = found.all("input")
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range",
        "0",
        "100",
        "50",
    )
    assert found.text.count(NO_DEVICE) == 2


def test_verdict_reasons_measurements_and_model_are_in_words(film: Result) -> None:
    found = Page(to_html(film))
    assert "Lungs of b" in found.text
    assert "Verdict: To be reviewed" in found.text
    assert "the lungs are <odd>" in found.text
    area = film.measurements["area", "lungs"].value
    assert f"{area:,.0f}".replace(",", "\N{NO-BREAK SPACE}") in found.text
    assert "mm²" in found.text
    assert "expected to be about 0.95. " in found.text
    assert "a <note>" in found.text
    assert "s: <w> (t)" in found.text
    assert NONE_PUBLISHED in found.text
    assert "Healthy adults" not in found.text
    heads = [of for of in found.all("th") if of["scope"] == "row"]
    assert len(heads) == len({name for name, _ in film.measurements}) == 7


def test_of_ct_there_are_planes_densities_and_published_values(scan: Result) -> None:
    text = to_html(scan, name="scan")
    found = Page(text)
    assert [picture.shape for picture in pictures(text)] == [scan.overlay().shape] * 2
    assert found.all("div", "wider") != []
    assert len(found.all("svg")) == 1
    assert "Healthy adults, as published" in found.text
    assert "lungs: median 4.3 %, range 2.7 to 17.8 % [5]" in found.text
    assert "I. Easthausen" in found.text
    assert "not predicted" in found.text
    assert outside(text) == []


def test_every_voxel_of_a_lung_is_in_its_histogram(scan: Result) -> None:
    found = content_of(scan).densities
    assert found is not None
    steps, edges = found.counts, found.edges
    assert (edges[0], edges[-1], len(edges)) == (-1050, 150, 121)
    for label, name in ((1, "right lung"), (2, "left lung")):
        values = scan.image.array[scan.mask == label]
        assert steps[name].sum() == values.size
        assert steps[name][20] == np.count_nonzero((values >= -850) & (values < -840))
        assert steps[name][-1] == np.count_nonzero(values >= 140)


def test_names_are_escaped_and_paths_left_out(film: Result) -> None:
    text = to_html(film, name=EVIL)
    assert "<script>alert" not in text
    assert EVIL in Page(text).text
    assert ";base64," in text
    assert "Doe" not in without_pictures(text)
    shown = Page(to_html(film, name=EVIL, show_identity=True)).text
    assert "/data/Doe John/b.png" in shown


def test_a_file_name_that_is_no_text_can_be_written(film: Result) -> None:
    odd = dataclasses.replace(
        film, image=dataclasses.replace(film.image, provenance=Provenance("/data/\udcff.png"))
    )
    assert re.search(r"Lungs of image-[0-9a-f]{12}<", to_html(odd))
    assert "/data/?.png" in to_html(odd, show_identity=True)
    to_html(odd, show_identity=True).encode()


def test_a_refused_input_is_marked_and_strictness_hides_its_mask(film: Result) -> None:
    refused = dataclasses.replace(
        film, verdict=Verdict("refused", ("not_frontal",), ("this is a hand",))
    )
    text = to_html(refused)
    assert "Verdict: Refused" in Page(text).text
    assert "Expected quality" not in text
    after = pictures(text)[1]
    assert np.abs(after[1, -2].astype(int) - (213, 94, 0)).max() < 40
    strict = html_page(content_of(refused, skip_refused=True))
    assert len(pictures(strict)) == 1
    found = Page(strict)
    assert found.all("input") == []
    assert "no mask and no numbers are shown" in found.text
    assert "Area" not in found.text
    assert len(pictures(html_page(content_of(film, skip_refused=True)))) == 2


def test_a_record_that_was_made_already_is_taken_as_it_is(film: Result) -> None:
    record = film.record() | {"notes": ["of this record"]}
    content = content_of(film, record, name="x", skip_refused=True)
    assert dict(content.making)["Note"] == "of this record"
    assert (content.name, "name" in record) == ("x", False)


@pytest.mark.parametrize(
    ("side", "shown"), [(1500, (1024, 1024)), (1024, (1024, 1024)), (40, (40, 40))]
)
def test_pictures_are_shrunk_never_enlarged(
    film: Result, side: int, shown: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
    image = Image(pixels, dataclasses.replace(film.image.geometry, shape=(side, side)))
    large = dataclasses.replace(
        film, image=image, segmentation=image.with_labels(np.zeros((side, side), np.uint8))
    )
    assert [picture.shape[:2] for picture in pictures(to_html(large))] == [shown, shown]
    assert "lungs marked: " in to_html(large)


def test_all_three_numbers_of_the_expected_dice_make_one_sentence(film: Result) -> None:
    more = Measurements(
        Measurement(f"expected_dice_{end}", "lungs", value, "1")
        for end, value in (("low", 0.9), ("high", 0.972))
    )
    text = Page(to_html(dataclasses.replace(film, measurements=film.measurements | more))).text
    assert (
        "about 0.95; nine in ten masks like this one lie between 0.90 and 0.97. 1 would be" in text
    )


def test_sizes_that_cannot_be_true_are_doubted_beside_the_verdict(film: Result) -> None:
    doubt = "Sizes in millimetres are in doubt: the height of the lungs speaks against the pixel"
    assert doubt not in Page(to_html(film)).text
    wrong = dataclasses.replace(film, measurements=doubted(film.measurements))
    page = Page(to_html(wrong)).text
    assert page.index("Verdict") < page.index(doubt) < page.index("Pictures")
    assert "mm², implausible spacing" in page


def test_numbers_are_rounded_and_nothing_is_minus_zero() -> None:
    assert [number(value, "percent") for value in (-0.04, 4.26, -12.3, 99.9, 1234.5, None)] == (
        ["0.0", "4.3", "-12.3", "99.9", "1\N{NO-BREAK SPACE}234", "\N{EN DASH}"]
    )
    assert number(0.97149, "1") == "0.971"


def test_every_measurement_has_a_definition(film: Result, scan: Result) -> None:
    assert {name for name, _ in film.measurements} <= RADIOGRAPH.keys()
    assert {name for name, _ in scan.measurements} <= CT.keys()
    assert "area" in CT  # of a single slice


def test_a_volume_without_lungs_has_no_histogram_and_its_slices_are_spread_over_all_of_it(
    scan: Result,
) -> None:
    nothing = scan.image.with_labels(np.zeros(scan.image.array.shape, np.uint8))
    found = measure_volume(scan.image, nothing, {"right lung": 0.0, "left lung": 0.0, "lungs": 0.0})
    empty = dataclasses.replace(
        scan,
        segmentation=nothing,
        measurements=found,
        verdict=Verdict("refused", ("no_lung",), ("no lungs were found",)),
    )
    found = Page(to_html(empty))
    assert "Densities" not in found.text
    assert "Slices evenly spread over the volume." in found.text
    assert found.all("img", "after")[0]["alt"] == "The same with the lungs marked: none found."


def test_a_single_slice_is_not_compared_with_whole_lungs(scan: Result) -> None:
    volume = Volume(
        scan.image.array[8:9],
        VolumeGeometry((1, 48, 48), scan.image.geometry.affine),
        hounsfield=True,
    )
    lungs = volume.with_labels(scan.mask[8:9])
    sure = {"right lung": 1.0, "left lung": 1.0, "lungs": 1.0}
    result = Result(
        volume,
        lungs,
        measure_volume(volume, lungs, sure),
        Verdict("ok"),
        scan.card,
        probabilities_of(volume, lungs.labels),
        {},
    )
    found = Page(to_html(result))
    assert "as published" not in found.text
    assert "Published values are of whole lungs" in found.text
    assert "The one slice that there is." in found.text
    assert found.all("img", "before")[0]["alt"] == "The slice, as read."
