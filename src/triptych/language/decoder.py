"""One decoder for the language panels: Llama, SmolLM, Mistral, Qwen2, Qwen2-VL and OPT.

    embeddings -> (+ learned positions) -> blocks -> norm -> head -> logits

What differs between these families is configuration: the norm, the MLP, biases, how positions are
told, whether the head shares the embedding's weights. The decoder reads embeddings, not tokens, so
that a hinge can put visual tokens among them; `between` lets a hinge hang layers between blocks.

Llama: https://arxiv.org/abs/2302.13971. Mistral: https://arxiv.org/abs/2310.06825.
Qwen2: https://arxiv.org/abs/2407.10671. OPT: https://arxiv.org/abs/2205.01068.
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
from triptych.nn.masks import causal_mask, padding_mask
from triptych.nn.mlp import MLP, Activation, GatedMLP
from triptych.nn.norm import Norm, make_norm
from triptych.nn.rotary import Rotation, rotation_1d, rotation_mrope
from triptych.shapes import AttentionMask, Embeddings, Logits, PositionIds, TokenIds

Between: TypeAlias = Callable[[int, Tensor], Tensor]
"""Called with the number of the next block and the hidden states; returns new hidden states."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RotaryConfig:
    """Positions told by turning queries and keys."""

    theta: float = 10_000.0
    """Base of the angles' geometric series."""

    mrope_sections: tuple[int, int, int] | None = None
    """Pairs that turn with time, row and column (M-RoPE); None for plain positions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedPositionsConfig:
    """Positions told by a table of vectors that are added to the embeddings."""

    max_positions: int
    """Entries of the table that positions can use."""

    offset: int = 0
    """Rows in front that no position uses; 2 for OPT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """What is free to choose in a decoder."""

    vocab_size: int
    """Entries of the embedding and the head."""

    dim: int
    """Width of the hidden states."""

    depth: int
    """Blocks."""

    num_heads: int
    """Query heads."""

    num_kv_heads: int
    """Key-value heads, each shared by num_heads / num_kv_heads query heads."""

    ffn_dim: int
    """Hidden width of the MLP."""

    head_dim: int | None = None
    """Width of a head; None means dim / num_heads."""

    norm: Norm = "rms"
    """Kind of norm."""

    norm_eps: float = 1e-5
    """Added under the norm's root."""

    activation: Activation = "silu"
    """Activation of the MLP."""

    gated_mlp: bool = True
    """down(act(gate) * up) instead of down(act(up))."""

    qkv_bias: bool = False
    """Bias on queries, keys and values (Qwen2, OPT)."""

    out_bias: bool = False
    """Bias on the attention's output (OPT)."""

    mlp_bias: bool = False
    """Bias in the MLP (OPT)."""

    qk_norm: QKNorm = "none"
    """Norm of queries and keys."""

    positions: RotaryConfig | LearnedPositionsConfig = RotaryConfig()
    """How positions are told."""

    tied: bool = False
    """The head is the embedding's own matrix."""

    window: int | None = None
    """A token sees this many of the latest tokens only, itself included (Mistral 7B v0.1)."""

    dropout: float = 0.0
    """On embeddings and on every residual branch, in training from scratch."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "dim", "depth", "num_heads", "num_kv_heads", "ffn_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.window is not None and self.window < 1:
            raise ConfigError(f"window must be at least 1 token, got {self.window}")
        sections = isinstance(self.positions, RotaryConfig) and self.positions.mrope_sections
        if sections and sum(sections) * 2 != self.head_width:
            raise ConfigError(
                f"mrope_sections {sections} must add up to half a head, {self.head_width // 2}"
            )

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.dim // self.num_heads if self.head_dim is None else self.head_dim

    def build(self) -> "Decoder":
        return Decoder(self)


class Decoder(nn.Module):
    """Embeddings in, hidden states out; `head` makes logits of those that are wanted."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = None
        if isinstance(config.positions, LearnedPositionsConfig):
            num_rows = config.positions.max_positions + config.positions.offset
            self.position_embedding = nn.Embedding(num_rows, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.depth))
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)
        self.lm_head = (
            None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        )
        self.initialize()

    @torch.no_grad()
    def initialize(self) -> None:
        """Fresh weights: normal of 0.02, what is added to the residual stream scaled by depth."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0.0, 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()
        for block in self.blocks:
            assert isinstance(block, Block)
            for added in (block.attention.out, block.mlp.down):
                added.weight.mul_(1 / math.sqrt(2 * self.config.depth))

    def embed(self, token_ids: TokenIds) -> Embeddings:
        """Look tokens up."""
        return self.embedding(token_ids)

    def head(self, hidden: Embeddings) -> Logits:
        """Logits of the next token after each given hidden state."""
        if self.lm_head is None:
            return nn.functional.linear(hidden, self.embedding.weight)
        return self.lm_head(hidden)

    def allocate_cache(self, batch: int, max_tokens: int) -> KVCache:
        """An empty cache of this decoder's shape and precision."""
        return KVCache.allocate(
            self.config.depth,
            batch,
            self.config.num_kv_heads,
            self.config.head_width,
            max_tokens,
            self.embedding.weight.dtype,
            self.embedding.weight.device,
        )

    def forward(
        self,
        embeddings: Embeddings,
        *,
        position_ids: PositionIds,
        mask: AttentionMask | None = None,
        cache: KVCache | None = None,
        between: Between | None = None,
    ) -> Embeddings:
        """Hidden states after the last norm.

        Without a mask attention is causal (within the window, if there is one). With a cache the
        embeddings continue what it holds; positions that its `key_mask` calls padding are unseen,
        and tokens not mentioned there yet are real.
        """
        hidden = embeddings
        if self.position_embedding is not None:
            hidden = hidden + self._learned_positions(position_ids)
        hidden = self.dropout(hidden)
        rotation = self._rotation(position_ids)
        if cache is not None:
            mask = self._cached_mask(embeddings, cache, mask)
        elif mask is None and self._beyond_window(embeddings.shape[1]):
            mask = self._window_mask(embeddings.shape[1], embeddings.shape[1], hidden.device)
        for index, block in enumerate(self.blocks):
            if between is not None:
                hidden = between(index, hidden)
            hidden = block(
                hidden,
                mask=mask,
                # One new token sees everything, so that causality says nothing.
                is_causal=mask is None and hidden.shape[1] > 1,
                rotation=rotation,
                cache=None if cache is None else cache.layers[index],
            )
        return self.norm(hidden)

    def _learned_positions(self, position_ids: PositionIds) -> Embeddings:
        positions = self.config.positions
        assert self.position_embedding is not None
        assert isinstance(positions, LearnedPositionsConfig)
        if position_ids.device.type != "meta" and int(position_ids.max()) >= positions.max_positions:
            raise ShapeError(
                f"position {int(position_ids.max())} is beyond the {positions.max_positions} "
                "positions this model has learned; shorten the sequence"
            )
        return self.position_embedding(position_ids + positions.offset)

    def _rotation(self, position_ids: PositionIds) -> Rotation | None:
        positions = self.config.positions
        if not isinstance(positions, RotaryConfig):
            return None
        width, sections = self.config.head_width, positions.mrope_sections
        if sections is None:
            return rotation_1d(position_ids, width, positions.theta)
        return rotation_mrope(position_ids, width, positions.theta, sections)

    def _cached_mask(
        self, embeddings: Embeddings, cache: KVCache, mask: AttentionMask | None
    ) -> AttentionMask | None:
        batch, num_new, _ = embeddings.shape
        num_keys = cache.length + num_new
        if cache.key_mask.shape[1] < num_keys:
            unmentioned = num_keys - cache.key_mask.shape[1]
            cache.extend_mask(cache.key_mask.new_ones(batch, unmentioned))
        if mask is not None:
            return mask
        padded = not bool(cache.key_mask.all())
        needed = padded or self._beyond_window(num_keys) or (cache.length > 0 and num_new > 1)
        if not needed:
            return None
        return self._window_mask(num_new, num_keys, embeddings.device) & padding_mask(
            cache.key_mask
        )

    def _beyond_window(self, num_keys: int) -> bool:
        return self.config.window is not None and num_keys > self.config.window

    def _window_mask(self, num_query: int, num_key: int, device: torch.device) -> AttentionMask:
        mask = causal_mask(num_query, num_key, device)
        if self.config.window is None:
            return mask
        query = torch.arange(num_key - num_query, num_key, device=device)[:, None]
        too_old = torch.arange(num_key, device=device) <= query - self.config.window
        return mask & ~too_old


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
    mlp = (
        GatedMLP(config.dim, config.ffn_dim, config.activation, config.mlp_bias)
        if config.gated_mlp
        else MLP(config.dim, config.ffn_dim, config.activation, config.mlp_bias)
    )
    return Block(
        config.dim,
        attention,
        mlp,
        norm=config.norm,
        norm_eps=config.norm_eps,
        dropout=config.dropout,
    )
