"""Workers make the samples that the run would have made itself, and never fail in silence."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path

import pytest
import torch
from tests.train.sittings import find_differences, train, whole
from tests.train.tiny_run import CONFIG

from triptych.data.ledger import LeftOut
from triptych.errors import ConfigError, DataError, UnknownNameError
from triptych.processor import Sample
from triptych.train import PanelRates, TrainConfig, WorkerLostError
from triptych.train.crossing import can_cross, receive, send
from triptych.train.order import Order
from triptych.train.record import read_record
from triptych.train.source import Made
from triptych.train.worker_process import Start, WorkerTraceback
from triptych.train.workers import InProcess, Workers

NUM_SAMPLES, NUM_STEPS = 10, 6
ORDER = Order(NUM_SAMPLES, 4, seed=3)


@dataclass
class Numbers:
    """A source whose samples hold their number and some of their randomness."""

    on_the_way: Callable[[int], None] = lambda index: None

    def __len__(self) -> int:
        return NUM_SAMPLES

    def lengths(self) -> None:
        """Unknown."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """Not asked for, as there are notes."""
        raise NotImplementedError

    def noted_sample(self, index: int, generator: torch.Generator) -> tuple[Sample, list[LeftOut]]:
        """A sample, and who made it."""
        self.on_the_way(index)
        sample = Sample(
            sample_id=f"number {index}",
            token_ids=[index],
            labels=[index],
            branches=[0],
            position_ids=torch.randint(2**30, (1, 2), generator=generator),
            images=(),
            spans=(),
        )
        return sample, [LeftOut(sample.sample_id, "made", str(os.getpid()))]


def config(**changes: object) -> TrainConfig:
    return replace(CONFIG, num_workers=2, **changes)


def workers(source: Numbers, said: list[str], start: Start = "fork", **changes: object) -> Workers:
    return Workers(source, ORDER, config(**changes), NUM_STEPS, said.append, start)


def content(made: list[Made]) -> list[tuple[str, list[float]]]:
    return [(each.sample.sample_id, each.sample.position_ids.tolist()) for each in made]


def test_workers_make_the_samples_that_would_be_made_without_them() -> None:
    here = InProcess(Numbers(), ORDER)
    with workers(Numbers(), []) as there:
        for step in range(NUM_STEPS):
            assert content(there.take(step)) == content(here.take(step)), step


def test_every_worker_has_its_share_and_none_is_this_process() -> None:
    with workers(Numbers(), []) as there:
        makers = [each.notes[0].detail for step in range(NUM_STEPS) for each in there.take(step)]
    counts = [makers.count(maker) for maker in set(makers)]
    assert len(counts) == 2
    assert max(counts) - min(counts) <= 1
    assert str(os.getpid()) not in makers


def test_what_is_made_ahead_is_bounded(tmp_path: Path) -> None:
    def tell(index: int) -> None:
        (tmp_path / f"{time.monotonic_ns()}-{index}").touch()

    def made() -> int:
        """Samples made so far, once nothing is made any more."""
        count = -1
        while count != len(list(tmp_path.iterdir())):
            count = len(list(tmp_path.iterdir()))
            time.sleep(0.2)
        return count

    with workers(Numbers(tell), [], prefetch_steps=1) as there:
        there.take(0)
        assert made() == 8
        there.take(1)
        assert made() == 10  # the third step is a short one
        there.take(2)
        assert made() == 14


def test_a_run_may_begin_at_any_step() -> None:
    with workers(Numbers(), []) as there:
        assert content(there.take(4)) == content(InProcess(Numbers(), ORDER).take(4))


def test_a_large_product_in_a_worker_does_not_wait_for_threads_it_has_not_got() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.ones(300, 300) @ torch.ones(300, 300)  # the threads exist by now

        def multiply(index: int) -> None:
            torch.ones(300, 300) @ torch.ones(300, 300)

        with workers(Numbers(multiply), []) as there:
            assert len(there.take(0)) == 4
    finally:
        torch.set_num_threads(before)


def kill_once(marker: Path, victim: int) -> Callable[[int], None]:
    """Kill the process that makes one of the samples, the first time it is made."""

    def on_the_way(index: int) -> None:
        if index == victim and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return on_the_way


def test_a_dead_worker_is_named_and_replaced_and_no_sample_is_missing(tmp_path: Path) -> None:
    victim, said = ORDER.indexes(1)[2], list[str]()
    with workers(Numbers(kill_once(tmp_path / "killed", victim)), said) as there:
        for step in range(NUM_STEPS):
            assert content(there.take(step)) == content(InProcess(Numbers(), ORDER).take(step))
    assert len(said) == 1
    assert (
        f"died (SIGKILL, perhaps for want of memory) while it made sample {victim} of step 2"
        in (said[0])
    )


def test_a_hanging_worker_is_named_and_replaced(tmp_path: Path) -> None:
    def hang_once(index: int) -> None:
        if index == ORDER.indexes(0)[1] and not (tmp_path / "hung").exists():
            (tmp_path / "hung").touch()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # deaf, too
            time.sleep(600)

    said: list[str] = []
    with workers(Numbers(hang_once), said, worker_timeout_s=0.5) as there:
        assert content(there.take(0)) == content(InProcess(Numbers(), ORDER).take(0))
    assert f"has been making sample {ORDER.indexes(0)[1]} of step 1 for more than 0.5 s" in said[0]


def test_a_slow_step_of_the_run_is_no_hanging_worker() -> None:
    said: list[str] = []
    with workers(Numbers(), said, worker_timeout_s=0.2) as there:
        there.take(0)
        time.sleep(0.5)
        there.take(1)
    assert said == []


def test_a_worker_that_dies_twice_stops_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    victim = Order(11, 4, CONFIG.seed).indexes(1)[0]

    def die(index: int) -> None:
        if index == victim:
            os._exit(3)

    with pytest.raises(
        WorkerLostError,
        match=rf"worker . of 2 died \(exit code 3\) while it made sample {victim} of step 2, and "
        r"another one before it; .*num_workers=0; then go on with --resume",
    ):
        train(tmp_path, config(checkpoint_every=100, validate_every=100), on_sample=die)
    assert [path.name for path in whole(tmp_path)] == ["step-00000001"]


def fail_at(victim: int, error: Exception) -> Callable[[int], None]:
    def on_the_way(index: int) -> None:
        if index == victim:
            raise error

    return on_the_way


def test_an_error_in_a_worker_arrives_whole_and_when_its_step_does() -> None:
    error = UnknownNameError("world", "sceens", ["scenes", "signs"])
    source = Numbers(fail_at(ORDER.indexes(1)[3], error))
    with workers(source, []) as there:
        there.take(0)
        with pytest.raises(UnknownNameError, match="did you mean scenes") as raised:
            there.take(1)
    assert isinstance(raised.value.__cause__, WorkerTraceback)
    assert "in noted_sample" in str(raised.value.__cause__)


def test_an_error_that_cannot_be_sent_arrives_as_a_sentence() -> None:
    class Local(Exception):
        pass

    source = Numbers(fail_at(ORDER.indexes(0)[0], Local("the shelf is empty")))
    with workers(source, []) as there, pytest.raises(Exception, match="Local: the shelf is empty"):
        there.take(0)


def test_a_source_that_cannot_be_sent_to_spawned_workers_is_refused() -> None:
    source = Numbers(lambda index: None)
    with (
        pytest.raises(ConfigError, match="cannot be sent to workers"),
        workers(source, [], "spawn"),
    ):
        pytest.fail("they should not start")


def test_notes_reach_the_ledger_beside_their_step(tmp_path: Path) -> None:

    train(tmp_path / "with", config(epochs=2))
    train(tmp_path / "without", replace(CONFIG, epochs=2))
    lines = read_record(tmp_path / "with" / "ledger.jsonl")
    assert lines == read_record(tmp_path / "without" / "ledger.jsonl")
    assert len(lines) == 6  # three of eleven samples, twice
    assert {"step", "sample", "reason", "detail"} == set(lines[0])
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    assert lines[0]["reason"] == "shrunk"


def test_a_run_with_workers_equals_one_without(tmp_path: Path) -> None:

    train(tmp_path / "with", config(epochs=2))
    train(tmp_path / "without", replace(CONFIG, epochs=2))
    assert find_differences(tmp_path / "with", tmp_path / "without") == []


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor(2.5, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.zeros(0, 3),
        torch.rand(300, 300),
    ],
)
def test_tensors_arrive_as_they_were(tensor: torch.Tensor) -> None:
    ours, theirs = Pipe(duplex=False)
    thread = threading.Thread(target=send, args=(theirs, {"it": (tensor, tensor)}))
    thread.start()
    arrived = receive(ours)["it"]
    thread.join()
    assert arrived[0].dtype == tensor.dtype
    assert torch.equal(arrived[0], tensor)
    assert arrived[0].data_ptr() % 64 == 0 or not tensor.numel()
    assert arrived[1] is arrived[0]


def test_an_error_may_have_any_beginning() -> None:
    assert can_cross(UnknownNameError("world", "a", ["b"]))
    assert can_cross(DataError("torn"))
    assert can_cross(FileNotFoundError(2, "none", "here.png"))
    assert not can_cross(type("Local", (Exception,), {})("gone"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_workers", -1), ("prefetch_steps", 0), ("worker_timeout_s", 0.0), ("max_bad_steps", 0)],
)
def test_settings_that_make_no_sense_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be"):
        TrainConfig(
            learning_rates=PanelRates(language=1.0), epochs=1, batch_size=1, **{field: value}
        )
