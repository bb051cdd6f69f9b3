"""Zip and tar archives that are named as inputs."""

from __future__ import annotations

import io
import lzma
import pickle
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers import find_inputs, read
from lungseg.readers.archive import Limits, is_archive, unpack
from phantom_volumes import AFFINE, CHEST, check_chest, ct_slice, write_series

KINDS = {
    "zip": "a.zip",
    "tar": "a.tar",
    "gz": "a.tar.gz",
    "bz2": "a.tar.bz2",
    "xz": "a.tar.xz",
}


def packed(folder: Path, path: Path) -> Path:
    """An archive of all files below a folder."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
        return path
    kind = path.name.partition(".tar")[2].lstrip(".")
    with tarfile.open(path, f"w:{kind}") as archive:  # type: ignore[call-overload]
        for file in files:
            archive.add(file, str(file.relative_to(folder)))
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of temporary folders."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_an_archive_is_found_under_its_name_there(tmp_path, kind, film, here):
    write_series(tmp_path / "in" / "ann" / "ct", CHEST, AFFINE)
    ct_slice(CHEST[0], (0, 0, 0), ImageType=["A", "B", "LOCALIZER"]).save_as(
        tmp_path / "in" / "ann" / "ct" / "scout"
    )
    (tmp_path / "in" / "bob").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "bob" / "film.png"), film)
    (tmp_path / "in" / "bob" / "cut.dcm").write_bytes(b"DICM" * 9)
    path = packed(tmp_path / "in", tmp_path / KINDS[kind])
    found = find_inputs([path])
    assert found.files == [path / "ann/ct", path / "bob/cut.dcm", path / "bob/film.png"]
    assert [(one.path, one.code) for one in found.left_out] == [
        (path / "ann/ct/scout", "localizer")
    ]
    assert found.problems == []
    assert len(list(here.iterdir())) == 1
    volume = read(found.probes[path / "ann/ct"])
    check_chest(volume)
    assert volume.source == str(path / "ann/ct")
    assert read(found.probes[path / "bob/film.png"]).source == str(path / "bob/film.png")
    with pytest.raises(UnsupportedError, match=rf"{path}/bob/cut\.dcm: the file is text"):
        read(found.probes[path / "bob/cut.dcm"])
    again = pickle.loads(pickle.dumps(found.probes[path / "ann/ct"]))
    check_chest(read(again))
    del found, again
    assert list(here.iterdir()) == []


def test_a_damaged_slice_in_an_archive_is_named_as_it_is_there(tmp_path, here):
    paths = write_series(tmp_path / "in", CHEST, AFFINE)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    path = packed(tmp_path / "in", tmp_path / "a.zip")
    with pytest.raises(UnreadableError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}/{paths[3].name}: ")
    del caught
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_python_reads_the_one_series_in_an_archive(tmp_path, kind, here, film):
    write_series(tmp_path / "in" / "ct", CHEST, AFFINE)
    path = packed(tmp_path / "in", tmp_path / KINDS[kind])
    check_chest(read(path))
    check_chest(read(path, modality="ct"))
    assert list(here.iterdir()) == []
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), film)
    (tmp_path / "in" / "ct").rename(tmp_path / "ct")
    path = packed(tmp_path / "in", tmp_path / KINDS[kind])
    with pytest.raises(
        UnsupportedError, match=rf"it holds 2 images or series, .*: {path}/a\.png, {path}/b\.png;"
    ):
        read(path)


def test_a_path_that_leads_into_an_archive_is_what_is_there(tmp_path, here, film):
    write_series(tmp_path / "in" / "ct", CHEST, AFFINE)
    cv2.imwrite(str(tmp_path / "in" / "film.png"), film)
    path = packed(tmp_path / "in", tmp_path / "a.zip")
    check_chest(read(path / "ct"))
    found = find_inputs([path / "film.png", path / "gone.png"])
    assert found.files == [path / "film.png"]
    assert read(found.probes[path / "film.png"]).source == str(path / "film.png")
    assert [str(problem) for problem in found.problems] == [
        f"{path}/gone.png: the archive holds no such input; check the name."
    ]


def test_patterns_reach_archives_and_folders_do_not(tmp_path, here, film):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "film.png"), film)
    packed(tmp_path / "in", tmp_path / "a.zip")
    assert find_inputs([tmp_path / "*.zip"]).files == [tmp_path / "a.zip" / "film.png"]
    found = find_inputs([tmp_path])
    assert found.files == [tmp_path / "in" / "film.png"]
    assert [(one.path.name, one.code) for one in found.left_out] == [("a.zip", "archive")]


def test_an_archive_within_is_left_out(tmp_path, here, film):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "film.png"), film)
    inner = packed(tmp_path / "in", tmp_path / "inner.zip")
    inner.rename(tmp_path / "in" / "inner.zip")
    found = find_inputs([packed(tmp_path / "in", tmp_path / "a.tar")])
    assert [(one.path.name, one.code) for one in found.left_out] == [("inner.zip", "archive")]


def tar_of(path, *members, content=b"x"):
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return path


def of_kind(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:evil"])
def test_a_name_that_leads_out_of_a_tar_stops_all(tmp_path, name, here):
    path = tar_of(tmp_path / "a.tgz", of_kind("good"), of_kind(name))
    found = find_inputs([path])
    assert found.files == []
    assert [str(problem) for problem in found.problems] == [
        "a.tgz: a name in the archive leads out of it, and nothing was unpacked; pack it again."
    ]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_stop_all(tmp_path, kind):
    path = tar_of(tmp_path / "a.tgz", of_kind("good"), of_kind("link", kind, "/etc/passwd"))
    with pytest.raises(InputError, match="the archive holds a link or a device, and nothing was"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


def test_a_zip_with_a_file_without_a_name_is_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", b"0")
    content = (tmp_path / "a.zip").read_bytes()
    # In the list of contents, the length of the name is 0, and that of what follows it 1.
    place = content.rindex(b"PK\1\2") + 28
    nameless = content[:place] + b"\0\0\1\0" + content[place + 4 :]
    (tmp_path / "a.zip").write_bytes(nameless)
    with pytest.raises(UnreadableError, match=r"a\.zip: the archive is damaged; pack it again"):
        unpack(tmp_path / "a.zip", tmp_path / "out", Limits())


def test_a_tar_is_bounded_in_size_number_and_ratio(tmp_path):
    path = tar_of(tmp_path / "a.tgz", *(of_kind(f"{i}") for i in range(9)), content=b"x" * 1000)
    with pytest.raises(TooLargeError, match="it holds 9 files, and at most 8 are taken; unpack it"):
        unpack(path, tmp_path / "out", Limits(max_entries=8))
    with pytest.raises(TooLargeError, match="would unpack to 0 MB, and at most 0 are taken"):
        unpack(path, tmp_path / "out", Limits(max_bytes=8999))
    unpack(path, tmp_path / "out", Limits(max_bytes=9000, max_entries=9))
    assert len(list((tmp_path / "out").iterdir())) == 9
    path = tar_of(tmp_path / "bomb.tgz", of_kind("zeros"), content=bytes(10**7))
    with pytest.raises(TooLargeError, match="the archive would unpack to more than 200 times"):
        unpack(path, tmp_path / "more", Limits())


def test_a_name_that_would_fill_the_memory_is_not_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(of_kind("x" * (5 * 2**20)))
    with pytest.raises(UnreadableError, match="the archive is damaged"):
        unpack(tmp_path / "a.tar.xz", tmp_path / "out", Limits())


def test_names_that_differ_in_case_alone_and_names_twice_are_all_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        for name, content in (("d/A", b"1"), ("d/a", b"2"), ("d/A", b"3"), ("./e", b"4")):
            archive.writestr(name, content)
    unpack(path, tmp_path / "out", Limits())
    found = {
        str(file.relative_to(tmp_path / "out")): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    assert found == {"d/A": b"1", "d/2_a": b"2", "d/3_A": b"3", "e": b"4"}


def test_whatever_is_damaged_is_said_in_a_sentence(tmp_path, here):
    good = tar_of(
        tmp_path / "a.tgz",
        *(of_kind(f"f/{i}") for i in range(9)),
        content=np.random.default_rng(1).bytes(300),
    ).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for number in range(200):
        content = bytearray(good)
        for place in random.integers(20, len(content), 4):
            content[place] = random.integers(0, 256)
        path = tmp_path / f"{number}.tgz"
        path.write_bytes(content[: random.integers(len(good) // 2, len(good))])
        found = find_inputs([path])
        assert found.files != [] or len(found.problems) == 1
        refused += found.files in ([], [path])  # the latter is refused by reading
    assert refused > 150
    assert list(here.iterdir()) == []


def test_what_is_no_archive_is_none(tmp_path):
    for name, content in (("a.xz", lzma.compress(b"text")), ("b.zip", b"text"), ("c.tar", b"")):
        (tmp_path / name).write_bytes(content)
        assert not is_archive(tmp_path / name)
    assert not is_archive(tmp_path / "gone")
    assert not is_archive(tmp_path)


def test_where_there_is_no_room_it_is_said(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(b"x")
    path = packed(tmp_path / "in", tmp_path / "a.zip")

    def full(*_args, **_settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lungseg.readers.archive.tempfile.mkdtemp", full)
    assert [str(problem) for problem in find_inputs([path]).problems] == [
        (
            f"{path}: the archive could not be unpacked (no space left on device); unpack it "
            "yourself, or name a larger temporary folder in TMPDIR."
        )
    ]


def test_a_long_list_of_contents_is_read_and_a_longer_one_said(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{'folder' * 30}/CT 10:15:22/{number}", b"x")
    unpack(path, tmp_path / "all", Limits())
    assert sum(file.is_file() for file in (tmp_path / "all").rglob("*")) == 3000
    with pytest.raises(
        TooLargeError, match=r"a\.zip: its list of contents has 1 MB, and at most 0"
    ):
        unpack(path, tmp_path / "none", Limits(max_directory_bytes=100_000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("C:/windows", b"x")
    with pytest.raises(InputError, match="a name in the archive leads out of it"):
        unpack(path, tmp_path / "none", Limits())
