"""Panel 2: vision features in, tokens the language model can read out.

A connector is any module that satisfies `Connector`; nothing else in the package knows which
one. To add one: write its file here, then name its config in `ConnectorConfig`.

                 tokens of a picture        reads
    identity     every patch                its patch, unchanged
    linear, mlp, every patch                its patch
    anyres
    merger,      patches / factor^2         its neighbourhood
    pixel shuffle
    qformer,     fixed                      the whole picture
    resampler,
    attention pool,
    latent queries
"""

from typing import Protocol, TypeAlias, runtime_checkable

from triptych.connector.anyres import AnyRes, AnyResConfig
from triptych.connector.attention_pool import (
    AttentionPool,
    AttentionPoolConfig,
    attention_pool_coca,
    attention_pool_qwen_vl,
)
from triptych.connector.fold import fold, folded_grid
from triptych.connector.identity import Identity, IdentityConfig
from triptych.connector.latent_queries import LatentQueries, LatentQueriesConfig
from triptych.connector.linear import Linear, LinearConfig
from triptych.connector.merger import Merger, MergerConfig
from triptych.connector.mlp import MLP, MLPConfig, mlp_llava_1_5, mlp_minivlm
from triptych.connector.pixel_shuffle import PixelShuffle, PixelShuffleConfig
from triptych.connector.qformer import QFormer, QFormerConfig, QFormerTextConfig, qformer_blip2
from triptych.connector.resampler import (
    Resampler,
    ResamplerConfig,
    resampler_flamingo,
    resampler_idefics,
    resampler_open_flamingo,
)
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@runtime_checkable
class Connector(Protocol):
    """Turns the features of pictures into visual tokens, and knows how many beforehand."""

    out_dim: int
    """Width of the visual tokens; the language model's, unless a resampler leaves it out."""

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes; the prompt reserves as many."""
        ...

    def __call__(self, features: VisionFeatures) -> VisualTokens: ...


ConnectorConfig: TypeAlias = (
    IdentityConfig
    | LinearConfig
    | MLPConfig
    | AnyResConfig
    | MergerConfig
    | PixelShuffleConfig
    | QFormerConfig
    | ResamplerConfig
    | AttentionPoolConfig
    | LatentQueriesConfig
)
"""Each offers `num_tokens(grid)`, `token_grid(grid)` (the layout of the tokens, where they still
lie on a grid) and `build(vision_dim=, language_dim=)`; the first two need no weights."""

__all__ = [
    "MLP",
    "AnyRes",
    "AnyResConfig",
    "AttentionPool",
    "AttentionPoolConfig",
    "Connector",
    "ConnectorConfig",
    "Identity",
    "IdentityConfig",
    "LatentQueries",
    "LatentQueriesConfig",
    "Linear",
    "LinearConfig",
    "MLPConfig",
    "Merger",
    "MergerConfig",
    "PixelShuffle",
    "PixelShuffleConfig",
    "QFormer",
    "QFormerConfig",
    "QFormerTextConfig",
    "Resampler",
    "ResamplerConfig",
    "attention_pool_coca",
    "attention_pool_qwen_vl",
    "fold",
    "folded_grid",
    "mlp_llava_1_5",
    "mlp_minivlm",
    "qformer_blip2",
    "resampler_flamingo",
    "resampler_idefics",
    "resampler_open_flamingo",
]
