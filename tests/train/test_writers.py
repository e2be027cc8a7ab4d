"""Other programs get the numbers of the record, and nothing but numbers; stand-ins take theirs."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from tests.train.tiny_run import CONFIG, tiny_run

from triptych.errors import MissingExtraError
from triptych.train.record import read_record
from triptych.train.writers import open_writers

LINE = {"step": 3, "loss": 1.5, "images": 2, "val_loss": math.nan, "skipped": "loss"}


class Board:
    """Stands in for TensorBoard's writer."""

    made: ClassVar[list["Board"]] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = Path(folder), purge_step
        self.points: list[tuple[str, float, int]] = []
        self.is_closed = False
        Board.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.points.append((name, value, step))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> list[Board]:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Board
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Board, "made", [])
    return Board.made


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a stand-in for Weights & Biases was told."""
    told: list[dict[str, Any]] = []

    def init(**given: Any) -> SimpleNamespace:
        told.append(given)
        return SimpleNamespace(
            log=lambda numbers, step: told.append({"step": step, **numbers}),
            finish=lambda: told.append({"finished": True}),
        )

    module: Any = ModuleType("wandb")
    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_tensorboard_gets_finite_numbers_by_the_names_of_the_record(
    tmp_path: Path, board: list[Board]
) -> None:
    with open_writers(("tensorboard",), tmp_path, 2, {}) as writers:
        writers.write(LINE)
    [made] = board
    assert made.points == [("loss", 1.5, 3), ("images", 2.0, 3)]
    assert made.folder == tmp_path / "tensorboard"
    assert made.purge_step == 3  # whatever a killed run wrote after its checkpoint
    assert made.is_closed


def test_wandb_stays_offline_and_goes_on_with_the_run_of_the_folder(
    tmp_path: Path, wandb: list[dict[str, Any]]
) -> None:
    for done in (0, 2, 0):
        with open_writers(("wandb",), tmp_path, done, {"epochs": 4}) as writers:
            writers.write(LINE)
    first, again, anew = (each for each in wandb if "mode" in each)
    assert first["mode"] == "offline" and first["dir"] == str(tmp_path)
    assert first["config"] == {"epochs": 4}
    assert first["id"] == again["id"] != anew["id"]
    assert wandb[1:3] == [{"step": 3, "loss": 1.5, "images": 2.0}, {"finished": True}]


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")]
)
def test_what_is_not_installed_is_said_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(MissingExtraError, match=rf"pip install 'triptych\[{name}\]'"),
        open_writers((name,), tmp_path, 0, {}),
    ):
        pass


def test_a_full_disk_ends_the_writer_and_not_the_run(
    tmp_path: Path,
    board: list[Board],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Board, "add_scalar", full)
    with open_writers(("tensorboard",), tmp_path, 0, {}) as writers:
        writers.write(LINE)
        writers.write(LINE)
    assert capsys.readouterr().err.count("tensorboard gets nothing more of this run") == 1


def test_a_run_writes_every_step_with_its_validation(tmp_path: Path, board: list[Board]) -> None:
    tiny_run().fit(tmp_path, replace(CONFIG, max_steps=5, writers=("tensorboard",)))
    [made] = board
    losses = [(value, step) for name, value, step in made.points if name == "loss"]
    record = read_record(tmp_path / "record.jsonl")
    assert losses == [(each["loss"], each["step"]) for each in record]
    validated = [(value, step) for name, value, step in made.points if name == "val_loss"]
    assert validated == [(record[4]["val_loss"], 5)]
    assert {"gradient_norm_vision", "gradient_norm_language"} <= {p[0] for p in made.points}
