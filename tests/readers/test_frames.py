"""What was put round a picture is found, and nothing else is taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers import frames
from lungseg.readers.frames import Frame, find_frame, frame_of
from phantom_volumes import draw_chest

ROWS, COLUMNS = 240, 200


@pytest.fixture(scope="module")
def film():
    return radiograph_phantom((ROWS, COLUMNS), seed=3).image.array


def padded(film, widths, grey):
    """Top, bottom, left, right, of one grey."""
    top, bottom, left, right = widths
    return np.pad(film, ((top, bottom), (left, right)), constant_values=grey)


def found(pixels):
    frame = find_frame(pixels)
    assert frame is not None
    return *frame.rows, *frame.columns


def write(pixels, row, column, ink, size=0.45):
    cv2.putText(pixels, "AP SUPINE 12:47", (column, row), 0, size, ink, 1, cv2.LINE_AA)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("grey", [255, 60, 128, 190])
def test_margins_of_one_grey(film, grey, share):
    rows, columns = round(share * ROWS), round(share * COLUMNS)
    framed = padded(film, (rows, rows, columns, columns), grey)
    assert found(framed) == (rows, rows + ROWS, columns, columns + COLUMNS)


def test_black_is_a_frame_on_all_sides_or_at_both_ends_and_no_frame_at_one(film):
    assert found(padded(film, (20, 20, 30, 30), 0)) == (20, 20 + ROWS, 30, 30 + COLUMNS)
    assert found(padded(film, (0, 0, 20, 20), 0)) == (0, ROWS, 20, 20 + COLUMNS)
    for widths in ((0, 60, 0, 0), (60, 0, 0, 0), (0, 0, 40, 0)):
        assert find_frame(padded(film, widths, 0)) is None


@pytest.mark.parametrize("grey", [255, 64, 224])
def test_a_picture_on_part_of_a_page_is_found_whole(film, grey):
    """Rows of which more than half is page are not taken for page with letters on it."""
    for widths in ((24, 24, 120, 120), (140, 140, 120, 120), (10, 10, 10, 240), (20, 280, 20, 20)):
        top, _, left, _ = widths
        assert found(padded(film, widths, grey)) == (top, top + ROWS, left, left + COLUMNS)


def test_a_broad_black_part_at_one_side_is_no_collimator(film):
    bright = np.maximum(film, 90)  # up to its edge
    assert found(padded(bright, (0, 0, 0, 220), 0)) == (0, ROWS, 0, COLUMNS)
    assert find_frame(padded(bright, (0, 0, 0, 60), 0)) is None


def test_a_film_without_straight_edges_on_half_of_a_black_slide(film):
    """A film that ends in black itself: all that is left out is black."""
    fading = film.copy()
    fading[:, -12:] = fading[:, -12:] * np.linspace(1, 0, 12)
    slide = padded(fading, (0, 0, 0, 220), 0)
    rows, columns = find_frame(slide).rows, find_frame(slide).columns
    assert (rows, columns[0]) == ((0, ROWS), 0)
    assert COLUMNS - 12 < columns[1] <= COLUMNS


def test_letters_on_a_black_slide_are_no_part_of_the_film(film):
    bright = np.maximum(film, 90)
    slide = padded(bright, (20, 20, 20, 260), 0)
    for row in (80, 130, 180):
        write(slide, row, 20 + COLUMNS + 10, 255)
    assert found(slide) == (20, 20 + ROWS, 20, 20 + COLUMNS)
    marked = padded(bright, (0, 0, 0, 60), 0)  # a marker beside a collimated film changes nothing
    cv2.putText(marked, "L", (COLUMNS + 20, 60), 0, 1.0, 255, 2)
    assert find_frame(marked) is None


def test_white_at_one_side(film):
    assert found(padded(film, (0, 50, 0, 0), 255)) == (0, ROWS, 0, COLUMNS)
    assert found(padded(film, (0, 0, 17, 0), 255)) == (0, ROWS, 17, 17 + COLUMNS)


def test_smooth_greys_of_a_viewer(film):
    framed = padded(film, (0, 0, 60, 40), 0)
    ramp = np.linspace(30, 160, ROWS).astype(np.uint8)[:, np.newaxis]
    framed[:, :60], framed[:, -40:] = ramp, ramp
    assert found(framed) == (0, ROWS, 60, 60 + COLUMNS)


@pytest.mark.parametrize("grey", [0, 230])
def test_strips_with_lines_of_text(film, grey):
    framed = padded(film, (24, 0, 0, 0), grey)
    write(framed, 16, 6, 255 - grey)
    assert found(framed) == (24, 24 + ROWS, 0, COLUMNS)


def test_page_with_a_line_round_the_picture_and_a_caption(film):
    framed = padded(padded(film, (1, 1, 1, 1), 0), (12, 70, 14, 14), 255)
    for row in (ROWS + 34, ROWS + 54, ROWS + 74):
        write(framed, row, 16, 0)
    rows_and_columns = np.array(found(framed))
    assert np.abs(rows_and_columns - (13, 13 + ROWS, 15, 15 + COLUMNS)).max() <= 1


def test_ruler(film):
    framed = padded(film, (0, 0, 0, 30), 255)
    for number, row in enumerate(range(8, ROWS, 8)):
        framed[row, COLUMNS + 4 : COLUMNS + (18 if number % 5 == 0 else 12)] = 0
    assert found(framed) == (0, ROWS, 0, COLUMNS)


def test_several_frames_one_within_the_other(film):
    inner = padded(np.maximum(film, 60), (15, 15, 15, 15), 0)
    framed = padded(padded(inner, (20, 20, 20, 20), 255), (5, 9, 30, 3), 110)
    top, left = 15 + 20 + 5, 15 + 20 + 30
    assert found(framed) == (top, top + ROWS, left, left + COLUMNS)


@pytest.mark.parametrize("quality", [20, 75])
def test_frames_survive_jpeg(film, quality):
    framed = padded(film, (30, 30, 25, 25), 255)
    coded = cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    edges = np.array(found(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)))
    assert np.abs(edges - (30, 30 + ROWS, 25, 25 + COLUMNS)).max() <= 2


def test_sixteen_bits_floats_and_large_pictures(film):
    large = cv2.resize(film, (5 * COLUMNS, 5 * ROWS), interpolation=cv2.INTER_CUBIC)
    framed = padded(large, (101, 52, 77, 200), 255)
    right = (101, 101 + 5 * ROWS, 77, 77 + 5 * COLUMNS)
    assert found(framed) == right
    assert found(framed.astype(np.uint16) * 257) == right
    assert found(framed.astype(np.float32) / 7 - 3) == right


@pytest.mark.parametrize("seed", range(4))
def test_films_without_frame_have_none(seed):
    film = radiograph_phantom((200, 180), seed=seed).image.array
    for pixels in (film, 255 - film, film // 16 * 16, cv2.GaussianBlur(film, (0, 0), 2)):
        assert find_frame(pixels) is None


def test_air_is_no_frame_of_a_slice_and_white_is_one():
    pixels = np.clip((draw_chest((3, 200, 240))[1] + 1350) / 6, 0, 255).astype(np.uint8)
    assert find_frame(np.pad(pixels, 30), of_slice=True) is None
    framed = np.pad(pixels, 30, constant_values=255)
    frame = find_frame(framed, of_slice=True)
    assert frame == Frame((260, 300), (30, 230), (30, 270))


def test_a_slice_whose_body_is_set_in_white_has_no_frame():
    rng = np.random.default_rng(1)
    rows, columns = np.indices((200, 240))
    body = ((rows - 100) / 60) ** 2 + ((columns - 120) / 90) ** 2 < 1
    pixels = np.where(body, rng.integers(60, 180, body.shape), 255).astype(np.uint8)
    pixels[150:158, 30:210] = rng.integers(60, 180, (8, 180))  # the table
    assert find_frame(pixels, of_slice=True) is None
    assert find_frame(pixels) is not None


def test_what_is_all_frame_has_no_picture_in_it():
    blank = np.full((100, 120), 7, np.uint8)
    blank[50, 60] = 9
    assert find_frame(blank) is None


def test_a_frame_takes_a_picture_out_and_puts_labels_back(film):
    pixels = padded(film, (10, 20, 0, 5), 255)
    frame = Frame(pixels.shape, (10, 10 + ROWS), (0, COLUMNS))
    image = Image(pixels, ImageGeometry(pixels.shape, (0.5, 0.4), "detector"), notes=("kept",))
    shown = frame.within(image)
    np.testing.assert_array_equal(shown.array, film)
    assert shown.geometry == ImageGeometry(film.shape, (0.5, 0.4), "detector")
    assert shown.notes == ("kept",)
    labels = frame.whole(np.ones(film.shape, np.uint8))
    assert labels.shape == pixels.shape
    assert labels.sum() == labels[10 : 10 + ROWS, :COLUMNS].sum() == film.size
    assert frame.note == (
        "a frame round the picture was left out (10 at the top, 20 at the bottom, 5 at the right): "
        "looked at were rows 11 to 250 of 270 and columns 1 to 200 of 205"
    )


def test_a_strip_is_no_chest_that_was_framed(film):
    strip = film[:, 60:110]
    white = np.full((ROWS, 150), 255, np.uint8)
    assert find_frame(np.hstack([white, strip])) is None
    both = np.pad(np.hstack([white, strip]), ((30, 30), (0, 0)), constant_values=255)
    assert find_frame(both) == Frame(both.shape, (30, 30 + ROWS), (0, 200))
    assert find_frame(np.hstack([white, film])) == Frame((ROWS, 350), (0, ROWS), (150, 350))
    oblong = np.pad(strip, ((0, 0), (12, 12)), constant_values=255)  # a strip before, too
    assert find_frame(oblong).columns == (12, 62)


def test_a_frame_is_looked_for_once_in_an_image(monkeypatch):
    looked = []
    monkeypatch.setattr(frames, "find_frame", looked.append)
    one, other = (radiograph_phantom((ROWS, COLUMNS), seed=seed).image for seed in (1, 2))
    assert [frame_of(image) for image in (one, one, other, one)] == [None] * 4
    assert len(looked) == 2
