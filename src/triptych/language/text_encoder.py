"""The text encoder: a text in, one vector out, for models that compare texts with pictures.

    token ids -> embedding + learned position -> blocks -> norm -> one position -> projection

             who sees whom    the position that speaks for the text
    CLIP     causal           its end token, which has seen all before it
    SigLIP   all              the last, padding though it may be: texts are padded to one length

CLIP: https://arxiv.org/abs/2103.00020 (section 2.4)
SigLIP: https://arxiv.org/abs/2303.15343
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from triptych.errors import ConfigError, ShapeError
from triptych.language.decoder import INITIAL_STD
from triptych.nn.attention import Attention
from triptych.nn.block import Block
from triptych.nn.mlp import MLP, Activation
from triptych.shapes import Embeddings, TokenIds

Speaker: TypeAlias = Literal["end", "largest", "last"]
"""Which position speaks for a text: the first that holds the end token; the first that holds the
largest id, as CLIP was written when no id was larger than the end token's; or the last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextEncoderConfig:
    """A text encoder: its size and its dialect."""

    vocab_size: int
    """Rows of the embedding table."""

    dim: int
    """Width of the hidden states."""

    depth: int
    """Blocks."""

    num_heads: int
    """Attention heads of every block."""

    ffn_dim: int
    """Inner width of the feed-forward layers."""

    max_tokens: int
    """Positions that are learned: the longest text, special tokens included."""

    is_causal: bool
    """Whether a token sees only itself and those before it."""

    speaker: Speaker
    """Which position speaks for the text."""

    end_id: int | None = None
    """The end token, where that speaks."""

    projection_bias: bool = False
    """Give the projection a bias."""

    activation: Activation = "quick_gelu"
    """Of the feed-forward layers."""

    norm_eps: float = 1e-5
    """Added to the variance in every norm."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "dim", "depth", "num_heads", "ffn_dim", "max_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim % self.num_heads:
            raise ConfigError(f"dim {self.dim} does not divide among {self.num_heads} heads")
        if (self.speaker == "end") != (self.end_id is not None):
            raise ConfigError(
                f"end_id is for speaker='end' and needed there; got {self.end_id} with "
                f"speaker={self.speaker!r}"
            )

    def build(self, *, shared_dim: int) -> "TextEncoder":
        return TextEncoder(self, shared_dim)


class TextEncoder(nn.Module):
    """Map texts to one vector each."""

    def __init__(self, config: TextEncoderConfig, shared_dim: int) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_tokens, config.dim)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.projection = nn.Linear(config.dim, shared_dim, bias=config.projection_bias)
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        nn.init.normal_(self.position_embedding.weight, std=INITIAL_STD / 2)
        nn.init.normal_(self.projection.weight, std=config.dim**-0.5)

    def forward(self, token_ids: TokenIds) -> Float[Tensor, "batch shared_dim"]:
        """One vector a text.

        Raises:
            ShapeError: a text is longer than there are positions, or has no end token where that
                speaks.
        """
        hidden = self.read(token_ids)
        rows = torch.arange(len(hidden), device=hidden.device)
        return self.projection(hidden[rows, self._speakers(token_ids)])

    def read(self, token_ids: TokenIds) -> Embeddings:
        """Hidden states of every position after the last norm, padding included.

        Raises:
            ShapeError: a text is longer than there are positions.
        """
        num_tokens, limit = token_ids.shape[1], self.config.max_tokens
        if num_tokens > limit:
            raise ShapeError(
                f"a text of {num_tokens} tokens is longer than the {limit} positions this model "
                "has learned; shorten it"
            )
        hidden = self.embedding(token_ids) + self.position_embedding.weight[:num_tokens]
        for block in self.blocks:
            hidden = block(hidden, is_causal=self.config.is_causal)
        return self.norm(hidden)

    def _speakers(self, token_ids: TokenIds) -> Int[Tensor, " batch"]:
        if self.config.speaker == "last":
            return torch.full_like(token_ids[:, 0], token_ids.shape[1] - 1)
        if self.config.speaker == "largest":
            return token_ids.argmax(dim=1)
        is_end = token_ids == self.config.end_id
        if not token_ids.is_meta and not bool(is_end.any(dim=1).all()):
            raise ShapeError(
                f"a text has no end token {self.config.end_id}, which speaks for it; make the "
                "inputs with this model's own processor"
            )
        return is_end.int().argmax(dim=1)


def _block(config: TextEncoderConfig) -> Block:
    attention = Attention(config.dim, config.num_heads, qkv_bias=True, out_bias=True)
    mlp = MLP(config.dim, config.ffn_dim, config.activation)
    return Block(attention, mlp, norm="layer", norm_eps=config.norm_eps)
