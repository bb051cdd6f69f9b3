"""Reports made again from a folder of results."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ellipsoids import ellipsoids
from html_pages import Page
from lungseg.batch import segment_many
from lungseg.errors import InputError
from lungseg.options import SegmentOptions
from lungseg.predict import embedded_models
from lungseg.report import (
    Reported,
    content_again,
    content_of,
    report_folder,
    write_index,
    write_reports,
)
from lungseg.report.texts import decimals
from lungseg.result import Result
from lungseg.runner import RunOptions
from lungseg.segmenter import Segmenter
from lungseg.structures import HEART, LUNGS
from lungseg.verdict import Verdict
from lungseg.writers import volume_nifti
from phantom_volumes import CHEST, axial_affine, write_series
from report.test_pdf import words
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "cxr": write_tiny_model(folder, name="cxr"),
        "ct": write_tiny_model(folder, name="ct", modality="ct"),
        "heart": write_tiny_model(folder, name="heart", heart=True),
    }


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    path.write_bytes(cv2.imencode(".png", dark_ellipses())[1].tobytes())
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(volume_nifti(ellipsoids((20, 40, 48), lung=-930)[0]))
    return path


def segmented(
    file: Path, folder: Path, model: Path, *, binary: bool = False, **settings: Any
) -> dict[str, Any]:
    """The record of a file that was segmented into a folder."""
    options, run = SegmentOptions(binary=binary), RunOptions(folder, **settings)
    (outcome,) = segment_many([file], options, run, 1, segmenter=Segmenter(model, threads=1))
    assert outcome.status == "done", outcome
    return records(folder)[-1]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cxr", "ct", "heart"])
def test_a_report_made_again_is_the_one_made_at_once(
    kind: str, models: dict[str, Path], film: Path, scan: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", scan if kind == "ct" else film
    entry = segmented(file, out, models[kind])
    first = content_of(Segmenter(models[kind], threads=1)(file))
    again = content_again(entry, out)
    assert again.name == first.name == file.name.partition(".")[0]
    assert again.remarks == ()
    assert len(again.pictures.all) == 2
    np.testing.assert_array_equal(again.pictures.original, first.pictures.original)
    np.testing.assert_array_equal(again.pictures.marked, first.pictures.marked)
    assert list(again.pictures.legend) == [*LUNGS, *[HEART] * (kind == "heart")]
    assert again.pictures.legend == first.pictures.legend
    assert again.pictures.what_marked_shows == first.pictures.what_marked_shows
    assert again.measurements == first.measurements
    if kind == "ct":
        assert first.densities is not None
        assert again.densities is not None
        assert first.densities.counts.keys() == again.densities.counts.keys()
        for name, counts in first.densities.counts.items():
            np.testing.assert_array_equal(again.densities.counts[name], counts)
    else:
        assert first.densities is again.densities is None
    # Such a model does not come with the package.
    assert dict(again.making)["About the model"].startswith("its card is not at hand")


def test_a_structure_beside_the_lungs_has_its_column_its_colour_and_its_name(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segmented(film, out, models["heart"], reports=("report", "pdf"))
    text = (out / "film_report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "MeasurementRight lungLeft lungLungsHeartChestUnit" in page.text
    assert page.all("img", "after")[0]["alt"] == (
        "The same with the lungs and heart marked: right lung, left lung and heart."
    )
    assert [of["style"] for of in page.all("span", "swatch")] == [
        f"background:rgb{structure.colour}" for structure in (*LUNGS, HEART)
    ]
    entry = records(out)[0]
    (size,) = (
        m["value"]
        for m in entry["measurements"]
        if (m["name"], m["structure"]) == ("area", "heart")
    )
    assert size > 500
    assert decimals(size, 0) in page.text
    (out / "film_mask.png").unlink()
    alone = content_again(entry, out).pictures  # the overlay of the folder
    assert list(alone.legend) == [*LUNGS, HEART]


def test_where_the_input_is_gone_or_changed_the_overlay_stands_alone(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    entry = segmented(film, out, models["cxr"])
    overlay = cv2.imread(str(out / "film_overlay.png"))[..., ::-1]
    film.write_bytes(cv2.imencode(".png", dark_ellipses()[::-1] + 1)[1].tobytes())
    changed = content_again(entry, out)
    assert changed.remarks == (
        "The input has changed since it was segmented, so the picture itself is not shown.",
    )
    film.unlink()
    gone = content_again(entry, out)
    assert gone.remarks == (
        "The input is not where it was, or cannot be read any more, so the picture itself is not "
        "shown.",
    )
    for content in (changed, gone):
        assert content.pictures.original is None
        np.testing.assert_array_equal(content.pictures.marked, overlay)
    (out / "film_overlay.png").unlink()
    assert content_again(entry, out).pictures.all == []


def test_a_mask_that_tells_no_sides_leaves_the_picture_and_the_overlay(
    models: dict[str, Path], scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    content = content_again(segmented(scan, out, models["ct"], binary=True), out)
    assert content.pictures.original is not None
    np.testing.assert_array_equal(
        content.pictures.marked, cv2.imread(str(out / "scan_overlay.png"))[..., ::-1]
    )
    assert content.densities is None


def test_without_any_mask_that_is_said(models: dict[str, Path], film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    content = content_again(segmented(film, out, models["cxr"], outputs=["crop"]), out)
    assert content.pictures.original is not None
    assert content.pictures.marked is None
    assert content.remarks == (
        "No mask that tells right from left and no overlay lie in the folder of results, so none "
        "is shown.",
    )


def test_a_folder_gets_reports_an_index_and_records_of_them(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out, broken = tmp_path / "out", tmp_path / "broken.png"
    broken.write_bytes(b"")
    for file in (film, broken):
        list(segment_many([file], SegmentOptions(model=models["cxr"]), RunOptions(out), 1))
    done = list(report_folder(out, formats=("report", "pdf"), workers=2))
    paths = {"report": out / "film_report.html", "pdf": out / "film_report.pdf"}
    assert done == [Reported(str(film), paths), Reported(str(broken), failed=True)]
    assert [entry.get("outputs", {}).get("report") for entry in records(out)] == [
        "film_report.html",
        None,
    ]
    index = Page((out / "report.html").read_text(encoding="utf-8"))
    assert [of["src"] for of in index.all("img")] == ["report_thumbnails/film.jpg"]
    before = (out / "film_report.html").read_bytes()
    assert list(report_folder(out)) == [
        Reported(str(film), paths),
        Reported(str(broken), failed=True),
    ]  # also the PDF that is there
    assert (out / "film_report.html").read_bytes() == before


def test_what_names_a_patient_is_in_no_file_and_no_name_unless_asked_for(
    models: dict[str, Path], tmp_path: Path
) -> None:
    series, out = tmp_path / "Name_Secret", tmp_path / "out"
    write_series(series, CHEST, axial_affine(), PatientID="ID-4711")
    segmented(series, out, models["ct"], outputs=["mask"], reports=("report",))
    (name,) = (path.name for path in out.glob("*_report.html"))
    assert re.fullmatch(r"image-[0-9a-f]{12}_report\.html", name)
    for page in (out / name, out / "report.html"):
        whole = page.read_text(encoding="utf-8")
        text = re.sub('base64,[^"]*', "", whole).lower()  # pixels may hold any letters
        assert [word in text for word in ("secret", "4711", str(tmp_path).lower())] == [False] * 3
    list(report_folder(out, show_identity=True))
    assert sorted(path.name for path in out.glob("*.html")) == [
        "Name_Secret_report.html",
        "report.html",
    ]
    shown = Page((out / "Name_Secret_report.html").read_text(encoding="utf-8")).text
    assert [word in shown for word in ("Secret^Name", "ID-4711", str(series))] == [True] * 3
    assert str(series) in (out / "report.html").read_text(encoding="utf-8")
    list(report_folder(out))
    assert sorted(path.name for path in out.glob("*.html")) == [name, "report.html"]
    assert [path.name for path in (out / "report_thumbnails").iterdir()] == [
        name.replace("_report.html", ".jpg")
    ]
    series.rename(tmp_path / "elsewhere")
    list(report_folder(out))  # also where the header cannot be looked at any more
    assert sorted(path.name for path in out.glob("*.html")) == [name, "report.html"]


def test_an_index_that_names_nobody_does_not_lead_to_a_report_that_does(
    models: dict[str, Path], tmp_path: Path
) -> None:
    series, out = tmp_path / "Name_Secret", tmp_path / "out"
    write_series(series, CHEST, axial_affine())
    segmented(series, out, models["ct"], outputs=["mask"], reports=("report",), show_identity=True)
    assert 'href="Name_Secret_report.html"' in (out / "report.html").read_text(encoding="utf-8")
    write_index(records(out), out)
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "Secret" not in text
    assert "<a " not in text


@pytest.mark.slow
def test_no_report_is_left_that_names_a_patient_who_must_not_be_named(
    models: dict[str, Path], tmp_path: Path
) -> None:
    series, out = tmp_path / "scan", tmp_path / "out"
    write_series(series, CHEST, axial_affine())
    segmented(
        series, out, models["ct"], outputs=["mask"], reports=("report", "pdf"), show_identity=True
    )
    assert "Secret" in words((out / "scan_report.pdf").read_bytes())
    list(report_folder(out))
    assert b"Secret" not in (out / "scan_report.html").read_bytes()
    assert "Secret" not in words((out / "scan_report.pdf").read_bytes())


def test_a_strictly_refused_record_shows_no_mask(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    entry = segmented(film, out, models["cxr"]) | {"verdict": "refused", "reasons": ["it is odd"]}
    entry["options"] |= {"skip_refused": True}
    content = content_again(entry, out)
    assert content.pictures.original is not None
    assert (content.pictures.marked, content.measurements.rows) == (None, ())
    assert content.remarks == (
        "The input was refused, and no mask was asked for of what is refused, so no mask and no "
        "numbers are shown.",
    )


def test_a_report_that_cannot_be_written_does_not_stop_the_others(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other.png"
    other.write_bytes(film.read_bytes())
    for file in (film, other):
        list(segment_many([file], SegmentOptions(model=models["cxr"]), RunOptions(out), 1))
    (out / "film_report.html").mkdir()
    failed, done = report_folder(out)
    assert "film_report.html: cannot be written" in failed.problem
    assert done.paths == {"report": out / "other_report.html"}


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"there are no results here; name a folder in which lungseg segment left "
        r"results\.jsonl",
    ):
        report_folder(tmp_path)


def test_equal_inputs_have_pictures_of_their_own(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    result = Segmenter(models["cxr"], threads=1)(film)
    assert isinstance(result, Result)
    refused = dataclasses.replace(result, verdict=Verdict("refused", ("no_lung",), ("it is odd",)))
    for number, each in enumerate((result, refused)):
        write_reports(content_of(each, name=f"n{number}"), tmp_path, ["report"])
    small = [
        cv2.imread(str(tmp_path / "report_thumbnails" / f"n{number}.jpg")) for number in (0, 1)
    ]
    assert [max(picture.shape[:2]) for picture in small] == [192, 192]
    assert not np.array_equal(*small)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif("cxr" not in embedded_models(), reason="no model comes with the package yet")
def test_real_images_keep_their_patients_to_themselves(data_folder: Path, tmp_path: Path) -> None:
    from lungseg.readers import patient_of

    films = sorted((data_folder / "cxr" / "dicom" / "non_chest").glob("*.dcm"))
    run = RunOptions(tmp_path, outputs=("mask",), reports=("report",))
    outcomes = list(segment_many(films, SegmentOptions(skip_quality=True), run))
    assert [outcome.status for outcome in outcomes] == ["done"] * len(films)
    assert len(list(tmp_path.glob("*_report.html"))) == len(films) > 0
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html"))
    text += "".join(path.name for path in tmp_path.rglob("*"))
    patients = [patient_of(film) for film in films]
    names = {patient.name for patient in patients if patient is not None} - {"", "Anonymized"}
    assert len(names) > 1
    assert [name for name in names if name in text] == []
    assert str(data_folder) not in text
    assert os.sep + "dicom" + os.sep not in text


def test_a_record_that_is_broken_does_not_stop_the_others(
    models: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    entry = segmented(film, out, models["cxr"])
    broken = {key: value for key, value in entry.items() if key != "model"} | {
        "input": "/gone.png",
        "name": "gone",
    }
    (out / "results.jsonl").write_text(
        f"{json.dumps(broken)}\n{json.dumps(entry)}\n", encoding="utf-8"
    )
    first, second = report_folder(out)
    assert first.problem == f"{out / 'results.jsonl'}: its record is broken; segment it again."
    assert second.paths == {"report": out / "film_report.html"}
