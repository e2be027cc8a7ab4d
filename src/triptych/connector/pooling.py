"""Pooling: all that a picture says as one vector, for models that compare pictures with texts.

    class token    the vector in front of the patches, projected                     CLIP
    probe          a learned query that attends to all patches, then a residual MLP  SigLIP

These are no connectors of a language model, which reads a sequence: they end a picture's way.

CLIP: https://arxiv.org/abs/2103.00020
SigLIP: https://arxiv.org/abs/2303.15343 (its head: https://arxiv.org/abs/2106.04560, section 3.2)
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.connector.bounds import require_at_least
from triptych.errors import ConfigError, ShapeError
from triptych.nn.attention import Attention
from triptych.nn.mlp import MLP, Activation
from triptych.shapes import VisionFeatures

Pooled: TypeAlias = Float[Tensor, "image shared_dim"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassTokenPoolConfig:
    """The class token through one matrix; nothing to choose."""

    def build(self, *, vision_dim: int, shared_dim: int) -> "ClassTokenPool":
        return ClassTokenPool(vision_dim, shared_dim)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbePoolConfig:
    """One learned query; the width stays the vision panel's."""

    num_heads: int
    """Attention heads; they divide the width."""

    ffn_dim: int
    """Hidden width of the MLP behind the attention."""

    activation: Activation = "gelu_tanh"
    """Of the MLP."""

    norm_eps: float = 1e-6
    """Added to the variance in the norm in front of the MLP."""

    def __post_init__(self) -> None:
        require_at_least(1, num_heads=self.num_heads, ffn_dim=self.ffn_dim)

    def build(self, *, vision_dim: int, shared_dim: int) -> "ProbePool":
        """
        Raises:
            ConfigError: pictures and texts are to be compared in another width.
        """
        if vision_dim != shared_dim:
            raise ConfigError(
                f"a probe keeps the vision width of {vision_dim}, but pictures and texts are to "
                f"be compared in {shared_dim} dimensions; give both the same"
            )
        return ProbePool(self, vision_dim)


PoolConfig: TypeAlias = ClassTokenPoolConfig | ProbePoolConfig
"""Every way to pool a picture. Each has `build(vision_dim=, shared_dim=)`."""


class ClassTokenPool(nn.Module):
    """Project the class token."""

    def __init__(self, vision_dim: int, shared_dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(vision_dim, shared_dim, bias=False)
        nn.init.normal_(self.projection.weight, std=vision_dim**-0.5)

    def forward(self, features: VisionFeatures) -> Pooled:
        """
        Raises:
            ShapeError: the vision panel hands no class token on.
        """
        if not features.prefix.shape[1]:
            raise ShapeError("there is no class token to pool; set keep_class_token=True")
        return self.projection(features.prefix[:, 0])


class ProbePool(nn.Module):
    """Let one learned query read all patches."""

    def __init__(self, config: ProbePoolConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.probe = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.attention = Attention(dim, config.num_heads, qkv_bias=True, out_bias=True)
        self.norm = nn.LayerNorm(dim, eps=config.norm_eps)
        self.mlp = MLP(dim, config.ffn_dim, config.activation)

    def forward(self, features: VisionFeatures) -> Pooled:
        context = features.sequence()
        # The probe itself is not added back: what it read is all there is.
        seen = self.attention(self.probe.expand(len(context), 1, -1), context=context)[:, 0]
        return seen + self.mlp(self.norm(seen))
