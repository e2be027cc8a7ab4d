"""The causal decoder: embeddings in, hidden states and logits out.

One class covers the families that vision-language models are built on; the config says which.

    Llama, Vicuna, SmolLM   RMSNorm, SwiGLU, rotary, no biases, grouped heads
    Mistral                 the same with a sliding window
    Qwen2                   the same with biases on query, key and value; M-RoPE in Qwen2-VL
    OPT                     LayerNorm, ReLU, learned positions, biases everywhere

Llama: https://arxiv.org/abs/2302.13971      Mistral: https://arxiv.org/abs/2310.06825
Qwen2: https://arxiv.org/abs/2407.10671      OPT: https://arxiv.org/abs/2205.01068
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from triptych.errors import ConfigError, ShapeError
from triptych.nn.attention import Attention, QKNorm
from triptych.nn.block import Block
from triptych.nn.cache import KVCache
from triptych.nn.masks import causal_mask, padding_mask, window_mask
from triptych.nn.mlp import MLP, Activation, GatedMLP
from triptych.nn.norm import NormKind, make_norm
from triptych.nn.rotary import Rotation, rotation_1d, rotation_mrope
from triptych.shapes import AttentionMask, Embeddings, Logits, PositionIds, TokenIds

INITIAL_STD = 0.02
"""Standard deviation of freshly initialised weights (GPT-2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RotaryConfig:
    """Positions as rotations of queries and keys."""

    theta: float = 10_000.0
    """Base of the wavelengths; larger reaches further."""

    mrope_sections: tuple[int, int, int] | None = None
    """Frequencies that turn with time, row and column; None for one-dimensional positions."""

    tokens_per_second: float | None = None
    """Positions in time that a second of video takes (Qwen2.5-VL); None where every slice takes
    one, whatever its length."""

    def __post_init__(self) -> None:
        if self.theta <= 1:
            raise ConfigError(f"theta must be above 1, got {self.theta}")
        if self.tokens_per_second is not None and not (
            self.tokens_per_second > 0 and self.mrope_sections
        ):
            raise ConfigError(
                "tokens_per_second must be above 0 and needs mrope_sections, got "
                f"{self.tokens_per_second} and {self.mrope_sections}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedPositionsConfig:
    """Positions as learned vectors added to the embeddings."""

    max_positions: int
    """Positions the model can tell apart."""

    offset: int = 0
    """Unused rows in front of the table; 2 in OPT, where they once stood for padding."""

    def __post_init__(self) -> None:
        if self.max_positions < 1 or self.offset < 0:
            raise ConfigError(
                "learned positions need max_positions of at least 1 and an offset of at least 0, "
                f"got {self.max_positions} and {self.offset}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """A decoder-only language model; the defaults are those of the Llama family."""

    vocab_size: int
    """Rows of the embedding table, and logits a token."""

    dim: int
    """Width of the embeddings and hidden states."""

    depth: int
    """Blocks."""

    num_heads: int
    """Query heads."""

    num_kv_heads: int
    """Key and value heads, each shared by an equal group of query heads."""

    ffn_dim: int
    """Inner width of the feed-forward layers."""

    head_dim: int | None = None
    """Width of a head; None for an equal share of `dim`."""

    norm: NormKind = "rms"
    """RMSNorm or LayerNorm."""

    norm_eps: float = 1e-5
    """Added to the mean square before the root."""

    activation: Activation = "silu"
    """Of the feed-forward layers."""

    gated_mlp: bool = True
    """Whether a second projection is gated by the activated one (SwiGLU)."""

    qkv_bias: bool = False
    """Biases on query, key and value."""

    out_bias: bool = False
    """Bias on the output of attention."""

    mlp_bias: bool = False
    """Biases in the feed-forward layers."""

    qk_norm: QKNorm = "none"
    """Normalisation of each head's queries and keys."""

    positions: RotaryConfig | LearnedPositionsConfig = RotaryConfig()
    """How tokens know where they stand."""

    tied: bool = False
    """Whether the embedding table is also the output head."""

    window: int | None = None
    """Tokens a token sees, itself included, counted along the sequence; None for all before it."""

    dropout: float = 0.0
    """Share of channels dropped from embeddings and from both branches of a block; training."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "dim", "depth", "num_heads", "num_kv_heads", "ffn_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("head_dim", "window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1 or left out, got {value}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if self.head_dim is None and self.dim % self.num_heads:
            raise ConfigError(f"dim {self.dim} does not divide into {self.num_heads} heads")
        if self.num_heads % self.num_kv_heads:
            raise ConfigError(
                f"{self.num_heads} query heads do not share {self.num_kv_heads} key heads evenly; "
                "num_heads must be a multiple of num_kv_heads"
            )
        self._check_rotary()

    def _check_rotary(self) -> None:
        if not isinstance(self.positions, RotaryConfig):
            return
        if self.head_width % 2:
            raise ConfigError(f"rotary positions need an even head_dim, got {self.head_width}")
        sections = self.positions.mrope_sections
        if sections is not None and 2 * sum(sections) != self.head_width:
            raise ConfigError(
                f"mrope_sections {sections} must add up to half the head_dim of "
                f"{self.head_width}, they add up to {sum(sections)}"
            )

    @property
    def head_width(self) -> int:
        """Width of a head, given or an equal share."""
        return self.head_dim or self.dim // self.num_heads

    def build(self) -> "Decoder":
        """A freshly initialised decoder."""
        return Decoder(self)


Between: TypeAlias = Callable[[int, Tensor], Tensor]
"""Called with a block's index and the hidden states about to enter it; returns those that do."""


class Decoder(nn.Module):
    """Embeddings to hidden states; `head` makes logits of those one asks it to."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = _position_embedding(config)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList([_block(config) for _ in range(config.depth)])
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)
        self.lm_head = None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.initialise()

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights for training from scratch.

        Everything is normal with a deviation of 0.02, biases zero, norms one. The layers that
        write into the residual stream are scaled by `1 / sqrt(2 * depth)`, so that its variance
        does not grow with depth (GPT-2, section 2.3).
        """
        residual_std = INITIAL_STD / math.sqrt(2 * self.config.depth)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                residual = name.endswith(("attention.out.weight", "mlp.down.weight"))
                std = residual_std if residual else INITIAL_STD
                parameter.normal_(0.0, std, generator=generator)

    def embed(self, token_ids: TokenIds) -> Embeddings:
        """Look tokens up in the embedding table."""
        return self.embedding(token_ids)

    def forward(
        self,
        embeddings: Embeddings,
        *,
        position_ids: PositionIds,
        mask: AttentionMask | None = None,
        cache: KVCache | None = None,
        between: Between | None = None,
    ) -> Embeddings:
        """Hidden states after the final norm.

        Without a mask attention is causal; a given mask is the whole truth of who sees whom and
        covers the cached tokens too. Either way a sliding window narrows it, and padding the
        cache knows of is never seen. With a cache the embeddings are those of the new tokens,
        and `position_ids` theirs.

        Raises:
            ShapeError: three position ids a token where the model has one-dimensional
                positions, or a mask that does not cover the cached and the new tokens.
        """
        hidden = self.dropout(self._with_positions(embeddings, position_ids))
        rotation = self._rotation(position_ids)
        mask, is_causal = _who_sees_whom(embeddings, mask, cache, self.config.window)
        for index, block in enumerate(self.blocks):
            if between is not None:
                hidden = between(index, hidden)
            layer = None if cache is None else cache.layers[index]
            hidden = block(hidden, mask=mask, is_causal=is_causal, rotation=rotation, cache=layer)
        return self.norm(hidden)

    def head(self, hidden: Embeddings) -> Logits:
        """Next-token logits of the hidden states given; give only those whose logits matter."""
        weight = self.embedding.weight if self.lm_head is None else self.lm_head.weight
        return nn.functional.linear(hidden, weight)

    def allocate_cache(self, batch: int, max_tokens: int) -> KVCache:
        """An empty cache with room for `max_tokens` positions, in the model's dtype and place."""
        config, weight = self.config, self.embedding.weight
        return KVCache.allocate(
            config.depth,
            batch,
            config.num_kv_heads,
            config.head_width,
            max_tokens,
            weight.dtype,
            weight.device,
        )

    def _with_positions(self, embeddings: Embeddings, position_ids: PositionIds) -> Embeddings:
        learned = self.config.positions
        if self.position_embedding is None or not isinstance(learned, LearnedPositionsConfig):
            return embeddings
        if not position_ids.is_meta and int(position_ids.max()) >= learned.max_positions:
            # An index beyond the table would take a whole CUDA process down.
            raise ShapeError(
                f"position {int(position_ids.max())} is beyond the {learned.max_positions} "
                "positions this model has learned; shorten the sequence"
            )
        return embeddings + self.position_embedding(_one_axis(position_ids) + learned.offset)

    def _rotation(self, position_ids: PositionIds) -> Rotation | None:
        rotary = self.config.positions
        if not isinstance(rotary, RotaryConfig):
            return None
        head_dim, sections = self.config.head_width, rotary.mrope_sections
        if sections is None or position_ids.ndim == 2:
            # Under M-RoPE, too, text counts all three axes alike.
            return rotation_1d(_one_axis(position_ids), head_dim, rotary.theta)
        return rotation_mrope(position_ids, head_dim, rotary.theta, sections)


def _one_axis(position_ids: PositionIds) -> PositionIds:
    if position_ids.ndim != 2:
        raise ShapeError(
            f"this language model has one position a token, got {len(position_ids)}; "
            "set mrope_sections or pass position ids of shape batch x token"
        )
    return position_ids


def _position_embedding(config: DecoderConfig) -> nn.Embedding | None:
    learned = config.positions
    if not isinstance(learned, LearnedPositionsConfig):
        return None
    return nn.Embedding(learned.max_positions + learned.offset, config.dim)


def _block(config: DecoderConfig) -> Block:
    attention = Attention(
        config.dim,
        config.num_heads,
        num_kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        qkv_bias=config.qkv_bias,
        out_bias=config.out_bias,
        qk_norm=config.qk_norm,
        qk_norm_eps=config.norm_eps,
    )
    mlp_class = GatedMLP if config.gated_mlp else MLP
    mlp = mlp_class(config.dim, config.ffn_dim, config.activation, bias=config.mlp_bias)
    return Block(attention, mlp, norm=config.norm, norm_eps=config.norm_eps, dropout=config.dropout)


def _who_sees_whom(
    embeddings: Embeddings, mask: AttentionMask | None, cache: KVCache | None, window: int | None
) -> tuple[AttentionMask | None, bool]:
    """The mask to use in every block, and whether to be causal instead of using one.

    Spelt out once a forward, not once a block; and not at all in the two cases that matter for
    speed, a plain causal sequence and one new token that sees everything before it.
    """
    num_new, device = embeddings.shape[1], embeddings.device
    num_keys = num_new + (0 if cache is None else cache.length)
    is_real = None if cache is None else cache.mask_until(num_keys)
    if mask is not None and mask.shape[-1] != num_keys:
        raise ShapeError(
            f"the mask covers {mask.shape[-1]} keys, but there are {num_keys} tokens, "
            f"{num_keys - num_new} in the cache and {num_new} new; give it a column for each"
        )
    narrow = window is not None and window < num_keys
    if mask is None and num_new > 1:
        if num_new == num_keys and not narrow and is_real is None:
            return None, True
        mask = causal_mask(num_new, num_keys, device)
    if window is not None and narrow:
        mask = _both(mask, window_mask(num_new, num_keys, window, device))
    if is_real is not None:
        mask = _both(mask, padding_mask(is_real))
    return mask, False


def _both(mask: AttentionMask | None, narrower: AttentionMask) -> AttentionMask:
    return narrower if mask is None else mask & narrower
