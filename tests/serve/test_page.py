"""The page in a real browser, in front of the real server."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from lungseg.cli.main import app
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.report.texts import VERDICTS
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.writers import image_png, volume_nifti
from phantom_volumes import AFFINE, draw_chest, write_series
from readers.conftest import make_dataset
from serve.browser import chromium, serving

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-tests"
CT_SHAPE = (12, 96, 96)

DROP = """([name, letters]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0))],
  name));
  const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.getElementById("drop").dispatchEvent(event);
}"""
PIXEL = """([x, y]) => {
  const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  copy.drawImage(document.getElementById("stage"), -x, -y);
  return [...copy.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}"""
PASTE = """([name, letters]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0))],
  name));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer,
  bubbles: true }));
}"""
GROUPED = """async (names) => {
  const { fromList, grouped } = await import("/page/intake.js");
  const groups = await grouped(fromList(names.map((name) => new File(["nothing"], name))));
  return groups.map(({ files }) => files.map(({ name }) => name));
}"""
FINDINGS = """async (job) => {
  const { Findings } = await import("/page/findings.js");
  const about = await (await fetch("/about")).json();
  new Findings(document.getElementById("findings"), about, () => {}).show(job);
}"""
FILLED = """async ([labels, width, label]) => {
  const { border } = await import("/page/outline.js");
  const path = border(Uint8Array.from(labels), width, label);
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  return labels.map((_, at) => context.isPointInPath(path, (at % width) + 0.5,
  Math.floor(at / width) + 0.5, "evenodd"));
}"""
PICTURE = "() => document.getElementById('stage').toDataURL()"
CONTRASTS = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colour, ground) => {
    paint.fillStyle = `rgb(${ground.join(" ")})`;
    paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const groundOf = (element) => {
    const below = element.parentElement ? groundOf(element.parentElement) : [255, 255, 255];
    return over(getComputedStyle(element).backgroundColor, below);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map(
      (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !element.checkVisibility()
        || element.closest(".skip, .unseen, :disabled, template")) continue;
    const ground = groundOf(element);
    const [bright, dark] = [light(ground), light(over(getComputedStyle(element).color,
    ground))].sort((a, b) => b - a);
    found.push([(bright + 0.05) / (dark + 0.05), words.currentNode.data.trim()]);
  }
  return found;
}"""
NO_SUCCESS = re.compile(
    r"Failed to load resource: (the server responded with a status of (4|503|507)"
    r"|net::ERR_CONNECTION_REFUSED)"
)
FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return ["BODY", "", 0];
  const shown = element.matches(".segments input") ? element.nextElementSibling : element;
  const style = getComputedStyle(shown);
  return [element.id || element.name || element.className || element.tagName, style.outlineStyle,
  parseFloat(style.outlineWidth)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser: Any) -> Iterator[str]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def done(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A radiograph, half of it and a CT as files, and what the command line makes of them."""
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    film, scan = radiograph_phantom((384, 320)).image, ct_phantom(CT_SHAPE).volume
    (folder / "film.png").write_bytes(image_png(film.array, of=film))
    (folder / "half.png").write_bytes(cv2.imencode(".png", film.array[:, :160])[1].tobytes())
    (folder / "scan.nii.gz").write_bytes(volume_nifti(scan))
    (folder / "letter.png").write_bytes(b"Dear Sir or Madam,")
    paths = [str(folder / name) for name in ("film.png", "half.png", "scan.nii.gz")]
    assert (
        CliRunner()
        .invoke(app, ["segment", *paths, "-o", str(out), "--quiet"], catch_exceptions=False)
        .exit_code
        == 0
    )
    records = [
        json.loads(line)
        for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return SimpleNamespace(
        folder=folder,
        out=out,
        records={Path(record["input"]).name: record for record in records},
        labels=np.asarray(Picture.open(out / "film_mask.png")),
        array=scan.array,
    )


@contextmanager
def watched(browser: Any, address: str, path: str = "/") -> Iterator[Any]:
    """A page of its own, which must neither complain nor ask anybody else."""
    context = browser.new_context(viewport={"width": 1360, "height": 850})
    context.set_default_timeout(40_000)
    page = context.new_page()
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.goto(address + path)
    page.wait_for_selector("body[data-ready]")
    try:
        yield page
    finally:
        context.close()
    # That an answer was no success is no complaint of the page's: it is what some tests are about.
    assert [text for text in complaints if not NO_SUCCESS.match(text)] == []
    assert asked - {""} == {urlsplit(address).netloc}


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with watched(browser, address) as found:
        yield found


@pytest.fixture(scope="module")
def film(browser: Any, address: str, done: SimpleNamespace) -> Iterator[Any]:
    """The page with the radiograph, which was dropped on it."""
    with watched(browser, address) as found:
        letters = base64.b64encode((done.folder / "film.png").read_bytes()).decode()
        found.evaluate(DROP, ["film.png", letters])
        found.wait_for_selector("#stage[data-slice='0']")
        yield found


@pytest.fixture(scope="module")
def scan(browser: Any, address: str, done: SimpleNamespace) -> Iterator[Any]:
    """The page with the CT, which was chosen from a dialog."""
    with watched(browser, address) as found:
        found.set_input_files("#files", done.folder / "scan.nii.gz")
        found.wait_for_selector("#stage[data-slice]")
        yield found


def words(page: Any, number: int = 1) -> str:
    return page.inner_text(f"#jobs li:nth-child({number}) .words")


def state(page: Any, what: str, number: int = 1) -> None:
    page.wait_for_selector(f"#jobs li:nth-child({number})[data-state={what}]")


def set_slider(page: Any, name: str, value: float) -> None:
    page.eval_on_selector(
        f"#{name}",
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )


def inside(page: Any, labels: np.ndarray, number: int) -> list[int]:
    """Where the canvas shows the pixel that is deepest inside a lung; the picture is fitted into
    it."""
    depth = cv2.distanceTransform((labels == number).astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    box = page.eval_on_selector("#stage", "(stage) => [stage.width, stage.height]")
    scale = min(box[0] / labels.shape[1], box[1] / labels.shape[0])
    place = [
        (side - scale * length) / 2 + (at + 0.5) * scale
        for side, length, at in zip(box, labels.T.shape, (column, row), strict=True)
    ]
    return [int(value) for value in place]


def downloaded(page: Any, act: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        act()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_lungs_are_tinted_in_the_colours_of_the_package_as_far_as_the_slider_says(
    film: Any, done: SimpleNamespace
) -> None:
    for label in (RIGHT_LUNG, LEFT_LUNG):
        place = inside(film, done.labels, label.number)
        seen = {}
        for opacity in (0, 50, 100):
            set_slider(film, "opacity", opacity)
            seen[opacity] = film.evaluate(PIXEL, place)
        grey = seen[0][0]
        assert seen[0] == [grey] * 3
        assert seen[100] == list(label.colour)
        assert np.abs(np.array(seen[50]) - (grey + np.array(label.colour)) / 2).max() <= 1
    assert film.locator("#legend li:visible").all_inner_texts() == ["right lung", "left lung"]


def test_lungs_are_filled_outlined_or_not_shown(film: Any, done: SimpleNamespace) -> None:
    set_slider(film, "opacity", 100)
    place = inside(film, done.labels, RIGHT_LUNG.number)
    pictures = []
    for choice in ("Fill", "Outline", "Off"):
        film.get_by_text(choice, exact=True).click()
        pictures.append(
            (film.evaluate(PIXEL, place) == list(RIGHT_LUNG.colour), film.evaluate(PICTURE))
        )
    assert [filled for filled, _ in pictures] == [True, False, False]
    assert len({picture for _, picture in pictures}) == 3
    film.get_by_text("Fill", exact=True).click()


def test_verdict_measurements_and_files_are_those_of_the_command_line(
    film: Any, done: SimpleNamespace
) -> None:
    record = done.records["film.png"]
    assert film.inner_text("#verdict strong") == VERDICTS[record["verdict"]][0]
    assert film.locator("#verdict li").all_text_contents() == record["reasons"]
    area = {m["structure"]: m["value"] for m in record["measurements"] if m["name"] == "area"}
    cells = film.locator("#measurements tbody tr").first.locator("th, td").all_inner_texts()
    assert cells == [
        "Area pixels",
        *(f"{area[label]:,.0f}" for label in ("right lung", "left lung", "lungs")),
    ]
    for name in ("mask", "overlay"):
        file = downloaded(film, film.locator(f"[data-file={name}]").click)
        assert file == (f"film_{name}.png", (done.out / f"film_{name}.png").read_bytes())
    name, content = downloaded(film, film.locator("[data-file=record]").click)
    assert (name, json.loads(content)["verdict"]) == ("film_record.json", record["verdict"])
    assert "Remove" not in words(film)
    assert re.search(
        r"deletes this image and its results at \d\d:\d\d", film.inner_text("#expires")
    )


@pytest.mark.slow
def test_a_doubtful_image_comes_with_its_reasons(page: Any, done: SimpleNamespace) -> None:
    page.set_input_files("#files", done.folder / "half.png")
    page.wait_for_selector("#stage[data-slice]")
    record = done.records["half.png"]
    assert record["verdict"] in ("review", "refused")
    assert record["reasons"] != []
    assert page.locator("#verdict li").all_text_contents() == record["reasons"]
    assert words(page) == VERDICTS[record["verdict"]][0]


def test_of_a_refused_image_no_quality_is_told_nor_what_its_names_would_do(page: Any) -> None:
    job = {
        "id": "x",
        "modality": "radiograph",
        "verdict": "refused",
        "reasons": ["<img src=x onerror=alert(1)>"],
        "notes": ["<b>odd</b>"],
    }
    dice = [
        {
            "name": "expected_dice",
            "structure": "lungs",
            "value": 0.9,
            "unit": "1",
            "restriction": None,
        }
    ]
    page.evaluate(
        FINDINGS,
        job
        | {
            "measurements": dice,
            "files": {"mask": "/elsewhere"},
            "expires": "2030-01-01T00:00:00Z",
        },
    )
    said = page.text_content("#verdict")
    assert said.startswith("Refused")
    assert said.endswith("<img src=x onerror=alert(1)>")
    assert page.locator("#findings img, #findings b").count() == 0


def test_the_mask_of_a_volume_is_that_of_the_command_line(scan: Any, done: SimpleNamespace) -> None:
    file = downloaded(scan, lambda: scan.keyboard.press("d"))
    assert file == ("scan_mask.nii.gz", (done.out / "scan_mask.nii.gz").read_bytes())


def test_slices_are_scrolled_by_wheel_keys_and_slider(scan: Any) -> None:
    def shows(number: int) -> str:
        scan.wait_for_selector(f"#stage[data-slice='{number}']")
        assert scan.inner_text("#slice-number") == f"{number + 1} of {CT_SHAPE[0]}"
        assert f"slice {number + 1} of {CT_SHAPE[0]}" in scan.get_attribute("#stage", "aria-label")
        return scan.evaluate(PICTURE)

    scan.focus("#stage")
    scan.keyboard.press("Home")
    pictures = [shows(0)]
    for key, number in (
        ("ArrowUp", 1),
        ("PageUp", 11),
        ("ArrowDown", 10),
        ("PageDown", 0),
        ("End", 11),
    ):
        scan.keyboard.press(key)
        pictures.append(shows(number))
    set_slider(scan, "slice", 5)
    pictures.append(shows(5))
    scan.hover("#stage")
    scan.mouse.wheel(0, 100)
    pictures.append(shows(4))
    scan.mouse.wheel(0, -100)
    assert shows(5) == pictures[-2]
    assert len(set(pictures)) == 6
    assert re.fullmatch(r"6 of 12, with(out)? lung", scan.get_attribute("#slice", "aria-valuetext"))


def test_a_window_shows_the_greys_that_belong_to_it(scan: Any, done: SimpleNamespace) -> None:
    set_slider(scan, "slice", 6)
    scan.get_by_text("Off", exact=True).click()
    middle = CT_SHAPE[1] // 2, CT_SHAPE[2] // 2
    spot = np.zeros(CT_SHAPE[1:], np.uint8)
    spot[middle] = 1
    place = inside(scan, spot, 1)
    hounsfield = float(done.array[6][middle])
    for name, level, width in (("Lung", -600, 1500), ("Soft tissue", 50, 350), ("Bone", 400, 1800)):
        scan.get_by_role("button", name=name).click()
        low = level - width / 2
        scan.wait_for_selector(f"#stage[data-slice='6'][data-window='{low:g} {low + width:g}']")
        grey = round(min(max((hounsfield - low) / width, 0), 1) * 255)
        assert scan.evaluate(PIXEL, place) == [grey] * 3
        assert scan.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"
    scan.get_by_text("Fill", exact=True).click()


def test_dragging_with_the_right_button_changes_the_window_and_with_the_left_moves(
    scan: Any,
) -> None:
    box = scan.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(button: str) -> tuple[bool, bool]:
        before = scan.input_value("#level"), scan.input_value("#width"), scan.evaluate(PICTURE)
        scan.mouse.move(x, y)
        scan.mouse.down(button=button)
        scan.mouse.move(x + 40, y + 30)
        scan.mouse.up(button=button)
        after = scan.input_value("#level"), scan.input_value("#width"), scan.evaluate(PICTURE)
        return after[:2] != before[:2], after[2] != before[2]

    assert drag("right") == (True, True)
    assert drag("left") == (False, True)
    scan.keyboard.press("w")
    assert drag("left") == (True, True)
    scan.keyboard.press("w")


def test_zoom_by_buttons_keys_and_wheel_and_back(film: Any) -> None:
    def zoom() -> int:
        return int(film.text_content("#stage-numbers").split()[0])

    fitted = zoom()
    film.click("#zoom-in")
    assert zoom() == pytest.approx(fitted * 1.25, abs=1)
    film.keyboard.press("+")
    assert zoom() == pytest.approx(fitted * 1.5625, abs=1)
    film.hover("#stage")
    film.mouse.wheel(0, -100)
    assert zoom() > fitted * 1.6
    film.keyboard.press("0")
    assert zoom() == fitted


@pytest.mark.slow
def test_a_bad_file_is_told_beside_its_name_and_the_others_go_on(
    page: Any, done: SimpleNamespace
) -> None:
    page.set_input_files("#files", [done.folder / "letter.png", done.folder / "film.png"])
    state(page, "failed")
    assert page.inner_text("#jobs li:first-child .name") == "letter.png"
    assert words(page).startswith("This is no image that is read (text).")
    state(page, "done", 2)
    assert "film.png" in page.inner_text("#news")
    assert page.get_attribute("#jobs li:nth-child(2) .open", "aria-current") == "true"


@pytest.mark.slow
def test_what_runs_and_what_waits_is_cancelled_and_removed(page: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.nii.gz"  # many seconds of work, still running when it is cancelled
    volume = ct_phantom((120, 64, 64)).volume
    voxels = np.tile(volume.array, (3, 1, 1))
    long.write_bytes(
        volume_nifti(
            replace(volume, array=voxels, geometry=replace(volume.geometry, shape=voxels.shape))
        )
    )
    page.set_input_files("#files", [long] * 2)
    state(page, "running")
    # Its place is of when it was sent until the page asks again, which may be after the first runs.
    page.wait_for_selector(
        "#jobs li:nth-child(2)[data-state=queued] .words:text-is('next in the queue')"
    )
    for number in (2, 1):
        with page.expect_response(lambda answer: answer.request.method == "DELETE") as answer:
            page.locator(f"#jobs li:nth-child({number})").get_by_role(
                "button", name="Cancel long.nii.gz"
            ).click()
        assert answer.value.json()["state"] == "cancelled"
        state(page, "cancelled", number)
    page.get_by_role("button", name="Remove long.nii.gz").first.click()
    assert page.evaluate("document.activeElement.ariaLabel") == "Remove long.nii.gz"
    page.get_by_role("button", name="Remove long.nii.gz").click()
    assert page.locator("#jobs li").count() == 0
    assert page.evaluate("document.activeElement.id") == "pick-files"


def test_a_picture_is_pasted(page: Any, done: SimpleNamespace) -> None:
    page.evaluate(
        PASTE, ["image.png", base64.b64encode((done.folder / "letter.png").read_bytes()).decode()]
    )
    state(page, "failed")
    assert page.inner_text("#jobs li .name") == "image.png"


def test_a_header_goes_with_its_voxels_and_what_systems_leave_in_folders_is_left_out(
    page: Any,
) -> None:
    names = ["a.mhd", "a.zraw", "b.raw", "film.png", ".DS_Store", "DICOMDIR"]
    assert page.evaluate(GROUPED, names) == [["a.mhd", "a.zraw"], ["b.raw"], ["film.png"]]


def test_borders_hold_exactly_the_pixels_of_their_label(page: Any) -> None:
    labels = np.random.default_rng(0).choice(3, (17, 23), p=(0.4, 0.4, 0.2))
    for number in (1, 2):
        assert (
            page.evaluate(FILLED, [labels.ravel().tolist(), 23, number])
            == (labels.ravel() == number).tolist()
        )


def test_two_fingers_zoom(film: Any) -> None:
    box = film.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = film.text_content("#stage-numbers")
    fingers = film.context.new_cdp_session(film)
    for kind, apart in (("touchStart", 50), ("touchMove", 75), ("touchMove", 100)):
        points = [{"x": x + side * apart, "y": y, "id": at} for at, side in enumerate((-1, 1))]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    after = film.text_content("#stage-numbers")
    assert int(after.split()[0]) == pytest.approx(2 * int(before.split()[0]), abs=2)
    film.click("#zoom-fit")
    assert film.text_content("#stage-numbers") == before


@pytest.mark.slow
def test_a_busy_server_is_asked_again_when_it_says(page: Any, done: SimpleNamespace) -> None:
    answers = [
        {"status": 429, "headers": {"Retry-After": "1"}, "json": {"detail": "The queue is full."}}
    ]
    page.route(
        "**/segment", lambda route: route.fulfill(**answers.pop()) if answers else route.continue_()
    )
    page.set_input_files("#files", done.folder / "letter.png")
    page.get_by_text("the server is busy; trying again in 1 s").wait_for()
    state(page, "failed")
    assert words(page).startswith("This is no image that is read")


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 503, 507])
def test_a_server_that_is_away_for_a_while_gets_all_of_the_list(
    page: Any, done: SimpleNamespace, status: int
) -> None:
    tries: list[int] = []

    def answer(route: Any) -> None:
        tries.append(status)
        if len(tries) > 1:
            route.continue_()
        elif status:
            route.fulfill(status=status, json={"detail": "Not now."})
        else:
            route.abort("connectionrefused")

    page.route("**/segment", answer)
    page.set_input_files("#files", [done.folder / "letter.png"] * 2)
    page.get_by_text("; trying again in 1 s").wait_for()
    state(page, "failed", 2)
    assert words(page, 1).startswith("This is no image that is read")
    assert len(tries) == 3


@pytest.mark.slow
def test_too_large_a_file_is_not_even_sent(
    browser: Any, address: str, done: SimpleNamespace
) -> None:
    with watched(browser, address) as page:
        page.route("**/about", lambda route: route.fulfill(json=limited(route.fetch().json())))
        page.reload()
        page.wait_for_selector("body[data-ready]")
        page.set_input_files("#files", done.folder / "scan.nii.gz")
        state(page, "failed")
        assert words(page) == "It has 1 MB, and this server takes 1 MB at most."


def limited(about: dict[str, Any]) -> dict[str, Any]:
    return about | {"limits": about["limits"] | {"max_upload_bytes": 1000}}


@pytest.mark.slow
def test_dicom_files_that_come_together_are_offered_as_one_series(
    page: Any, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "chest", draw_chest(), AFFINE)
    page.set_input_files("#files", paths)
    page.wait_for_selector("#series[open]")
    assert page.inner_text("#series-words").startswith(f"{len(paths)} DICOM files came together.")
    page.keyboard.press("Escape")
    assert page.locator("#jobs li").count() == 0
    (tmp_path / "chest" / ".hidden").write_bytes(b"")
    page.set_input_files("#folder", tmp_path / "chest")
    page.get_by_role("button", name="Slices of one series").click()
    assert page.inner_text("#jobs li .name") == f"chest ({len(paths)} files)"
    page.wait_for_selector("#jobs li:is([data-state=done], [data-state=failed])")
    assert page.locator("#jobs li").count() == 1
    assert page.locator("#jobs li[data-state=done]").count() == 1, words(page)


@pytest.mark.slow
def test_what_is_no_slice_in_dicom_is_an_image_of_its_own_without_a_question(
    page: Any, tmp_path: Path
) -> None:
    for modality in ("CR", "MG"):
        film = radiograph_phantom((128, 128)).image
        make_dataset(film.array, Modality=modality).save_as(tmp_path / f"{modality}.dcm")
    page.set_input_files("#files", sorted(tmp_path.glob("*.dcm")))
    page.wait_for_selector("#jobs li:nth-child(2)")
    assert page.locator("#series[open]").count() == 0
    state(page, "done", 2)


@pytest.mark.slow
def test_options_make_room_for_the_list_unless_one_was_chosen(
    page: Any, done: SimpleNamespace
) -> None:
    page.check("#skip-quality")
    page.set_input_files("#files", done.folder / "film.png")
    state(page, "done")
    assert page.is_visible("#spacing")
    page.click(".end")
    page.uncheck("#skip-quality")
    page.set_input_files("#files", done.folder / "film.png")
    state(page, "done")
    assert not page.is_visible("#spacing")
    page.click("#options-title")
    assert page.is_visible("#spacing")


@pytest.mark.slow
def test_all_of_a_list_are_counted_kept_in_sight_and_downloaded_at_once(
    page: Any, done: SimpleNamespace
) -> None:
    page.set_input_files("#files", done.folder / "film.png")
    assert page.locator("#tally").is_hidden()
    state(page, "done")  # the first result is chosen, and brought into sight, when it comes
    page.set_input_files("#files", [done.folder / "half.png", *[done.folder / "letter.png"] * 20])
    page.wait_for_selector("#jobs li:nth-child(22)")
    last = page.locator("#jobs li:nth-child(22)").bounding_box()
    assert last["y"] + last["height"] <= 850
    page.get_by_text("22 of 22").wait_for()
    name, content = downloaded(page, page.get_by_role("button", name="Download all").click)
    assert name == "lungseg.zip"
    with zipfile.ZipFile(BytesIO(content)) as bundle:
        rows = bundle.read("summary.csv").decode().splitlines()
        mask = bundle.read("1_film/film_mask.png")
    assert [row.split(",")[0] for row in rows] == ["input", "film.png", "half.png"]
    assert mask == (done.out / "film_mask.png").read_bytes()


def test_on_a_phone_the_list_stands_between_picture_and_findings(film: Any) -> None:
    film.set_viewport_size({"width": 390, "height": 844})
    tops = [film.locator(name).bounding_box()["y"] for name in ("#viewer", "#jobs", "#findings")]
    film.set_viewport_size({"width": 1360, "height": 850})
    assert tops == sorted(tops)


def test_a_drop_without_any_file_is_told(page: Any) -> None:
    page.evaluate(DROP, [".DS_Store", ""])
    page.get_by_text("There is no file in this that could be an image.").wait_for()
    assert page.locator("#jobs li").count() == 0


def test_the_list_outlives_a_reload(film: Any) -> None:
    film.reload()
    film.wait_for_selector("#stage[data-slice='0']")
    assert film.locator("#jobs .name").all_inner_texts() == ["film.png"]


@pytest.mark.slow
def test_a_reload_forgets_nothing_though_the_server_is_away(
    page: Any, done: SimpleNamespace
) -> None:
    page.set_input_files("#files", [done.folder / name for name in ("film.png", "half.png")])
    for number in (1, 2):
        state(page, "done", number)
    refused: list[str] = []

    def answer(route: Any) -> None:
        refused.append(route.request.url)
        if len(refused) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, json={"detail": "Not now."})

    page.route("**/jobs/*", answer)
    page.reload()
    for number in (1, 2):
        state(page, "done", number)
    assert page.locator("#jobs .name").all_inner_texts() == ["film.png", "half.png"]
    assert page.evaluate("JSON.parse(sessionStorage.getItem('lungseg jobs')).length") == 2


@pytest.mark.slow
def test_what_is_typed_into_a_field_is_no_key_of_the_picture(
    page: Any, done: SimpleNamespace
) -> None:
    page.set_input_files("#files", done.folder / "film.png")
    page.wait_for_selector("#stage[data-slice='0']")
    page.click("#options summary")
    page.focus("#spacing")
    page.keyboard.type("0.143,1-[d")
    assert page.input_value("#spacing") == "0.143,1-[d"


@pytest.mark.slow
def test_who_has_no_token_is_asked_once_for_all(browser: Any, done: SimpleNamespace) -> None:
    with serving("--token", TOKEN) as address, watched(browser, address) as page:
        page.set_input_files("#files", [done.folder / "letter.png"] * 3)
        page.wait_for_selector("#token[open]")
        page.keyboard.press("Escape")
        state(page, "failed", 3)
        assert words(page, 3).startswith("This server needs its token")
        assert page.locator("#token[open]").count() == 0
        page.set_input_files("#files", done.folder / "letter.png")  # who acts is asked again
        page.wait_for_selector("#token[open]")
        page.fill("#token-value", TOKEN)
        page.keyboard.press("Enter")
        state(page, "failed", 4)
        assert words(page, 4).startswith("This is no image that is read")


@pytest.mark.slow
def test_a_server_with_a_token_asks_for_it_once(browser: Any, done: SimpleNamespace) -> None:
    with serving("--token", TOKEN) as address:
        with watched(browser, address, f"/#token={TOKEN}") as page:
            assert page.url == f"{address}/"
            page.set_input_files("#files", done.folder / "letter.png")
            state(page, "failed")
            assert words(page).startswith("This is no image that is read")
        with watched(browser, address) as page:
            page.set_input_files("#files", [done.folder / "letter.png"] * 2)
            page.fill("#token-value", TOKEN)
            page.keyboard.press("Enter")
            state(page, "failed", 2)
            assert [words(page, number)[:29] for number in (1, 2)] == [
                "This is no image that is read"
            ] * 2


def test_keys_are_listed_and_can_be_turned_off(film: Any) -> None:
    film.keyboard.press("?")
    assert film.locator("#help tbody tr").count() == 12
    film.get_by_label("Keys without Ctrl or Alt").uncheck()
    film.get_by_role("button", name="Close").click()
    film.focus("#help-open")
    film.keyboard.press("l")
    assert film.get_by_label("Fill").is_checked()
    film.focus("#stage")  # the picture itself keeps them
    film.keyboard.press("l")
    assert film.get_by_label("Off").is_checked()
    film.click("#help-open")
    film.get_by_label("Keys without Ctrl or Alt").check()
    film.keyboard.press("Escape")
    film.keyboard.press("l")
    assert film.get_by_label("Fill").is_checked()
    before = int(film.input_value("#opacity"))
    film.keyboard.press("]")
    assert film.inner_text("output[for=opacity]") == f"{before + 5} %" if before < 100 else "100 %"


def test_every_control_has_a_name_and_shows_when_it_has_the_focus(scan: Any) -> None:
    scan.press("#options-title", "Enter")
    tree = scan.context.new_cdp_session(scan).send("Accessibility.getFullAXTree")["nodes"]
    roles = {
        "button",
        "checkbox",
        "combobox",
        "image",
        "list",
        "progressbar",
        "radio",
        "region",
        "slider",
        "table",
        "textbox",
    }
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node["ignored"]
    ]
    assert [role for role, name in named if role in roles - {"list", "table"} and not name] == []
    assert {"button", "combobox", "image", "radio", "slider"} <= {role for role, _ in named}
    scan.focus(".skip")
    seen = [scan.evaluate(FOCUSED)]
    while len(seen) < 60 and seen[-1][0] != "BODY":
        scan.keyboard.press("Tab")
        seen.append(scan.evaluate(FOCUSED))
    stops = seen[:-1]
    assert [name for name, style, width in stops if style == "none" or width < 2] == []
    order = [name for name, _, _ in stops]
    ends = [
        "skip",
        "theme",
        "help-open",
        "pick-files",
        "pick-folder",
        "options-title",
        "modality",
        "spacing",
        "skip-quality",
        "open",
        "end",
        "lungs",
        "opacity",
        "drag",
        "stage",
    ]
    assert order[: len(ends)] == ends
    assert {"slice", "level", "width", "zoom-in"} < set(order)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground_in_either_scheme(film: Any, scheme: str) -> None:
    film.emulate_media(color_scheme=scheme)
    contrasts = film.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []
    film.emulate_media(color_scheme="light")


def test_the_switch_goes_before_what_the_system_says(page: Any) -> None:
    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    light = ground()
    page.click("#theme")
    dark = ground()
    assert page.inner_text("#theme") == "Colours: dark"
    assert dark != light
    page.reload()
    assert ground() == dark
    page.click("#theme")
    page.emulate_media(color_scheme="dark")
    assert (page.inner_text("#theme"), ground()) == ("Colours: light", light)
    page.click("#theme")
    assert (page.inner_text("#theme"), ground()) == ("Colours: automatic", dark)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_needs_no_sideways_scrolling(film: Any, width: int) -> None:
    film.set_viewport_size({"width": width, "height": 800})
    assert film.evaluate("document.documentElement.scrollWidth") <= width
    film.set_viewport_size({"width": 1360, "height": 850})


def test_it_says_what_becomes_of_the_images(page: Any) -> None:
    assert "Images and results are deleted 60 minutes after they are done." in page.inner_text(
        "#kept"
    )
    assert "Nothing leaves this machine." in page.inner_text("footer")
    assert "Not a medical device" in page.inner_text("header")
