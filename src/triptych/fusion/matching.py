"""Matching: one Q-Former compares a picture with a text, apart or together.

    apart      queries read the picture  -> 32 vectors --.
                                                           > best cosine of the 32
               text alone, first token   -> 1 vector   --'
    together   [queries; text] with the picture -> two logits a query, averaged -> does it match?

Apart is BLIP-2's contrastive score (ITC): quick, pictures are embedded once. Together is its
matching score (ITM): one pass for each pair, finer, and meant to rank the best of the former.

Trained, it also writes captions, so that queries learn to hold all that a text may need (ITG):

    queries    see the queries and the picture, no text
    text       sees the queries and the words before     -> word head -> the next word

BLIP-2, section 3.1: https://arxiv.org/abs/2301.12597
"""

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from triptych.connector import QFormer, QFormerConfig
from triptych.errors import ConfigError
from triptych.fusion.pairs import PairInputs, PairScores
from triptych.nn.masks import padding_mask, prefix_mask
from triptych.nn.meta import without_weights
from triptych.shapes import Grid, Pixels, TokenIds, TokenMask, VisionFeatures
from triptych.vision import ViT, ViTConfig

QueryEmbeddings: TypeAlias = Float[Tensor, "image query shared_dim"]
TextEmbeddings: TypeAlias = Float[Tensor, "text shared_dim"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MatcherConfig:
    """A complete matcher; the text panel is the Q-Former's own text side."""

    vision: ViTConfig
    """Pictures to features."""

    connector: QFormerConfig
    """Features and texts to vectors; built with its text side."""

    shared_dim: int
    """Width in which both are compared."""

    pretraining: bool = False
    """Whether it carries what only its training needs: a temperature of the contrast and a head
    that writes words."""

    def __post_init__(self) -> None:
        if self.shared_dim < 1:
            raise ConfigError(f"shared_dim must be at least 1, got {self.shared_dim}")
        if self.connector.text is None:
            raise ConfigError("a matcher reads texts; give its Q-Former text=QFormerTextConfig()")

    @property
    def vocab_size(self) -> int:
        """Tokens the text side knows."""
        assert self.connector.text is not None
        return self.connector.text.vocab_size

    def patch_grid(self, height: int, width: int) -> Grid:
        """How the vision panel divides a picture of `height` x `width` pixels."""
        return self.vision.grid(height, width)

    def build(self) -> "Matcher":
        """The model with fresh weights (on the current default device, `meta` included)."""
        return Matcher(
            self,
            self.vision.build(),
            self.connector.build(vision_dim=self.vision.dim, language_dim=self.shared_dim),
            MatchHeads(
                self.connector.dim, self.shared_dim, self.vocab_size if self.pretraining else None
            ),
        )


class Matcher(nn.Module):
    """A vision panel, a Q-Former, and two ways to compare."""

    def __init__(
        self, config: MatcherConfig, vision: ViT, connector: QFormer, fusion: "MatchHeads"
    ) -> None:
        super().__init__()
        self.config = config
        self.vision = vision
        self.connector = connector
        self.fusion = fusion

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are brought there."""
        return self.connector.queries.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored as."""
        return self.connector.queries.dtype

    def embed_images(self, pixels: Pixels) -> QueryEmbeddings:
        """A vector of length one for each query."""
        return self.embed_features(self.vision(pixels.to(self.device)))

    def embed_features(self, features: VisionFeatures) -> QueryEmbeddings:
        """The same of pictures that the vision panel has read."""
        return normalize(self.connector(features), dim=-1)

    def embed_texts(self, token_ids: TokenIds, token_mask: TokenMask) -> TextEmbeddings:
        """Vectors of length one: what the first token has made of its text."""
        hidden = self.connector.encode_text(token_ids, padding_mask(token_mask))
        return normalize(self.fusion.text_projection(hidden[:, 0]), dim=-1)

    def match_logits(
        self, features: VisionFeatures, token_ids: TokenIds, token_mask: TokenMask
    ) -> Float[Tensor, "batch answer"]:
        """For pairs of one picture and one text: does not match, matches."""
        num_queries = self.connector.config.num_queries
        all_queries = token_mask.new_ones(len(token_mask), num_queries)
        mask = padding_mask(torch.cat([all_queries, token_mask], dim=1))
        hidden = self.connector.encode_pair(features, token_ids, mask)
        return self.fusion.match_head(hidden[:, :num_queries]).mean(dim=1)

    def read_captions(
        self, features: VisionFeatures, token_ids: TokenIds, token_mask: TokenMask
    ) -> Float[Tensor, "batch token dim"]:
        """States of texts, one a picture, of which each word saw the picture's queries and the
        words before it: what the word head reads."""
        num_queries = self.connector.config.num_queries
        lengths = token_mask.new_full((len(token_mask),), num_queries, dtype=torch.long)
        all_queries = token_mask.new_ones(len(token_mask), num_queries)
        is_real = padding_mask(torch.cat([all_queries, token_mask], dim=1))
        mask = prefix_mask(lengths, num_queries + token_ids.shape[1]) & is_real
        return self.connector.encode_pair(features, token_ids, mask)[:, num_queries:]

    def without_pretraining(self) -> "Matcher":
        """The same model, its weights shared, without what only training needs."""
        with without_weights():
            heads = MatchHeads(self.connector.config.dim, self.config.shared_dim, None)
        heads.text_projection, heads.match_head = (
            self.fusion.text_projection,
            self.fusion.match_head,
        )
        config = replace(self.config, pretraining=False)
        return Matcher(config, self.vision, self.connector, heads)

    def score(self, inputs: PairInputs) -> PairScores:
        """Best cosines apart, and for every pair the probability that it matches."""
        inputs = inputs.to(self.device)
        features = self.vision(inputs.pixels)
        num_texts = len(inputs.token_ids)
        matches = [
            self.match_logits(_repeated(features, index, num_texts), *_texts(inputs)).softmax(1)
            for index in range(len(inputs.pixels))
        ]
        images = self.embed_features(features)
        texts = self.embed_texts(inputs.token_ids, inputs.token_mask)
        return PairScores((images @ texts.T).amax(1), torch.stack(matches)[..., 1])


SCALE = math.log(1 / 0.07)
"""Where the learned scale of the contrast begins."""


class MatchHeads(nn.Module):
    """The text's way into the shared width, and the answer to whether a pair matches.

    With a `vocab_size` also what training needs: scale and words.
    """

    def __init__(self, dim: int, shared_dim: int, vocab_size: int | None) -> None:
        super().__init__()
        self.text_projection = nn.Linear(dim, shared_dim)
        self.match_head = nn.Linear(dim, 2)
        is_training = vocab_size is not None
        self.log_scale = nn.Parameter(torch.tensor(SCALE)) if is_training else None
        self.word_head = WordHead(dim, vocab_size) if is_training else None


class WordHead(nn.Module):
    """States of words, on their way to be compared with the word embeddings, as BERT has it."""

    def __init__(self, dim: int, vocab_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        """What the embedding of each word is multiplied with; then comes `bias`."""
        return self.norm(gelu(self.dense(hidden)))


def _repeated(features: VisionFeatures, index: int, times: int) -> VisionFeatures:
    """One picture of several, as many times as there are texts to compare it with."""
    return VisionFeatures(
        features.cells[index].expand(times, -1, -1, -1),
        features.prefix[index].expand(times, -1, -1),
    )


def _texts(inputs: PairInputs) -> tuple[TokenIds, TokenMask]:
    return inputs.token_ids, inputs.token_mask
