from __future__ import annotations

import stat
import struct
import zipfile

import numpy as np
import pytest

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.serve.archive import MAX_DIRECTORY_BYTES, check_zip, unzip

MOST = {"max_bytes": 10**7, "max_entries": 100}


def archive(path, contents, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path


def test_files_come_out_in_one_folder_whatever_folders_they_were_in(tmp_path):
    path = archive(
        tmp_path / "in.zip",
        {
            "a/IM1": b"one",
            "b/IM1": b"two",
            "b/deep/er/IM2": b"three",
            "b/.DS_Store": b"x",
            "__MACOSX/._IM1": b"x",
            "empty/": b"",
        },
    )
    unzip(path, tmp_path / "out", **MOST)
    found = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert found == {"IM1": b"one", "2_IM1": b"two", "IM2": b"three"}


def test_archives_within_are_left_where_they_are(tmp_path):
    inner = archive(tmp_path / "inner.zip", {"x": b"0"}).read_bytes()
    unzip(
        archive(tmp_path / "in.zip", {"inner.dcm": inner, "IM1": b"one"}), tmp_path / "out", **MOST
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["IM1"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "\\evil",
        "..\\evil",
        "C:/evil",
        "C:evil",
        "a/..",
        "//server/evil",
        "nul\0/../evil",
    ],
)
def test_a_name_that_leads_out_stops_all(tmp_path, name):
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("IM1", b"one")
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = entry.orig_filename = name  # past what ZipInfo itself makes of it
        file.writestr(entry, b"evil")
    with pytest.raises(
        InputError,
        match=r"in\.zip: a name in the archive leads out of it, and nothing was unpacked; pack "
        r"it again",
    ):
        unzip(path, tmp_path / "out", **MOST)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_stop_all(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as file:
        entry = zipfile.ZipInfo("IM1")
        entry.external_attr = (kind | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(
        InputError, match="the archive holds a link or a device, and nothing was unpacked"
    ):
        check_zip(tmp_path / "in.zip", **MOST)


def test_a_bomb_is_seen_by_its_ratio_and_by_its_size(tmp_path):
    bomb = archive(tmp_path / "bomb.zip", {"zeros": bytes(8 * 10**6)})
    with pytest.raises(
        TooLargeError,
        match="would unpack to more than 200 times its size, and nothing was unpacked",
    ):
        check_zip(bomb, **MOST)
    noise = np.random.default_rng(0).bytes(10**6)
    large = archive(
        tmp_path / "large.zip", {f"IM{i}": noise for i in range(11)}, zipfile.ZIP_STORED
    )
    with pytest.raises(TooLargeError, match="it would unpack to 11 MB, and at most 10 are taken"):
        check_zip(large, **MOST)
    many = archive(tmp_path / "many.zip", {f"IM{i}": b"" for i in range(101)})
    with pytest.raises(TooLargeError, match="it holds 101 files, and at most 100 are taken"):
        check_zip(many, **MOST)


def test_a_size_that_lies_ends_the_unpacking(tmp_path):
    path = archive(tmp_path / "in.zip", {"IM1": bytes(1000)})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        place = content.index(signature) + offset
        content[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="the archive is damaged; pack it again"):
        unzip(path, tmp_path / "out", **MOST)


def test_a_list_of_contents_that_would_fill_the_memory_is_not_read(tmp_path):
    path = tmp_path / "in.zip"
    size = MAX_DIRECTORY_BYTES + 1
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    path.write_bytes(b"PK\3\4" + bytes(size - 4) + end)
    what = r"its list of contents has 4 MB, and at most 4 are read; send one series"
    with pytest.raises(TooLargeError, match=what):
        check_zip(path, **MOST)
    path.write_bytes(b"PK\3\4" + end)  # which says that it has more than there is
    with pytest.raises(UnreadableError, match="the archive is damaged"):
        check_zip(path, **MOST)


def test_encrypted_or_oddly_packed_or_empty_archives_are_refused(tmp_path):
    path = archive(tmp_path / "in.zip", {"IM1": b"one"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(
        UnsupportedError, match="the archive is encrypted; pack it without a password"
    ):
        check_zip(path, **MOST)
    with pytest.raises(UnsupportedError, match="packed in an unusual way"):
        check_zip(archive(tmp_path / "lzma.zip", {"IM1": b"one"}, zipfile.ZIP_LZMA), **MOST)
    with pytest.raises(UnsupportedError, match="the archive holds no file"):
        check_zip(archive(tmp_path / "hidden.zip", {".IM1": b"one"}), **MOST)


def test_whatever_is_damaged_is_said_in_a_sentence(tmp_path):
    good = archive(
        tmp_path / "good.zip",
        {f"folder/IM{i}": np.random.default_rng(i).bytes(300) + bytes(300) for i in range(4)},
    ).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for number in range(300):
        content = bytearray(good)
        for place in random.integers(0, len(content), 4):
            content[place] = random.integers(0, 256)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(
            content[: random.integers(len(good) // 2, len(good))] if number % 3 == 0 else content
        )
        try:
            unzip(path, tmp_path / str(number), **MOST)
        except InputError:
            refused += 1
    assert refused > 100
