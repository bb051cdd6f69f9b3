"""The trained network, run by ONNX Runtime: images in, probabilities out. The only importer of
onnxruntime.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.card import MAX_SIDE, ModelCard, problem_of_layers, read_card
from lungseg.errors import ModelError, UsageError
from lungseg.modality import Modality
from lungseg.self_contained import names_other_files

if TYPE_CHECKING:
    import onnxruntime

MODELS = Path(__file__).parent / "models"
"""The folder of the models that come with the package."""


def embedded_models() -> tuple[str, ...]:
    """Names of the models that come with the package, sorted."""
    return tuple(sorted(path.stem for path in MODELS.glob("*.onnx")))


def find_model(model: str | Path) -> Path:
    """The .onnx file of an embedded model's name, of a path, or of the folder of a run.

    Raises:
        ModelError: there is no such embedded model, or no such file.
    """
    is_name = isinstance(model, str) and Path(model).name == model and not model.endswith(".onnx")
    if is_name and (model in embedded_models() or not _is_folder(Path(model))):
        if model not in embedded_models():
            cure = (
                f"name one of {', '.join(embedded_models()) or 'none'}, or give the path of "
                "an .onnx file"
            )
            raise ModelError(f"no model named {model!r} comes with this package", cure=cure)
        return MODELS / f"{model}.onnx"
    path = Path(model)
    try:
        if path.is_dir():
            path = _of_run(path)
        there = path.is_file()
    except OSError as error:  # such as a folder above it that may not be entered
        raise _unreadable(path, error) from error
    if not there:
        raise ModelError(
            "there is no such model file",
            where=path,
            cure="give the .onnx file that `lungseg export` wrote",
        )
    return path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long for one
        return False


def _of_run(folder: Path) -> Path:
    """The model that the run in a folder has left.

    Raises:
        ModelError: it has left none.
    """
    if (folder / "model.onnx").is_file():
        return folder / "model.onnx"
    if (folder / "best.ckpt").is_file():
        raise ModelError(
            "this run has left no model yet",
            where=folder,
            cure=f"make one with `lungseg export {folder / 'best.ckpt'} -o model.onnx`",
        )
    raise ModelError(
        "this is a folder, and it holds no model.onnx as the folder of a run does",
        where=folder,
        cure="give the .onnx file itself",
    )


EXPORT_AGAIN: Final = "export the model again with `lungseg export`"
TOLERANCE: Final = 1e-2
"""Of probabilities and their sums, which 16-bit weights may leave by a little."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unreadable(path: Path, error: OSError) -> ModelError:
    reason = (error.strerror or str(error)).lower()
    return ModelError(
        f"the model file cannot be read ({reason})", where=path, cure="give one that can be"
    )


class Predictor:
    """A network kept loaded; calling it is safe from several threads.

    Attributes:
        path: the .onnx file.
        card: what the .json file beside it says.
        file_card: the same, also where `card` tells sides that the network does not.
    """

    def __init__(self, model: str | Path = "cxr", *, threads: int | None = None) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it.
            threads: how many threads one call computes with; None for one on each core.

        Raises:
            ModelError: the model or its card is missing or broken, or the two do not belong
                together.
            UsageError: `threads` is below 1.
        """
        if threads is not None and threads < 1:
            raise UsageError(f"a network needs at least 1 thread, not {threads}")
        self.path = find_model(model)
        self.card: ModelCard = read_card(self.path.with_suffix(".json"))
        self.file_card = self.card
        # One reading serves both the check and the loading, so what is checked is what runs.
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if hashlib.sha256(content).hexdigest() != self.card.sha256:
            raise ModelError(
                f"the model is not the one that its card {self.path.with_suffix('.json').name} "
                "describes (SHA-256 differs)",
                where=self.path,
                cure="put back the .onnx and .json files that were exported together, or install "
                "the package again",
            )
        self._session = _session(content, self.path, self.card, threads)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of all that the model predicts.

        Args:
            batch: (N, 1, rows, columns) of the card's input size, float32, as
                `lungseg.preprocess.to_network` makes it.

        Returns:
            (N, channels, rows, columns), float32, 0 to 1; the card's `outputs` names the channels,
            and over those of one layer they add up to 1.

        Raises:
            UsageError: the batch has another shape or type.
            ModelError: the network could not be computed, or gave what are no probabilities.
        """
        if (
            batch.ndim != 4
            or batch.shape[1:] != (1, *self.card.input_size)
            or batch.dtype != np.float32
        ):
            rows, columns = self.card.input_size
            raise UsageError(
                f"the network takes float32 of shape (N, 1, {rows}, {columns}), not "
                f"{batch.dtype} of shape {batch.shape}"
            )
        try:
            probabilities: NDArray[np.float32] = self._session.run(
                ["probabilities"], {"image": batch}
            )[0]
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise ModelError(
                f"the network could not be computed ({_one_line(error)})", where=self.path
            ) from error
        if problem := _problem_of(probabilities, self.file_card, len(batch)):
            raise ModelError(f"the network gave {problem}", where=self.path, cure=EXPORT_AGAIN)
        return np.clip(probabilities, 0.0, 1.0, out=probabilities)


def _problem_of(given: NDArray[np.float32], card: ModelCard, batch: int) -> str | None:
    """Why what the network of a card gave are no probabilities; None where they are."""
    wanted = (batch, len(card.outputs), *card.input_size)
    if given.shape != wanted:
        return f"an array of shape {given.shape} in place of {wanted}"
    low, high = given.min(), given.max()
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # nor where one is NaN
        return f"values from {low:g} to {high:g} in place of probabilities"
    for sums in _sums(given, card):
        if abs(sums - 1).max() > TOLERANCE:
            return f"probabilities that add up to {sums.min():g} to {sums.max():g} in place of 1"
    return None


def _sums(given: NDArray[np.float32], card: ModelCard) -> list[NDArray[np.float32]]:
    """Of each layer's channels, (N, rows, columns); none where there is no background."""
    if card.layers == (card.outputs,):
        return []
    return [given[:, card.channels(layer)].sum(axis=1) for layer in range(len(card.layers))]


def describe_model(
    model: Path,
    layers: tuple[tuple[str, ...], ...],
    *,
    modality: Modality = "radiograph",
    size: int | None = None,
    clip: tuple[float, float] = (0.5, 99.5),
    threshold: float = 0.5,
    terms: str = "",
) -> ModelCard:
    """Writes the card of an ONNX file that another program made, beside it, and computes its
    network once.

    Args:
        model: the file.
        layers: names of the structures of each layer, in the order of the channels behind its
            background.
        modality: of the images it is for.
        size: rows and columns of its input; needed where it takes any.
        clip: percentiles of the image that become 0 and 1, before it is standardised.
        threshold: of probability.
        terms: of the weights.

    Raises:
        ModelError: it is no such network; then no card is written.
        UsageError: `layers`, `clip` or `threshold` are none, or the size is needed, too large, or
            not its own.
    """
    if not 0 <= clip[0] < clip[1] <= 100:
        raise UsageError(f"`clip` is two percentiles, the lower first, not {clip[0]}, {clip[1]}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"`threshold` is between 0 and 1, not {threshold}")
    if problem := problem_of_layers(layers):
        raise UsageError(f"layers {problem}")
    path = find_model(model)
    content = path.read_bytes()
    session = _loaded(content, path, threads=1)
    if problem := _problem_of_names(session.get_inputs(), session.get_outputs()):
        raise ModelError(problem, where=path, cure="export it under these names")
    card = ModelCard(
        name=path.stem,
        version="1",
        modality=modality,
        layers=layers,
        outputs=layers[0] if _is_alone(session, layers) else (),
        architecture="of another program",
        input_size=_input_size(session, size, path),
        sha256=hashlib.sha256(content).hexdigest(),
        clip=clip,
        threshold=threshold,
        terms=terms,
    )
    _check_probabilities(session, card, path)
    card.write(path.with_suffix(".json"))
    return card


def _is_alone(session: onnxruntime.InferenceSession, layers: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the network gives the one structure without a background, as after a sigmoid."""
    return len(layers) == 1 == len(layers[0]) and session.get_outputs()[0].shape[1:2] == [1]


def _input_size(
    session: onnxruntime.InferenceSession, size: int | None, path: Path
) -> tuple[int, int]:
    """Raises UsageError where the size is needed, too large, or another than the network's."""
    taken = session.get_inputs()[0].shape[2:]
    sides = [side if isinstance(side, int) else size or 0 for side in taken]
    if len(sides) != 2 or not all(sides):
        raise UsageError(
            "the network takes pictures of any size", where=path, cure="state one with `size`"
        )
    if size is not None and sides != [size, size]:
        raise UsageError(
            f"the network takes {sides[0]} x {sides[1]} pixels, not {size} x {size}",
            where=path,
            cure="leave `size` out",
        )
    if max(sides) > MAX_SIDE:
        what = f"pictures of {max(sides)} pixels are too large, at most {MAX_SIDE} will do"
        raise UsageError(what, where=path, cure="state a smaller `size`")
    return sides[0], sides[1]


def _check_probabilities(
    session: onnxruntime.InferenceSession, card: ModelCard, path: Path
) -> None:
    """Raises:
    ModelError: of noise, the network gives anything but probabilities of each layer.
    """
    noise = np.random.default_rng(0).standard_normal((1, 1, *card.input_size), np.float32)
    try:
        found = session.run(["probabilities"], {"image": noise})[0]
    except Exception as error:  # as above
        raise ModelError(
            f"the network could not be computed ({_one_line(error)})", where=path
        ) from error
    wanted = (1, len(card.outputs), *card.input_size)
    if found.shape != wanted:
        raise ModelError(
            f"the network gives {found.shape} of one picture, not {wanted}: of each layer the "
            "background, then its structures",
            where=path,
            cure="name all its structures in `layers`, in their order",
        )
    if _problem_of(found, card, 1):
        raise ModelError(
            "the outputs are no probabilities that add up to 1 in each layer",
            where=path,
            cure="end the network with a softmax over the channels of each layer",
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _loaded(content: bytes, path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    """A session that computes on this machine's processor, keeps no more memory than it needs, says
    nothing, and opens no other file.
    """
    # Version 1.29 and later keep an id of the machine in the user's folder and report to their
    # maker, from the import on.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where it was imported before, and on Windows
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    # Its own format is taken for what it is by the first bytes, wherever its weights lie.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        outside = names_other_files(content)
        providers = ["CPUExecutionProvider"]
        make = onnxruntime.InferenceSession
        session = None if outside else make(content, options, providers=providers)
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime cannot load the model ({_one_line(error)})",
            where=path,
            cure="export the model again",
        ) from error
    if session is None:
        raise ModelError(
            "the model names other files for its weights, which its card's SHA-256 does not cover",
            where=path,
            cure="export it with `lungseg export`, which writes one file",
        )
    return session


def _session(
    content: bytes, path: Path, card: ModelCard, threads: int | None
) -> onnxruntime.InferenceSession:
    """The session of a network that is as its card says."""
    session = _loaded(content, path, threads)
    if problem := _problem_of_ends(session.get_inputs(), session.get_outputs(), card):
        raise ModelError(problem, where=path, cure=EXPORT_AGAIN)
    return session


def _problem_of_names(inputs: Sequence[Any], outputs: Sequence[Any]) -> str | None:
    names = [one.name for one in inputs], [one.name for one in outputs]
    if names == (["image"], ["probabilities"]):
        return None
    return f"the model maps {names[0]} to {names[1]}, not image to probabilities"


def _problem_of_ends(inputs: Sequence[Any], outputs: Sequence[Any], card: ModelCard) -> str | None:
    """Why a network cannot be what its card says, by name, type and shape of what it takes and
    gives; None where it can.
    """
    if problem := _problem_of_names(inputs, outputs):
        return problem
    for what, end, channels in (
        ("takes", inputs[0], card.input_channels),
        ("gives", outputs[0], len(card.outputs)),
    ):
        if end.type != "tensor(float)":
            return f"the network {what} {end.type}, not 32-bit floats"
        wanted = {"channels": channels, "rows": card.input_size[0], "columns": card.input_size[1]}
        shape = end.shape[1:]  # a free side has a name instead, and all of them may be missing
        if end.shape and len(shape) != len(wanted):
            return f"the network {what} arrays of {len(end.shape)} axes, not of 4"
        for side, (axis, number) in zip(shape, wanted.items(), strict=False):
            if isinstance(side, int) and side != number:
                return f"the network {what} {side} {axis}, and its card says {number}"
    return None
