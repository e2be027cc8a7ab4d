"""The decoder against transformers: Llama in its variants, and Mistral with its window.

Logits of a left-padded batch, the reference reading it at once, ours through the cache.
"""

from dataclasses import replace

import pytest
from tests.language.reference import (
    CONFIG,
    LLAMA_KEYS,
    SHAPE,
    ours_of,
    randomise,
    worst_difference,
)

from triptych.language import RotaryConfig

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 2.8e-6, where logits spread by 1.1."""

THETA = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
OURS = replace(CONFIG, positions=RotaryConfig(theta=500.0))


def llama(**options):
    config = transformers.LlamaConfig(**{**SHAPE, **THETA, **options})
    return randomise(transformers.LlamaForCausalLM(config))


def mistral(window):
    config = transformers.MistralConfig(**SHAPE, **THETA, sliding_window=window)
    return randomise(transformers.MistralForCausalLM(config))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"tied": True}, {"tie_word_embeddings": True}),
        ({"head_dim": 12}, {"head_dim": 12}),
        ({"num_kv_heads": 4}, {"num_key_value_heads": 4}),
        (
            {"qkv_bias": True, "out_bias": True, "mlp_bias": True},
            {"attention_bias": True, "mlp_bias": True},
        ),
    ],
    ids=["plain", "tied", "wide_heads", "ungrouped", "biases"],
)
def test_llama_says_the_same(ours, theirs):
    reference = llama(**theirs)
    decoder = ours_of(replace(OURS, **ours), reference, LLAMA_KEYS)
    assert worst_difference(decoder, reference) <= TOLERANCE


@pytest.mark.parametrize("window", [1, 4, 11, 12, 50])
def test_mistral_says_the_same_within_its_window(window):
    reference = mistral(window)
    decoder = ours_of(replace(OURS, window=window), reference, LLAMA_KEYS)
    assert worst_difference(decoder, reference) <= TOLERANCE


def test_a_window_off_by_one_would_show():
    reference = mistral(4)
    decoder = ours_of(replace(OURS, window=5), reference, LLAMA_KEYS)
    assert worst_difference(decoder, reference) > 100 * TOLERANCE
