"""Dual: pictures and texts become vectors apart from each other and meet in one product.

    pixels    -> vision   -> connector (pooling) -> normalised --.
                                                                  > cosine -> fusion -> scores
    token ids -> language (text encoder)         -> normalised --'

             score of picture and text           what it means
    CLIP     cosine * exp(scale)                 softmax over the texts: which of them fits best
    SigLIP   cosine * exp(scale) + bias          sigmoid of each: whether this one fits

The panels never see each other, so a million pictures are embedded once and searched by a product.

    image        pictures of the batch      shared_dim   width in which both are compared
    text         texts of the batch

CLIP: https://arxiv.org/abs/2103.00020
SigLIP: https://arxiv.org/abs/2303.15343
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from triptych.connector.pooling import ClassTokenPool, PoolConfig, ProbePool
from triptych.errors import ConfigError
from triptych.fusion.pairs import PairInputs, PairScores
from triptych.language.text_encoder import TextEncoder, TextEncoderConfig
from triptych.shapes import Grid, Pixels, TokenIds
from triptych.vision import ViT, ViTConfig

ImageEmbeddings: TypeAlias = Float[Tensor, "image shared_dim"]
TextEmbeddings: TypeAlias = Float[Tensor, "text shared_dim"]

SOFTMAX_SCALE, SIGMOID_SCALE, SIGMOID_BIAS = math.log(1 / 0.07), math.log(10), -10.0
"""Where the learned scale and bias begin; training CLIP also keeps the scale below ln 100."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarityConfig:
    """How cosines become scores."""

    meaning: Literal["softmax", "sigmoid"]
    """Texts compete for a picture, or every pair stands alone, with a learned bias."""

    def build(self) -> "Similarity":
        return Similarity(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class DualConfig:
    """A complete dual encoder."""

    vision: ViTConfig
    """Pictures to features."""

    connector: PoolConfig
    """Features to one vector."""

    language: TextEncoderConfig
    """Texts to one vector."""

    shared_dim: int
    """Width in which both are compared."""

    fusion: SimilarityConfig
    """Cosines to scores."""

    def __post_init__(self) -> None:
        if self.shared_dim < 1:
            raise ConfigError(f"shared_dim must be at least 1, got {self.shared_dim}")

    @property
    def vocab_size(self) -> int:
        """Tokens the text panel knows."""
        return self.language.vocab_size

    def patch_grid(self, height: int, width: int) -> Grid:
        """How the vision panel divides a picture of `height` x `width` pixels."""
        return self.vision.grid(height, width)

    def build(self) -> "DualEncoder":
        """The model with fresh weights (on the current default device, `meta` included)."""
        return DualEncoder(
            self,
            self.vision.build(),
            self.connector.build(vision_dim=self.vision.dim, shared_dim=self.shared_dim),
            self.fusion.build(),
            self.language.build(shared_dim=self.shared_dim),
        )


class DualEncoder(nn.Module):
    """A vision panel and a text panel that meet in one product."""

    def __init__(
        self,
        config: DualConfig,
        vision: ViT,
        connector: ClassTokenPool | ProbePool,
        fusion: "Similarity",
        language: TextEncoder,
    ) -> None:
        super().__init__()
        self.config = config
        self.vision = vision
        self.connector = connector
        self.fusion = fusion
        self.language = language

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are brought there."""
        return self.language.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored as."""
        return self.language.embedding.weight.dtype

    def embed_images(self, pixels: Pixels) -> ImageEmbeddings:
        """Vectors of length one; their products with those of texts are cosines."""
        return normalize(self.connector(self.vision(pixels.to(self.device))), dim=-1)

    def embed_texts(self, token_ids: TokenIds) -> TextEmbeddings:
        """Vectors of length one."""
        return normalize(self.language(token_ids.to(self.device)), dim=-1)

    def forward(self, inputs: PairInputs) -> Float[Tensor, "image text"]:
        """Scores of every picture with every text: larger is more alike."""
        return self.fusion(self.embed_images(inputs.pixels) @ self.embed_texts(inputs.token_ids).T)

    def score(self, inputs: PairInputs) -> PairScores:
        """Cosines of every picture with every text, and the probabilities they stand for."""
        cosines = self.embed_images(inputs.pixels) @ self.embed_texts(inputs.token_ids).T
        return PairScores(cosines, self.fusion.probabilities(cosines))


class Similarity(nn.Module):
    """Scale cosines, shift them where every pair stands alone."""

    def __init__(self, config: SimilarityConfig) -> None:
        super().__init__()
        self.config = config
        is_sigmoid = config.meaning == "sigmoid"
        self.log_scale = nn.Parameter(torch.tensor(SIGMOID_SCALE if is_sigmoid else SOFTMAX_SCALE))
        self.bias = nn.Parameter(torch.tensor(SIGMOID_BIAS)) if is_sigmoid else None

    def forward(self, cosines: Float[Tensor, "image text"]) -> Float[Tensor, "image text"]:
        scores = cosines * self.log_scale.exp()
        return scores if self.bias is None else scores + self.bias

    def probabilities(self, cosines: Float[Tensor, "image text"]) -> Float[Tensor, "image text"]:
        """By rows: which of the texts fits, or whether each fits."""
        scores = self(cosines)
        return scores.softmax(dim=1) if self.bias is None else scores.sigmoid()
