"""Blocks that are computed again for the gradient: the same numbers from less memory."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, subject
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from triptych.adapters import LoraConfig, attach
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLM
from triptych.objectives.language_modelling import language_modelling
from triptych.train import PanelRates
from triptych.train.optimizer import freeze
from triptych.train.recomputing import set_recomputed


def gradients(model: VLM, loss: Callable[[], Tensor]) -> tuple[dict[str, Tensor], int]:
    """With dropout; and the bytes that operations kept between forward and backward pass, without
    what goes into recomputed blocks."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train().zero_grad()
    torch.manual_seed(5)
    with saved_tensors_hooks(note, lambda each: each):
        total = loss()
    total.backward()
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    num_bytes = sum(size for pointer, size in kept.items() if pointer not in own)
    found = {name: each.grad for name, each in model.named_parameters()}
    return {name: each.clone() for name, each in found.items() if each is not None}, num_bytes


def loss_of(run: TinyRun) -> Callable[[], Tensor]:
    samples = [run.source.sample(index, torch.Generator()) for index in range(4)]
    batch = run.processor.collate(samples)
    return lambda: language_modelling(run.model, batch).total


@pytest.mark.parametrize("panels", [("language",), ("vision",), ("vision", "language")], ids=str)
@pytest.mark.parametrize("rank", [0, 3])
def test_gradients_are_equal_bit_for_bit_and_less_is_kept(panels, rank):
    run = tiny_run()
    if rank:
        attach(run.model, LoraConfig(rank=rank, dropout=0.2, vision=("all",)), seed=0)
        freeze(run.model, PanelRates(vision=1e-3, language=1e-3))
    expected, more = gradients(run.model, loss_of(run))
    set_recomputed(run.model, replace(CONFIG, checkpointing=panels))
    found, less = gradients(run.model, loss_of(run))
    assert found.keys() == expected.keys() and expected
    assert [name for name, each in expected.items() if not torch.equal(found[name], each)] == []
    # The one block of the vision panel is a small share; those of the language panel a large one.
    assert less < (0.8 * more if "language" in panels else more)
    set_recomputed(run.model, CONFIG)
    assert gradients(run.model, loss_of(run))[1] == more


PANELS = [
    ("flamingo_debug", ("fusion", "connector", "vision", "language")),
    ("blip2_debug", ("connector",)),
    ("qwen2_5_vl_debug", ("vision",)),
]


@pytest.mark.parametrize(("name", "panels"), PANELS, ids=[name for name, _ in PANELS])
def test_every_kind_of_block_can_be_computed_again(name, panels):
    debug = subject(name)
    sample = debug.processor.encode(answered(QUESTIONS[0], "a red circle"))
    batch = debug.processor.collate([sample])

    def loss() -> Tensor:
        return language_modelling(debug.model, batch).total

    expected, more = gradients(debug.model, loss)
    set_recomputed(debug.model, replace(CONFIG, checkpointing=panels))
    try:
        found, less = gradients(debug.model, loss)
    finally:
        set_recomputed(debug.model, CONFIG)
        debug.model.eval().zero_grad()
    assert [key for key, each in expected.items() if not torch.equal(found[key], each)] == []
    assert less < more


def test_a_run_is_the_same_run(tmp_path):
    plain, again = tiny_run(), tiny_run()
    config = replace(CONFIG, max_steps=4)
    plain.fit(tmp_path / "plain", config)
    again.fit(tmp_path / "again", replace(config, checkpointing=("vision", "language")))
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name


def test_a_panel_without_blocks_is_refused():
    with pytest.raises(ConfigError, match="connector has no blocks of this model"):
        set_recomputed(tiny_run().model, replace(CONFIG, checkpointing=("connector",)))
