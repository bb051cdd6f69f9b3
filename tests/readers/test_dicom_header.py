"""Headers as stations write them: magnification, decimal commas, blanks, small letters, sides."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from lungseg.readers import read, read_image
from lungseg.readers.notes import UNCALIBRATED

ERMF = "EstimatedRadiographicMagnificationFactor"


@pytest.fixture
def raw(write_dicom: Any, film: Any) -> Callable[..., bytes]:
    """`raw(PixelSpacing=("DS", b"..."))`: a film with elements written as they are."""

    def write(**elements: tuple[str, bytes]) -> bytes:
        dataset = pydicom.dcmread(write_dicom(film))
        for keyword, (representation, value) in elements.items():
            tag = Tag(tag_for_keyword(keyword))
            padded = value + b" " * (len(value) % 2)
            dataset[tag] = RawDataElement(tag, representation, len(padded), padded, 0, False, True)
        stream = BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return write


@pytest.mark.parametrize(
    ("header", "spacing", "plane"),
    [
        ({"ImagerPixelSpacing": [0.22, 0.11], ERMF: 1.1}, (0.2, 0.1), "patient"),
        ({"PixelSpacing": [0.22, 0.11], ERMF: 1.1}, (0.2, 0.1), "patient"),
        ({"ImagerPixelSpacing": [0.2, 0.1], ERMF: 1.0}, (0.2, 0.1), "detector"),
        ({"ImagerPixelSpacing": [0.2, 0.1], ERMF: 0.9}, (0.2, 0.1), "detector"),
        ({"ImagerPixelSpacing": [0.2, 0.1], ERMF: 110}, (0.2, 0.1), "detector"),
        (
            {"ImagerPixelSpacing": [0.22, 0.11], "PixelSpacing": [0.2, 0.1], ERMF: 1.1},
            (0.2, 0.1),
            "patient",
        ),
        ({ERMF: 1.1}, None, "patient"),
    ],
)
def test_magnification_turns_millimetres_of_the_detector_into_the_patients(
    write_dicom: Any, film: Any, header: dict[str, Any], spacing: Any, plane: str
) -> None:
    geometry = read_image(write_dicom(film, **header)).geometry
    assert geometry.spacing_plane == plane
    assert geometry.spacing == (None if spacing is None else pytest.approx(spacing))


def test_magnification_is_noted(write_dicom: Any, film: Any) -> None:
    header = {"ImagerPixelSpacing": [0.22, 0.11]}
    assert read_image(write_dicom(film, **header, **{ERMF: 1.1})).notes == (
        "the spacing at the detector was divided by the header's magnification of 1.1",
    )
    assert read_image(write_dicom(film, **header, **{ERMF: 0.9})).notes == (
        "the header's magnification of 0.9 is not possible, and was left out",
    )


@pytest.mark.parametrize(
    ("stated", "spacing", "note"),
    [
        (
            b"0,143\\0,143",
            (0.143, 0.143),
            "PixelSpacing has decimal commas in the header, read as points",
        ),
        (
            b"0.143",
            (0.143, 0.143),
            "PixelSpacing is one number in the header, taken for rows and columns",
        ),
        (b"0\\0", None, "PixelSpacing states no spacing that can be, and was left out"),
        (b"none\\none", None, "PixelSpacing states no spacing that can be, and was left out"),
        (b"1,000,5\\2", None, "PixelSpacing states no spacing that can be, and was left out"),
    ],
)
def test_odd_spacings_are_read_or_left_out_with_a_note(
    raw: Any, stated: bytes, spacing: Any, note: str
) -> None:
    image = read_image(raw(PixelSpacing=("DS", stated)))
    assert image.geometry.spacing == spacing
    assert [said for said in image.notes if said != UNCALIBRATED] == [note]


@pytest.mark.parametrize("stated", [b" MONOCHROME2 ", b"monochrome2", b"MONOCHROME2"])
def test_blanks_and_small_letters_in_photometric_interpretation(
    raw: Any, film: Any, stated: bytes
) -> None:
    image = read_image(raw(PhotometricInterpretation=("CS", stated)))
    np.testing.assert_array_equal(image.array, film)


def test_small_letters_in_modality(raw: Any) -> None:
    content = raw(Modality=("CS", b" dx "))
    image = read(content)
    assert (image.modality, image.provenance.stated_modality) == ("radiograph", "DX")


def test_what_the_header_says_of_sides_travels_with_the_image(write_dicom: Any, film: Any) -> None:
    path = write_dicom(
        film,
        PatientOrientation=["R", "F"],
        FieldOfViewHorizontalFlip="YES",
        ImageLaterality="L",
        Laterality="R",
    )
    found = read_image(path).provenance
    assert (found.patient_orientation, found.horizontal_flip, found.laterality) == (
        "R\\F",
        "YES",
        "L",
    )
    dataset = pydicom.dcmread(path)
    del dataset.ImageLaterality
    assert read(dataset).provenance.laterality == "R"
