"""What is seen of a run: true numbers, never wider than the terminal, and for little time."""

import io
import math
import time

import pytest
import torch
from rich.console import Console

from triptych.train import live
from triptych.train.live import LiveView, duration, fit, sparkline


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def line(step: int, **more: float) -> dict[str, float]:
    """A line of the record: two seconds a step, three pictures, a hundred tokens."""
    known = {"step": step, "loss": 4.0 - step, "gradient_norm": 1.3, "seconds": 2.0 * step}
    return known | {"images": 3, "tokens": 100} | more


def terminal(width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=30)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def watched(num_steps: int = 3, console: Console | None = None, **more: float) -> LiveView:
    """A view after some steps of ten, that took 2 seconds each on the clock and 0.5 s more."""
    clock = Clock()
    objectives = ("answering", "seeing")
    view = LiveView(10, 0, objectives, console=console or terminal(), clock=clock)
    for step in range(1, num_steps + 1):
        clock.now = 2.5 * step
        view.advance(line(step, seeing=0.5, gradient_norm_vision=0.25, **more))
    return view


def test_losses_speed_and_time_left_are_those_of_the_record() -> None:
    view = watched()
    view.note_scores({"val_loss": 1.5, "val_loss_scenes": 2.5})
    shown = view.lines(100)

    assert shown[0] == "training    step 3 of 10   30 %   18 s left"  # 7 steps of 2.5 s
    assert shown[1] == "answering     1.0000   █▅▁"
    assert shown[2] == "seeing        0.5000   ▁▁▁"
    assert shown[3] == "validated   val_loss 1.5000 (step 3)"
    assert shown[4] == "gradient    all 1.3   vision 0.25"
    assert shown[5] == "speed       50 tokens/s   1.5 images/s   2 s a step"
    assert shown[6].startswith("memory ") and shown[6].endswith(" GB at most")


def test_gates_are_drawn_from_shut_to_wide_open() -> None:
    gates = {
        "gate_attention_0": 0.0,
        "gate_mlp_0": 0.5,
        "gate_attention_4": -1.0,
        "gate_mlp_4": 0.0,
    }
    [shown] = [each for each in watched(1, **gates).lines(100) if each.startswith("gates")]
    assert shown == "gates       attention ▁█ up to 1.000   mlp ▅▁ up to 0.500"


def test_the_share_of_the_peak_is_operations_over_what_the_machine_can_do() -> None:
    view = watched()
    view.peak, view.operations_per_token = 10e9, 1e8  # at 50 tokens a second
    [speed] = [each for each in view.lines(100) if each.startswith("speed")]
    assert speed.endswith("50 % of 10 GFLOP/s")


def test_the_first_step_is_counted_and_the_next_ones_are_not() -> None:
    view = LiveView(10, 0, console=terminal())
    first, second = torch.ones(5, 7), torch.ones(7, 11)
    for step in (1, 2):
        with view.counting():
            first @ second
        view.advance(line(step))
    assert view.operations_per_token == 2 * 5 * 7 * 11 / 100


@pytest.mark.parametrize("width", [1, 8, 20, 30, 45, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    view = watched(8, gate_attention_0=0.1, gate_mlp_0=0.1)
    shown = view.lines(width)
    assert shown and all(len(each) <= width for each in shown)
    if width >= 60:
        assert "1.5 images/s" in "\n".join(shown)


def test_a_narrow_terminal_still_says_how_far_the_run_is() -> None:
    assert watched().lines(20)[0] == "step 3 of 10   30 %"


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with watched(3, Console(file=raw, force_terminal=True, width=80)) as view:
        view.advance(line(4))
    raw.flush()
    assert b"answering" in raw.buffer.getvalue()  # and nothing that ASCII cannot say


def test_on_a_terminal_lines_are_drawn_and_notes_stand_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "gemm_rate", lambda dtype, device: 1e9)
    console = terminal()
    with LiveView(10, 0, console=console) as view:
        view.advance(line(1))
        view.note("epoch 1.0  step 1  val_loss 3.0")
    assert "step 1 of 10" in written(console)
    assert "epoch 1.0  step 1  val_loss 3.0" in written(console)
    assert "\x1b[" in written(console)


def test_a_log_file_gets_a_line_now_and_then_and_no_codes() -> None:
    console, clock = Console(file=io.StringIO(), width=80), Clock()
    with LiveView(100, 0, console=console, clock=clock) as view:
        for step in range(1, 41):
            clock.now = float(step)
            with view.counting():
                view.advance(line(step))
    shown = written(console).splitlines()
    assert shown == [
        "training step 1/100  loss 3.000",
        "training step 31/100  loss -27.000  2 images/s  50 tokens/s",
    ]
    assert view.peak == 0 and view.operations_per_token == 0  # nothing is measured for a log


def test_what_is_not_to_be_shown_is_not() -> None:
    console = terminal()
    with LiveView(10, 0, console=console, is_shown=False) as view:
        view.advance(line(1))
        view.note("a note")
    assert written(console) == ""


def test_a_resumed_run_begins_where_it_stands() -> None:
    view = LiveView(10, 6, console=terminal())
    view.advance(line(7))
    assert view.lines(80)[0] == "training    step 7 of 10   70 %"


def test_a_step_costs_the_view_less_than_three_milliseconds() -> None:
    gates = {f"gate_attention_{layer}": 0.1 for layer in range(32)}
    with watched(1, **gates) as view:
        started = time.process_time()
        for step in range(2, 102):
            view.advance(line(step, **gates))
        assert time.process_time() - started < 0.3


def test_a_sparkline_goes_from_the_least_to_the_greatest() -> None:
    assert sparkline([float(each) for each in range(8)]) == "▁▂▃▄▅▆▇█"
    assert sparkline([2.0, math.nan, 1.0, math.inf]) == "█ ▁ "
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([math.nan]) == " "
    assert sparkline([0.5, 2.0], low=0.0, high=1.0) == "▅█"


def test_parts_that_do_not_fit_are_left_out() -> None:
    assert fit("speed", ["one", "three", "five"], 26) == "speed       one   three"
    assert fit("speed", ["one", "three", "five"], 30) == "speed       one   three   five"
    assert fit("speed", ["one"], 2) == "on"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.0, "59 s"),
        (61.0, "1 min 1 s"),
        (3720.0, "1 h 2 min"),
        (90_000.0, "1 d 1 h"),
    ],
)
def test_times_are_said_in_their_two_largest_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said
