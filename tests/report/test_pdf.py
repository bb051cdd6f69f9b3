"""The report of one input as PDF."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import zlib
from base64 import a85decode

import pytest

from html_pages import EVIL
from lungseg.errors import UsageError
from lungseg.measurement import Measurement, Measurements
from lungseg.report import to_pdf
from lungseg.result import Result
from lungseg.verdict import Verdict


def words(code: bytes) -> str:
    """The strings that a PDF of reportlab shows, one after the other, without spaces, which are at
    other places than in the text."""
    return re.sub(r"\s", "", "".join(lines(code)))


def lines(code: bytes) -> list[str]:
    """Each of these strings, as it stands in a line."""
    found = []
    for stream in re.findall(
        rb"/ASCII85Decode /FlateDecode \] /Length \d+\s*>>\s*stream\s*(.*?)endstream",
        code,
        re.DOTALL,
    ):
        content = zlib.decompress(a85decode(stream.strip().removesuffix(b"~>"))).decode("cp1252")
        found += re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", content)
    return [re.sub(r"\\([()\\])", r"\1", text) for text in found]


def test_the_same_result_gives_the_same_bytes(film: Result) -> None:
    code = to_pdf(film)
    assert code == to_pdf(film)
    assert code.startswith(b"%PDF-1.")
    shown = words(code)
    for text in (
        "Lungs of b",
        "Verdict: To be reviewed",
        "the lungs are <odd>",
        "expected to be about 0.95",
        "Asymmetry",
        "Not a medical device",
    ):
        assert text.replace(" ", "") in shown
    assert code.count(b"/DCTDecode") == 2
    assert b"/FontFile" not in code  # nothing but the fonts that every reader has
    assert "Doe" not in shown
    assert "/data/DoeJohn/b.png" in words(to_pdf(film, show_identity=True))


def test_long_numbers_stay_whole(film: Result) -> None:
    shown = film.measurements["area", "lungs"]
    large = Measurement(shown.name, shown.structure, 123_456_789.0, "pixels")
    code = to_pdf(dataclasses.replace(film, measurements=Measurements([large])))
    assert [re.sub(r"\D", "", line) for line in lines(code)].count(
        "123456789"
    ) == 2  # above, and in the table


def test_ct_has_its_planes_and_densities(scan: Result) -> None:
    code = to_pdf(scan)
    assert code.count(b"/DCTDecode") == 2
    shown = words(code)
    for text in ("Densities", "-950: emphysema index", "LAA-950", "I. Easthausen", "Verdict: OK"):
        assert text.replace(" ", "") in shown


def test_letters_that_the_fonts_lack_become_question_marks(film: Result) -> None:
    shown = words(
        to_pdf(
            dataclasses.replace(film, verdict=Verdict("refused", ("no_lung",), ("肺 & <b>",))),
            name=EVIL,
        )
    )
    assert "Lungsof<script>alert" in shown
    assert "?&<b>" in shown


def test_without_reportlab_there_is_one_sentence(
    film: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError,
        match=r"PDF needs reportlab, which is not installed; install it with `pip install "
        r"'lungseg\[pdf\]'`",
    ):
        to_pdf(film)
