"""The cache: found again only where nothing has changed, whole or made anew."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.datasets import Case
from lungseg.errors import OutputError, UnreadableError
from lungseg.train import cache as module
from lungseg.train.cache import cache_file, fetch

SHAPE = (2, 3, 4)
ARRAY = np.arange(24, dtype=np.uint8).reshape(SHAPE)


def never() -> np.ndarray:
    raise AssertionError("made again")


@pytest.fixture
def case(cases, tmp_path) -> Case:
    """One whose files may be changed."""
    (tmp_path / "files").mkdir()
    paths = {}
    for name in ("image", "mask"):
        paths[name] = tmp_path / "files" / f"{name}.png"
        shutil.copy(getattr(cases[0], name), paths[name])
    return replace(cases[0], **paths)


def test_made_once_and_found_again(tmp_path) -> None:
    np.testing.assert_array_equal(fetch(tmp_path / "a", SHAPE, lambda: ARRAY), ARRAY)
    found = fetch(tmp_path / "a", SHAPE, never)
    np.testing.assert_array_equal(found, ARRAY)
    assert (found.shape, found.dtype) == (SHAPE, np.uint8)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]  # nothing temporary is left


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"0",
        lambda data: b"\xff" + data[1:],
        lambda data: data[:-1] + b"x",
    ],
    ids=["empty", "cut off", "longer", "content", "checksum"],
)
def test_a_damaged_file_is_made_again(tmp_path, damage) -> None:
    fetch(tmp_path / "a", SHAPE, lambda: ARRAY)
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(damage(whole))
    np.testing.assert_array_equal(fetch(tmp_path / "a", SHAPE, lambda: ARRAY), ARRAY)
    assert (tmp_path / "a").read_bytes() == whole


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        fetch(tmp_path / "a", SHAPE, never)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_named(tmp_path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(tmp_path / "none" / "a", SHAPE, lambda: ARRAY)


def test_the_name_depends_on_files_and_settings_alone(case) -> None:
    names = {
        cache_file(Path("cache"), changed, {"size": 1})
        for changed in (case, replace(case, split="test", notes="x", case="y"))
    }
    assert len(names) == 1
    assert names.pop().parent == Path("cache")


def test_whatever_changes_the_arrays_changes_the_name(case, tmp_path, monkeypatch) -> None:
    def name(changed: Case = case, **settings: int) -> str:
        return cache_file(Path(), changed, {"size": 1, **settings}).name

    names = [
        name(),
        name(size=2),
        name(replace(case, lung_extent="aerated")),
        name(replace(case, decides=("heart",))),
        name(replace(case, mask=None)),
    ]
    names += [
        name(replace(case, mask_left=case.mask)),
        name(replace(case, image=case.mask, mask=case.image)),
    ]
    for path in (case.image, case.mask):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
        names.append(name())
        path.write_bytes(path.read_bytes() + b"0")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
        names.append(name())
    monkeypatch.setattr(module, "FORMAT", 0)
    names.append(name())
    assert len(set(names)) == len(names) == 12


def test_a_missing_file_is_named(case) -> None:
    case.mask.unlink()
    with pytest.raises(UnreadableError, match=r"mask\.png: it cannot be found"):
        cache_file(Path(), case, {})
