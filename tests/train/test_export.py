"""From a checkpoint to ONNX and card, and what is no checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from lungseg.card import file_sha256, read_card
from lungseg.datasets import Case, write_manifest
from lungseg.datasets.label_sets import LUNG_LAYERS, layer_classes
from lungseg.errors import ModelError, OutputError, UsageError
from lungseg.predict import Predictor
from lungseg.train import export as module
from lungseg.train.export import TOLERANCE, ExportModel, export
from lungseg.train.module import build_network, load_checkpoint
from lungseg.train.settings import TrainingSettings

SETTINGS = TrainingSettings(width=8, depth=3, size=32, clip_low=1, clip_high=99)
ABOUT = """
name = "small"
version = "0.3"
terms = "none"
limits = ["phantoms only"]
[sources.north]
terms = "free"
"""


def write_run(folder: Path, cases: list[Case], settings: TrainingSettings = SETTINGS) -> Path:
    """Writes what a run leaves, with weights that were never trained; returns the checkpoint."""
    folder.mkdir()
    torch.manual_seed(0)
    net = build_network(settings)
    net(
        torch.randn(4, 1, settings.size, settings.size)
    )  # moves the statistics of batch normalisation
    torch.save(
        {"state_dict": {f"net.{name}": value for name, value in net.state_dict().items()}},
        folder / "best.ckpt",
    )
    settings.write(folder / "settings.toml")
    listed = [
        replace(case, split="validation" if case.patient == "p0" else "train") for case in cases
    ]
    unlabelled = replace(cases[0], case="p9_a", patient="p9", mask=None, split="train")
    write_manifest([*listed, unlabelled], folder / "cases.csv")
    return folder / "best.ckpt"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> Path:
    return write_run(tmp_path_factory.mktemp("export") / "run", cases)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> module.ExportedModel:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "about.toml").write_text(ABOUT)
    return export(checkpoint, folder / "new" / "small.onnx", about=folder / "about.toml")


@pytest.mark.slow
def test_the_pair_gives_what_torch_gives_at_any_batch_size(exported, checkpoint) -> None:
    assert 0 < exported.largest_difference < TOLERANCE
    batch = np.random.default_rng(3).standard_normal((5, 1, 32, 32)).astype(np.float32)
    found = Predictor(exported.model, threads=1)(batch)
    with torch.inference_mode():
        logits = load_checkpoint(checkpoint)[0](torch.from_numpy(batch))
    p = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(
        found, np.stack([p[:, 0] + p[:, 3], p[:, 1], p[:, 2]], axis=1), atol=0.005
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


class Given(torch.nn.Module):
    """A network whose channels have these probabilities."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log().view(1, -1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(1, -1, 2, 2)


def test_the_mediastinum_is_merged_into_the_background() -> None:
    merged = ExportModel(Given(0.1, 0.2, 0.3, 0.4), LUNG_LAYERS)(torch.zeros(1, 1, 2, 2))
    torch.testing.assert_close(merged[0, :, 0, 0], torch.tensor([0.5, 0.2, 0.3]))


def test_each_layer_has_its_background_and_its_structures_and_no_mediastinum() -> None:
    layers = layer_classes((("opacity",), ("right lung", "left lung", "heart")))
    net = Given(0.6, 0.4, 0.1, 0.2, 0.3, 0.25, 0.15)
    found = ExportModel(net, layers)(torch.zeros(1, 1, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.6, 0.4, 0.25, 0.2, 0.3, 0.25]))


def test_the_mediastinum_is_shown_last_if_asked_for() -> None:
    layers = layer_classes((("right lung", "left lung"), ("heart",)))
    net = Given(0.1, 0.2, 0.3, 0.4, 0.2, 0.8)
    shown = ExportModel(net, layers, shows_mediastinum=True)(torch.zeros(1, 1, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(shown, torch.tensor([0.5, 0.2, 0.3, 0.2, 0.8, 0.4]))


def test_layers_that_are_joined_exclude_each_other() -> None:
    layers = layer_classes((("right lung", "left lung"), ("heart",), ("opacity",)))
    net = Given(0.1, 0.2, 0.3, 0.4, 0.2, 0.8, 0.6, 0.4)
    found = ExportModel(net, layers, (2, 1))(torch.zeros(1, 1, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6, 0.4]))


@pytest.mark.slow
def test_the_description_joins_layers_and_says_what_is_found_by_default(tmp_path, cases) -> None:
    layers = (("right lung", "left lung"), ("heart",), ("opacity",))
    checkpoint = write_run(tmp_path / "run", cases, replace(SETTINGS, layers=layers, width=2))
    about = tmp_path / "about.toml"
    about.write_text(
        'name = "m"\nversion = "1"\ndefault_structures = ["right lung", "left lung"]\n'
        'layers = [["right lung", "left lung", "heart"], ["opacity"]]\n'
    )
    card = read_card(export(checkpoint, tmp_path / "m.onnx", about=about).card)
    assert card.layers == (("right lung", "left lung", "heart"), ("opacity",))
    assert card.default_structures == ("right lung", "left lung")
    for text, words in (
        ('[["right lung", "left lung"], ["heart", "opacity"], ["trachea"]]', "are not those of"),
        ('[["right lung", "left lung", "heart"]]', "are not those of the run, joined"),
        ('[["lung"]]', "name 'lung', which is no structure"),
    ):
        about.write_text(f'name = "m"\nversion = "1"\nlayers = {text}\n')
        with pytest.raises(UsageError, match=words):
            export(checkpoint, tmp_path / "n.onnx", about=about)
    assert not (tmp_path / "n.onnx").exists()


@pytest.mark.slow
def test_the_card_has_the_layers_that_were_learnt(tmp_path, cases) -> None:
    layers = (("right lung", "left lung", "heart"), ("opacity",))
    checkpoint = write_run(tmp_path / "run", cases, replace(SETTINGS, layers=layers, width=2))
    exported = export(checkpoint, tmp_path / "m.onnx")
    card = read_card(exported.card)
    assert card.layers == layers
    assert card.outputs == (
        "background",
        "right lung",
        "left lung",
        "heart",
        "background",
        "opacity",
    )
    found = Predictor(exported.model, threads=1)(np.zeros((1, 1, 32, 32), np.float32))
    assert found.shape == (1, 6, 32, 32)
    for layer in range(2):
        np.testing.assert_allclose(found[:, card.channels(layer)].sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_lungs_can_follow_what_the_masks_did_that_taught_them(tmp_path, cases) -> None:
    drawn = [replace(c, lung_extent="through-heart", source=f"{c.source}_v7") for c in cases]
    both, settings = [*cases, *drawn], replace(SETTINGS, width=2)
    card = read_card(export(write_run(tmp_path / "run", both, settings), tmp_path / "m.onnx").card)
    assert card.lung_extents == ("field", "through-heart")
    assert card.outputs == ("background", "right lung", "left lung", "mediastinum")
    left_out = replace(settings, leave_out=tuple({case.source for case in drawn}))
    without = write_run(tmp_path / "without", both, left_out)
    assert read_card(export(without, tmp_path / "n.onnx").card).lung_extents == ("field",)


@pytest.mark.slow
def test_weights_are_stored_as_float16(exported, checkpoint) -> None:
    graph = onnx.load(exported.model).graph
    large = [weight for weight in graph.initializer if np.prod(weight.dims) > 64]
    assert {weight.data_type for weight in large} == {TensorProto.FLOAT16}
    count = sum(p.numel() for p in load_checkpoint(checkpoint)[0].parameters())
    assert sum(int(np.prod(weight.dims)) for weight in large) > 0.9 * count
    assert exported.model.stat().st_size < 2 * count + 20_000


@pytest.mark.slow
def test_the_file_bears_no_traces_of_the_machine(exported) -> None:
    model = onnx.load(exported.model)
    carried = {entry.key: entry.value for entry in model.metadata_props}
    assert tuple(carried) == (*module.METADATA, "learnt")
    assert json.loads(carried["learnt"]) == [[*LUNG_LAYERS[0].names]]
    assert (carried["name"], carried["clip"]) == ("small", "[1, 99]")
    assert json.loads(carried["outputs"]) == ["background", "right lung", "left lung"]
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert b".py" not in exported.model.read_bytes()


@pytest.mark.slow
def test_the_card_says_what_the_run_knows_and_what_it_was_told(exported) -> None:
    card = read_card(exported.card)
    assert exported.card == exported.model.with_suffix(".json")
    assert (card.name, card.version, card.terms, card.limits) == (
        "small",
        "0.3",
        "none",
        ["phantoms only"],
    )
    assert (card.modality, card.input_size, card.clip) == ("radiograph", (32, 32), (1, 99))
    assert card.layers == (("right lung", "left lung"),)
    assert card.outputs == ("background", "right lung", "left lung")
    assert card.sha256 == file_sha256(exported.model)
    assert (
        card.architecture
        == "U-Net, width 8, depth 3, at most 192 channels, norm batch, transposed up-sampling"
    )
    assert card.data == [
        {"source": "north", "images": 6, "patients": 3, "terms": "free"},
        {"source": "south", "images": 2, "patients": 1},
    ]


@pytest.mark.slow
def test_unetpp_is_exported_too(tmp_path, cases) -> None:
    settings = replace(
        SETTINGS, architecture="unetpp", width=2, norm="none", upsampling="interpolated"
    )
    made = export(write_run(tmp_path / "run", cases, settings), tmp_path / "pp.onnx")
    assert made.largest_difference < TOLERANCE
    card = read_card(made.card)
    assert (card.name, card.version) == ("pp", "0")
    assert card.architecture.startswith("U-Net++, width 2, depth 3")


@pytest.mark.slow
def test_a_model_that_disagrees_with_torch_is_not_left_behind(
    tmp_path, checkpoint, monkeypatch
) -> None:
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    for before in ([], ["m.json", "m.onnx"]):
        for name in before:
            (tmp_path / name).write_text("an earlier one")
        with pytest.raises(
            ModelError,
            match=r"m\.onnx: the exported model differs from torch by 0\.0\d\d in probability\.",
        ):
            export(checkpoint, tmp_path / "m.onnx")
        assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "m.onnx").read_text() == "an earlier one"


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, checkpoint) -> None:
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(
        OutputError,
        match=r"m\.onnx: cannot be written \(is a directory\); make room or choose an output "
        r"folder",
    ):
        export(checkpoint, tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_model_cannot_have_the_name_of_its_card(tmp_path, checkpoint) -> None:
    with pytest.raises(
        UsageError, match=r"m\.json: the card of the model has this name; name the model m\.onnx\."
    ):
        export(checkpoint, tmp_path / "m.json")
    assert not list(tmp_path.iterdir())


def test_a_model_that_computes_no_numbers_is_not_left_behind(tmp_path, cases) -> None:
    checkpoint = write_run(tmp_path / "run", cases, replace(SETTINGS, width=2))
    content = torch.load(checkpoint, weights_only=True)
    for name, value in content["state_dict"].items():
        if name.endswith("weight"):
            value.fill_(float("nan"))
    torch.save(content, checkpoint)
    with pytest.raises(
        ModelError,
        match=r"best\.ckpt: the network gives no numbers; its training has diverged; train again "
        r"with",
    ):
        export(checkpoint, tmp_path / "out" / "m.onnx")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_loaded_is_not_left_behind(
    tmp_path, checkpoint, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_graph", lambda *_: onnx.ModelProto())
    monkeypatch.setattr(module, "halve_weights", lambda model: model)
    with pytest.raises(ModelError, match=r"m\.onnx: "):
        export(checkpoint, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ABOUT + "\n", None),
        (
            'name = "a"\nversion = "1"\ncolour = "red"',
            "about.toml: the description of the model has an unknown field, 'colour'; known are "
            "name, version, terms, limits, sources, layers, default_structures.",
        ),
        ('name = "a"', "about.toml: the description of the model lacks the field 'version'"),
        ("name = ", "about.toml: the description of the model cannot be read (Invalid value"),
        (
            'name = "a"\nversion = "1"\n[sources]\nmontgomery = "cite"',
            "about.toml: the description of the model has sources that are no tables; write "
            "[sources.NAME], and below it what =",
        ),
    ],
)
def test_the_description_of_a_model_is_checked(
    tmp_path, checkpoint, text, words, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_graph", lambda *_: pytest.fail("the network was exported"))
    (tmp_path / "about.toml").write_text(text)
    if words is None:
        assert module._read_about(tmp_path / "about.toml")["limits"] == ["phantoms only"]
        return
    with pytest.raises(UsageError) as refused:
        export(checkpoint, tmp_path / "m.onnx", about=tmp_path / "about.toml")
    assert words in str(refused.value)


class Evil:
    """Unpickling it would make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, cases) -> None:
    checkpoint = write_run(tmp_path / "run", cases)
    torch.save({"state_dict": Evil(tmp_path / "made")}, checkpoint)
    with pytest.raises(ModelError) as refused:
        load_checkpoint(checkpoint)
    problem = "this is no checkpoint, or one with code in it (UnpicklingError)"
    assert str(refused.value) == f"{checkpoint}: {problem}; give best.ckpt or last.ckpt of a run."
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"this is no checkpoint, or one with code in it \(EOFError\)"),
        (
            b"no checkpoint at all",
            r"this is no checkpoint, or one with code in it \(UnpicklingError\)",
        ),
        ({"weights": {}}, "this is no checkpoint of a network"),
        ([1, 2], "this is no checkpoint of a network"),
        (None, r"the checkpoint cannot be read \(no such file or directory\)"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, cases, content, words) -> None:
    checkpoint = write_run(tmp_path / "run", cases)
    if content is None:
        checkpoint.unlink()
    elif isinstance(content, bytes):
        checkpoint.write_bytes(content)
    else:
        torch.save(content, checkpoint)
    with pytest.raises(
        ModelError, match=rf"best\.ckpt: {words}; give best\.ckpt or last\.ckpt of a run\."
    ):
        load_checkpoint(checkpoint)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, cases) -> None:
    checkpoint = write_run(tmp_path / "run", cases)
    replace(SETTINGS, width=4).write(tmp_path / "run" / "settings.toml")
    with pytest.raises(ModelError) as refused:
        load_checkpoint(checkpoint)
    assert str(refused.value) == (
        f"{checkpoint}: this is no checkpoint of the settings beside it; put back the "
        "run's settings.toml."
    )


@pytest.mark.slow
def test_the_card_says_what_kind_of_pictures_the_model_is_for(tmp_path, cases) -> None:
    checkpoint = write_run(tmp_path / "run", cases, replace(SETTINGS, modality="ct", width=2))
    assert read_card(export(checkpoint, tmp_path / "m.onnx").card).modality == "ct"


def test_a_checkpoint_without_its_settings_is_refused(tmp_path, checkpoint) -> None:
    (tmp_path / "best.ckpt").write_bytes(checkpoint.read_bytes())
    with pytest.raises(UsageError, match=r"settings\.toml: the settings cannot be read"):
        export(tmp_path / "best.ckpt", tmp_path / "m.onnx")
