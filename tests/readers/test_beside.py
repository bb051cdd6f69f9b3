from __future__ import annotations

import pytest

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers.raw_volume import beside


def test_voxels_lie_beside_their_header_or_below(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in ("a.raw", "raw/a.raw"):
        (tmp_path / name).write_bytes(b"0")
        assert beside(tmp_path / "a.mhd", name) == tmp_path / name
    with pytest.raises(
        UnreadableError,
        match=r"a\.mhd: its voxels are in b\.raw, and that is missing; put it beside",
    ):
        beside(tmp_path / "a.mhd", "b.raw")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.raw", "raw/../../a.raw", "..\\a.raw", "\\a.raw", "//server/a.raw"]
)
def test_a_header_does_not_lead_elsewhere(tmp_path, name):
    (tmp_path / "below").mkdir()
    (tmp_path / "a.raw").write_bytes(b"0")
    with pytest.raises(
        UnsupportedError,
        match=r"its voxels are in another folder; put them beside it, and name them so in the "
        r"header",
    ):
        beside(tmp_path / "below" / "a.mhd", name)
