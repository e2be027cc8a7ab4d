"""The causal decoder: embeddings in, hidden states and logits out.

One class covers the families that vision-language models are built on; the config says which.

    Llama, Vicuna, SmolLM   RMSNorm, SwiGLU, rotary, no biases, grouped heads
    Mistral                 the same with a sliding window
    Qwen2                   the same with biases on query, key and value; M-RoPE in Qwen2-VL
    OPT                     LayerNorm, ReLU, learned positions, biases everywhere
    Gemma                   scaled embeddings, RMSNorm around one, gated GELU, heads of any width
    GIT                     LayerNorm behind every sum, learned positions for text alone, head bias
    Kosmos-2                LayerNorm also inside of the branches, fixed sine and cosine positions

Llama: https://arxiv.org/abs/2302.13971      Mistral: https://arxiv.org/abs/2310.06825
Qwen2: https://arxiv.org/abs/2407.10671      OPT: https://arxiv.org/abs/2205.01068
Gemma: https://arxiv.org/abs/2403.08295      GIT: https://arxiv.org/abs/2205.14100
Kosmos-2: https://arxiv.org/abs/2306.14824
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.errors import ConfigError, ShapeError
from triptych.language.positions import (
    LearnedPositionsConfig,
    Positions,
    RotaryConfig,
    SinusoidalConfig,
    TextPositionsConfig,
)
from triptych.nn.attention import Attention, QKNorm
from triptych.nn.block import Block
from triptych.nn.cache import KVCache
from triptych.nn.documents import Documents
from triptych.nn.linear import Linear, linear
from triptych.nn.masks import causal_mask, padding_mask, window_mask
from triptych.nn.mlp import MLP, Activation, GatedMLP
from triptych.nn.norm import NormKind, OffsetRMSNorm, make_norm
from triptych.nn.quantised import Int8Table
from triptych.nn.ragged import RaggedCache, Slots
from triptych.nn.rotary import Rotation, rotation_1d, rotation_mrope
from triptych.nn.sinusoids import sinusoids
from triptych.shapes import (
    AttentionMask,
    Embeddings,
    HiddenStates,
    Logits,
    Places,
    PositionIds,
    TokenIds,
)

INITIAL_STD = 0.02
"""Standard deviation of freshly initialised weights (GPT-2)."""


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
    """RMSNorm, the same with weights around zero (Gemma), or LayerNorm."""

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

    norm_last: bool = False
    """Normalise each sum instead of each branch's input, and nothing at the end (GIT)."""

    inner_norm: bool = False
    """LayerNorm also inside of both branches (Kosmos-2)."""

    positions: Positions = RotaryConfig()
    """How tokens know where they stand."""

    scale_embeddings: bool = False
    """Multiply the embeddings of tokens by the root of `dim` (Gemma, Kosmos-2)."""

    tied: bool = False
    """Whether the embedding table is also the output head."""

    head_bias: bool = False
    """Bias on the logits (GIT)."""

    extra_tokens: int = 0
    """Of `vocab_size`, the last so many have tables of their own, which can be trained while those
    of all others stay as they were (IDEFICS)."""

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
        if not 0 <= self.extra_tokens < self.vocab_size or (self.extra_tokens and self.head_bias):
            raise ConfigError(
                f"extra_tokens must be at least 0, below vocab_size={self.vocab_size}, and 0 with "
                f"a head_bias; got {self.extra_tokens}"
            )
        if self.tied and self.head_bias:
            raise ConfigError("a tied head is the embedding table, which has no head_bias")
        if self.inner_norm and self.gated_mlp:
            raise ConfigError("inner_norm needs gated_mlp=False: no published gate has such a norm")
        if isinstance(self.positions, SinusoidalConfig) and self.dim % 2:
            raise ConfigError(f"sines and cosines need an even dim, got {self.dim}")
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
    def common_tokens(self) -> int:
        """Tokens without those that have tables of their own."""
        return self.vocab_size - self.extra_tokens

    @property
    def head_width(self) -> int:
        """Width of a head, given or an equal share."""
        return self.head_dim or self.dim // self.num_heads

    def build(self) -> "Decoder":
        """A freshly initialised decoder."""
        return Decoder(self)


class OutputTable(NamedTuple):
    """A row for each of some words: its product with a hidden state is the word's logit."""

    weight: Float[Tensor, "vocab dim"]
    bias: Float[Tensor, " vocab"] | None


Between: TypeAlias = Callable[[int, Tensor], Tensor]
"""Called with a block's index and the hidden states about to enter it; returns those that do."""


class Decoder(nn.Module):
    """Embeddings to hidden states; `head` makes logits of those one asks it to."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.embedding: nn.Embedding | Int8Table = nn.Embedding(config.common_tokens, config.dim)
        self.extra_embedding = self.extra_head = None
        if config.extra_tokens:
            self.extra_embedding = nn.Embedding(config.extra_tokens, config.dim)
        self.position_embedding = _position_embedding(config)
        self.embedding_norm = (
            make_norm(config.norm, config.dim, config.norm_eps)
            if isinstance(config.positions, TextPositionsConfig)
            else None
        )
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList([_block(config) for _ in range(config.depth)])
        self.norm = (
            None if config.norm_last else make_norm(config.norm, config.dim, config.norm_eps)
        )
        self.lm_head = (
            None if config.tied else Linear(config.dim, config.common_tokens, bias=config.head_bias)
        )
        if config.extra_tokens and not config.tied:
            self.extra_head = nn.Linear(config.dim, config.extra_tokens, bias=False)
        self.initialise()

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.first_norm.dtype

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
        for module in self.modules():
            if isinstance(module, OffsetRMSNorm):
                module.weight.zero_()

    @property
    def first_norm(self) -> Tensor:
        """A weight that nothing quantises: it tells the panel's kind of number, and its place."""
        block = self.blocks[0]
        assert isinstance(block, Block)
        return block.norm_1.weight

    def embed(self, token_ids: TokenIds, position_ids: PositionIds | None = None) -> Embeddings:
        """Look tokens up in the embedding table, ready to stand beside visual tokens.

        Raises:
            ShapeError: positions belong to text alone, and there are none or too high ones.
        """
        embeddings = self._look_up(token_ids)
        if self.config.scale_embeddings:
            # Rounded to the model's kind of number first, as published models were trained.
            root = torch.tensor(self.dim**0.5, dtype=embeddings.dtype, device=embeddings.device)
            embeddings = embeddings * root
        if self.embedding_norm is None:
            return embeddings
        if position_ids is None:
            raise ShapeError("this language model adds positions to text alone; give position_ids")
        return self.embedding_norm(embeddings + self._learned(position_ids))

    def forward(
        self,
        embeddings: Embeddings,
        *,
        position_ids: PositionIds,
        mask: AttentionMask | None = None,
        cache: KVCache | RaggedCache | None = None,
        documents: Documents | None = None,
        between: Between | None = None,
        wanted: Places | None = None,
    ) -> HiddenStates:
        """Hidden states after the final norm; where only some are `wanted`, those as one row.

        Without a mask attention is causal; a given mask is the whole truth of who sees whom and
        covers the cached tokens too. Either way a sliding window narrows it, and padding the
        cache knows of is never seen. With a cache the embeddings are those of the new tokens,
        and `position_ids` theirs. A ragged cache knows itself who sees whom, and so do documents,
        the window included; there is no mask.

        Raises:
            ShapeError: three position ids a token where the model has one-dimensional
                positions, or a mask that does not cover the cached and the new tokens.
        """
        hidden = self.dropout(self._with_positions(embeddings, position_ids))
        rotation = self._rotation(position_ids)
        is_causal = False
        if documents is None and not isinstance(cache, RaggedCache):
            mask, is_causal = _who_sees_whom(embeddings, mask, cache, self.config.window)
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            if between is not None:
                hidden = between(index, hidden)
            hidden = block(
                hidden,
                mask=mask,
                is_causal=is_causal,
                rotation=rotation,
                cache=documents if cache is None else cache.layers[index],
                wanted=wanted if index == last else None,
            )
        return hidden if self.norm is None else self.norm(hidden)

    def head(self, hidden: Embeddings) -> Logits:
        """Next-token logits of the hidden states given; give only those whose logits matter."""
        logits = self._common_head(hidden)
        if self.extra_embedding is None:
            return logits
        extra = self.extra_embedding.weight if self.extra_head is None else self.extra_head.weight
        return torch.cat([logits, nn.functional.linear(hidden, extra)], dim=-1)

    def output_tables(self) -> tuple[OutputTable, ...] | None:
        """The tables whose products with hidden states are the logits, one after the other; None
        where the head is more than tables: in eight bits, or wrapped by an adapter."""
        if self.lm_head is not None:
            common, bias = self.lm_head, self.lm_head.bias
            if type(common) is not Linear:
                return None
            tables = (OutputTable(common.weight, bias),)
        elif type(self.embedding) is nn.Embedding:
            tables = (OutputTable(self.embedding.weight, None),)
        else:
            return None
        if self.extra_embedding is None:
            return tables
        extra = self.extra_embedding.weight if self.extra_head is None else self.extra_head.weight
        return *tables, OutputTable(extra, None)

    def _common_head(self, hidden: Embeddings) -> Logits:
        if self.lm_head is not None:
            return self.lm_head(hidden)
        if isinstance(self.embedding, Int8Table):
            return self.embedding.head(hidden)
        return linear(hidden, self.embedding.weight)

    def allocate_cache(self, batch: int, max_tokens: int) -> KVCache:
        """An empty cache with room for `max_tokens` positions, in the model's dtype and place."""
        config, weight = self.config, self.first_norm
        return KVCache.allocate(
            config.depth,
            batch,
            config.num_kv_heads,
            config.head_width,
            max_tokens,
            weight.dtype,
            weight.device,
        )

    def open_slots(self) -> Slots:
        """Where sequences that are read together keep what they have read; none is open."""
        config, weight = self.config, self.first_norm
        sizes = config.depth, config.num_kv_heads, config.head_width
        return Slots(*sizes, weight.dtype, weight.device)

    def _look_up(self, token_ids: TokenIds) -> Embeddings:
        if self.extra_embedding is None:
            return self.embedding(token_ids)
        first = self.config.common_tokens
        is_extra = token_ids >= first
        common = self.embedding(token_ids.masked_fill(is_extra, 0))
        extra = self.extra_embedding((token_ids - first).clamp(min=0))
        return torch.where(is_extra[..., None], extra, common)

    def _with_positions(self, embeddings: Embeddings, position_ids: PositionIds) -> Embeddings:
        positions = self.config.positions
        if isinstance(positions, LearnedPositionsConfig):
            return embeddings + self._learned(position_ids)
        if isinstance(positions, SinusoidalConfig):
            waves = sinusoids(_one_axis(position_ids) + positions.offset, self.dim)
            return embeddings + waves.to(embeddings.dtype)
        return embeddings

    def _learned(self, position_ids: PositionIds) -> Embeddings:
        learned = self.config.positions
        assert self.position_embedding is not None
        assert isinstance(learned, LearnedPositionsConfig | TextPositionsConfig)
        if not position_ids.is_meta and int(position_ids.max()) >= learned.max_positions:
            # An index beyond the table would take a whole CUDA process down.
            raise ShapeError(
                f"position {int(position_ids.max())} is beyond the {learned.max_positions} "
                "positions this model has learned; shorten the sequence"
            )
        offset = learned.offset if isinstance(learned, LearnedPositionsConfig) else 0
        return self.position_embedding(_one_axis(position_ids).clamp(min=0) + offset)

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
    match config.positions:
        case LearnedPositionsConfig(max_positions=most, offset=offset):
            return nn.Embedding(most + offset, config.dim)
        case TextPositionsConfig(max_positions=most):
            return nn.Embedding(most, config.dim)
        case _:
            return None


def _block(config: DecoderConfig) -> Block:
    inner_norm_eps = config.norm_eps if config.inner_norm else None
    attention = Attention(
        config.dim,
        config.num_heads,
        num_kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        qkv_bias=config.qkv_bias,
        out_bias=config.out_bias,
        qk_norm=config.qk_norm,
        qk_norm_eps=config.norm_eps,
        inner_norm_eps=inner_norm_eps,
    )
    return Block(
        attention,
        _mlp(config, inner_norm_eps),
        norm=config.norm,
        norm_eps=config.norm_eps,
        dropout=config.dropout,
        norm_last=config.norm_last,
    )


def _mlp(config: DecoderConfig, inner_norm_eps: float | None) -> MLP | GatedMLP:
    sizes = config.dim, config.ffn_dim
    if config.gated_mlp:
        return GatedMLP(*sizes, config.activation, bias=config.mlp_bias)
    return MLP(*sizes, config.activation, bias=config.mlp_bias, inner_norm_eps=inner_norm_eps)


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
