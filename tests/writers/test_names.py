from __future__ import annotations

from lungseg.writers.names import unused


def test_a_name_is_given_once_on_any_file_system() -> None:
    taken: set[str] = set()
    names = ["IM1", "im1", "IM1", "IM2", "2_IM1", "stra\u00dfe", "STRASSE"]
    assert [unused(name, taken) for name in names] == [
        "IM1",
        "2_im1",
        "3_IM1",
        "IM2",
        "2_2_IM1",
        "stra\u00dfe",
        "2_STRASSE",
    ]
