"""MiniVLM's training as one would write it down: a model, a step, nothing of Triptych.

    vision     ViT-L/16, frozen, in evaluation mode, run in every step without gradients
    connector  Linear, GELU, LayerNorm, Linear
    language   SmolLM-360M, causal over [197 visual tokens ; text padded to 64]
    loss       logits at all positions, cross-entropy where the label is not -100
    step       backward, clip to 1, torch's AdamW as it comes

Its modules carry the names that Triptych's have, so that weights can be copied; the convolution of
the patches is the only one of another shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

IGNORED = -100


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainSizes:
    """All that has a size."""

    image_size: int
    patch_size: int
    vision_dim: int
    vision_depth: int
    vision_heads: int
    vision_ffn: int
    vocab_size: int
    dim: int
    depth: int
    num_heads: int
    num_kv_heads: int
    ffn_dim: int
    theta: float


class VisionAttention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            layer(hidden).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


class VisionMLP(nn.Module):
    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(dim, ffn_dim), nn.Linear(ffn_dim, dim)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(hidden)))


class VisionBlock(nn.Module):
    def __init__(self, dim: int, num_heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-6)
        self.attention, self.mlp = VisionAttention(dim, num_heads), VisionMLP(dim, ffn_dim)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.attention(self.norm_1(hidden))
        return hidden + self.mlp(self.norm_2(hidden))


class Vision(nn.Module):
    def __init__(self, sizes: PlainSizes) -> None:
        super().__init__()
        dim, patch = sizes.vision_dim, sizes.patch_size
        self.patch = nn.Conv2d(3, dim, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(dim))
        self.positions = nn.Parameter(torch.zeros((sizes.image_size // patch) ** 2 + 1, dim))
        self.blocks = nn.ModuleList(
            VisionBlock(dim, sizes.vision_heads, sizes.vision_ffn)
            for _ in range(sizes.vision_depth)
        )
        self.final_norm = nn.LayerNorm(dim, eps=1e-12)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.patch(pixels).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(hidden), 1, -1)
        hidden = torch.cat([first, hidden], dim=1) + self.positions
        for block in self.blocks:
            hidden = block(hidden)
        return self.final_norm(hidden)


class Connector(nn.Module):
    def __init__(self, vision_dim: int, dim: int) -> None:
        super().__init__()
        self.up, self.norm, self.down = (
            nn.Linear(vision_dim, dim),
            nn.LayerNorm(dim),
            nn.Linear(dim, dim),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down(self.norm(functional.gelu(self.up(hidden))))


class RMSNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Tensor) -> Tensor:
        scale = torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-5)
        return self.weight * (hidden * scale)


class LanguageAttention(nn.Module):
    def __init__(self, sizes: PlainSizes) -> None:
        super().__init__()
        head_dim = sizes.dim // sizes.num_heads
        self.head_dim, self.group = head_dim, sizes.num_heads // sizes.num_kv_heads
        self.query = nn.Linear(sizes.dim, sizes.num_heads * head_dim, bias=False)
        self.key = nn.Linear(sizes.dim, sizes.num_kv_heads * head_dim, bias=False)
        self.value = nn.Linear(sizes.dim, sizes.num_kv_heads * head_dim, bias=False)
        self.out = nn.Linear(sizes.num_heads * head_dim, sizes.dim, bias=False)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        query, key, value = (
            layer(hidden).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        query, key = (each * cos + rotate_half(each) * sin for each in (query, key))
        key, value = (each.repeat_interleave(self.group, dim=1) for each in (key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


def rotate_half(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


class LanguageMLP(nn.Module):
    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, ffn_dim, bias=False)
        self.up = nn.Linear(dim, ffn_dim, bias=False)
        self.down = nn.Linear(ffn_dim, dim, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(hidden)) * self.up(hidden))


class LanguageBlock(nn.Module):
    def __init__(self, sizes: PlainSizes) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = RMSNorm(sizes.dim), RMSNorm(sizes.dim)
        self.attention = LanguageAttention(sizes)
        self.mlp = LanguageMLP(sizes.dim, sizes.ffn_dim)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        hidden = hidden + self.attention(self.norm_1(hidden), cos, sin)
        return hidden + self.mlp(self.norm_2(hidden))


class Language(nn.Module):
    def __init__(self, sizes: PlainSizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.dim)
        self.blocks = nn.ModuleList(LanguageBlock(sizes) for _ in range(sizes.depth))
        self.norm = RMSNorm(sizes.dim)
        half = torch.arange(0, sizes.dim // sizes.num_heads, 2)
        self.register_buffer(
            "frequencies", sizes.theta ** (-half * sizes.num_heads / sizes.dim), persistent=False
        )

    def forward(self, hidden: Tensor) -> Tensor:
        angles = torch.outer(torch.arange(hidden.shape[1]), self.frequencies).repeat(1, 2)
        cos, sin = angles.cos(), angles.sin()
        for block in self.blocks:
            hidden = block(hidden, cos, sin)
        return functional.linear(self.norm(hidden), self.embedding.weight)


class PlainMiniVLM(nn.Module):
    """The model, and its loss."""

    def __init__(self, sizes: PlainSizes) -> None:
        super().__init__()
        self.vision = Vision(sizes)
        self.connector = Connector(sizes.vision_dim, sizes.dim)
        self.language = Language(sizes)
        nn.init.normal_(self.language.embedding.weight, std=0.02)

    def forward(self, pixels: Tensor, token_ids: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of the labels, each predicted from the position before it."""
        with torch.no_grad():
            features = self.vision(pixels)
        visual = self.connector(features)
        text = self.language.embedding(token_ids)
        logits = self.language(torch.cat([visual, text], dim=1))
        shape = len(labels), visual.shape[1] - 1
        nothing = torch.full((len(labels), 1), IGNORED)
        targets = torch.cat([torch.full(shape, IGNORED), labels, nothing], dim=1)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Begin from weights of those names: the frozen ones shared, the others copied."""
        for name, parameter in self.named_parameters():
            given = state[name].view(parameter.shape)
            if name.startswith("vision."):
                parameter.data = given
            else:
                parameter.data.copy_(given)


class PlainTraining:
    """What trains it."""

    def __init__(self, model: PlainMiniVLM, rate: float, weight_decay: float) -> None:
        self.model = model
        model.train()
        model.vision.eval()
        model.vision.requires_grad_(False)
        self.trained = [each for each in model.parameters() if each.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=rate, weight_decay=weight_decay)

    def step(self, pixels: Tensor, token_ids: Tensor, labels: Tensor) -> float:
        """One step; its loss."""
        loss = self.model(pixels, token_ids, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()
