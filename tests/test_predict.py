"""Loading a model, refusing what does not belong together, and the network's probabilities."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lungseg import predict
from lungseg.errors import ModelError, UsageError
from lungseg.predict import MODELS, Predictor, find_model
from lungseg.preprocess import to_network
from tiny_model import SIZE, dark_ellipses, write_card, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def batch(pixels: np.ndarray) -> np.ndarray:
    return to_network(pixels, SIZE, (0.5, 99.5))[np.newaxis]


def test_probabilities_of_two_dark_ellipses(model: Path) -> None:
    probabilities = Predictor(model, threads=1)(batch(dark_ellipses()))
    assert probabilities.shape == (1, 3, *SIZE)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    row = probabilities[0, :, SIZE[0] // 2]
    assert row[1, int(0.28 * SIZE[1])] > 0.95
    assert row[2, int(0.72 * SIZE[1])] > 0.95
    assert row[0, SIZE[1] // 2] > 0.95


def test_a_batch_gives_what_its_images_give(model: Path) -> None:
    predictor = Predictor(model)
    images = np.concatenate(
        [
            batch(dark_ellipses()),
            batch(dark_ellipses(left=False)),
            batch(dark_ellipses(right=False)),
        ]
    )
    together = predictor(images)
    for i in range(3):
        np.testing.assert_allclose(predictor(images[i : i + 1])[0], together[i], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 1, 32, 64), "float32"),
        ((1, *SIZE), "float32"),
        ((1, 3, *SIZE), "float32"),
        ((1, 1, *SIZE), "float64"),
    ],
)
def test_a_wrong_batch_is_refused(model: Path, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(
        UsageError, match=rf"takes float32 of shape \(N, 1, 64, 64\), not {dtype} of shape "
    ):
        Predictor(model)(np.zeros(shape, dtype))


def test_threads_below_one_are_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="a network needs at least 1 thread, not 0"):
        Predictor(model, threads=0)


def test_an_embedded_model_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "MODELS", tmp_path)
    path = write_tiny_model(tmp_path)
    assert predict.embedded_models() == ("tiny",)
    assert predict.find_model("tiny") == path
    assert Predictor("tiny").card.name == "tiny"
    with pytest.raises(
        ModelError,
        match="no model named 'cxr9' comes with this package; name one of tiny, or give the path",
    ):
        Predictor("cxr9")


def test_a_missing_file_or_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"none\.onnx: there is no such model file; give the \.onnx file"
    ):
        Predictor(tmp_path / "none.onnx")
    path = write_tiny_model(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"tiny\.json: the model card cannot be read"):
        Predictor(path)


def test_the_folder_of_a_run_stands_for_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"this is a folder, and it holds no model\.onnx"):
        find_model(tmp_path)
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(ModelError, match=r"this run has left no model yet; make one with `lungseg"):
        find_model(tmp_path)
    path = write_tiny_model(tmp_path, name="model")
    assert find_model(tmp_path) == find_model(str(tmp_path)) == path
    assert Predictor(tmp_path).card.name == "model"
    monkeypatch.chdir(tmp_path.parent)
    assert find_model(tmp_path.name) == Path(tmp_path.name, "model.onnx")


def test_a_model_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ModelError,
        match=r"tiny\.onnx: the model is not the one that its card tiny\.json describes .* put "
        r"back",
    ):
        Predictor(path)


def test_a_card_with_more_channels_than_the_network_gives_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    card = model.with_suffix(".json")
    entries = json.loads(card.read_text())
    entries |= {"layers": [["right lung", "left lung", "heart"]]}
    entries |= {"outputs": ["background", "right lung", "left lung", "heart"]}
    card.write_text(json.dumps(entries))
    with pytest.raises(
        ModelError, match=r"tiny\.onnx: the network gives 3 channels, and its card names 4; export"
    ):
        Predictor(model)


def test_a_name_too_long_for_a_file_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model named 'xxx"):
        Predictor("x" * 300)
    with pytest.raises(ModelError, match=r"the model file cannot be read \(file name too long\)"):
        Predictor(tmp_path / f"{'x' * 300}.onnx")


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a network")
    write_card(path)
    with pytest.raises(
        ModelError,
        match=r"text\.onnx: ONNX Runtime cannot load the model .* export the model again",
    ):
        Predictor(path)


def test_a_network_with_other_ends_is_refused(tmp_path: Path) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, *SIZE])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "other", ends[:1], ends[1:]
    )
    path = tmp_path / "other.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
    write_card(path)
    with pytest.raises(
        ModelError, match=r"the model maps \['x'\] to \['y'\], not image to probabilities"
    ):
        Predictor(path)


def test_a_card_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path)
    write_card(path, size=(32, 32))
    with pytest.raises(
        ModelError,
        match=r"tiny\.onnx: the network takes 64 x 64 pixels, and its card says 32 x 32; export "
        r"it again",
    ):
        Predictor(path)


def test_a_network_that_cannot_be_computed_is_one_sentence_and_no_chatter(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, "H", "W"])
        for name in ("image", "probabilities")
    ]
    five = numpy_helper.from_array(np.array([5], np.int64), "five")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["image", "five"], ["probabilities"])],
        "five",
        ends[:1],
        ends[1:],
        [five],
    )
    path = tmp_path / "five.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
    write_card(path)
    with pytest.raises(
        ModelError, match=r"five\.onnx: the network could not be computed \([^\n]+\)\.$"
    ):
        Predictor(path)(np.zeros((1, 1, *SIZE), np.float32))
    assert capfd.readouterr() == ("", "")


def test_the_runtime_keeps_no_id_of_the_machine_and_sends_nothing(tmp_path: Path) -> None:
    # Its own reporting is out of sight of Python. It begins with files in the home and among the
    # temporary ones, unless it sees a CI.
    home = tmp_path / "home"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
    code = "import sys; from lungseg.predict import Predictor; Predictor(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, str(MODELS / "cxr.onnx")], env=environment, check=True
    )
    assert list(home.rglob("*")) == []
