"""The decoder against transformers: OPT, the language panel of BLIP-2."""

from dataclasses import replace

import pytest
from tests.language.reference import CONFIG, ours_of, randomise, worst_difference

from triptych.language import LearnedPositionsConfig

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 1.9e-6, where logits spread by 1.1."""

OURS = replace(
    CONFIG,
    num_kv_heads=4,
    norm="layer",
    activation="relu",
    gated_mlp=False,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    tied=True,
    positions=LearnedPositionsConfig(max_positions=16, offset=2),
)
KEYS = {
    "model.decoder.final_layer_norm.": "norm.",
    "model.decoder.": "",
    "embed_tokens.": "embedding.",
    "embed_positions.": "position_embedding.",
    "layers.": "blocks.",
    "self_attn_layer_norm.": "norm_1.",
    "final_layer_norm.": "norm_2.",
    "self_attn.q_proj.": "attention.query.",
    "self_attn.k_proj.": "attention.key.",
    "self_attn.v_proj.": "attention.value.",
    "self_attn.out_proj.": "attention.out.",
    "fc1.": "mlp.up.",
    "fc2.": "mlp.down.",
}


def opt():
    config = transformers.OPTConfig(
        vocab_size=61,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=16,
        attn_implementation="eager",
    )
    return randomise(transformers.OPTForCausalLM(config))


def test_opt_says_the_same():
    reference = opt()
    decoder = ours_of(OURS, reference, KEYS)
    assert worst_difference(decoder, reference) <= TOLERANCE


def test_positions_off_by_one_would_show():
    positions = LearnedPositionsConfig(max_positions=17, offset=1)
    reference = opt()
    decoder = ours_of(replace(OURS, positions=positions), reference, KEYS)
    assert worst_difference(decoder, reference) > 100 * TOLERANCE
