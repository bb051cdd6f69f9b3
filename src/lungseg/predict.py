"""The trained network, run by ONNX Runtime: images in, probabilities out. The only importer of
onnxruntime.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard, read_card
from lungseg.ends import ENDS, Axes, FloatType, on_axes
from lungseg.errors import ModelError, UsageError
from lungseg.self_contained import names_other_files

if TYPE_CHECKING:
    import onnxruntime

Session: TypeAlias = "onnxruntime.InferenceSession"

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


EXPORT_AGAIN: Final = (
    "export the model again with `lungseg export`, or write the card of one from elsewhere again "
    "with `lungseg card`"
)
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
                `lungseg.preprocess.picture_of` makes it.

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
        card = self.file_card
        given = computed(self._session, batch, card, self.path)
        probabilities = activated(given, card)
        if problem := problem_of_probabilities(probabilities, card, len(batch)):
            raise ModelError(f"the network gave {problem}", where=self.path, cure=EXPORT_AGAIN)
        return np.clip(probabilities, 0.0, 1.0, out=probabilities)


def computed(
    session: Session, batch: NDArray[np.float32], card: ModelCard, path: Path
) -> NDArray[np.float32]:
    """What the network of a card gives, (N, channels, rows, columns), before its activation.

    Args:
        session: the network.
        batch: (N, 1, rows, columns), float32, as `lungseg.preprocess.picture_of` makes it.
        card: by whose `ends` it is fed.
        path: for messages.

    Raises:
        ModelError: it could not be computed.
    """
    ends, takes = card.ends, session.get_inputs()[0].shape
    feed = fed(batch, card)
    # What was made elsewhere may take one picture at a time, whether or not its shape says so.
    one_by_one = ends != ENDS or (takes and takes[0] == 1)
    parts = np.split(feed, len(feed)) if one_by_one else [feed]
    try:
        given = [session.run([ends.output_name], {ends.input_name: part})[0] for part in parts]
    except Exception as error:  # ONNX Runtime's exceptions share no base of their own
        raise ModelError(
            f"the network could not be computed ({_one_line(error)})", where=path
        ) from error
    return in_order(given[0] if len(given) == 1 else np.concatenate(given), ends.output_axes)


def fed(batch: NDArray[np.float32], card: ModelCard) -> NDArray[Any]:
    """A batch (N, 1, rows, columns) as the network of a card takes it: minus the mean, divided by
    the standard deviation, in each channel, on its axes and of its type.
    """
    ends = card.ends
    if ends.mean != ENDS.mean or ends.std != ENDS.std:
        mean, std = (np.array(of, np.float32).reshape(1, -1, 1, 1) for of in (ends.mean, ends.std))
        batch = (batch - mean) / std
    if batch.shape[1] != card.input_channels:
        batch = np.repeat(batch, card.input_channels, axis=1)
    if ends.input_axes == "NHWC":
        batch = np.moveaxis(batch, 1, -1)
    return np.ascontiguousarray(batch, ends.input_type)


def in_order(given: NDArray[Any], axes: Axes) -> NDArray[np.float32]:
    """What a network gave on these axes as (N, channels, rows, columns), float32; what has another
    number of axes stays as it is.
    """
    if axes == "NHWC" and given.ndim == len(axes):
        given = np.moveaxis(given, -1, 1)
    return np.ascontiguousarray(given, np.float32)


def activated(given: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """What a network gave, (N, channels, rows, columns), after the activation that its card
    asks for.
    """
    if card.ends.activation == "none" or given.shape[1:2] != (len(card.outputs),):
        return given  # what has other channels is refused later
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found later
        if card.ends.activation == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-given)))
        found = given.copy()
        for layer in map(card.channels, range(len(card.layers))):
            powers = np.exp(given[:, layer] - given[:, layer].max(axis=1, keepdims=True))
            found[:, layer] = powers / powers.sum(axis=1, keepdims=True)
    return found


def problem_of_probabilities(given: NDArray[np.float32], card: ModelCard, batch: int) -> str | None:
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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def load_session(content: bytes, path: Path, threads: int | None) -> Session:
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


def _session(content: bytes, path: Path, card: ModelCard, threads: int | None) -> Session:
    """The session of a network that is as its card says."""
    session = load_session(content, path, threads)
    if problem := _problem_of_ends(session.get_inputs(), session.get_outputs(), card):
        raise ModelError(problem, where=path, cure=EXPORT_AGAIN)
    return session


def _problem_of_ends(inputs: Sequence[Any], outputs: Sequence[Any], card: ModelCard) -> str | None:
    """Why a network cannot be what its card says, by name, type and shape of what it takes and
    gives; None where it can.
    """
    ends = card.ends
    names = [one.name for one in inputs], [one.name for one in outputs]
    if names[0] != [ends.input_name] or ends.output_name not in names[1]:
        return (
            f"the model maps {names[0]} to {names[1]}, not {ends.input_name} to {ends.output_name}"
        )
    output = outputs[names[1].index(ends.output_name)]
    for what, end, axes, of_type, channels in (
        ("takes", inputs[0], ends.input_axes, ends.input_type, card.input_channels),
        ("gives", output, ends.output_axes, ends.output_type, len(card.outputs)),
    ):
        if TYPES.get(end.type) != of_type:
            return f"the network {what} {end.type}, not {of_type.removeprefix('float')}-bit floats"
        if end.shape and len(end.shape) != len(axes):
            return f"the network {what} arrays of {len(end.shape)} axes, not of 4"
        words = on_axes(axes, "", "channels", ("rows", "columns"))
        wanted = on_axes(axes, "", channels, card.input_size)
        # A free side has a name instead, and all of them may be missing.
        for side, word, number in zip(end.shape, words, wanted, strict=False):
            if word and isinstance(side, int) and side != number:
                return f"the network {what} {side} {word}, and its card says {number}"
    return None


TYPES: Final[dict[str, FloatType]] = {"tensor(float)": "float32", "tensor(float16)": "float16"}
"""Of ends that a card can have, by ONNX Runtime's words."""
