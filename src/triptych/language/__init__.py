"""Panel 3: embeddings in, logits out."""

from typing import TypeAlias

from triptych.language.decoder import Between, Decoder, DecoderConfig, OutputTable
from triptych.language.positions import (
    LearnedPositionsConfig,
    RotaryConfig,
    SinusoidalConfig,
    TextPositionsConfig,
)
from triptych.language.sizes import (
    gemma_2b,
    gemma_7b,
    llama_7b,
    mistral_7b,
    opt_2_7b,
    qwen2_1_5b,
    qwen2_5_3b,
    qwen2_7b,
    qwen2_72b,
    smollm_360m,
    with_mrope,
)

LanguageConfig: TypeAlias = DecoderConfig

__all__ = [
    "Between",
    "Decoder",
    "DecoderConfig",
    "LanguageConfig",
    "LearnedPositionsConfig",
    "OutputTable",
    "RotaryConfig",
    "SinusoidalConfig",
    "TextPositionsConfig",
    "gemma_2b",
    "gemma_7b",
    "llama_7b",
    "mistral_7b",
    "opt_2_7b",
    "qwen2_1_5b",
    "qwen2_5_3b",
    "qwen2_7b",
    "qwen2_72b",
    "smollm_360m",
    "with_mrope",
]
