"""The picture of a run is drawn from its record, whatever the record leaves out."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from triptych.errors import DataError
from triptych.train import plot
from triptych.train.plot import plot_run, smooth


def write(folder: Path, lines: list[dict[str, float]]) -> Path:
    path = folder / "record.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(num_steps: int) -> list[dict[str, float]]:
    """A loss that falls from 8 to about 3, validated every tenth step."""
    lines: list[dict[str, float]] = []
    for step in range(1, num_steps + 1):
        loss = 3 + 5 * math.exp(-step / 20) + 0.1 * math.sin(step)
        line: dict[str, float] = {"step": step, "loss": loss, "learning_rate": 1e-3}
        lines.append(line | ({"val_loss": loss + 0.2} if step % 10 == 0 else {}))
    return lines


def colours(path: Path) -> set[tuple[int, int, int]]:
    with Image.open(path) as image:
        return {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}


def colour(name: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(name.removeprefix("#")))


INK, ACCENT = colour(plot.INK), colour(plot.ACCENT)


def test_a_run_becomes_a_picture_with_training_and_validation(tmp_path: Path):
    plot_run(write(tmp_path, run(100)), tmp_path / "plots" / "loss.png")

    with Image.open(tmp_path / "plots" / "loss.png") as image:
        assert image.format == "PNG"
        assert image.size == (1200, 750)
    assert {INK, ACCENT} <= colours(tmp_path / "plots" / "loss.png")


def test_a_run_without_validation_has_no_validation_points(tmp_path: Path):
    plot_run(write(tmp_path, run(9)), tmp_path / "loss.png")
    assert ACCENT not in colours(tmp_path / "loss.png")


def test_norms_of_each_panel_and_gates_are_drawn_where_the_record_has_them(tmp_path: Path):
    norms = {"gradient_norm": 1.5, "gradient_norm_vision": 0.0, "gradient_norm_language": 1.2}
    gates = {
        f"gate_{kind}_{layer}": 0.1 * layer for kind in ("attention", "mlp") for layer in (1, 3)
    }
    plain, with_norms, gated = run(30), [], []
    for line in plain:
        with_norms.append(line | norms)
        gated.append(line | norms | {name: each * line["step"] for name, each in gates.items()})
    sizes, seen = [], []
    for name, lines in (("plain", plain), ("norms", with_norms), ("gated", gated)):
        out = tmp_path / f"{name}.png"
        plot_run(write(tmp_path, lines), out)
        seen.append(colours(out))
        with Image.open(out) as image:
            sizes.append(image.size)
    assert sizes == [(1200, 750), (1200, 975), (1200, 1200)]
    vision, mlp = colour(plot.PANEL_COLOURS["vision"]), colour(plot.GATE_COLOURS["mlp"])
    attention = colour(plot.GATE_COLOURS["attention"])
    assert not {vision, attention} & seen[0]
    assert attention not in seen[1] and {attention, mlp} <= seen[2]


@pytest.mark.parametrize("norm", [0.0, math.nan, 1e30])
def test_odd_norms_are_drawn_too(tmp_path: Path, norm: float):
    lines = [line | {"gradient_norm": norm} for line in run(5)]
    plot_run(write(tmp_path, lines), tmp_path / "run.png")
    assert (tmp_path / "run.png").is_file()


@pytest.mark.parametrize(
    "lines",
    [
        [{"step": 1, "loss": 2.0}],
        [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 2.0}],
        [{"step": 1, "loss": math.nan, "learning_rate": 1e-3, "val_loss": math.inf}],
        [{"step": 1, "loss": 1e30, "learning_rate": 0.0, "val_loss": 2.0}],
    ],
    ids=["one step", "a flat run", "no finite loss", "a huge loss"],
)
def test_odd_runs_are_drawn_too(tmp_path: Path, lines: list[dict[str, float]]):
    plot_run(write(tmp_path, lines), tmp_path / "loss.png")
    assert (tmp_path / "loss.png").is_file()


def test_the_same_record_gives_the_same_picture(tmp_path: Path):
    record = write(tmp_path, run(30))
    plot_run(record, tmp_path / "one.png")
    plot_run(record, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_smoothing_starts_at_the_first_value_and_keeps_a_constant():
    assert smooth([4.0, 4.0, 4.0]) == pytest.approx([4.0, 4.0, 4.0])
    assert smooth([8.0] + [2.0] * 200)[0] == pytest.approx(8.0)


def test_smoothing_does_not_lag_behind():
    ramp = [float(step) for step in range(1000)]
    assert smooth(ramp)[:900] == pytest.approx(ramp[:900])


def test_smoothing_averages_noise_away():
    noisy = [3.0 + (-1) ** step for step in range(1000)]
    assert all(abs(value - 3.0) < 0.1 for value in smooth(noisy)[50:])


def test_smoothing_passes_over_what_is_not_finite():
    assert smooth([2.0, 2.0, math.nan, 2.0, 2.0], share=1.0) == pytest.approx([2.0] * 5)


def test_a_missing_record_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"record\.jsonl is not there"):
        plot_run(tmp_path / "record.jsonl", tmp_path / "loss.png")


def test_an_empty_record_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no step yet"):
        plot_run(write(tmp_path, []), tmp_path / "loss.png")


def test_a_line_without_a_loss_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"line 2 of .* has no step and loss"):
        plot_run(write(tmp_path, [{"step": 1, "loss": 1.0}, {"step": 2}]), tmp_path / "a.png")
