from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from lungseg import predict
from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The embedded models are tiny ones."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder, name="cxr")
    write_tiny_model(folder, name="ct", modality="ct")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "MODELS", folder)
        yield


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder with x.png, sub/x.png and y.png, 160 x 200."""
    folder = tmp_path / "films"
    (folder / "sub").mkdir(parents=True)
    for name in ("x.png", "sub/x.png", "y.png"):
        (folder / name).write_bytes(cv2.imencode(".png", dark_ellipses())[1].tobytes())
    return folder
