"""Muon: hidden matrices learn along all their directions, everything else as by AdamW."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, tiny_run
from torch import nn

from triptych.train.muon import Muon, orthogonal
from triptych.train.optimizer import build_optimizer, freeze
from triptych.train.record import read_record


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)], ids=str)
def test_all_directions_of_an_update_are_about_equally_long(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    lengths = torch.linalg.svdvals(orthogonal(matrix))
    assert lengths.max() < 1.3
    assert lengths.median() > 0.65


def test_the_directions_are_those_of_the_gradient() -> None:
    left, _, right = torch.linalg.svd(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))
    matrix = left @ torch.diag(torch.linspace(1.0, 0.3, 8)) @ right
    turned = left.T @ orthogonal(matrix) @ right.T
    assert (turned - torch.diag(turned.diag())).abs().max() < 0.05
    assert turned.diag().min() > 0.6


def test_what_is_no_hidden_matrix_is_updated_as_by_adamw() -> None:
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 12)) for _ in range(2))
    muon = Muon(
        [{"params": [ours], "lr": 0.01, "weight_decay": 0.1, "is_matrix": False}], (0.9, 0.98)
    )
    adamw = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1, betas=(0.9, 0.98))
    for step in range(5):
        for parameter, optimizer in ((ours, muon), (theirs, adamw)):
            parameter.grad = torch.sin(torch.arange(12.0) + step)
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-7)


def test_matrices_of_blocks_are_muons_and_no_others() -> None:
    run = tiny_run()
    freeze(run.model, CONFIG.learning_rates)
    optimizer = build_optimizer(run.model, replace(CONFIG, optimizer="muon"))
    chosen = {id(p) for g in optimizer.param_groups if g["is_matrix"] for p in g["params"]}
    names = {name for name, each in run.model.named_parameters() if id(each) in chosen}
    assert "language.blocks.1.mlp.down.weight" in names
    assert "vision.blocks.0.attention.query.weight" in names
    assert not {n for n in names if ".blocks." not in n or "norm" in n}
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(
        list(run.model.parameters())
    )


def test_matrices_move_faster_than_the_rest_by_the_boost_and_only_with_muon() -> None:
    run = tiny_run()
    freeze(run.model, CONFIG.learning_rates)

    def rates(optimizer: str) -> dict[bool, set[float]]:
        groups = build_optimizer(
            run.model, replace(CONFIG, optimizer=optimizer, matrix_boost=4.0)
        ).param_groups
        return {
            kind: {g["peak"] for g in groups if g["is_matrix"] == kind} for kind in (True, False)
        }

    assert rates("muon")[True] == {4 * rate for rate in rates("muon")[False]}
    assert rates("adamw")[True] == rates("adamw")[False]


def test_a_stopped_run_with_muon_in_bfloat16_goes_on_exactly(tmp_path: Path) -> None:
    config = replace(CONFIG, optimizer="muon", precision="bfloat16", schedule="constant")

    def losses(folder: Path) -> list[float]:
        return [line["loss"] for line in read_record(folder / "record.jsonl")]

    tiny_run().fit(tmp_path / "whole", replace(config, max_steps=8))
    tiny_run().fit(tmp_path / "parts", replace(config, max_steps=4))
    tiny_run().fit(tmp_path / "parts", replace(config, max_steps=8), resume=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert losses(tmp_path / "whole")[-1] < losses(tmp_path / "whole")[0]


def test_bfloat16_learns_from_the_weights_of_the_step_before(tmp_path: Path) -> None:
    """Copies of the weights in bfloat16 that outlive a step would stop learning."""
    curves: list[list[float]] = []
    for precision in ("float32", "bfloat16"):
        folder = tmp_path / precision
        tiny_run().fit(folder, replace(CONFIG, precision=precision))
        curves.append([line["loss"] for line in read_record(folder / "record.jsonl")])
    assert curves[1] == pytest.approx(curves[0], rel=0.01)
    assert curves[1][-1] < 0.97 * curves[1][0]
