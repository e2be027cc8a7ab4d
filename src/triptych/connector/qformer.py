"""Q-Former: 32 learned queries read the picture inside a BERT, then go to the language model.

A BERT-base whose rows are queries. All rows attend to one another; in every second layer
the query rows, and only they, also attend to the picture. Given text, its rows join the same
self-attention but keep their own feed-forward, so one module can compare a picture with a text
(apart), match them (together) or caption (together, text causal): the caller's mask says which.

    rows          self-attention         cross-attention (layers 0, 2, ..)   feed-forward
    queries (32)  all rows, as the mask  to the picture                      query_mlp
    text          allows                 none                                text_mlp

Every sublayer is post-norm: norm(x + sublayer(x)), as in BERT.

BLIP-2 (section 3.1): https://arxiv.org/abs/2301.12597
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.connector.bounds import require_at_least
from triptych.errors import ConfigError, ShapeError
from triptych.nn.attention import Attention
from triptych.nn.mlp import MLP
from triptych.nn.recompute import Recomputable
from triptych.shapes import AttentionMask, Grid, TokenIds, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class QFormerTextConfig:
    """The text side, needed for BLIP-2's first training stage and for image-text scores."""

    vocab_size: int = 30522
    """BERT's uncased vocabulary; the original code adds one start-of-caption token."""

    max_positions: int = 512
    """Longest text, in tokens; queries take no position."""

    def __post_init__(self) -> None:
        require_at_least(1, vocab_size=self.vocab_size, max_positions=self.max_positions)


@dataclass(frozen=True, kw_only=True, slots=True)
class QFormerConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    num_queries: int = 32
    """Learned queries; as many tokens come out, whatever went in."""

    dim: int = 768
    """Width of the queries."""

    depth: int = 12
    """Layers."""

    num_heads: int = 12
    """Attention heads; they divide the width."""

    ffn_dim: int = 3072
    """Hidden width of the feed-forwards."""

    cross_attention_every: int = 2
    """Layers 0, n, 2n, .. look at the picture."""

    norm_eps: float = 1e-12
    """Added to the variance under the root of every norm."""

    dropout: float = 0.0
    """Share of attention weights and of sublayer outputs dropped in training, 0 to 1."""

    text: QFormerTextConfig | None = None
    """The text side; None saves its embeddings and feed-forwards (80 million parameters)."""

    def __post_init__(self) -> None:
        require_at_least(
            1,
            num_queries=self.num_queries,
            dim=self.dim,
            depth=self.depth,
            num_heads=self.num_heads,
            ffn_dim=self.ffn_dim,
            cross_attention_every=self.cross_attention_every,
        )
        if self.dim % self.num_heads:
            raise ConfigError(f"num_heads={self.num_heads} does not divide dim={self.dim}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}")

    def num_tokens(self, grid: Grid) -> int:
        """The same for every grid."""
        return self.num_queries

    def token_grid(self, grid: Grid) -> Grid | None:
        """None: a query belongs to no place of the picture."""
        return None

    def build(self, *, vision_dim: int, language_dim: int) -> "QFormer":
        return QFormer(self, vision_dim, language_dim)


def qformer_blip2(*, text: bool = False) -> QFormerConfig:
    """BLIP-2: 105.1 million parameters, 185.7 million with the text side (the paper says 188).

    Neither counts the queries or the projection to the language model.
    """
    return QFormerConfig(dropout=0.1, text=QFormerTextConfig() if text else None)


class QFormer(nn.Module):
    """Read each picture through queries; with text, read both at once."""

    def __init__(self, config: QFormerConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        self.queries = nn.Parameter(torch.empty(config.num_queries, config.dim))
        self.text_embedding = QFormerText(config.text, config.dim) if config.text else None
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            QFormerLayer(config, vision_dim, looks=index % config.cross_attention_every == 0)
            for index in range(config.depth)
        )
        self.language_projection = nn.Linear(config.dim, language_dim)
        nn.init.normal_(self.queries, std=0.02)
        self.apply(_initialise)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        return self.language_projection(self.encode_image(features))

    def encode_image(self, features: VisionFeatures) -> Float[Tensor, "image query dim"]:
        """Final states of the queries, which saw the picture but no text."""
        context = features.sequence()
        return self._encode(self._start_queries(len(context)), context, None)

    def encode_text(
        self, token_ids: TokenIds, mask: AttentionMask | None = None
    ) -> Float[Tensor, "batch token dim"]:
        """Final states of the text, which saw no picture.

        Raises:
            ConfigError: the module was built without its text side.
            ShapeError: the text is longer than there are positions.
        """
        return self._encode(self._start_text(token_ids), None, mask)

    def encode_pair(
        self, features: VisionFeatures, token_ids: TokenIds, mask: AttentionMask | None = None
    ) -> Float[Tensor, "batch position dim"]:
        """Final states of [queries; text], one text a picture.

        `mask` covers the self-attention of all rows, queries first: padding hidden for
        image-text matching; for captioning, queries see queries, and text sees the queries and
        the text before it. None lets everything see everything.

        Raises:
            ConfigError: the module was built without its text side.
            ShapeError: the text is longer than there are positions, or texts and pictures are
                not as many.
        """
        context, text = features.sequence(), self._start_text(token_ids)
        if len(context) != len(text):
            raise ShapeError(f"{len(text)} texts for {len(context)} pictures; give one each")
        hidden = torch.cat([self._start_queries(len(context)), text], dim=1)
        return self._encode(hidden, context, mask)

    def _start_queries(self, count: int) -> Float[Tensor, "image query dim"]:
        return self.queries.expand(count, -1, -1)

    def _start_text(self, token_ids: TokenIds) -> Float[Tensor, "batch token dim"]:
        if self.text_embedding is None:
            raise ConfigError(
                "this Q-Former was built without its text side; set text=QFormerTextConfig()"
            )
        return self.text_embedding(token_ids)

    def _encode(
        self,
        hidden: Float[Tensor, "batch position dim"],
        context: Float[Tensor, "batch patch vision_dim"] | None,
        mask: AttentionMask | None,
    ) -> Float[Tensor, "batch position dim"]:
        hidden = self.dropout(self.norm(hidden))
        for layer in self.layers:
            hidden = layer(hidden, context, mask)
        return hidden


class QFormerText(nn.Module):
    """Word plus position, without BERT's segment embedding; the norm is the Q-Former's own."""

    def __init__(self, config: QFormerTextConfig, dim: int) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, dim)
        self.position = nn.Embedding(config.max_positions, dim)

    def forward(self, token_ids: TokenIds) -> Float[Tensor, "batch token dim"]:
        num_tokens, limit = token_ids.shape[1], self.position.num_embeddings
        if num_tokens > limit:
            raise ShapeError(f"a text of {num_tokens} tokens is longer than {limit} positions")
        return self.word(token_ids) + self.position.weight[:num_tokens]


class QFormerLayer(Recomputable):
    """Self-attention of all rows, then per kind: queries look and think, text thinks."""

    def __init__(self, config: QFormerConfig, vision_dim: int, *, looks: bool) -> None:
        super().__init__()
        self.num_queries = config.num_queries
        self.attention = AttentionSublayer(config)
        self.cross_attention = AttentionSublayer(config, context_dim=vision_dim) if looks else None
        self.query_mlp = MLPSublayer(config)
        self.text_mlp = MLPSublayer(config) if config.text else None

    def forward(
        self,
        hidden: Float[Tensor, "batch position dim"],
        context: Float[Tensor, "batch patch vision_dim"] | None,
        mask: AttentionMask | None,
    ) -> Float[Tensor, "batch position dim"]:
        hidden = self.attention(hidden, None, mask)
        num_queries = 0 if context is None else self.num_queries
        queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
        if context is not None:
            if self.cross_attention is not None:
                queries = self.cross_attention(queries, context, None)
            queries = self.query_mlp(queries)
        if self.text_mlp is not None and text.shape[1]:
            text = self.text_mlp(text)
        return torch.cat([queries, text], dim=1)


class AttentionSublayer(nn.Module):
    """norm(x + attention(x)), biases everywhere, as in BERT."""

    def __init__(self, config: QFormerConfig, context_dim: int | None = None) -> None:
        super().__init__()
        self.attention = Attention(
            config.dim,
            config.num_heads,
            context_dim=context_dim,
            qkv_bias=True,
            out_bias=True,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(
        self,
        hidden: Float[Tensor, "batch position dim"],
        context: Float[Tensor, "batch patch vision_dim"] | None,
        mask: AttentionMask | None,
    ) -> Float[Tensor, "batch position dim"]:
        attended = self.attention(hidden, context=context, mask=mask)
        return self.norm(hidden + self.dropout(attended))


class MLPSublayer(nn.Module):
    """norm(x + mlp(x)), as in BERT."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.mlp = MLP(config.dim, config.ffn_dim, "gelu")
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(
        self, hidden: Float[Tensor, "batch position dim"]
    ) -> Float[Tensor, "batch position dim"]:
        return self.norm(hidden + self.dropout(self.mlp(hidden)))


def _initialise(module: nn.Module) -> None:
    """BERT's start: matrices and embeddings N(0, 0.02), offsets zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
