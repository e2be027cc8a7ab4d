"""The decoder against transformers: Qwen2, and the language panel of Qwen2-VL with M-RoPE."""

from dataclasses import replace

import pytest
import torch
from tests.language.reference import (
    CONFIG,
    LLAMA_KEYS,
    SHAPE,
    ours_of,
    randomise,
    worst_difference,
)

from triptych.language import RotaryConfig
from triptych.nn.rotary import multimodal_positions

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 2.6e-6, where logits spread by 1.1."""

OURS = replace(CONFIG, qkv_bias=True, positions=RotaryConfig(theta=1e6))
ROPE = {"rope_type": "default", "rope_theta": 1e6}
SECTIONS = (1, 2, 1)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_qwen2_says_the_same(tied):
    config = transformers.Qwen2Config(**SHAPE, rope_parameters=ROPE, tie_word_embeddings=tied)
    reference = randomise(transformers.Qwen2ForCausalLM(config))
    decoder = ours_of(replace(OURS, tied=tied), reference, LLAMA_KEYS)
    assert worst_difference(decoder, reference) <= TOLERANCE


def qwen2_vl():
    """The text model; transformers gives it no head of its own."""
    config = transformers.Qwen2VLTextConfig(
        **SHAPE, rope_parameters={**ROPE, "mrope_section": list(SECTIONS)}
    )
    return randomise(transformers.Qwen2VLTextModel(config))


@torch.no_grad()
def test_qwen2_vl_says_the_same_of_text_around_a_picture_and_a_video():
    reference = qwen2_vl()
    positions = RotaryConfig(theta=1e6, mrope_sections=SECTIONS)
    decoder = ours_of(replace(OURS, positions=positions, tied=True), reference, LLAMA_KEYS)
    position_ids = torch.stack(
        [multimodal_positions(20, [(3, 1, 2, 3), (11, 2, 2, 1)]), multimodal_positions(20, [])],
        dim=1,
    )
    embeddings = torch.randn(2, 20, 32, generator=torch.Generator().manual_seed(1))

    theirs = reference(inputs_embeds=embeddings, position_ids=position_ids).last_hidden_state
    ours = decoder(embeddings, position_ids=position_ids)
    assert (ours - theirs).abs().max() <= TOLERANCE

    flat = decoder(embeddings, position_ids=position_ids[0])
    assert (flat - theirs)[0].abs().max() > 100 * TOLERANCE  # the other axes matter
    assert (flat - theirs)[1].abs().max() <= TOLERANCE  # but not for text alone


@pytest.mark.parametrize(
    "blocks",
    [[(3, 1, 2, 3)], [(0, 1, 4, 1), (5, 1, 2, 2)], [(2, 2, 2, 3)], [(1, 3, 1, 3)], []],
    ids=["picture", "two_pictures", "video", "long_video", "text"],
)
def test_positions_are_those_of_transformers_where_rules_agree(blocks):
    # No video here has more frames than rows and columns: there transformers 5.23 departs from
    # the paper, and we do not (see nn.rotary.multimodal_positions).
    config = transformers.Qwen2VLConfig(
        text_config=dict(SHAPE), vision_config={"depth": 1, "embed_dim": 8, "num_heads": 1}
    )
    with torch.device("meta"):
        reference = transformers.Qwen2VLForConditionalGeneration(config).model
    num_tokens = 25
    kinds = torch.zeros(1, num_tokens, dtype=torch.long)
    for start, frames, rows, cols in blocks:
        kinds[0, start : start + frames * rows * cols] = 1 if frames == 1 else 2
    grids = [torch.tensor([frames, 2 * rows, 2 * cols]) for _, frames, rows, cols in blocks]
    theirs, _ = reference.get_rope_index(
        torch.zeros_like(kinds),
        kinds,
        image_grid_thw=[grid for grid in grids if grid[0] == 1],
        video_grid_thw=[grid for grid in grids if grid[0] > 1],
    )
    assert torch.equal(multimodal_positions(num_tokens, blocks), theirs[:, 0])
