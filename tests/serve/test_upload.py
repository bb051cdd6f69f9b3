"""What comes in, and what is refused at the door; no worker runs."""

from __future__ import annotations

import gzip
import pathlib
import pickle
import shutil
import zipfile
from dataclasses import fields
from http import HTTPStatus
from io import BytesIO

import nibabel
import numpy as np
import pytest

from asked import Asked
from ellipsoids import ellipsoids
from lungseg.options import DEFAULTS, OverlayStyle, SegmentOptions
from lungseg.runner import Job, RunOptions
from lungseg.runner.executors import Call
from lungseg.serve.app import Server
from lungseg.serve.jobs import Jobs, client_of
from lungseg.serve.requests import FIELDS
from lungseg.serve.settings import ServerSettings
from lungseg.serve.worker import segment_upload
from lungseg.timing import no_progress


class NobodyWorks:
    """In place of the pool: every call waits."""

    def submit(self, *what):
        return Call()


class Door:
    def __init__(self, folder, **settings):
        self.folder = folder
        self.server = Server(ServerSettings(**settings))
        self.server.jobs = Jobs(self.server.settings, folder, NobodyWorks(), self.server.segmenter)
        self.client = Asked(self.server.app)

    def send(self, *files, **fields):
        return self.client.post("/segment", files=[("file", file) for file in files], data=fields)

    def refusal(self, *files, **fields):
        answer = self.send(*files, **fields)
        assert list(self.folder.iterdir()) == []  # nothing is left behind
        return answer.status_code, answer.json()["detail"]


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path, max_upload_mb=0.1, max_files=3, queue=2)


def zipped(contents):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_file_becomes_a_job_whatever_name_and_type_the_client_gives_it(door, film):
    answer = door.send(("../../<b>chest.exe", film, "text/html"))
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert (job["name"], job["state"], job["position"], job["step"], job["expires"]) == (
        "_b_chest.exe",
        "queued",
        1,
        "waiting",
        None,
    )
    assert len(job["id"]) == 32
    [path] = (door.folder / job["id"] / "sent").iterdir()
    assert path.read_bytes() == film
    task = door.server.jobs.get(job["id"]).task
    assert (task.packed, task.max_bytes, task.max_files) == (False, 100_000, 3)
    assert task.job == Job(
        path,
        "_b_chest",
        DEFAULTS,
        RunOptions(
            door.folder / job["id"] / "results", ("mask", "overlay", "viewer"), ("report", "pdf")
        ),
        replace=True,
        display_name="_b_chest.exe",
    )
    assert pickle.loads(pickle.dumps(task)) == task


SAID = {
    "modality": "ct",
    "model": "ct",
    "structures": "lungs",
    "frame": "2",
    "series": "1.2.3",
    "spacing": "5,0.7,0.7",
    "skip_damaged": "true",
    "overlay_style": "outline",
    "overlay_size": "800",
    "binary": "true",
    "skip_quality": "true",
    "skip_refused": "true",
}
RADIOGRAPH = {
    "modality": "radiograph",
    "dilate": "2.5",
    "lung_extent": "through-heart",
    "hull": "true",
    "crop_square": "true",
    "crop_size": "512",
}


def test_every_option_has_a_part_of_the_form_and_reaches_the_worker(door, film):
    assert {field.name for field in fields(SegmentOptions)} == SAID.keys() | RADIOGRAPH.keys()
    for said, options in (
        (
            SAID,
            SegmentOptions(
                modality="ct",
                model="ct",
                structures=("right lung", "left lung"),
                frame=2,
                series="1.2.3",
                spacing=(5.0, 0.7, 0.7),
                skip_damaged=True,
                overlay_style=OverlayStyle(opacity=0.0),
                overlay_size=800,
                binary=True,
                skip_quality=True,
                skip_refused=True,
            ),
        ),
        (
            RADIOGRAPH,
            SegmentOptions(
                modality="radiograph",
                dilate=2.5,
                lung_extent="through-heart",
                hull=True,
                crop_square=True,
                crop_size=512,
            ),
        ),
    ):
        job = door.send(("a.png", film), **said).json()
        assert door.server.jobs.get(job["id"]).task.job.options == options


def test_a_model_is_named_never_given(door, film, tmp_path, tiny_model):
    for model in ("mri", "../cxr", str(tiny_model)):
        assert door.refusal(("a.png", film), model=model) == (422, "model is one of ct, cxr.")
    assert door.refusal(("a.png", film), model="cxr", modality="ct") == (
        422,
        "The model cxr is for radiograph alone.",
    )
    with_own = Door(tmp_path / "own", model=str(tiny_model))
    (tmp_path / "own").mkdir()
    assert with_own.refusal(("a.png", film), model="cxr") == (422, "model is one of tiny.")
    for said in ({}, {"model": "tiny"}):
        job = with_own.send(("a.png", film), **said).json()
        task = with_own.server.jobs.get(job["id"]).task
        assert (task.job.options.model, task.job.options.modality) == (tiny_model, "radiograph")


def test_several_files_are_one_job_and_of_equal_names_none_is_lost(door, film):
    job = door.send(("IM1", film), ("im1", film[:-1]), ("a.txt", b"words")).json()
    assert job["name"] == "IM1 (3 files)"
    files = {
        path.name: path.stat().st_size for path in (door.folder / job["id"] / "sent").iterdir()
    }
    assert files == {"IM1": len(film), "2_im1": len(film) - 1, "a.txt": 5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"Dear server", "This is no image that is read (text)."),
        (b"%PDF-1.7 ", "This is no image that is read (PDF)."),
        (b"\x1f\x8bno gzip at all", "This is no image that is read (gzip)."),
        (gzip.compress(bytes(5000), mtime=0), "This is no image that is read (gzip)."),
        (b"\0" * 500, "This is no image that is read (unknown)."),
    ],
)
def test_what_is_no_image_is_not_taken_even_if_it_says_so(door, content, words):
    status, sentence = door.refusal(("chest.png", content, "image/png"))
    assert status == 415
    assert sentence.startswith(words)


@pytest.mark.parametrize(
    ("contents", "status", "words"),
    [
        ({"../x": b"0"}, 422, "a name in the archive leads out of it"),
        ({"/etc/x": b"0"}, 422, "a name in the archive leads out of it"),
        ({"zeros": bytes(10**7)}, 413, "would unpack to more than 200 times its size"),
        ({str(i): b"" for i in range(4)}, 413, "it holds 4 files, and at most 3 are taken"),
        ({".hidden": b"0"}, 422, "the archive holds no file"),
    ],
)
def test_archives_are_looked_at_first(door, contents, status, words):
    found, sentence = door.refusal(("chest.zip", zipped(contents)))
    assert found == status
    assert words in sentence


def test_a_zip_is_sent_alone(door, film):
    assert door.refusal(("a.zip", zipped({"a": film})), ("b.png", film)) == (
        422,
        "A zip is sent alone.",
    )


def test_a_form_without_files_or_with_senseless_words_is_refused(door, film):
    file = ("a.png", film)
    assert (
        door.client.post("/segment", files={"modality": (None, "ct")})
        .json()["detail"]
        .startswith("No file was sent;")
    )
    for part, text, sentence in (
        ("modality", "mri", "modality is one of radiograph, ct."),
        ("skip_quality", "yes", "skip_quality is true or false."),
        ("frame", "0", "frames are counted from 1, and `frame` is 0."),
        ("frame", "¹", "frame is a number from 1."),
        ("dilate", "wide", "dilate is a number."),
        ("dilate", "nan", "a mask is widened by a finite radius of at least 0, not by nan."),
        ("spacing", "1;2", "spacing is numbers with commas between."),
    ):
        assert door.refusal(file, **{part: text}) == (422, sentence)
    assert door.refusal(file, modality="ct", hull="true") == (
        422,
        "`hull` is for radiographs, and this is CT; leave `hull` out.",
    )
    assert door.refusal(file, path="/etc/passwd") == (
        422,
        f"A form has parts called file, {', '.join(DEFAULTS.record())}, and no others.",
    )
    assert door.refusal(file, series="x" * 257) == (422, "The part series is too long.")


def test_what_is_no_form_is_refused(door, film):
    post = door.client.post
    for headers in ({}, {"content-type": "image/png"}, {"content-type": "multipart/form-data"}):
        answer = post("/segment", content=film, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (
            415,
            "Files are sent as multipart/form-data, each in a part called file.",
        )
    form = {"content-type": "multipart/form-data; boundary=xyz"}
    part = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for content, words in (
        (b"no boundary", "The form is broken."),
        (part + film, "The form ends too early."),
        (b"--xyz\r\n" + b"a: b\r\n" * 20 + b"\r\n", "The form is broken."),
        (b"--xyz\r\n" + b"a" * 5000, "The form is broken."),
    ):
        answer = post("/segment", content=content, headers=form)
        assert (answer.status_code, answer.json()["detail"]) == (400, words)
    answer = post(
        "/segment",
        content=b"",
        headers={"content-type": f"multipart/form-data; boundary={'x' * 3000}"},
    )
    assert answer.status_code == 400
    assert list(door.folder.iterdir()) == []


def test_too_much_is_refused_by_what_is_stated_and_by_what_comes(door, film):
    large = 413, "At most 0.1 MB are taken at a time."
    assert door.refusal(("a.png", film + bytes(100_000))) == large
    parts = [
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n',
        *[bytes(10_000)] * 11,
    ]
    form = {"content-type": "multipart/form-data; boundary=xyz"}

    async def pieces():
        for part in parts:
            yield part

    answer = door.client.post("/segment", content=pieces(), headers=form)  # without a length
    assert (answer.status_code, answer.json()["detail"]) == large
    for stated in ("-1", "1e3", "9" * 20):
        assert (
            door.client.post(
                "/segment", content=b"", headers={**form, "content-length": stated}
            ).status_code
            == 413
        )
    assert door.refusal(*[(f"{i}.png", b"x") for i in range(8)]) == (
        413,
        "At most 3 files are taken at a time.",
    )
    assert list(door.folder.iterdir()) == []


def test_one_address_cannot_fill_the_queue_alone(tmp_path, film):
    door = Door(tmp_path, queue=3, queue_per_client=2)
    assert [door.send(("a.png", film)).status_code for _ in range(3)] == [202, 202, 429]
    assert door.send(("a.png", film)).json() == {
        "detail": "2 jobs from your address wait already, as many as one may have; try again when "
        "one is done."
    }
    door.client = Asked(door.server.app, address="10.0.0.9")
    assert [door.send(("a.png", film)).status_code for _ in range(2)] == [202, 429]
    assert door.send(("a.png", film)).json()["detail"] == (
        "The queue is full; try again in a few seconds."
    )


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_of_ipv6_one_client_has_all_of_64_bits(address, client):
    assert client_of(address) == client


def test_a_full_queue_says_when_to_come_back(door, film):
    first, second = (door.send((name, film)).json() for name in ("a.png", "b.png"))
    answer = door.send(("c.png", film))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.json() == {"detail": "The queue is full; try again in a few seconds."}
    assert door.client.get(f"/jobs/{second['id']}").json()["position"] == 2
    cancelled = door.client.request("DELETE", f"/jobs/{first['id']}").json()
    assert (cancelled["state"], cancelled["position"]) == ("cancelled", 0)
    assert cancelled["expires"] > cancelled["created"]
    assert not (door.folder / first["id"]).exists()
    assert door.client.get(f"/jobs/{second['id']}").json()["position"] == 1
    assert door.send(("c.png", film)).status_code == 202


def test_no_room_for_results_is_said_too(tmp_path, film):
    door = Door(tmp_path, max_stored_mb=0.001, retention=600)
    job = door.server.jobs.get(door.send(("a.png", film)).json()["id"])
    (job.folder / "results").mkdir()
    (job.folder / "results" / "mask.png").write_bytes(bytes(1000))
    door.server.jobs.end(job, "done", found={"files": {}})
    assert not (job.folder / "sent").exists()
    answer = door.send(("b.png", film))
    assert answer.status_code == 429
    assert answer.json()["detail"].startswith("There is no room for more results")
    assert 590 <= int(answer.headers["retry-after"]) <= 600
    assert door.client.request("DELETE", f"/jobs/{job.id}").status_code == 200
    assert door.send(("b.png", film)).status_code == 202


def test_what_is_over_is_forgotten_in_time(door, film, monkeypatch):
    jobs = door.server.jobs
    job = jobs.get(door.send(("a.png", film)).json()["id"])
    jobs.end(job, "failed", error="It is broken.")
    jobs.expire()
    assert door.client.get(f"/jobs/{job.id}").json()["error"] == "It is broken."
    assert job.until is not None
    monkeypatch.setattr("time.time", lambda: 0.0)  # the clock is set back
    job.until -= door.server.settings.retention
    jobs.expire()
    answer = door.client.get(f"/jobs/{job.id}")
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": "There is no such job: its time is over, or the server was started anew."},
    )
    assert list(door.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ("bytes=9-12", 416, f"{HTTPStatus(416).phrase}."),  # from Python 3.13 on another one
        ("bytes=x", 400, "Bad Request."),
    ],
)
def test_a_range_that_is_not_there_is_refused_like_everything_else(
    door, film, asked, status, sentence
):
    job = door.server.jobs.get(door.send(("a.png", film)).json()["id"])
    (job.folder / "results").mkdir()
    (job.folder / "results" / "a_mask.png").write_bytes(b"12345")
    door.server.jobs.end(job, "done", found={"files": {"mask": "a_mask.png"}})
    address = f"/jobs/{job.id}/files/mask"
    assert door.client.get(address, headers={"Range": "bytes=1-2"}).content == b"23"
    answer = door.client.get(address, headers={"Range": asked})
    assert (answer.status_code, answer.json()) == (status, {"detail": sentence})
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_what_a_file_holds_that_is_packed_itself_is_bounded(door, tmp_path):
    voxels = np.where(ellipsoids((40, 64, 64))[0].array > -500, 40, -900).astype(np.int16)
    packed = nibabel.Nifti1Image(np.repeat(voxels, 4, axis=0), np.eye(4)).to_bytes()
    answer = door.send(("v.nii.gz", gzip.compress(packed)))
    job = door.server.jobs.get(answer.json()["id"])
    result = segment_upload(job.task, door.server.segmenter, no_progress)
    assert result.outcome.reasons == (
        "v.nii.gz: it holds more than 0.1 MB, and was not unpacked; give a smaller one.",
    )


def test_the_server_itself_unpacks_no_file(door, film, monkeypatch):
    """Its processes do, which have their limits."""

    def refuse(*what, **more):
        raise AssertionError("a file was unpacked")

    monkeypatch.setattr("lungseg.readers.probe.unpacked", refuse)
    assert door.send(("a.png.gz", gzip.compress(film))).status_code == 202


def test_a_full_disk_is_said(door, film, monkeypatch):
    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lungseg.serve.upload._Form.on_part_data", full)
    assert door.refusal(("a.png", film)) == (507, "The server has no room for it; try again later.")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (28, "The server has no room for it; try again later."),
        (2, "The server's folder was removed, and it takes nothing until it is started anew."),
    ],
)
@pytest.mark.parametrize("where", ["job", "sent"])
def test_a_folder_that_cannot_be_made_is_said(door, film, monkeypatch, error, sentence, where):
    make = pathlib.Path.mkdir

    def refuse(self, *arguments, **more):
        if (self.name == "sent") == (where == "sent"):
            raise OSError(error, "no")
        make(self, *arguments, **more)

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    assert door.refusal(("a.png", film)) == (507, sentence)
    assert door.server.jobs.queued == 0


def test_results_that_were_removed_from_the_server_are_not_there(door, film):
    job = door.server.jobs.get(door.send(("a.png", film)).json()["id"])
    shutil.rmtree(job.folder)
    door.server.jobs.end(job, "done", found={"files": {"mask": "a_mask.png"}})
    answer = door.client.get(f"/jobs/{job.id}/files/mask")
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": "The file was removed from the server."},
    )
    assert door.client.get(f"/jobs/{job.id}/slices/0").status_code == 404


def test_what_nobody_foresaw_is_answered_and_logged_without_names(door, film, monkeypatch, caplog):
    def surprise(*arguments):
        raise ValueError("patient.png")

    monkeypatch.setattr("lungseg.serve.app.task_of", surprise)
    assert door.refusal(("patient.png", film)) == (500, "The server could not answer; see its log.")
    assert "unexpected ValueError" in caplog.text
    assert "patient.png" not in caplog.text.replace('"patient.png"', "")


def test_of_jobs_without_result_the_earliest_are_forgotten(door, film, monkeypatch):
    monkeypatch.setattr("lungseg.serve.jobs.MAX_JOBS_WITHOUT_RESULT", 2)
    jobs, ended = door.server.jobs, []
    for state in ("failed", "done", "cancelled", "failed"):
        ended.append(jobs.get(door.send(("a.png", film)).json()["id"]))
        jobs.end(ended[-1], state)
    assert [door.client.get(f"/jobs/{job.id}").status_code for job in ended] == [404, 200, 200, 200]


def test_one_number_is_the_spacing_of_rows_and_columns() -> None:
    assert FIELDS["spacing"].parse("0.4") == (0.4, 0.4)
    assert FIELDS["spacing"].parse("5, 0.7,0.7") == (5.0, 0.7, 0.7)
