"""What a run tells while it goes on, with a network of one weight: the TensorBoard log, the curves,
the bar."""

from __future__ import annotations

import csv
import io
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.utils.data import DataLoader

from lungseg.errors import OutputError
from lungseg.train import logs
from lungseg.train.logs import callbacks
from lungseg.train.settings import TrainingSettings

BATCHES = 3

pytestmark = [  # remarks of Lightning, which `fit` hushes too
    pytest.mark.filterwarnings(f"ignore:{remark}")
    for remark in (
        ".*does not have many workers",
        "Checkpoint directory",
        r".*isinstance\(treespec, LeafSpec\)",
        "The number of training batches",
    )
]


class OneWeight(lightning.LightningModule):
    """Logs a loss of 0.5 and a Dice that grows by a tenth an epoch; raises what it is told to, in
    the epoch it is told to."""

    def __init__(self, stop: BaseException | None = None, at: int = 0) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
        self.stop, self.at = stop, at

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        if self.stop is not None and (self.current_epoch, index) == (self.at, 1):
            raise self.stop
        loss = self.net(batch).mean() * 0 + 0.5
        self.log_dict(
            {"train_loss": loss, "val_dice": 0.1 * self.current_epoch, "val_dice_north": 0.9},
            on_epoch=True,
            on_step=False,
        )
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Table(lightning.Callback):
    """Stands for the callback of a run that writes metrics.csv."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as stream:
            lines: list[list[Any]] = [["epoch", "train_loss"], [trainer.current_epoch, 0.5]]
            csv.writer(stream).writerows(lines if fresh else lines[1:])


def train(
    folder: Path,
    epochs: int,
    module: OneWeight | None = None,
    *,
    told: Sequence[lightning.Callback] | None = None,
    **more: Any,
) -> None:
    told = (
        callbacks(folder, TrainingSettings(epochs=epochs), progress=False) if told is None else told
    )
    keep = lightning.pytorch.callbacks.ModelCheckpoint(
        folder, "last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, logs.ProgressBar) for callback in told),
        callbacks=[Table(folder / "metrics.csv"), *told, keep],
    )
    module = module or OneWeight()
    trainer.fit(module, DataLoader(torch.ones(BATCHES, 1), batch_size=1), weights_only=True, **more)


@pytest.fixture(autouse=True)
def ctrl_c_stays_what_it_is() -> Iterator[None]:
    """Lightning turns a deaf ear to it after the first."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(autouse=True)
def every_epoch_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "REDRAWN_AFTER", 0.0)


def logged(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], EventAccumulator]:
    """Every curve that TensorBoard shows, as (epoch, value)."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }, events


@pytest.mark.slow
def test_tensorboard_has_every_figure_of_every_epoch_and_the_settings(tmp_path) -> None:
    train(tmp_path, 3)
    curves, events = logged(tmp_path)
    assert set(curves) == {"loss/train", "dice/val", "dice/val_north"}
    assert [epoch for epoch, _ in curves["dice/val"]] == [1, 2, 3]
    assert [value for _, value in curves["dice/val"]] == pytest.approx([0, 0.1, 0.2])
    assert [value for _, value in curves["loss/train"]] == pytest.approx([0.5] * 3)
    text = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| epochs | 3 |" in text


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("train_iou", "iou/train"),
        ("val_accuracy", "accuracy/val"),
        ("val_dice_diseased_adults", "dice/val_diseased_adults"),
        ("val_dice_x_dice", "dice/val_x_dice"),
        ("val_heart_dice", "dice/val_heart"),
        ("learning_rate", "learning_rate"),
    ],
)
def test_tensorboard_groups_by_figure(name, tag) -> None:
    assert logs._tag(name) == tag


@pytest.mark.slow
def test_a_resumed_run_shows_each_epoch_once(tmp_path) -> None:
    with pytest.raises(ValueError, match="power cut"):
        train(tmp_path, 4, OneWeight(ValueError("power cut"), at=2))
    assert [epoch for epoch, _ in logged(tmp_path)[0]["dice/val"]] == [1, 2]
    train(tmp_path, 4, ckpt_path=tmp_path / "last.ckpt")
    curves, _ = logged(tmp_path)
    assert [epoch for epoch, _ in curves["dice/val"]] == [1, 2, 3, 4]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


@pytest.mark.slow
def test_an_epoch_that_was_logged_but_not_kept_is_shown_as_it_was_when_done_again(tmp_path) -> None:
    train(tmp_path, 2)
    keep = (tmp_path / "last.ckpt").read_bytes()
    train(tmp_path, 4, ckpt_path=tmp_path / "last.ckpt")
    (tmp_path / "last.ckpt").write_bytes(keep)
    train(tmp_path, 4, ckpt_path=tmp_path / "last.ckpt")
    assert [epoch for epoch, _ in logged(tmp_path)[0]["dice/val"]] == [1, 2, 3, 4]


def test_curves_are_drawn_after_each_epoch(tmp_path, monkeypatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(
        logs,
        "draw_curves",
        lambda metrics, picture: drawn.append(len(metrics.read_text().splitlines()) - 1),
    )
    train(tmp_path, 3)
    assert drawn == [1, 2, 3, 3]


def test_what_cannot_be_drawn_after_an_error_does_not_hide_it(tmp_path, monkeypatch) -> None:
    def full(metrics: Path, picture: Path) -> None:
        raise OutputError("cannot be written (no space left on device)", where=picture)

    def no_room(writer: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs, "REDRAWN_AFTER", 3600.0)
    monkeypatch.setattr(logs, "draw_curves", full)
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.close", no_room)
    with pytest.raises(ValueError, match="power cut"):
        train(tmp_path, 2, OneWeight(ValueError("power cut"), at=1))


def test_what_tensorboard_cannot_write_is_raised_once_and_not_traced(
    tmp_path, monkeypatch, capfd
) -> None:
    def no_room(writer: Any, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "tensorboard.summary.writer.record_writer.RecordWriter.write",
        no_room,
    )
    hook = threading.excepthook
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, 2)
    assert "Traceback" not in capfd.readouterr().err
    assert threading.excepthook is hook


def test_short_epochs_are_not_spent_on_drawing(tmp_path, monkeypatch) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr(logs, "draw_curves", lambda metrics, picture: drawn.append(picture))
    monkeypatch.setattr(logs, "REDRAWN_AFTER", 3600.0)
    train(tmp_path, 3)
    assert drawn == [tmp_path / "curves.png"]


@pytest.mark.parametrize("at", [0, 1])
def test_after_a_stop_everything_so_far_is_there(tmp_path, monkeypatch, at) -> None:
    monkeypatch.setattr(logs, "REDRAWN_AFTER", 3600.0)
    told = callbacks(tmp_path, TrainingSettings(epochs=3), progress=True)
    with pytest.raises(
        SystemExit
    ):  # what Lightning makes of Ctrl-C; `fit` makes KeyboardInterrupt of it again
        train(tmp_path, 3, OneWeight(KeyboardInterrupt(), at=at), told=told)
    assert (tmp_path / "curves.png").is_file() == (at == 1)
    assert [epoch for epoch, _ in logged(tmp_path)[0].get("dice/val", ())] == list(range(1, at + 1))


def bar(told: Sequence[lightning.Callback], *, terminal: bool) -> io.StringIO:
    """Lets the bar write into a text."""
    shown = io.StringIO()
    (found,) = (callback for callback in told if isinstance(callback, logs.ProgressBar))
    found.console = Console(file=shown, force_terminal=terminal, width=120, highlight=False)  # type: ignore[attr-defined]
    return shown


@pytest.mark.slow
def test_without_a_terminal_each_epoch_is_a_line(tmp_path) -> None:
    told = callbacks(tmp_path, TrainingSettings(epochs=3), progress=True)
    shown = bar(told, terminal=False)
    train(tmp_path, 3, told=told)
    lines = [re.sub(r"\d:\d\d:\d\d", "TIME", line) for line in shown.getvalue().splitlines()]
    assert lines[0] == (
        f"CPU: {BATCHES} training and 0 validation cases, {BATCHES} batches an epoch, "
        "2e-06 million parameters"
    )
    assert lines[1:] == [
        f"epoch {epoch + 1} of 3: loss 0.5000, Dice {epoch / 10:.4f}, TIME left"
        for epoch in range(3)
    ]
    assert shown.getvalue().endswith(", 0:00:00 left\n")


@pytest.mark.slow
def test_within_a_long_epoch_there_are_lines_too(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(logs, "TOLD_AFTER", 0.0)
    told = callbacks(tmp_path, TrainingSettings(epochs=1), progress=True)
    shown = bar(told, terminal=False)
    train(tmp_path, 1, told=told)
    lines = [re.sub(r"\d:\d\d:\d\d", "TIME", line) for line in shown.getvalue().splitlines()]
    assert lines[1:] == [
        *(f"epoch 1 of 1, batch {i} of 3: loss 0.5000, TIME left" for i in (1, 2, 3)),
        "epoch 1 of 1: loss 0.5000, Dice 0.0000, TIME left",
    ]


@pytest.mark.slow
def test_in_a_terminal_one_bar_shows_loss_dice_and_time_left(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(logs, "SHOWN_AFTER", 0.0)
    told = callbacks(tmp_path, TrainingSettings(epochs=2), progress=True)
    shown = bar(told, terminal=True)
    train(tmp_path, 2, told=told)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert re.search(r"epoch 2 of 2 ━+ loss 0\.5000, Dice 0\.1000, 0:00:00 left", plain)
    assert (
        shown.getvalue().count("\x1b[?25l") == shown.getvalue().count("\x1b[?25h") == 1
    )  # the cursor is hidden, and comes back


@pytest.mark.slow
def test_the_cursor_comes_back_after_ctrl_c(tmp_path) -> None:
    told = callbacks(tmp_path, TrainingSettings(epochs=2), progress=True)
    shown = bar(told, terminal=True)
    with pytest.raises(SystemExit):
        train(tmp_path, 2, OneWeight(KeyboardInterrupt(), at=1), told=told)
    assert shown.getvalue().count("\x1b[?25h") == 1


@pytest.mark.slow
def test_a_resumed_bar_begins_where_it_stopped(tmp_path) -> None:
    train(tmp_path, 2)
    told = callbacks(tmp_path, TrainingSettings(epochs=4), progress=True)
    shown = bar(told, terminal=False)
    train(tmp_path, 4, told=told, ckpt_path=tmp_path / "last.ckpt")
    lines = shown.getvalue().splitlines()[1:]
    assert [line[:12] for line in lines] == ["epoch 3 of 4", "epoch 4 of 4"]


def test_only_the_first_process_logs(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lightning.Trainer, "is_global_zero", property(lambda self: False))
    told = callbacks(tmp_path, TrainingSettings(epochs=1), progress=True)
    shown = bar(told, terminal=False)
    train(tmp_path, 1, told=told)
    assert shown.getvalue() == ""
    assert not (tmp_path / "tensorboard").exists()
    assert not (tmp_path / "curves.png").exists()


def test_without_progress_there_is_no_bar(tmp_path) -> None:
    assert not any(
        isinstance(callback, logs.ProgressBar)
        for callback in callbacks(tmp_path, TrainingSettings(), progress=False)
    )
