from __future__ import annotations

import pytest

from lungseg.runner.work import redacted
from lungseg.serve.names import safe_name


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("chest.png", "chest.png"),
        ("a/b/chest 1 (copy).nii.gz", "chest 1 (copy).nii.gz"),
        ("C:\\Users\\x\\chest.dcm", "chest.dcm"),
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        (".hidden", "hidden"),
        ("a\0b\n<script>\"'$.png", "a_b__script__'_.png"),
        ("ürsula.png", "ürsula.png"),
        ("x" * 300 + ".nii.gz", "x" * 73 + ".nii.gz"),
        ("漢" * 300 + ".png", "漢" * 52 + ".png"),
    ],
)
def test_names_are_made_harmless(given, safe):
    assert safe_name(given) == safe
    assert len(safe.encode()) <= 160


def test_what_is_logged_of_a_surprise_names_no_file():
    def fail() -> None:
        raise ValueError("in patient.dcm")

    with pytest.raises(ValueError, match="patient") as caught:
        fail()
    said = redacted(caught.value)
    assert said.startswith("unexpected ValueError\n")
    assert "in fail" in said
    assert "patient" not in said.replace('raise ValueError("in patient.dcm")', "")
