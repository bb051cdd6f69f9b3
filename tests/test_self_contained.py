"""Networks whose weights lie in other files are told from those that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from lungseg.predict import embedded_models, find_model
from lungseg.self_contained import names_other_files
from tiny_model import write_tiny_model


def outside() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
    set_external_data(tensor, "weights.bin")
    return tensor


def model(*nodes: onnx.NodeProto, **parts: object) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [], **parts))


def constant() -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=outside())


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(3), "i")
    return helper.make_sparse_tensor(outside(), indices, [9])


def branch() -> onnx.NodeProto:
    inner = helper.make_graph([constant()], "inner", [], [])
    return helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)


def in_function() -> onnx.ModelProto:
    made = model()
    made.functions.append(helper.make_function("d", "f", [], ["c"], [constant()], []))
    return made


def in_training() -> onnx.ModelProto:
    made = model()
    made.training_info.append(
        helper.make_training_info(helper.make_graph([constant()], "t", [], []), [], None, None)
    )
    return made


@pytest.mark.parametrize(
    "made",
    [
        model(initializer=[outside()]),
        model(sparse_initializer=[sparse()]),
        model(constant()),
        model(branch()),
        model(helper.make_node("F", [], ["c"], tensors=[outside()])),
        model(helper.make_node("F", [], ["c"], sparse=sparse())),
        in_function(),
        in_training(),
    ],
    ids=[
        "graph",
        "sparse",
        "constant",
        "branch",
        "tensors",
        "sparse value",
        "function",
        "training",
    ],
)
def test_weights_elsewhere_are_found_wherever_they_are_named(made: onnx.ModelProto) -> None:
    assert names_other_files(made.SerializeToString())


def test_a_place_without_a_file_counts_too() -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    assert names_other_files(model(initializer=[tensor]).SerializeToString())


def test_whole_networks_name_none(tmp_path: Path) -> None:
    for path in (write_tiny_model(tmp_path), *map(find_model, embedded_models())):
        assert not names_other_files(path.read_bytes())
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
    tensor.data_location = TensorProto.DEFAULT
    assert not names_other_files(model(initializer=[tensor]).SerializeToString())


def test_what_is_cut_off_or_no_message_is_said(tmp_path: Path) -> None:
    content = write_tiny_model(tmp_path).read_bytes()
    for broken in (content[:-1], b"\x3a", b"\x3a" + b"\xff" * 11, b"\x0b"):
        with pytest.raises(ValueError, match=r"it ends within|a field of the wire type 3"):
            names_other_files(broken)
