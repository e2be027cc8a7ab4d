"""A run that is stopped at any moment goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, NUM_STEPS, TinyRun, samples_before, tiny_run
from torch import Tensor

from triptych.errors import CheckpointError, UsageError
from triptych.train import Interrupted
from triptych.train.record import read_record

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyRun, Path]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run = tiny_run()
    run.fit(folder)
    return run, folder


def curve(folder: Path) -> list[dict[str, float]]:
    """The record without what depends on the clock."""
    return [
        {name: value for name, value in line.items() if name != "seconds"}
        for line in read_record(folder / "record.jsonl")
    ]


def weights(run: TinyRun) -> dict[str, Tensor]:
    return run.model.state_dict()


def assert_same_run(run: TinyRun, folder: Path, expected: tuple[TinyRun, Path]) -> None:
    """Every recorded number and every weight is equal, not merely close."""
    assert curve(folder) == curve(expected[1])
    assert len(curve(folder)) == NUM_STEPS
    for name, tensor in weights(expected[0]).items():
        assert torch.equal(weights(run)[name], tensor), name


def in_another_process(folder: Path, name: str, step: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.train.tiny_run", str(folder)]
    return subprocess.run(
        [*command, "--signal", name, "--step", str(step)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def dying_at(step: int, error: BaseException) -> Callable[[int], None]:
    def before(count: int) -> None:
        if count == samples_before(step) + 1:
            raise error

    return before


def test_two_uninterrupted_runs_are_equal(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    run = tiny_run()
    run.fit(tmp_path)
    assert_same_run(run, tmp_path, uninterrupted)


def test_the_run_learns_and_moves_every_panel(uninterrupted: tuple[TinyRun, Path]) -> None:
    losses = [line["loss"] for line in curve(uninterrupted[1])]
    assert sum(losses[-3:]) / 3 < losses[0] - 0.3
    fresh = weights(tiny_run())
    for panel in ("vision", "connector", "language"):
        moved = [n for n, t in weights(uninterrupted[0]).items() if not torch.equal(t, fresh[n])]
        assert any(name.startswith(panel) for name in moved), panel


def test_a_run_killed_in_mid_epoch_goes_on_exactly(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    died = in_another_process(tmp_path, "KILL", step=7)
    assert died.returncode == -signal.SIGKILL, died.stderr
    # Three steps after the last checkpoint, in the middle of the third epoch.
    assert [line["step"] for line in curve(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]
    assert curve(tmp_path) == curve(uninterrupted[1])[:7]
    run = tiny_run()
    run.fit(tmp_path, resume=True)
    assert_same_run(run, tmp_path, uninterrupted)


def test_a_run_asked_to_stop_writes_a_checkpoint_and_goes_on_exactly(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    def stop(count: int) -> None:
        if count == samples_before(6) + 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"after step 7 of 12 .* --resume"):
        tiny_run().fit(tmp_path, before_sample=stop)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert (tmp_path / "checkpoints" / "step-00000007").is_dir()
    run = tiny_run()
    run.fit(tmp_path, resume=True)
    assert_same_run(run, tmp_path, uninterrupted)


def test_resuming_twice_is_the_same_as_never_stopping(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    with pytest.raises(RuntimeError, match="first"):
        tiny_run().fit(tmp_path, before_sample=dying_at(5, RuntimeError("first")))
    # Resumed from step 4, so step 9 begins as many samples later.
    begins = samples_before(9) - samples_before(4) + samples_before(0)

    def again(count: int) -> None:
        if count == begins:
            raise RuntimeError("second")

    with pytest.raises(RuntimeError, match="second"):
        tiny_run().fit(tmp_path, resume=True, before_sample=again)
    run = tiny_run()
    run.fit(tmp_path, resume=True)
    assert_same_run(run, tmp_path, uninterrupted)


def test_resuming_a_finished_run_gives_its_weights_again(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    tiny_run().fit(tmp_path)
    run = tiny_run()
    run.fit(tmp_path, resume=True)
    assert_same_run(run, tmp_path, uninterrupted)


def test_a_half_written_checkpoint_is_ignored(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    with pytest.raises(RuntimeError):
        tiny_run().fit(tmp_path, before_sample=dying_at(5, RuntimeError()))
    torn = tmp_path / "checkpoints" / "step-00000006.partial"
    torn.mkdir()
    (torn / "training.json").write_text('{"step": 6, "sec')
    run = tiny_run()
    run.fit(tmp_path, resume=True)
    assert_same_run(run, tmp_path, uninterrupted)


def test_a_fresh_start_clears_what_a_run_left_that_never_got_anywhere(
    tmp_path: Path, uninterrupted: tuple[TinyRun, Path]
) -> None:
    for name in ("step-00000100.partial", "step-00000099.removed"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "record.jsonl").write_text('{"step": 1, "loss": 9.0}\n{"step": 2, "lo')
    run = tiny_run()
    run.fit(tmp_path)
    assert_same_run(run, tmp_path, uninterrupted)
    assert not list((tmp_path / "checkpoints").glob("*.*"))


def test_a_fresh_start_never_replaces_a_run_that_got_somewhere(tmp_path: Path) -> None:
    tiny_run().fit(tmp_path, replace(CONFIG, epochs=1))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(UsageError, match=r"got to step 3; add --resume .* or name another folder"):
        tiny_run().fit(tmp_path)
    kept = {path: path.read_bytes() for path in files if path.name != "run.lock"}
    assert kept == {path: data for path, data in files.items() if path.name != "run.lock"}


def test_the_last_two_checkpoints_and_the_best_are_kept(
    uninterrupted: tuple[TinyRun, Path],
) -> None:
    folder = uninterrupted[1] / "checkpoints"
    kept = sorted(path.name for path in folder.iterdir())
    state = json.loads((folder / f"step-{NUM_STEPS:08d}" / "training.json").read_text())
    expected = {f"step-{step:08d}" for step in (10, NUM_STEPS, state["best_step"])}
    assert kept == sorted(expected)


def test_resuming_without_a_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="start without --resume"):
        tiny_run().fit(tmp_path, resume=True)


def test_resuming_with_a_weight_average_that_was_never_kept_says_so(tmp_path: Path) -> None:
    tiny_run().fit(tmp_path, replace(CONFIG, ema_decay=0.0, epochs=1))
    with pytest.raises(CheckpointError, match="ema_decay"):
        tiny_run().fit(tmp_path, resume=True)
