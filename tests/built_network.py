"""The tiny network between other nodes, as networks of other programs are built, and without a
card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tiny_model import SIZE, write_tiny_model


def node(kind: str, takes: str, gives: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, takes.split(), gives.split(), **attributes)


@dataclass
class Built:
    """Nodes before and behind the tiny network, which take `x` and give `y`, and what is said of
    the two."""

    before: list[onnx.NodeProto] = field(default_factory=lambda: [node("Identity", "x", "image")])
    behind: list[onnx.NodeProto] = field(
        default_factory=lambda: [node("Identity", "probabilities", "y")]
    )
    takes: tuple[Any, ...] = ("N", 1, *SIZE)
    gives: tuple[Any, ...] = ("N", 3, *SIZE)
    kind: int = TensorProto.FLOAT
    as_one: bool = False
    more: tuple[str, ...] = ()
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The file, without a card."""
        plain = onnx.load(write_tiny_model(folder, name="inner", as_one=self.as_one))
        (folder / "inner.json").unlink()
        (folder / "inner.onnx").unlink()
        values = [
            helper.make_tensor_value_info(name, self.kind, shape)
            for name, shape in (("x", self.takes), ("y", self.gives))
        ]
        others = [helper.make_empty_tensor_value_info(name) for name in self.more]
        weights = [numpy_helper.from_array(value, name) for name, value in self.weights.items()]
        graph = helper.make_graph(
            [*self.before, *plain.graph.node, *self.behind],
            "built",
            values[:1],
            [*others, *values[1:]],
            [*plain.graph.initializer, *weights],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(made, str(folder / "built.onnx"))
        return folder / "built.onnx"


LAST = [node("Transpose", "x", "image", perm=[0, 3, 1, 2])]
LAST_BEHIND = [node("Transpose", "probabilities", "y", perm=[0, 2, 3, 1])]
WEIGHTED = [
    node("Mul", "x shares", "weighted"),  # of three channels that are not equal another one
    node("ReduceSum", "weighted first", "image"),
]
OF_CHANNELS = {
    "shares": np.float32([0.5, 0.2, 0.3]).reshape(1, 3, 1, 1),
    "first": np.array([1], np.int64),
}
LOGIT = [
    node("Split", "logits", "outside inside", axis=1),
    node("Sub", "inside outside", "y"),
]


STANDARDISED = [
    node("ReduceMean", "grey", "mean", axes=[2, 3]),
    node("Sub", "grey mean", "above"),
    node("Mul", "above above", "squares"),
    node("ReduceMean", "squares", "variance", axes=[2, 3]),
    node("Sqrt", "variance", "deviation"),
    node("Div", "above deviation", "image"),
]
