"""A network of a few weights that takes what is dark for lung, written on the fly, so that no test
needs a trained one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lungseg.card import ModelCard, file_sha256
from lungseg.modality import LUNG_EXTENTS, Modality

SIZE = (64, 64)
HEART_ROWS, HEART_COLUMNS = (32, 52), slice(28, 40)


def write_tiny_model(
    folder: Path,
    *,
    size: tuple[int, int] = SIZE,
    name: str = "tiny",
    steepness: float = 8.0,
    modality: Modality = "radiograph",
    heart: bool = False,
    as_one: bool = False,
    mediastinum: bool = False,
) -> Path:
    """Writes `name`.onnx and its card into `folder`, and returns the path of the first.

    Dark pixels are lung: the patient's right one in the left half of the image, the left one in the
    right half. The three by three mean before that leaves single dark pixels out. The limit is
    halfway between dark and bright where a third of the image is dark. With `heart` what is bright
    in a box below the middle is that. With `as_one` it does not tell the sides. With `mediastinum`
    it also says that all of that box is mediastinum."""
    rows, columns = size
    kernel = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    limit = np.full(1, 0.4, np.float32)
    side = np.zeros((1, 3, 1, columns), np.float32)
    side[:, 1, :, columns // 2 :] = -30.0
    side[:, 2, :, : columns // 2] = -30.0
    scale = np.array([steepness, -steepness, -steepness], np.float32).reshape(1, 3, 1, 1)
    if heart:  # where the background would be sure, and twice as sure as that
        beside = 30.0 * (_box(size) - 1)
        side = np.concatenate([np.repeat(side, rows, axis=2), beside], axis=1)
        scale = np.concatenate([scale, 2 * scale[:, :1]], axis=1)
    if as_one:
        side, scale = np.zeros((1, 2, 1, 1), np.float32), scale[:, :2]
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "limit"], ["smooth"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["smooth", "scale"], ["dark"]),
        helper.make_node("Add", ["dark", "side"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    weights = {"kernel": kernel, "limit": limit, "side": side, "scale": scale}
    if mediastinum:
        weights["box"] = _box(size)
        nodes[-1:] = [
            helper.make_node("Softmax", ["logits"], ["layer"], axis=1),
            helper.make_node("Sub", ["dark", "dark"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], axes=[1]),
            helper.make_node("Add", ["zero", "box"], ["mediastinum"]),
            helper.make_node("Concat", ["layer", "mediastinum"], ["probabilities"], axis=1),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_values("image", 1, size)],
        [_values("probabilities", scale.shape[1] + mediastinum, size)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"{name}.onnx"
    onnx.save(model, str(path))
    write_card(
        path, size=size, modality=modality, heart=heart, as_one=as_one, mediastinum=mediastinum
    )
    return path


def _box(size: tuple[int, int]) -> np.ndarray:
    """(1, 1, rows, columns): 1 where heart and mediastinum lie, 0 elsewhere."""
    box = np.zeros((1, 1, *size), np.float32)
    first, last = (row * size[0] // 64 for row in HEART_ROWS)
    box[:, :, first:last, HEART_COLUMNS] = 1.0
    return box


def _values(name: str, channels: int, size: tuple[int, int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, *size])


def write_card(
    path: Path,
    *,
    size: tuple[int, int] = SIZE,
    modality: Modality = "radiograph",
    heart: bool = False,
    as_one: bool = False,
    mediastinum: bool = False,
) -> None:
    """Writes the card of the .onnx file at `path` beside it."""
    card = ModelCard(
        name=path.stem,
        version="0",
        modality=modality,
        architecture="three by three mean and a threshold",
        input_size=size,
        layers=(("lungs",) if as_one else ("right lung", "left lung", *["heart"] * heart),),
        lung_extents=LUNG_EXTENTS if mediastinum else LUNG_EXTENTS[:1],
        sha256=file_sha256(path),
    )
    card.write(path.with_suffix(".json"))


def dark_ellipses(
    shape: tuple[int, int] = (160, 200), *, right: bool = True, left: bool = True
) -> np.ndarray:
    """(rows, columns), uint8: a bright image with a dark ellipse for each lung that is asked
    for."""
    y, x = ((np.indices(shape).T + 0.5) / shape).T
    pixels = np.full(shape, 200, np.uint8)
    if right:
        pixels[((x - 0.28) / 0.15) ** 2 + ((y - 0.5) / 0.33) ** 2 < 1] = 40
    if left:
        pixels[((x - 0.72) / 0.15) ** 2 + ((y - 0.5) / 0.33) ** 2 < 1] = 40
    return pixels
