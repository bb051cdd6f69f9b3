from __future__ import annotations

import pytest

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers.raw_volume import sidecar


def test_voxels_lie_beside_their_header_or_below(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in ("a.raw", "raw/a.raw"):
        (tmp_path / name).write_bytes(b"0")
        assert sidecar(tmp_path / "a.mhd", name, source="a.mhd") == tmp_path / name
    with pytest.raises(
        UnreadableError,
        match=r"a\.mhd: its voxels are in b\.raw, and that is missing; put it beside",
    ):
        sidecar(tmp_path / "a.mhd", "b.raw", source="a.mhd")


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
        sidecar(tmp_path / "below" / "a.mhd", name, source="a.mhd")
