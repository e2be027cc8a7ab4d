"""Panel 3: embeddings in, logits out."""

from typing import TypeAlias

from triptych.language.decoder import (
    Between,
    Decoder,
    DecoderConfig,
    LearnedPositionsConfig,
    RotaryConfig,
)

LanguageConfig: TypeAlias = DecoderConfig

__all__ = [
    "Between",
    "Decoder",
    "DecoderConfig",
    "LanguageConfig",
    "LearnedPositionsConfig",
    "RotaryConfig",
]
