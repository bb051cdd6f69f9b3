"""What the tests of the server share."""

from __future__ import annotations

import cv2
import pytest

from tiny_model import dark_ellipses, write_tiny_model


@pytest.fixture(scope="session")
def film() -> bytes:
    """A PNG that the tiny model finds lungs in."""
    return cv2.imencode(".png", dark_ellipses())[1].tobytes()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The path of a model that takes what is dark for lung."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_ct_model(tmp_path_factory):
    """The same for CT."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny_ct"), modality="ct")
