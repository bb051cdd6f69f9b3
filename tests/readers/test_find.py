from __future__ import annotations

import os
from pathlib import Path

import pytest

from lungseg.errors import UnreadableError
from lungseg.readers import find_inputs, read_image

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def tree(tmp_path):
    """A folder of films and other things; returns its path."""
    for name, content in {
        "b.png": PNG,
        "a.JPG": b"",
        "notes.txt": b"text",
        "mask.npy": PNG,
        ".hidden.png": PNG,
        "photo.webp": b"RIFF",
        "deep/er/c.tif": b"",
        "deep/IM0001": bytes(128) + b"DICM",
        "deep/1.2.840.113": bytes(128) + b"DICM",
        "deep/README": b"text",
        "deep/other": b"\1\2\3",
        "deep/DICOMDIR": bytes(128) + b"DICM",
        ".git/d.png": PNG,
        "empty/nothing.csv": b"",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def names(found, tree):
    return [str(path.relative_to(tree)) for path in found.files]


def test_folder_is_walked_in_order(tree):
    found = find_inputs([tree])
    assert names(found, tree) == [
        "a.JPG",
        "b.png",
        "photo.webp",
        "deep/1.2.840.113",
        "deep/IM0001",
        "deep/er/c.tif",
    ]
    assert found.problems == []


def test_named_file_is_kept_whatever_it_is(tree):
    found = find_inputs([str(tree / "notes.txt"), tree / ".hidden.png", tree / "deep" / "other"])
    assert names(found, tree) == ["notes.txt", ".hidden.png", "deep/other"]


def test_patterns(tree):
    assert names(find_inputs([tree / "*.png"]), tree) == ["b.png"]
    assert names(find_inputs([f"{tree}/**/*.tif"]), tree) == ["deep/er/c.tif"]
    assert names(find_inputs([f"{tree}/[ab].*"]), tree) == ["a.JPG", "b.png"]
    assert names(find_inputs([f"{tree}/deep/*"]), tree) == [
        "deep/1.2.840.113",
        "deep/IM0001",
        "deep/er/c.tif",
    ]
    assert names(find_inputs([f"{tree}/deep/**"]), tree) == [
        "deep/1.2.840.113",
        "deep/IM0001",
        "deep/er/c.tif",
    ]


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path):
    path = tmp_path / "film[1].png"
    path.write_bytes(PNG)
    assert find_inputs([path]).files == [path]


def test_every_file_once(tree, monkeypatch):
    monkeypatch.chdir(tree)
    found = find_inputs(["b.png", tree / "b.png", "./b.png", "deep/../b.png", "*.png"])
    assert [str(path) for path in found.files] == ["b.png"]
    assert found.problems == []


def test_problems_do_not_stop_the_others(tree):
    found = find_inputs([tree / "missing.png", tree / "*.bmp", tree / "empty", tree / "b.png"])
    assert names(found, tree) == ["b.png"]
    assert all(type(problem) is UnreadableError for problem in found.problems)
    assert [str(problem) for problem in found.problems] == [
        f"{tree}/missing.png: there is no such file or folder; check the name.",
        (
            f"{tree}/*.bmp: the pattern matches no images; name a file, folder or pattern "
            "with images in it."
        ),
        (
            f"{tree}/empty: the folder holds no images; name a file, folder or pattern with "
            "images in it."
        ),
    ]


@pytest.mark.parametrize("address", ["https://a.org/b.png?x=1", "http://a.org", "s3://a/b.dcm"])
def test_an_address_is_no_file_and_keeps_its_slashes(address):
    (problem,) = find_inputs([address]).problems
    assert str(problem) == (
        f"{address}: this is an address, and nothing is read from a network; download it, and "
        "name the file."
    )


def test_a_folder_named_twice_is_no_problem(tree):
    found = find_inputs([tree, tree])
    assert len(found.files) == 6
    assert found.problems == []


def test_unreadable_folder_is_reported_and_the_rest_walked(tree, monkeypatch):
    scan = os.scandir

    def guarded(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = find_inputs([tree])
    assert names(found, tree) == ["a.JPG", "b.png", "photo.webp"]
    assert [str(problem) for problem in found.problems] == [
        (
            f"{tree}/deep: permission to read the folder was denied; change its permissions "
            "or leave it out."
        )
    ]
    alone = find_inputs([tree / "deep"])
    assert alone.files == []
    assert len(alone.problems) == 1


def test_files_with_a_known_ending_are_not_opened(tree, monkeypatch):
    def refuse(*_args, **_settings):
        raise AssertionError("opened")

    for name in ("other", "IM0001", "1.2.840.113"):
        (tree / "deep" / name).unlink()
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert len(find_inputs([tree]).files) == 4


def test_broken_link_is_found_and_then_refused(tmp_path):
    link = tmp_path / "film.png"
    link.symlink_to(tmp_path / "gone.png")
    assert find_inputs([link]).files == [link]
    with pytest.raises(
        UnreadableError, match="it is a link to a file that does not exist; check the name"
    ):
        read_image(link)


def test_a_name_too_long_for_a_file_is_found_and_then_refused(tmp_path):
    path = tmp_path / f"{'x' * 300}.png"
    assert find_inputs([path]).files == [path]
    with pytest.raises(UnreadableError, match=r"it could not be read \(file name too long\)"):
        read_image(path)


def test_what_lies_in_a_folder_that_may_not_be_entered_is_found_and_then_refused(tree, monkeypatch):
    stat = Path.stat

    def refuse(path, **settings):
        if path.parent.name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **settings)

    monkeypatch.setattr("pathlib.Path.stat", refuse)
    file = tree / "deep" / "IM0001"
    assert find_inputs([file]).files == [file]
    with pytest.raises(
        UnreadableError, match="permission to read it was denied; change its permissions"
    ):
        read_image(file)


def test_an_empty_path_is_not_the_folder_one_is_in(tree, monkeypatch):
    monkeypatch.chdir(tree)
    found = find_inputs([""])
    assert found.files == []
    assert [str(problem) for problem in found.problems] == [
        "a path is empty; name a file, folder or pattern."
    ]


def test_a_film_is_found_beside_a_header_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "JPCLN001.IMG").write_bytes(bytes(2 * 2048 * 2048))
    (tmp_path / "JPCLN001.hdr").write_text("ENVI\nsamples = 2048\n")
    assert [path.name for path in find_inputs([tmp_path]).files] == ["JPCLN001.IMG", "JPCLN001.hdr"]
