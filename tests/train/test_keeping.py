"""Whatever the disk refuses, nothing that was there before is lost."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.sittings import begin, end_of, find_differences, train, whole
from tests.train.tiny_run import CONFIG, NUM_STEPS, TinyRun, tiny_run

from triptych.checkpoint import files
from triptych.errors import CheckpointError, TrainingError, UsageError
from triptych.train.average import WeightAverage
from triptych.train.checkpoints import Checkpoints, Progress, has_checkpoint
from triptych.train.keeping import Keeper
from triptych.train.manifest import find_damage
from triptych.train.optimizer import build_optimizer
from triptych.train.record import Record, read_record


def keeper(folder: Path, run: TinyRun, progress: Progress) -> Keeper:
    checkpoints = Checkpoints(folder, run.architecture, run.processor.tokenizer)
    optimizer = build_optimizer(run.model, CONFIG)
    return Keeper(folder, checkpoints, WeightAverage(run.model, 0.0), optimizer, progress)


@pytest.fixture(scope="module")
def run() -> TinyRun:
    return tiny_run()


class Refusing:
    """Lets calls through until the n-th, which the disk refuses."""

    def __init__(self, call: Callable, number: int) -> None:
        self.call = call
        self.left = number

    def __call__(self, *arguments: object, **named: object) -> object:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.call(*arguments, **named)


class HalfWriting(Refusing):
    """Opens files, and lets writes through until the n-th, of which half gets to the disk."""

    def __call__(self, *arguments: object, **named: object) -> object:
        return HalfWritten(self, self.call(*arguments, **named))


class HalfWritten:
    """A file that `HalfWriting` has opened."""

    def __init__(self, counts: HalfWriting, file: Any) -> None:
        self.counts = counts
        self.file = file

    def write(self, data: bytes) -> int:
        self.counts.left -= 1
        if self.counts.left == 0:
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)

    def __enter__(self) -> "HalfWritten":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


CALLS = {
    "open": (files.Path, "open"),
    "write": (files.Path, "open"),
    "fsync": (os, "fsync"),
    "rename": (files.Path, "rename"),
    "replace": (files.Path, "replace"),
    "mkdir": (files.Path, "mkdir"),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_failing_in_turn_loses_nothing(
    tmp_path: Path,
    run: TinyRun,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep = keeper(tmp_path, run, Progress())
    for step in (1, 2):
        keep.progress.step = step
        assert keep.save()
    owner, attribute = CALLS[name]
    for number in range(1, 100):
        before = {path.name: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
        keep.progress.step += 1
        refuse = HalfWriting if name == "write" else Refusing
        refusing = refuse(getattr(owner, attribute), number)
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, _bound(refusing, owner))
            saved = keep.save()
        said = capsys.readouterr().err
        steps = keep.checkpoints.steps()
        assert [find_damage(path) for path in whole(tmp_path)] == [""] * len(steps)
        if refusing.left > 0:
            assert saved and not said
            break
        # Said, and the last two are there; or all but the removal of an old one had been done.
        assert "No space left on device" in said
        if not saved:
            assert len(steps) >= 2
            assert f"no checkpoint of step {keep.progress.step}" in said
            assert before.keys() == {"model.safetensors", "training.safetensors"}
    assert number > 1, "this call is never made"
    assert keep.save()
    assert len(whole(tmp_path)) == 2


def _bound(refusing: Refusing, owner: object) -> Callable:
    if owner is os:
        return refusing
    return lambda self, *arguments, **named: refusing(self, *arguments, **named)


def test_a_disk_that_is_full_for_a_while_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flush = os.fsync

    def full_for_a_while(file: int) -> None:
        if list(tmp_path.glob("full/checkpoints/step-00000008.partial")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(file)

    train(tmp_path / "whole", CONFIG)
    monkeypatch.setattr(os, "fsync", full_for_a_while)
    train(tmp_path / "full", CONFIG)
    said = capsys.readouterr().err
    assert "no checkpoint of step 8: [Errno 28] No space left on device" in said
    assert "the last one is of step 5" in said
    assert find_differences(tmp_path / "full", tmp_path / "whole") == []


def damage(path: Path, kind: str) -> None:
    file = path / "training.safetensors"
    data = file.read_bytes()
    if kind == "cut short":
        file.write_bytes(data[:-7])
    elif kind == "one bit":
        file.write_bytes(data[:-7] + bytes([data[-7] ^ 1]) + data[-6:])
    elif kind == "missing":
        file.unlink()
    else:
        (path / "manifest.json").unlink()


@pytest.mark.parametrize("kind", ["cut short", "one bit", "missing", "no manifest"])
def test_a_damaged_checkpoint_is_set_aside_loudly_and_the_one_before_it_used(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "whole", CONFIG)
    train(tmp_path / "run", CONFIG)
    last = whole(tmp_path / "run")[-1]
    damage(last, kind)
    train(tmp_path / "run", CONFIG)
    said = capsys.readouterr().err
    assert f"{last} is damaged" in said
    assert "goes on from step-00000010 instead" in said
    assert last.with_name(last.name + ".damaged").is_dir()
    assert find_differences(tmp_path / "run", tmp_path / "whole") == []


def test_when_all_are_damaged_nothing_is_touched_and_each_is_named(tmp_path: Path) -> None:
    train(tmp_path, replace(CONFIG, epochs=2))
    for path in whole(tmp_path):
        damage(path, "cut short")
    with pytest.raises(CheckpointError, match=r"is whole \(step-0+6: training.safetensors has"):
        train(tmp_path, CONFIG)
    assert has_checkpoint(tmp_path)


def test_a_checkpoint_of_an_earlier_version_has_no_checksums_and_is_taken(
    tmp_path: Path, run: TinyRun
) -> None:
    keep = keeper(tmp_path, run, Progress(step=3))
    keep.save()
    path = whole(tmp_path)[0]
    (path / "manifest.json").unlink()
    old = {"step": 3, "seconds": 1.5, "best_score": None, "best_step": 0}
    (path / "training.json").write_text(json.dumps(old))
    again = tiny_run()
    progress = Checkpoints(tmp_path, again.architecture, again.processor.tokenizer).load_last(
        WeightAverage(again.model, 0.0), build_optimizer(again.model, CONFIG)
    )
    assert progress == Progress(step=3, seconds=1.5)


def test_a_crash_between_the_two_renames_is_made_good(tmp_path: Path) -> None:
    train(tmp_path, replace(CONFIG, epochs=1))
    last = whole(tmp_path)[-1]
    last.rename(last.with_name(last.name + ".replaced"))
    assert has_checkpoint(tmp_path)
    train(tmp_path, replace(CONFIG, epochs=1))
    assert whole(tmp_path)[-1] == last
    assert last.is_dir()


def test_the_best_checkpoint_outlives_a_better_one_that_could_not_be_written(
    tmp_path: Path, run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = keeper(tmp_path, run, Progress(step=1, best_score=2.0, best_step=1))
    keep.save()
    keep.progress.step = keep.progress.best_step = 2
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Refusing(os.fsync, 1))
        assert not keep.save()
    for step in (3, 4, 5):
        keep.progress.step = step
        keep.save()
    assert keep.checkpoints.steps() == [1, 4, 5]


def test_a_checkpoint_being_written_is_none_yet(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-00000004.partial").mkdir(parents=True)
    assert not has_checkpoint(tmp_path)


def test_lines_that_the_disk_refuses_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Record(tmp_path / "record.jsonl")
    record.write({"step": 1})
    with record.path.open("a") as file:
        file.write('{"st')  # as a full disk leaves it
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        record.write({"step": 2})
        record.write({"step": 3})
    assert capsys.readouterr().err.count("cannot be written") == 1
    record.write({"step": 4})
    assert [line["step"] for line in read_record(record.path)] == [1, 2, 3, 4]


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:

    def second(count: int) -> None:
        if count == 5:
            log = tmp_path / "log"
            code = end_of(begin(lambda: train(tmp_path / "run", CONFIG), log))
            (tmp_path / "told").write_text(f"{code} {log.read_text()}")

    tiny_run().fit(tmp_path / "run", replace(CONFIG, epochs=1), before_sample=second)
    told = (tmp_path / "told").read_text()
    assert told.startswith("1 ")
    assert f"is in use by another run (process {os.getpid()} on" in told
    assert [line["step"] for line in read_record(tmp_path / "run" / "record.jsonl")] == [1, 2, 3]


def test_the_lock_of_a_run_that_ended_is_lifted(tmp_path: Path) -> None:
    def die(count: int) -> None:
        raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        tiny_run().fit(tmp_path, before_sample=die)
    tiny_run().fit(tmp_path, replace(CONFIG, epochs=1))
    with pytest.raises(UsageError, match="--resume"):
        tiny_run().fit(tmp_path)


def spoiled(run: TinyRun, steps: set[int], value: float) -> list[dict[str, torch.Tensor]]:
    """Spoil the gradients of these steps (1, 2, ...); the weights at the beginning of each step."""
    calls, seen = [0], list[dict[str, torch.Tensor]]()

    def count(*_: object) -> None:
        calls[0] += run.model.training
        if run.model.training and calls[0] % 2:
            seen.append({name: each.clone() for name, each in run.model.state_dict().items()})

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * value if (calls[0] + 1) // 2 in steps else gradient

    run.model.vision.register_forward_pre_hook(count)
    next(run.model.connector.parameters()).register_hook(spoil)
    return seen


def test_a_step_without_numbers_changes_nothing_and_names_its_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run()
    weights = spoiled(run, {3, 4}, float("nan"))
    run.fit(tmp_path, replace(CONFIG, epochs=2))
    for name, each in weights[2].items():
        assert torch.equal(weights[3][name], each), name
        assert torch.equal(weights[4][name], each), name
    assert any(not torch.equal(weights[5][name], each) for name, each in weights[2].items())
    lines = read_record(tmp_path / "record.jsonl")
    assert [line["step"] for line in lines if "skipped" in line] == [3, 4]
    assert lines[2]["skipped"] == "gradient"
    assert len(lines[2]["samples"]) == 3
    assert "NaN" not in (tmp_path / "record.jsonl").read_text()
    assert "the gradient of step 3 is nan" in capsys.readouterr().err
    state = files.read_tensors(whole(tmp_path)[-1] / "training.safetensors")
    assert {float(value) for name, value in state.items() if name.endswith(".step")} == {4.0}


def test_too_many_of_them_in_a_row_stop_the_run_where_it_can_be_gone_on_with(
    tmp_path: Path,
) -> None:
    run = tiny_run()
    spoiled(run, {2, 4, 5, 6}, float("inf"))
    with pytest.raises(
        TrainingError,
        match=r"gradient of step 6 is (inf|nan) \(3 steps in a row\); lower .* --resume",
    ):
        run.fit(tmp_path, replace(CONFIG, max_bad_steps=3))
    tiny_run().fit(tmp_path, CONFIG, resume=True)
    assert [line["step"] for line in read_record(tmp_path / "record.jsonl")] == [
        *range(1, NUM_STEPS + 1)
    ]
