"""What a job gives, from a server in a process of its own, against what the command line gives."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO

import cv2
import nibabel
import numpy as np
import pytest

import lungseg
from live_server import LiveServer
from lungseg.geometry import VolumeGeometry
from lungseg.segmenter import Segmenter
from lungseg.serve.worker import _axial_grid
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from phantom_volumes import AFFINE, CHEST, TURNS, stored_as, write_series
from tiny_model import write_tiny_model

pytestmark = pytest.mark.slow


def served(folder, model):
    server = LiveServer(folder, "--model", str(model))
    with server.client() as client:
        yield client
    began, confined, ended = (line.partition(" ")[2] for line in server.stop().splitlines())
    assert began == f"lungseg {lungseg.__version__} began"
    assert confined.startswith("workers are ")
    assert ended == f"lungseg {lungseg.__version__} ended"
    assert server.kept() == []


@pytest.fixture(scope="module")
def films(tmp_path_factory, tiny_model):
    yield from served(tmp_path_factory.mktemp("films"), tiny_model)


@pytest.fixture(scope="module")
def scans(tmp_path_factory, tiny_ct_model):
    yield from served(tmp_path_factory.mktemp("scans"), tiny_ct_model)


def job_of(client, *files, **fields):
    answer = client.post("/segment?wait=60", files=[("file", file) for file in files], data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture(client, job, address):
    answer = client.get(f"/jobs/{job['id']}/{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_results_of_several_jobs_come_in_one_zip_with_one_table(films, film):
    jobs = [job_of(films, (name, film), skip_quality="true") for name in ("a.png", "a.png")]
    answer = films.post("/bundle", json={"jobs": [job["id"] for job in jobs]})
    assert (answer.status_code, answer.headers["content-disposition"]) == (
        200,
        'attachment; filename="lungseg.zip"',
    )
    with zipfile.ZipFile(BytesIO(answer.content)) as bundle:
        names, table = bundle.namelist(), bundle.read("summary.csv").decode().splitlines()
        mask = bundle.read("2_a/a_mask.png")
    assert mask == films.get(jobs[1]["files"]["mask"]).content
    endings = ("mask.png", "overlay.png", "record.json", "report.html", "report.pdf")
    assert sorted(name for name in names if name.startswith("1_")) == [
        f"1_a/a_{ending}" for ending in endings
    ]
    assert len(names) == 2 * 5 + 1
    assert [line.split(",")[0] for line in table] == ["input", "a.png", "a.png"]


def test_a_job_that_is_named_twice_is_in_the_zip_once(films, film):
    number = job_of(films, ("a.png", film), skip_quality="true")["id"]
    answer = films.post("/bundle", json={"jobs": [number] * 3})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as bundle:
        assert len(bundle.namelist()) == 5 + 1


def test_a_crop_is_made_where_its_size_is_asked_for(films, film):
    job = job_of(films, ("a.png", film), skip_quality="true", crop_size="64")
    assert list(job["files"]) == ["mask", "overlay", "crop", "report", "pdf", "record"]
    answer = films.get(job["files"]["crop"])
    assert answer.headers["content-type"] == "image/png"
    crop = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert crop.shape == (64, 64)


def test_a_spacing_is_that_of_axial_slices():
    voxels, affine = stored_as(CHEST, AFFINE, TURNS[13])
    slices, rows, columns = voxels.shape
    grid = {"slices": slices, "rows": rows, "columns": columns, "affine_lps": affine.tolist()}
    known = _axial_grid({**grid, "spacing_mm": [2.5, 0.5, 0.75]})
    assert known == ((20, 34, 40), pytest.approx((2.5, 0.75, 0.5)))
    assert _axial_grid({**grid, "spacing_mm": None}) == ((20, 34, 40), None)


def test_a_spacing_that_is_not_known_is_none(scans, tmp_path):
    image = nibabel.Nifti1Image(np.ascontiguousarray(CHEST.T), np.eye(4))
    nibabel.save(image, tmp_path / "a.nii.gz")
    job = job_of(scans, ("a.nii.gz", (tmp_path / "a.nii.gz").read_bytes()), skip_quality="true")
    record = json.loads(scans.get(job["files"]["record"]).content)
    assert (record["grid"]["spacing_mm"], job["spacing"]) == (None, None)


def test_what_has_no_results_is_in_no_zip(films, film):
    job = job_of(films, ("a.png", film), skip_quality="true")
    for wanted, status in (([job["id"], "0" * 32], 404), ([], 422)):
        answer = films.post("/bundle", json={"jobs": wanted})
        assert answer.status_code == status
        assert answer.json()["detail"]
    assert films.post("/bundle", content=b" " * 1_000_001).status_code == 413
    assert films.post("/bundle", content=iter([b"{}"])).status_code == 411
    films.delete(f"/jobs/{job['id']}")
    assert films.post("/bundle", json={"jobs": [job["id"]]}).status_code == 404


def test_a_radiograph(films, film, tiny_model, tmp_path):
    (tmp_path / "chest.png").write_bytes(film)
    result = Segmenter(tiny_model)(tmp_path / "chest.png")
    paths = result.save(tmp_path / "out")
    job = job_of(films, ("C:\\films\\chest.png", film), skip_quality="true")
    assert (job["state"], job["progress"], job["name"], job["modality"]) == (
        "done",
        1.0,
        "chest.png",
        "radiograph",
    )
    assert (job["shape"], job["spacing"], job["hounsfield"], job["window"], job["range"]) == (
        [1, 160, 200],
        None,
        False,
        [0, 255],
        [40, 200],
    )
    assert list(job["files"]) == ["mask", "overlay", "report", "pdf", "record"]
    for name in ("mask", "overlay"):
        answer = films.get(job["files"][name])
        assert answer.content == paths[name].read_bytes()
        assert answer.headers["content-disposition"] == f'attachment; filename="chest_{name}.png"'
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == "sandbox"
    record = json.loads(films.get(job["files"]["record"]).content)
    assert (record["input"], record["sha256"]) == ("chest.png", result.image.provenance.sha256)
    assert {key: job[key] for key in ("verdict", "codes", "reasons", "measurements")} == {
        key: record[key] for key in ("verdict", "codes", "reasons", "measurements")
    }
    report = films.get(job["files"]["report"])
    assert report.headers["content-disposition"].startswith("attachment")
    assert report.text.startswith("<!DOCTYPE html>")
    assert films.get(job["files"]["pdf"]).content.startswith(b"%PDF-")
    assert np.array_equal(
        picture(films, job, "slices/0"),
        cv2.imdecode(np.frombuffer(film, np.uint8), cv2.IMREAD_GRAYSCALE),
    )
    assert np.array_equal(picture(films, job, "labels/0"), result.mask)
    assert set(np.unique(picture(films, job, "slices/0?low=40&high=41"))) == {0, 255}


@pytest.mark.slow
def test_a_model_with_a_heart_serves_it_like_the_lungs(tmp_path_factory, film, tmp_path):
    model = write_tiny_model(tmp_path, heart=True)
    for client in served(tmp_path_factory.mktemp("hearts"), model):
        about = client.get("/about").json()
        assert [(label["number"], label["name"]) for label in about["labels"]] == [
            (1, "right lung"),
            (2, "left lung"),
            (3, "heart"),
        ]
        job = job_of(client, ("chest.png", film), skip_quality="true")
        areas = [m for m in job["measurements"] if m["name"] == "area"]
        assert {m["structure"] for m in areas} == {"right lung", "left lung", "lungs", "heart"}
        labels = picture(client, job, "labels/0")
        (heart,) = (m["value"] for m in areas if m["structure"] == "heart")
        assert np.count_nonzero(labels == 3) == heart > 0


def test_a_volume_in_another_order_of_axes(scans, tiny_ct_model, tmp_path):
    voxels, affine = stored_as(CHEST, AFFINE, TURNS[13])
    path = tmp_path / "chest.nii.gz"
    path.write_bytes(
        volume_nifti(Volume(voxels, VolumeGeometry(voxels.shape, affine), hounsfield=True))
    )
    mask = Segmenter(tiny_ct_model)(path).save(tmp_path / "out")["mask"]
    job = job_of(scans, (path.name, path.read_bytes(), "image/png"))
    assert (job["modality"], job["shape"], job["hounsfield"], job["window"]) == (
        "ct",
        [20, 34, 40],
        True,
        [-1000, 400],
    )
    assert job["spacing"] is None  # such small lungs are not believed to be of that size
    assert scans.get(job["files"]["mask"]).content == mask.read_bytes()
    grey = np.clip((CHEST[7].astype(np.float32) + 1000) * (255 / 1400), 0, 255)
    assert np.array_equal(picture(scans, job, "slices/7"), np.rint(grey))
    result = Segmenter(tiny_ct_model)(path)
    labels = result.image.geometry.to_axial().apply(result.mask)
    assert np.array_equal(picture(scans, job, "labels/7"), labels[7])
    inside = np.flatnonzero(labels.any(axis=(1, 2)))
    assert job["lung_slices"] == ([int(inside[0]), int(inside[-1])] if inside.size else None)
    for address in ("slices/20", "slices/-1", "labels/20"):
        assert scans.get(f"/jobs/{job['id']}/{address}").status_code == 404
    for window in ("low=5&high=5", "low=inf", "low=nan", "low=x"):
        assert scans.get(f"/jobs/{job['id']}/slices/7?{window}").status_code == 422
    for name in ("nothing", "..%2f..%2fsent", "scan_mask.nii.gz", "slices.npy"):
        assert scans.get(f"/jobs/{job['id']}/files/{name}").status_code == 404


@pytest.mark.slow
def test_a_series_as_slices_and_as_a_zip_gives_the_mask_of_its_folder(
    scans, tiny_ct_model, tmp_path
):
    files = write_series(tmp_path / "series", CHEST, AFFINE)
    mask = Segmenter(tiny_ct_model)(tmp_path / "series").save(tmp_path / "out")["mask"].read_bytes()
    loose = job_of(scans, *[(path.name, path.read_bytes()) for path in files])
    assert loose["name"] == f"{files[0].name} (20 files)"
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(files):
            archive.writestr(f"DICOM/{number % 2}/{path.name}", path.read_bytes())
        archive.writestr("DICOMDIR", b"")
        archive.writestr("README.txt", b"from the archive")
    packed = job_of(scans, ("export", stream.getvalue()))
    for job in (loose, packed):
        assert (job["state"], job["error"], job["shape"]) == ("done", None, [20, 34, 40])
        assert scans.get(job["files"]["mask"]).content == mask


def test_a_modality_that_is_named_gives_the_same_mask(
    films, scans, film, tiny_model, tiny_ct_model, tmp_path
):
    (tmp_path / "chest.png").write_bytes(film)
    for client, model, modality, other in (
        (films, tiny_model, "radiograph", "ct"),
        (scans, tiny_ct_model, "ct", "radiograph"),
    ):
        job = job_of(client, ("chest.png", film), modality=modality, skip_quality="true")
        result = Segmenter(model, modality=modality)(tmp_path / "chest.png")
        mask = result.save(tmp_path / modality)["mask"]
        assert (job["state"], job["modality"]) == ("done", modality)
        assert client.get(job["files"]["mask"]).content == mask.read_bytes()
        assert json.loads(client.get(job["files"]["record"]).content)["seconds"]["read"] > 0
        refused = client.post(
            "/segment", files={"file": ("chest.png", film)}, data={"modality": other}
        )
        assert (refused.status_code, refused.json()) == (
            422,
            {"detail": f"The model tiny is for {modality} alone."},
        )


def test_large_radiographs_are_shown_smaller(films, film):
    large = cv2.resize(
        cv2.imdecode(np.frombuffer(film, np.uint8), cv2.IMREAD_GRAYSCALE), (2000, 1600)
    )
    job = job_of(
        films, ("large.png", cv2.imencode(".png", large)[1].tobytes()), skip_quality="true"
    )
    assert job["shape"] == [1, 1600, 2000]
    assert (
        picture(films, job, "slices/0").shape
        == picture(films, job, "labels/0").shape
        == (819, 1024)
    )


@pytest.mark.parametrize(
    ("name", "content", "fields", "words"),
    [
        ("cut.png", lambda film: film[: len(film) // 2], {}, "cut.png: "),
        ("chest.png", lambda film: film, {"frame": "2"}, "chest.png: "),
        (
            "lie.nii",
            lambda film: b"\x5c\1\0\0" + bytes(340) + b"n+1\0" + bytes(1000),
            {},
            "lie.nii: ",
        ),
        (
            "two.zip",
            lambda film: zipped({"a.png": film, "b.png": film}),
            {},
            "two.zip: it holds 2 images or series, and one is segmented at a time; ",
        ),
        (
            "none.zip",
            lambda film: zipped({"a.txt": b"words"}),
            {},
            "none: the folder holds no images",
        ),
        (
            "scan.mhd",
            lambda film: elsewhere("/etc/passwd"),
            {},
            "scan.mhd: its voxels are in another folder",
        ),
        (
            "scan.mhd",
            lambda film: elsewhere("../../../../../etc/passwd"),
            {},
            "scan.mhd: its voxels are in another folder",
        ),
        (
            "scan.mhd",
            lambda film: elsewhere("scan.raw"),
            {},
            "scan.mhd: its voxels are in scan.raw, and that is missing",
        ),
    ],
)
def test_what_cannot_be_segmented_fails_with_a_sentence_that_names_no_folder(
    films, scans, film, name, content, fields, words
):
    served = films if ".mhd" not in name and ".nii" not in name else scans
    job = job_of(served, (name, content(film)), **fields)
    assert job["state"] == "failed"
    assert job["error"].startswith(words)
    assert job["error"].endswith(".")
    assert "/" not in job["error"].replace("its voxels", "")
    assert served.get(f"/jobs/{job['id']}/slices/0").json() == {
        "detail": "The job is failed and has no results."
    }


def zipped(contents):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def elsewhere(name):
    fields = {
        "ObjectType": "Image",
        "NDims": 3,
        "DimSize": "40 34 20",
        "ElementSpacing": "1 1 1",
        "ElementType": "MET_SHORT",
    }
    return "".join(
        f"{key} = {value}\n" for key, value in {**fields, "ElementDataFile": name}.items()
    ).encode()


def test_a_report_is_no_more_named_after_the_patient_than_it_names_him(scans, tmp_path):
    write_series(tmp_path, CHEST[:1], AFFINE)
    [slice_file] = tmp_path.iterdir()
    job = job_of(scans, ("secret.dcm", slice_file.read_bytes()), modality="ct")
    assert job["state"] == "done", job["error"]
    for name, ending in (("report", "html"), ("pdf", "pdf")):
        answer = scans.get(job["files"][name])
        assert re.fullmatch(
            rf'attachment; filename="image-[0-9a-f]{{12}}_report\.{ending}"',
            answer.headers["content-disposition"],
        )
        assert b"secret" not in answer.content.lower()
    assert (
        scans.get(job["files"]["mask"])
        .headers["content-disposition"]
        .startswith('attachment; filename="secret_mask.')
    )
