"""Perceiver resampler: a fixed set of latents reads any number of patches, layer by layer.

However large the picture and however many frames a clip has, 64 latents come out, and the cost
of everything after them is constant. Keys and values of each layer are the features *and* the
latents; there is no spatial position, only one learned vector a frame. Flamingo hands the result
to gated cross-attention at the vision width; `project` makes the same module a connector for
models that splice visual tokens into the sequence.

Flamingo (section 3.1.1): https://arxiv.org/abs/2204.14198
OpenFlamingo: https://arxiv.org/abs/2308.01390
IDEFICS: https://arxiv.org/abs/2306.16527
"""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from triptych.connector.bounds import require_at_least
from triptych.errors import ShapeError
from triptych.nn.attention import Attention
from triptych.nn.mlp import MLP, Activation
from triptych.nn.recompute import Recomputable
from triptych.shapes import Grid, VisionFeatures


@dataclass(frozen=True, kw_only=True, slots=True)
class ResamplerConfig:
    """What is free to choose; the working width is the vision panel's."""

    num_latents: int = 64
    """Learned queries; as many tokens come out, whatever went in."""

    depth: int = 6
    """Layers of cross-attention and feed-forward."""

    num_heads: int = 16
    """Attention heads."""

    head_dim: int = 96
    """Width of a head; heads times this need not be the vision width."""

    ffn_ratio: int = 4
    """Hidden width of the feed-forward, as a multiple of the vision width."""

    activation: Activation = "squared_relu"
    """Of the feed-forward: squared_relu in Flamingo, gelu in OpenFlamingo, relu in IDEFICS."""

    qk_norm: bool = False
    """Layer norm on each head's queries and keys (IDEFICS)."""

    max_frames: int | None = None
    """Frames that have a learned time embedding, added to all features of the frame (8 in
    Flamingo; a still picture is frame 0). None: frames are not told apart."""

    project: bool = True
    """Map the latents to the language model's width, for splicing. False (Flamingo) leaves
    them at the vision width, as context for cross-attention."""

    def __post_init__(self) -> None:
        require_at_least(
            1,
            num_latents=self.num_latents,
            depth=self.depth,
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            ffn_ratio=self.ffn_ratio,
            max_frames=1 if self.max_frames is None else self.max_frames,
        )

    def num_tokens(self, grid: Grid) -> int:
        """The same for every grid, and for a clip as for a picture."""
        return self.num_latents

    def token_grid(self, grid: Grid) -> Grid | None:
        """None: a latent belongs to no place of the picture."""
        return None

    def build(self, *, vision_dim: int, language_dim: int) -> "Resampler":
        return Resampler(self, vision_dim, language_dim)


def resampler_flamingo() -> ResamplerConfig:
    """Flamingo: 64 latents, 6 layers, 16 heads of 96, beside an encoder 1536 wide."""
    return ResamplerConfig(max_frames=8, project=False)


def resampler_open_flamingo() -> ResamplerConfig:
    """OpenFlamingo: 8 heads of 64, GELU, no time embeddings."""
    return ResamplerConfig(num_heads=8, head_dim=64, activation="gelu", project=False)


def resampler_idefics() -> ResamplerConfig:
    """IDEFICS 9B and 80B: Flamingo's sizes with ReLU, normed queries and keys, no time."""
    return ResamplerConfig(activation="relu", qk_norm=True, project=False)


class Resampler(nn.Module):
    """Read each picture (or each run of frames) into a fixed number of latents."""

    def __init__(self, config: ResamplerConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim if config.project else vision_dim
        self.latents = nn.Parameter(torch.randn(config.num_latents, vision_dim))
        self.time_embeddings = (
            nn.Parameter(torch.randn(config.max_frames, vision_dim)) if config.max_frames else None
        )
        self.layers = nn.ModuleList(ResamplerLayer(config, vision_dim) for _ in range(config.depth))
        self.norm = nn.LayerNorm(vision_dim)
        self.projection = nn.Linear(vision_dim, language_dim) if config.project else nn.Identity()

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture, or one clip, of `grid` patches a frame becomes."""
        return self.config.num_tokens(grid)

    def forward(
        self, features: VisionFeatures, num_frames: int = 1
    ) -> Float[Tensor, "clip latent out_dim"]:
        """Resample pictures, or clips of `num_frames` consecutive pictures each.

        Raises:
            ShapeError: the pictures do not divide into clips, or a clip has more frames than
                there are time embeddings.
        """
        context = self.clips(features, num_frames)
        latents = repeat(self.latents, "latent d -> clip latent d", clip=context.shape[0])
        for layer in self.layers:
            latents = layer(latents, context)
        return self.projection(self.norm(latents))

    def clips(
        self, features: VisionFeatures, num_frames: int
    ) -> Float[Tensor, "clip position vision_dim"]:
        """Line up the frames of each clip, each frame marked with its time embedding."""
        sequence = features.sequence()
        if num_frames < 1 or sequence.shape[0] % num_frames:
            raise ShapeError(
                f"{sequence.shape[0]} pictures do not divide into clips of {num_frames} frames"
            )
        frames = rearrange(sequence, "(clip frame) p d -> clip frame p d", frame=num_frames)
        if self.time_embeddings is not None:
            if num_frames > len(self.time_embeddings):
                raise ShapeError(
                    f"a clip of {num_frames} frames, but only {len(self.time_embeddings)} have a "
                    "time embedding; sample fewer frames or build with a larger max_frames"
                )
            frames = frames + rearrange(self.time_embeddings[:num_frames], "frame d -> frame 1 d")
        return rearrange(frames, "clip frame p d -> clip (frame p) d")


class ResamplerLayer(Recomputable):
    """Latents attend to [features; latents], then pass a feed-forward; both pre-norm."""

    def __init__(self, config: ResamplerConfig, dim: int) -> None:
        super().__init__()
        self.norm_context = nn.LayerNorm(dim)
        self.norm_latents = nn.LayerNorm(dim)
        self.attention = Attention(
            dim,
            config.num_heads,
            head_dim=config.head_dim,
            context_dim=dim,
            qk_norm="layer" if config.qk_norm else "none",
            qk_norm_eps=1e-5,
        )
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = MLP(dim, dim * config.ffn_ratio, config.activation, bias=False)

    def forward(
        self,
        latents: Float[Tensor, "clip latent vision_dim"],
        context: Float[Tensor, "clip position vision_dim"],
    ) -> Float[Tensor, "clip latent vision_dim"]:
        queries = self.norm_latents(latents)
        # Latents among the keys: they see each other too, and a layer may leave one unchanged.
        keys = torch.cat([self.norm_context(context), queries], dim=1)
        latents = latents + self.attention(queries, context=keys)
        return latents + self.mlp(self.norm_mlp(latents))
