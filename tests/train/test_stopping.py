"""Asked to stop at any moment, a run leaves a whole checkpoint, soon, and goes on exactly."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.train.sittings import train
from tests.train.tiny_run import CONFIG

from triptych.fusion.vlm import VLM
from triptych.train import Interrupted
from triptych.train.record import read_record
from triptych.train.signals import BrokenOff, StopRequest, stop_requests

ROOT = Path(__file__).resolve().parents[2]
TERM, INT = 143, 130


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("moments")
    told = subprocess.run(
        [sys.executable, "-m", "tests.train.moments", str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    return json.loads(told.stdout)


EXPECTED = {
    # What the run was at: exit code, steps that have a checkpoint then
    "step": (TERM, [5, 7]),
    "slow step": (INT, [5, 6]),
    "validation": (TERM, [5, 8, 10]),
    "save": (TERM, [5, 8]),
    "workers": (INT, None),
    "data": (TERM, [3]),
}


@pytest.mark.parametrize("moment", EXPECTED)
def test_a_signal_leaves_a_whole_checkpoint_of_the_last_whole_step(
    outcomes: dict[str, dict[str, Any]], moment: str
) -> None:
    outcome, (code, steps) = outcomes[moment], EXPECTED[moment]
    assert outcome["exit_code"] == code, outcome["said"]
    assert outcome["damage"] == []
    assert outcome["checkpoints"]
    if steps is not None:
        assert outcome["checkpoints"] == [f"step-{step:08d}" for step in steps]
    assert "add --resume to go on" in outcome["said"]
    assert "died" not in outcome["said"]


@pytest.mark.parametrize("moment", EXPECTED)
def test_a_run_that_was_stopped_anywhere_ends_as_if_nobody_had(
    outcomes: dict[str, dict[str, Any]], moment: str
) -> None:
    assert outcomes[moment]["differences"] == []


def test_it_takes_less_than_half_a_minute_and_leaves_no_worker(
    outcomes: dict[str, dict[str, Any]],
) -> None:
    for moment, outcome in outcomes.items():
        assert outcome["seconds"] < 30, moment
        assert not outcome["workers_left"], moment


def test_a_second_signal_stops_at_once_and_harms_nothing(
    outcomes: dict[str, dict[str, Any]],
) -> None:
    outcome = outcomes["twice"]
    assert outcome["exit_code"] == TERM
    assert outcome["checkpoints"] == ["step-00000004", "step-00000005"]
    assert "stopped after" not in outcome["said"]
    assert outcome["differences"] == []


def test_a_validation_that_is_made_up_for_is_recorded_once(tmp_path: Path) -> None:
    calls = [0]

    def validate(model: VLM) -> dict[str, float]:
        calls[0] += 1
        if calls[0] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"val_loss": float(calls[0])}

    def die(index: int) -> None:
        if calls[0] == 3:
            raise RuntimeError("right after the validation, before another checkpoint")

    with pytest.raises(Interrupted, match="after step 10 of 12") as stopped:
        train(tmp_path, CONFIG, validate=validate)
    assert stopped.value.exit_code == TERM
    for on_sample in (die, lambda index: None):
        with contextlib.suppress(RuntimeError):
            train(tmp_path, CONFIG, validate=validate, on_sample=on_sample)
    lines = read_record(tmp_path / "record.jsonl")
    assert [line["step"] for line in lines] == [*range(1, 13)]
    assert [line["step"] for line in lines if "val_loss" in line] == [5, 10, 12]


def test_a_request_from_before_is_not_forgotten() -> None:
    stop = StopRequest()
    stop.ask(15, None)
    assert stop.exit_code == TERM
    with pytest.raises(BrokenOff), stop.breakable(5.0):
        pytest.fail("this should not begin")


def test_what_must_not_be_broken_off_is_not() -> None:
    stop = StopRequest()
    with stop.breakable():
        pass
    stop.ask(2, None)
    stop.hurry(14, None)
    assert stop.requested


def test_a_run_in_another_thread_leaves_signals_alone() -> None:
    seen: list[bool] = []

    def run() -> None:
        with stop_requests() as stop:
            seen.append(stop.requested)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [False]
