from __future__ import annotations

import re

import pytest

from lungseg.structures import (
    BACKGROUND,
    HEART,
    LEFT_LUNG,
    LUNGS,
    OPACITY,
    RIGHT_LUNG,
    STRUCTURES,
    groups,
    partner,
)


def test_numbers_names_and_colours_are_each_given_once() -> None:
    for part in ("number", "name", "colour"):
        values = [getattr(structure, part) for structure in STRUCTURES]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("structure", "other"),
    [(RIGHT_LUNG, LEFT_LUNG), (LEFT_LUNG, RIGHT_LUNG), (HEART, HEART), (BACKGROUND, BACKGROUND)],
)
def test_a_mirror_exchanges_pairs_alone(structure: object, other: object) -> None:
    assert partner(structure) is other


def test_a_pair_is_its_plural() -> None:
    assert groups([*LUNGS, HEART]) == {
        "right lung": (1,),
        "left lung": (2,),
        "heart": (3,),
        "lungs": (1, 2),
    }


def test_each_structure_but_the_background_is_coded() -> None:
    for structure in STRUCTURES[1:]:
        assert structure.category is not None
        assert structure.type is not None
        assert re.fullmatch(r"\d{6,9}", structure.type.value)
        assert (structure.laterality is None) == (structure.side is None)
    assert OPACITY.category.meaning == "Morphologically Abnormal Structure"


def test_codes_are_those_of_dicom() -> None:
    from pydicom.sr.codedict import codes

    for structure in STRUCTURES[1:]:
        for code in filter(None, (structure.category, structure.type, structure.laterality)):
            keyword = code.meaning.title().replace(" ", "")
            assert getattr(getattr(codes, code.scheme), keyword).value == code.value
