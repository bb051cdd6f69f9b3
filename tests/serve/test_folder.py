from __future__ import annotations

import tempfile

import pytest

from lungseg.serve.folder import private_folder

pytest.importorskip("fcntl")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_goes_with_all_that_is_in_it(tmp_path):
    with private_folder() as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "job").mkdir()
        (folder / "job" / "mask.png").write_bytes(b"0")
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_server_left_is_removed_and_what_a_living_one_has_is_not(tmp_path):
    dead, begun = tmp_path / "lungseg-serve-dead", tmp_path / "lungseg-serve-begun"
    (dead / "job").mkdir(parents=True)
    (dead / ".lock").touch()
    begun.mkdir()  # not locked yet
    (tmp_path / "lungseg-serve-link").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".lock").touch()
    with private_folder() as living:
        assert not dead.exists()
        with private_folder():
            assert living.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lungseg-serve-begun",
        "lungseg-serve-link",
        "other",
    ]
