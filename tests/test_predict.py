"""Loading a model, refusing what does not belong together, and the network's probabilities."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

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
        ModelError, match=r"tiny\.onnx: the network gives 3 channels, and its card says 4; export"
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
        match=r"tiny\.onnx: the network takes 64 rows, and its card says 32; export the model",
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


def network(path: Path, nodes: list[onnx.NodeProto], **ends: Any) -> Path:
    """Writes a network of these nodes and its card; `ends` are type and shape of what it takes and
    gives."""
    shapes = {
        "image": (TensorProto.FLOAT, ["N", 1, *SIZE]),
        "probabilities": (TensorProto.FLOAT, ["N", 3, *SIZE]),
    } | ends
    image, probabilities = (
        helper.make_tensor_value_info(name, *shapes[name]) for name in ("image", "probabilities")
    )
    graph = helper.make_graph(nodes, "made up", [image], [probabilities])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
    write_card(path)
    return path


def constant(name: str, values: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))


def giving(path: Path, values: np.ndarray) -> Path:
    """A network that gives the same three probabilities everywhere."""
    column = values.astype(np.float32).reshape(1, 3, 1, 1)
    zero = helper.make_node("Mul", ["image", "nothing"], ["zero"])
    add = helper.make_node("Add", ["zero", "values"], ["probabilities"])
    nothing = constant("nothing", np.zeros(1, np.float32))
    return network(path, [nothing, constant("values", column), zero, add])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((np.nan, 0.5, 0.5), "values from nan to nan in place of probabilities"),
        ((np.inf, 0.0, 0.0), "values from 0 to inf in place of probabilities"),
        ((3.0, -1.0, -1.0), "values from -1 to 3 in place of probabilities"),
        ((0.9, 0.9, 0.1), r"probabilities that add up to 1\.9 to 1\.9 in place of 1"),
    ],
)
def test_what_is_no_probability_is_no_empty_mask(
    tmp_path: Path, values: tuple[float, ...], problem: str
) -> None:
    predictor = Predictor(giving(tmp_path / "odd.onnx", np.array(values)))
    with pytest.raises(ModelError, match=rf"odd\.onnx: the network gave {problem}; export the"):
        predictor(batch(dark_ellipses()))


@pytest.mark.parametrize(
    ("ends", "problem"),
    [
        ({"image": (TensorProto.FLOAT16, ["N", 1, *SIZE])}, r"takes tensor\(float16\), not 32-bit"),
        ({"probabilities": (TensorProto.DOUBLE, ["N", 3, *SIZE])}, r"gives tensor\(double\), not"),
        ({"image": (TensorProto.FLOAT, [1, *SIZE])}, "takes arrays of 3 axes, not of 4"),
        ({"probabilities": (TensorProto.FLOAT, ["N", 3, 64, 32])}, "gives 32 columns, and its"),
        ({"image": (TensorProto.FLOAT, ["N", 3, *SIZE])}, "takes 3 channels, and its card says 1"),
    ],
)
def test_other_types_and_shapes_are_refused_when_the_model_is_loaded(
    tmp_path: Path, ends: dict[str, Any], problem: str
) -> None:
    free = (TensorProto.FLOAT, ["N", "C", "H", "W"])
    shapes = {"image": free, "probabilities": free} | ends
    kind = shapes["probabilities"][0]
    node = helper.make_node("Cast", ["image"], ["probabilities"], to=kind)
    path = network(tmp_path / "other.onnx", [node], **shapes)
    with pytest.raises(ModelError, match=rf"other\.onnx: the network {problem}"):
        Predictor(path)


def test_another_size_that_shows_only_when_it_is_computed_is_refused(tmp_path: Path) -> None:
    free = (TensorProto.FLOAT, ["N", "C", "H", "W"])
    node = helper.make_node("Identity", ["image"], ["probabilities"])
    path = network(tmp_path / "same.onnx", [node], image=free, probabilities=free)
    with pytest.raises(
        ModelError,
        match=r"the network gave an array of shape \(1, 1, 64, 64\) in place of \(1, 3, 64, 64\)",
    ):
        Predictor(path)(batch(dark_ellipses()))


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "*/_ORT_MEM_ADDR_/*"])
def test_weights_in_other_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    model = onnx.load(write_tiny_model(tmp_path))
    for tensor in model.graph.initializer:
        set_external_data(tensor, place, offset=0, length=len(tensor.raw_data))
        tensor.ClearField("raw_data")
    # Where the runtime would look for them: in the folder that the program was started in.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(100_000))
    path = tmp_path / "thief.onnx"
    path.write_bytes(model.SerializeToString())
    write_card(path)
    with pytest.raises(
        ModelError, match=r"thief\.onnx: the model names other files for its weights, which its"
    ):
        Predictor(path)
