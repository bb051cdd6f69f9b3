from __future__ import annotations

import numpy as np
import pytest

from lungseg.draw.lines import HALO, LINE, with_lines


def white(picture: np.ndarray) -> np.ndarray:
    return (picture == LINE).all(axis=2)


def test_a_width_is_drawn_halfway_between_its_ends_and_from_there_to_each() -> None:
    picture = np.full((60, 100, 3), 90, np.uint8)
    drawn = with_lines(picture, [((20.0, 10.0), (40.0, 80.0))], (60, 100))
    seen = white(drawn)
    assert seen[30, 10:81].all()  # the width itself
    assert seen[20:31, 10].all()
    assert seen[30:41, 80].all()
    assert not seen[:18].any()
    assert not seen[:, 83:].any()
    assert tuple(drawn[28, 50]) == HALO or tuple(drawn[29, 50]) == HALO
    assert (picture == 90).all()


def test_a_width_of_a_chest_on_its_side_runs_along_the_columns() -> None:
    drawn = with_lines(np.zeros((100, 60, 3), np.uint8), [((10.0, 20.0), (80.0, 40.0))], (100, 60))
    assert white(drawn)[10:81, 30].all()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_lines_lie_where_the_image_has_them_though_the_picture_is_of_another_size(
    factor: float,
) -> None:
    picture = np.zeros((round(200 * factor), round(400 * factor), 3), np.uint8)
    drawn = white(with_lines(picture, [((100.0, 100.0), (100.0, 300.0))], (200, 400)))
    columns = np.flatnonzero(drawn.any(axis=0))
    assert columns[0] == pytest.approx(100 * factor, abs=2)
    assert columns[-1] == pytest.approx(300 * factor, abs=2)
