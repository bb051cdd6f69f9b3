"""Cards of models that were made elsewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import onnx
import pytest
from onnx import TensorProto, helper

from built_network import LAST, OF_CHANNELS, WEIGHTED, Built, node
from command_line import lungseg
from lungseg.card import read_card
from tiny_model import SIZE, dark_ellipses, write_tiny_model

PAGE = Path(__file__).resolve().parents[2] / "docs" / "elsewhere.md"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A model without a card."""
    model = write_tiny_model(tmp_path, name="foreign")
    model.with_suffix(".json").unlink()
    return model


def network(path: Path, kind: str, side: int | str = 32, channels: int = 3) -> Path:
    """A network that does one thing with its picture."""
    nodes = [
        helper.make_node("Concat", ["image"] * channels, ["copies"], axis=1),
        helper.make_node(
            kind, ["copies"], ["probabilities"], **({"axis": 1} if kind == "Softmax" else {})
        ),
    ]
    image, found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", depth, side, side])
        for name, depth in (("image", 1), ("probabilities", channels))
    )
    graph = helper.make_graph(nodes, "one", [image], [found])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def test_a_model_from_elsewhere_gets_its_card_and_segments(foreign: Path, tmp_path: Path) -> None:
    made = lungseg("card", foreign, "--layers", "lungs", "--terms", "ours", "--clip", "1,99")
    assert (made.exit_code, made.stderr) == (0, "")
    card = foreign.with_suffix(".json")
    assert made.output == f"{card}: background, right lung, left lung of 64 x 64 pixels\n"
    found = read_card(card)
    assert (found.name, found.terms, found.clip) == ("foreign", "ours", (1.0, 99.0))
    cv2.imwrite(str(tmp_path / "film.png"), dark_ellipses())
    done = lungseg("segment", tmp_path / "film.png", "-o", tmp_path / "out", "--model", foreign)
    assert done.exit_code == 0
    mask = cv2.imread(str(tmp_path / "out" / "film_mask.png"))
    assert 0.2 < mask.any(axis=2).mean() < 0.5


def test_a_card_that_is_there_stays(foreign: Path) -> None:
    assert lungseg("card", foreign, "--layers", "lungs").exit_code == 0
    before = foreign.with_suffix(".json").read_bytes()
    again = lungseg("card", foreign, "--layers", "left lung, right lung")
    assert (again.exit_code, again.stderr) == (
        2,
        f"Error: {foreign.with_suffix('.json')}: the model has a card; replace it with "
        "--overwrite.\n",
    )
    assert foreign.with_suffix(".json").read_bytes() == before
    assert (
        lungseg("card", foreign, "--layers", "left lung, right lung", "--overwrite").exit_code == 0
    )
    assert read_card(foreign.with_suffix(".json")).layers == (("left lung", "right lung"),)


@pytest.mark.parametrize(
    ("made", "flags", "sentence"),
    [
        (("Softmax", "side"), ["--size", "32"], ""),
        (("Softmax", "side"), [], "takes pictures of any size; state one with --size."),
        (("Softmax",), ["--size", "64"], "takes 32 x 32 pixels, not 64 x 64; leave --size out."),
        (("Sigmoid",), [], "no probabilities that add up to 1 in each layer; end the network with"),
        (("Softmax", 32, 4), [], "gives (1, 4, 32, 32) of one picture, not (1, 3, 32, 32)"),
        (("Softmax",), ["--clip", "99,1"], "--clip is two percentiles, the lower first, not 99.0"),
        (("Softmax",), ["--clip", "low"], "--clip low is not LOW,HIGH; give 0.5,99.5."),
        (
            ("Softmax",),
            ["--mean", "0.5;0.4"],
            "--mean 0.5;0.4 is not one number or three; give 0.5",
        ),
        (("Softmax",), ["--std", "0"], "--std cannot be (0.0,); give one number, or one for each"),
        (("Softmax",), ["--output", "y"], "gives probabilities, not y; choose one of them with --"),
        (("Identity",), [], "no probabilities; if they are logits, give softmax as --activation."),
    ],
)
def test_what_is_no_such_network_gets_no_card(
    tmp_path: Path, made: tuple[str | int, ...], flags: list[str], sentence: str
) -> None:
    model = network(tmp_path / "one.onnx", *made)  # type: ignore[arg-type]
    done = lungseg("card", model, "--layers", "lungs", *flags)
    if not sentence:
        assert (done.exit_code, done.stderr) == (0, "")
        return
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert not model.with_suffix(".json").exists()


def test_lungs_as_one_have_a_card_too(tmp_path: Path) -> None:
    model = network(tmp_path / "one.onnx", "Sigmoid", channels=1)
    made = lungseg("card", model, "--layers", "lungs as one")
    assert (made.exit_code, made.stderr) == (0, "")
    assert read_card(model.with_suffix(".json")).layers == (("lungs",),)


def test_the_card_of_a_run_stays(foreign: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    foreign.rename(run / "model.onnx")
    assert lungseg("card", run, "--layers", "lungs").exit_code == 0
    before = (run / "model.json").read_bytes()
    again = lungseg("card", run, "--layers", "lungs", "--modality", "ct")
    assert again.stderr == (
        f"Error: {run / 'model.json'}: the model has a card; replace it with --overwrite.\n"
    )
    assert (run / "model.json").read_bytes() == before


def test_a_size_that_no_card_may_have_is_refused(tmp_path: Path) -> None:
    model = network(tmp_path / "any.onnx", "Softmax", side="side")
    made = lungseg("card", model, "--layers", "lungs", "--size", 4160)
    assert (made.exit_code, model.with_suffix(".json").exists()) == (2, False)
    assert "pictures of 4160 pixels are too large, at most 4096 will do" in made.stderr


def test_the_lines_of_the_page_make_models_of_networks_as_keras_and_pytorch_export_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = [
        node("Split", "probabilities", "outside inside", axis=1),
        node("Transpose", "inside", "y", perm=[0, 2, 3, 1]),
    ]
    keras = Built(LAST, one, ("N", *SIZE, 1), ("N", *SIZE, 1), as_one=True)
    keras.write(tmp_path).rename("keras.onnx")
    logits = [node("Identity", "logits", "y")]
    torch = Built(WEIGHTED, logits, (1, 3, *SIZE), (1, 3, *SIZE), weights=OF_CHANNELS)
    torch.write(tmp_path).rename("torch.onnx")
    cv2.imwrite("film.png", dark_ellipses())
    lines = re.findall(r"^```sh\nlungseg (.*?)\n```$", PAGE.read_text(encoding="utf-8"), re.M)
    said = []
    for line in lines:
        done = lungseg(*shlex.split(line))
        assert done.exit_code == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == (
        "keras.json: lungs of 64 x 64 pixels\n"
        "takes x, (N, 64, 64, 1), float32; gives y, (N, 64, 64, 1), float32\n"
    )
    assert said[1].endswith("takes x, (N, 3, 64, 64), float32; gives y, (N, 3, 64, 64), float32\n")
    assert read_card(Path("torch.json")).ends.std == (0.229, 0.224, 0.225)
    assert Path("out/film_mask.png").is_file()
