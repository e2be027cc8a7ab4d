"""Gated cross-attention: shut at first, and every token sees the last picture before it."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import answered, picture, subject

from triptych.architectures import find_architecture
from triptych.errors import ConfigError, ShapeError
from triptych.fusion.gated import (
    Gated,
    GatedBlock,
    GatedConfig,
    GatedMemory,
    gather_memory,
    image_counts,
)
from triptych.inputs import ImageSpan, ModelInputs
from triptych.nn.masks import last_image_mask
from triptych.processor import ask_about

CONFIG = GatedConfig(num_heads=2, head_dim=4)


def open_block() -> GatedBlock:
    torch.manual_seed(0)
    block = GatedBlock(CONFIG, dim=8, visual_dim=6)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    return block


def inputs_with_markers(*rows: list[int]) -> ModelInputs:
    """Rows of tokens, 1 where a picture's marker stands."""
    token_ids = torch.tensor(rows)
    return ModelInputs(
        token_ids=token_ids,
        token_mask=torch.ones_like(token_ids, dtype=torch.bool),
        position_ids=torch.arange(token_ids.shape[1]).expand_as(token_ids),
        spans=tuple(
            ImageSpan(batch_index=row, start=start, num_slots=1, token_grid=None)
            for row, start in token_ids.nonzero().tolist()
        ),
    )


def test_a_fresh_model_says_what_its_language_model_says():
    debug = subject("flamingo_debug")
    fresh = find_architecture("flamingo_debug").build(seed=0).eval()
    sample = debug.processor.encode(answered(ask_about([picture(0)], "what is it?"), "a circle"))
    inputs = debug.processor.collate([sample])
    language = fresh.language
    with torch.no_grad():
        alone = language(language.embed(inputs.token_ids), position_ids=inputs.position_ids)
        assert torch.equal(fresh(inputs), language.head(alone))
    assert all(gates == (0, 0) for gates in fresh.fusion.gates().values())


def test_a_fresh_gate_learns_although_it_is_shut():
    block = GatedBlock(CONFIG, dim=8, visual_dim=6)
    mask = torch.ones(1, 1, 3, 2, dtype=torch.bool)
    block(torch.randn(1, 3, 8), torch.randn(1, 2, 6), mask).square().sum().backward()
    for gate in (block.attention_gate, block.mlp_gate):
        assert gate.grad is not None and gate.grad.abs() > 0


def test_both_branches_stand_behind_the_tanh_of_their_own_gate():
    block, hidden, visual = open_block(), torch.randn(1, 3, 8), torch.randn(1, 2, 6)
    seen = block.attention(block.norm_1(hidden), context=visual)
    middle = hidden + torch.tanh(block.attention_gate) * seen
    expected = middle + torch.tanh(block.mlp_gate) * block.mlp(block.norm_2(middle))

    found = block(hidden, visual, torch.ones(1, 1, 3, 2, dtype=torch.bool))
    torch.testing.assert_close(found, expected)
    assert (found - hidden).abs().max() > 0.1


def test_a_token_before_any_picture_is_not_changed_at_all():
    block, hidden, visual = open_block(), torch.randn(1, 5, 8), torch.randn(1, 4, 6)
    mask = last_image_mask(torch.tensor([[0, 0, 1, 1, 2]]), num_images=2, tokens_per_image=2)
    found = block(hidden, visual, mask)
    assert torch.equal(found[:, :2], hidden[:, :2])
    assert ((found[:, 2:] - hidden[:, 2:]).abs().amax(dim=-1) > 1e-2).all()


def test_a_token_sees_only_the_last_picture_at_or_before_it():
    block, hidden, visual = open_block(), torch.randn(1, 6, 8), torch.randn(1, 4, 6)
    inputs = inputs_with_markers([0, 1, 0, 1, 0, 0])
    mask = last_image_mask(image_counts(inputs), num_images=2, tokens_per_image=2)
    before = block(hidden, visual, mask)

    first_changed = visual.clone()
    first_changed[:, :2] += 1
    moved = (block(hidden, first_changed, mask) - before).abs().amax(dim=-1)[0] > 0
    assert moved.tolist() == [False, True, True, False, False, False]

    second_changed = visual.clone()
    second_changed[:, 2:] += 1
    moved = (block(hidden, second_changed, mask) - before).abs().amax(dim=-1)[0] > 0
    assert moved.tolist() == [False, False, False, True, True, True]


def test_a_marker_counts_from_its_own_position():
    inputs = inputs_with_markers([0, 1, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0])
    assert image_counts(inputs).tolist() == [
        [0, 1, 1, 2, 2],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]


def test_pictures_of_a_row_lie_side_by_side_and_missing_ones_are_zero():
    inputs = inputs_with_markers([0, 1, 1], [0, 0, 1])
    visual = [torch.full((2, 1), float(number)) for number in (1, 2, 3)]
    memory = gather_memory(visual, inputs, torch.zeros(2, 3, 4), image_counts(inputs))
    assert memory.visual[..., 0].tolist() == [[1, 1, 2, 2], [3, 3, 0, 0]]
    assert memory.image_counts.tolist() == [2, 1]
    assert (memory.num_images, memory.tokens_per_image) == (2, 2)


def test_pictures_of_unequal_numbers_of_tokens_are_refused():
    inputs = inputs_with_markers([0, 1, 1])
    visual = [torch.zeros(2, 1), torch.zeros(3, 1)]
    with pytest.raises(ShapeError, match=r"\[2, 3\] visual tokens.*resampler or one picture size"):
        gather_memory(visual, inputs, torch.zeros(1, 3, 4), image_counts(inputs))


def test_pictures_that_are_not_the_markers_number_are_refused():
    inputs = inputs_with_markers([0, 1, 1])
    with pytest.raises(ShapeError, match=r"1 pictures were encoded .* 2 markers; give"):
        gather_memory([torch.zeros(2, 1)], inputs, torch.zeros(1, 3, 4), image_counts(inputs))


def test_selected_rows_keep_their_pictures():
    memory = GatedMemory(torch.arange(6.0).reshape(3, 2, 1), torch.tensor([0, 1, 2]), 2, 1)
    chosen = memory.select(torch.tensor([2, 2, 0]))
    assert chosen.visual[..., 0].tolist() == [[4, 5], [4, 5], [0, 1]]
    assert chosen.image_counts.tolist() == [2, 2, 0]


def test_new_blocks_stand_before_every_nth_language_block():
    fusion = replace(CONFIG, every=4).build(num_layers=10, language_dim=8, visual_dim=6)
    assert isinstance(fusion, Gated)
    assert list(fusion.blocks) == ["0", "4", "8"]


def test_a_gate_is_reported_as_its_tanh():
    fusion = CONFIG.build(num_layers=1, language_dim=8, visual_dim=6)
    with torch.no_grad():
        fusion.get_parameter("blocks.0.mlp_gate").fill_(-0.5)
    assert fusion.gates() == {"0": (0.0, pytest.approx(-0.46212, abs=1e-5))}


def test_a_picture_takes_one_slot():
    assert CONFIG.num_slots(64) == 1


def test_every_zeroth_block_is_refused():
    with pytest.raises(ConfigError, match=r"every must be at least 1 block, got 0"):
        GatedConfig(every=0)


# -- as IDEFICS has it ---------------------------------------------------------------------------


def idefics_block(**changes: object) -> GatedBlock:
    config = GatedConfig(
        num_heads=2,
        head_dim=8,
        ffn_dim=20,
        gated_mlp=True,
        activation="silu",
        norm="rms",
        qk_norm="rms",
        gate_channels=True,
        mlp_before_pictures=True,
    )
    torch.manual_seed(0)
    block = GatedBlock(replace(config, **changes), 16, 12)
    with torch.no_grad():
        for gate in (block.attention_gate, block.mlp_gate):
            gate.fill_(0.5)
    return block


RANDOM = torch.Generator().manual_seed(0)
HIDDEN = torch.randn(1, 3, 16, generator=RANDOM)
VISUAL = torch.randn(1, 4, 12, generator=RANDOM)
BLIND = torch.zeros(1, 1, 3, 4, dtype=torch.bool)


@torch.no_grad()
def test_before_any_picture_the_mlp_acts_where_it_may():
    open_block, shut = idefics_block(), idefics_block(mlp_before_pictures=False)
    added = open_block(HIDDEN, VISUAL, BLIND) - HIDDEN
    expected = open_block.mlp_gate.tanh() * open_block.mlp(open_block.norm_2(HIDDEN))
    torch.testing.assert_close(added, expected)
    assert torch.equal(shut(HIDDEN, VISUAL, BLIND), HIDDEN)


@torch.no_grad()
def test_a_batch_without_pictures_is_as_one_that_sees_none():
    block = idefics_block()
    expected = block(HIDDEN, VISUAL, BLIND)
    assert torch.equal(block(HIDDEN, None, BLIND[..., :0]), expected)


@torch.no_grad()
def test_every_channel_has_gates_of_its_own():
    block = idefics_block()
    block.attention_gate[3:], block.mlp_gate[3:] = 0.0, 0.0
    added = block(HIDDEN, VISUAL, ~BLIND) - HIDDEN
    assert added[..., 3:].abs().max() == 0 and added[..., :3].abs().min() > 0


def test_a_hidden_width_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="ffn_dim must be at least 1"):
        GatedConfig(ffn_dim=0)
