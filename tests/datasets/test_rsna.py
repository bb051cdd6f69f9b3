"""Boxes around opacities."""

from __future__ import annotations

import pytest

from lungseg.datasets import OpacityBox, discover, read_boxes
from lungseg.datasets.rsna import find_boxes
from lungseg.errors import InputError

HEADER = "patientId,x,y,width,height,Target"


def test_a_patient_has_any_number_of_boxes(tmp_path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"{HEADER}\na,709.0,521.0,257.0,315.0,1\nb,,,,,0\na,327.5,540,189,298,1\n")
    assert read_boxes(path) == {
        "a": [OpacityBox(709, 521, 257, 315), OpacityBox(327.5, 540, 189, 298)],
        "b": [],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{HEADER}\na,1,2,x,4,1\n",
            "boxes.csv: a box of patient a is no box: 1, 2, x, 4; correct the line.",
        ),
        (
            f"{HEADER}\na,1,2,3,,1\n",
            "boxes.csv: a box of patient a is no box: 1, 2, 3, ; correct the line.",
        ),
        (
            f"{HEADER}\na,1,2,0,4,1\n",
            "boxes.csv: a box of patient a is no box: 1, 2, 0, 4; correct the line.",
        ),
        (
            f"{HEADER}\na,1,2,3,nan,1\n",
            "boxes.csv: a box of patient a is no box: 1, 2, 3, nan; correct the line.",
        ),
        ("patientId,x,y\na,1,2\n", "boxes.csv: the list of boxes lacks the columns height, width."),
        ("", "boxes.csv: the list of boxes lacks the columns height, patientId, width, x, y."),
    ],
)
def test_what_is_no_list_of_boxes_is_refused(tmp_path, text, words) -> None:
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        read_boxes(tmp_path / "boxes.csv")
    assert str(refused.value).endswith(words)


def test_a_missing_list_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"boxes\.csv: the list of boxes cannot be read"):
        read_boxes(tmp_path / "boxes.csv")


@pytest.mark.data
def test_real_boxes_belong_to_real_films(data_folder) -> None:
    (found,) = discover(data_folder / "cxr" / "rsna")
    path = find_boxes(found.cases[0].image)
    assert path == data_folder / "cxr" / "rsna" / "stage_2_train_labels.csv"
    boxes = read_boxes(path)
    assert set(boxes) == {case.patient for case in found.cases}
    assert sum(map(bool, boxes.values())) == 55
    assert find_boxes(data_folder / "cxr" / "dicom" / "chest" / "RG1_J2KI.dcm") is None
