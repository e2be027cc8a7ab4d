"""The vision transformer: pictures become patches, patches look at each other.

    pixels -> patches -> linear -> (+ class token) (+ learned positions) -> (pre norm)
           -> blocks (turned by rotary positions, where those are used) -> (final norm)

One module, configured, is the vision panel of ViT, CLIP, SigLIP, EVA, InternViT, Qwen2-VL and
Qwen2.5-VL; their numbers are in `triptych.vision.sizes`. A panel keeps rows and columns from the
first patch to the last feature, so nothing has to guess the shape of a picture from a token count.

ViT: https://arxiv.org/abs/2010.11929
Two-dimensional rotary positions, video patches: Qwen2-VL, https://arxiv.org/abs/2409.12191
Layer scale: https://arxiv.org/abs/2103.17239
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from triptych.errors import ConfigError, ShapeError
from triptych.nn.attention import Attention, QKNorm
from triptych.nn.block import Block
from triptych.nn.mlp import MLP, Activation, GatedMLP
from triptych.nn.norm import NormKind, make_norm
from triptych.nn.rotary import rotation_2d
from triptych.shapes import Grid, Pixels, VisionFeatures
from triptych.vision.patches import NUM_CHANNELS, PatchEmbedding
from triptych.vision.windows import Windowed

Hidden = Float[Tensor, "image position vision_dim"]
"""The class token and registers, where there are any, then the patches in reading order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViTConfig:
    """A vision transformer: its size, its dialect, and which of its outputs is used."""

    patch_size: int
    """Side of a patch in pixels."""
    dim: int
    """Width of a patch's vector."""
    depth: int
    """Blocks of the published model; see `feature_layer` for how many are built."""
    num_heads: int
    """Attention heads of every block."""
    ffn_dim: int
    """Width inside the feed-forward layers."""
    image_size: int | None
    """Side in pixels of the square pictures whose positions are learned. None with rotary
    positions, which have no size of their own."""

    positions: Literal["learned", "rotary"] = "learned"
    """A learned vector a patch, or queries and keys turned by row and column."""
    interpolate_positions: bool = False
    """Read pictures of other sizes by bicubic interpolation of the learned positions."""
    smooth_positions: bool = False
    """Interpolate as torch's `antialias` does, which averages neighbouring positions where a grid
    becomes smaller; DINOv2 with registers was published with this, all others without."""
    rope_theta: float = 10_000.0
    """Base of the rotary frequencies; without rotary positions it has no effect."""
    temporal_patch_size: int = 1
    """Video frames one patch spans. A still picture counts as that many equal frames."""

    class_token: bool = False
    """Put a learned vector in front of the patches."""
    num_registers: int = 0
    """Learned vectors between the class token and the patches, without a position, never handed
    on: DINOv2 with registers keeps there what it would else write over patches of little
    interest. https://arxiv.org/abs/2309.16588"""
    patch_bias: bool = True
    """Give the patch embedding a bias."""
    pre_norm: bool = False
    """Normalise between the embedding and the first block (CLIP)."""
    norm: NormKind = "layer"
    """Kind of every norm."""
    norm_eps: float = 1e-6
    """Added to the variance in every norm."""
    activation: Activation = "gelu"
    """Of the feed-forward layers."""
    gated_mlp: bool = False
    """Let a second projection be gated by the activated one, as Qwen2.5-VL does."""
    qkv_bias: bool = True
    """Give queries, keys and values a bias."""
    key_bias: bool | None = None
    """Give keys a bias; None follows `qkv_bias`."""
    qk_norm: QKNorm = "none"
    """Norm of queries and keys."""
    layer_scale: float | None = None
    """Initial value of a learned factor on every branch; None for no factor."""
    window: int | None = None
    """Side, in patches, of the squares outside of which a patch sees nothing; None for the whole
    picture. Large pictures then cost in proportion to their area (Qwen2.5-VL)."""
    whole_blocks: tuple[int, ...] = ()
    """Blocks, counted from 0, that see the whole picture all the same."""
    dropout: float = 0.0
    """Chance of dropping a number, in attention and behind every branch, while training."""

    feature_layer: int = -1
    """The block whose output is used, counted from the end: -1 the last, -2 the one before it
    (LLaVA). Blocks behind it are not built, so published weights for them are left out."""
    final_norm: bool = True
    """Normalise the output."""
    keep_class_token: bool = False
    """Hand the class token on, in front of the patches; otherwise it only informs them."""

    pixel_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from each colour channel of a picture scaled to 0..1."""
    pixel_std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What each colour channel is divided by after that."""

    def __post_init__(self) -> None:
        for name in ("patch_size", "dim", "depth", "num_heads", "ffn_dim", "temporal_patch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim % self.num_heads:
            raise ConfigError(f"dim {self.dim} does not divide among {self.num_heads} heads")
        if not -self.depth <= self.feature_layer <= -1:
            raise ConfigError(
                f"feature_layer counts from the end, -1 to {-self.depth}, got {self.feature_layer}"
            )
        if self.keep_class_token and not self.class_token:
            raise ConfigError("keep_class_token=True needs class_token=True")
        if self.num_registers < 0 or (self.num_registers and not self.class_token):
            raise ConfigError(
                f"num_registers must be at least 0, and above 0 only with class_token=True; got "
                f"{self.num_registers}"
            )
        if self.positions == "learned":
            self._check_learned()
        else:
            self._check_rotary()
        self._check_windows()

    def _check_learned(self) -> None:
        if self.image_size is None or self.image_size < self.patch_size:
            raise ConfigError(
                f"learned positions need an image_size of at least one patch "
                f"({self.patch_size} pixels), got {self.image_size}"
            )

    def _check_rotary(self) -> None:
        if self.image_size is not None or self.interpolate_positions or self.class_token:
            raise ConfigError(
                "rotary positions read any picture: leave out image_size, interpolate_positions "
                "and class_token (a class token has no row and column)"
            )
        if self.dim // self.num_heads % 4:
            raise ConfigError(
                f"rotary positions turn pairs by row and by column, so the width of a head must "
                f"divide by 4; it is {self.dim} / {self.num_heads}"
            )

    def _check_windows(self) -> None:
        if self.window is None and not self.whole_blocks:
            return
        if self.window is None or self.window < 1 or self.class_token:
            raise ConfigError(
                "windows need a side of at least 1 patch and no class token, which lies in none; "
                f"got window={self.window}, class_token={self.class_token}"
            )
        if not all(0 <= index < self.depth for index in self.whole_blocks):
            raise ConfigError(
                f"whole_blocks counts blocks from 0 to {self.depth - 1}, got {self.whole_blocks}"
            )

    @property
    def num_blocks(self) -> int:
        """Blocks that are built: those up to `feature_layer`."""
        return self.depth + self.feature_layer + 1

    @property
    def learned_grid(self) -> Grid | None:
        """The grid whose positions are learned; None with rotary positions."""
        if self.image_size is None:
            return None
        side = self.image_size // self.patch_size
        return Grid(side, side, int(self.class_token))

    def grid(self, height: int, width: int) -> Grid:
        """How the patches of a picture of that many pixels lie.

        At the size of the learned positions, pixels left over at the right and below (SigLIP:
        384 = 27 x 14 + 6) are not seen, as in the published models.

        Raises:
            ShapeError: a side is not a whole number of patches, or another than the learned one.
        """
        rows, cols = height // self.patch_size, width // self.patch_size
        is_learned_size = height == width == self.image_size
        if self.image_size is not None and not (is_learned_size or self.interpolate_positions):
            raise ShapeError(
                f"a picture of {height} x {width} pixels does not fit positions learned at "
                f"{self.image_size} x {self.image_size}; resize it, or set "
                f"interpolate_positions=True"
            )
        is_whole = rows * self.patch_size == height and cols * self.patch_size == width
        if min(rows, cols) < 1 or not (is_learned_size or is_whole):
            raise ShapeError(
                f"a picture of {height} x {width} pixels does not divide into patches of "
                f"{self.patch_size} x {self.patch_size}; resize it to "
                f"{max(rows, 1) * self.patch_size} x {max(cols, 1) * self.patch_size}"
            )
        return Grid(rows, cols, int(self.keep_class_token))

    def build(self) -> "ViT":
        return ViT(self)


class ViT(nn.Module):
    """Map pictures to one vector a patch, and the class token where it is kept."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.patch = PatchEmbedding(
            config.patch_size, config.temporal_patch_size, dim, bias=config.patch_bias
        )
        self.class_token = self.registers = self.positions = None
        if config.class_token:
            self.class_token = nn.Parameter(torch.empty(dim).normal_(std=0.02))
        if config.num_registers:
            registers = torch.empty(config.num_registers, dim)
            self.registers = nn.Parameter(registers.normal_(std=0.02))
        if config.learned_grid is not None:
            table = torch.empty(config.learned_grid.num_tokens, dim)
            self.positions = nn.Parameter(table.normal_(std=0.02))
        self.pre_norm = make_norm(config.norm, dim, config.norm_eps) if config.pre_norm else None
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.num_blocks))
        self.final_norm = (
            make_norm(config.norm, dim, config.norm_eps) if config.final_norm else None
        )

    @property
    def dim(self) -> int:
        return self.config.dim

    def forward(self, pixels: Pixels) -> VisionFeatures:
        """Features on the grid that `config.grid` promises.

        Pixels carry a frame axis only for one slice of video, `temporal_patch_size` frames long.

        Raises:
            ShapeError: channels, frames or sides do not fit the configuration.
        """
        grid = self._check(pixels)
        hidden = deque(self.layer_outputs(pixels), maxlen=1).pop()[1]
        cells, prefix = self._on_grid(hidden, grid)
        return VisionFeatures(cells=cells, prefix=prefix[:, : grid.prefix])

    def intermediates(self, pixels: Pixels) -> dict[str, Tensor]:
        """What every layer put out, by its name: `image row col dim`.

        The class token's vectors stand beside them under the name with `.prefix` behind it,
        `image prefix dim`.
        """
        grid = self._check(pixels)
        named: dict[str, Tensor] = {}
        for name, hidden in self.layer_outputs(pixels):
            named[name], prefix = self._on_grid(hidden, grid)
            if prefix.shape[1]:
                named[f"{name}.prefix"] = prefix
        return named

    def layer_outputs(self, pixels: Pixels) -> Iterator[tuple[str, Hidden]]:
        """Run the network, naming each layer's output as it appears.

        `embedding` is what the first block reads: after positions and `pre_norm`.
        """
        config = self.config
        hidden, rotation, windowed = self.embed(pixels), None, None
        rows, cols, _ = config.grid(*pixels.shape[-2:])
        if config.positions == "rotary":
            head_dim = config.dim // config.num_heads
            rotation = rotation_2d(rows, cols, head_dim, config.rope_theta, hidden.device)
        if config.window is not None:
            windowed = Windowed(
                Grid(rows, cols), config.window, rotation, len(hidden), hidden.device
            )
        yield "embedding", hidden
        for index, block in enumerate(self.blocks):
            if windowed is not None and index not in config.whole_blocks:
                hidden = windowed.run(block, hidden)
            else:
                hidden = block(hidden, rotation=rotation)
            yield f"blocks.{index}", hidden
        if self.final_norm is not None:
            yield "final_norm", self.final_norm(hidden)

    def embed(self, pixels: Pixels) -> Hidden:
        """Patches, class token and learned positions, ready for the first block."""
        cells = self.patch(pixels.to(self.patch.weight.dtype))
        _, rows, cols, _ = cells.shape
        hidden = rearrange(cells, "image row col dim -> image (row col) dim")
        if self.class_token is not None:
            hidden = torch.cat([self.class_token.expand(len(hidden), 1, -1), hidden], dim=1)
        if self.positions is not None and self.config.learned_grid is not None:
            hidden = hidden + resize_positions(
                self.positions,
                self.config.learned_grid,
                Grid(rows, cols),
                smooth=self.config.smooth_positions,
            )
        if self.registers is not None:
            registers = self.registers.expand(len(hidden), -1, -1)
            hidden = torch.cat([hidden[:, :1], registers, hidden[:, 1:]], dim=1)
        return hidden if self.pre_norm is None else self.pre_norm(hidden)

    def _check(self, pixels: Pixels) -> Grid:
        num_frames = self.config.temporal_patch_size
        frames, num_channels = list(pixels.shape[1:-3]), pixels.shape[-3]
        if num_channels != NUM_CHANNELS:
            raise ShapeError(f"pictures must have {NUM_CHANNELS} channels, got {num_channels}")
        if frames and (num_frames == 1 or frames != [num_frames]):
            raise ShapeError(
                f"a patch spans {num_frames} frames, got pixels of axes {tuple(pixels.shape)}; "
                f"put each slice of {num_frames} frames on the image axis"
            )
        return self.config.grid(*pixels.shape[-2:])

    def _on_grid(self, hidden: Hidden, grid: Grid) -> tuple[Tensor, Tensor]:
        num_cells = grid.rows * grid.cols
        prefix, cells = hidden[:, :-num_cells], hidden[:, -num_cells:]
        return rearrange(cells, "image (row col) d -> image row col d", row=grid.rows), prefix


def resize_positions(
    positions: Float[Tensor, "position vision_dim"],
    learned: Grid,
    wanted: Grid,
    *,
    smooth: bool = False,
) -> Float[Tensor, "wanted_position vision_dim"]:
    """Learned positions of the class token and a grid, the latter bicubically brought to `wanted`.

    Interpolated in float32, centres aligned as pixels (not corners), as the published models are.
    `smooth` averages neighbours where the grid becomes smaller.
    """
    if learned[:2] == wanted[:2]:
        return positions
    prefix, cells = positions[: learned.prefix], positions[learned.prefix :]
    table = rearrange(cells, "(row col) dim -> 1 dim row col", row=learned.rows)
    table = functional.interpolate(
        table.float(), size=wanted[:2], mode="bicubic", align_corners=False, antialias=smooth
    )
    cells = rearrange(table, "1 dim row col -> (row col) dim").to(positions.dtype)
    return torch.cat([prefix, cells])


def _block(config: ViTConfig) -> Block:
    attention = Attention(
        config.dim,
        config.num_heads,
        qkv_bias=config.qkv_bias,
        key_bias=config.key_bias,
        out_bias=True,
        qk_norm=config.qk_norm,
        qk_norm_eps=config.norm_eps,
        dropout=config.dropout,
    )
    mlp_class = GatedMLP if config.gated_mlp else MLP
    return Block(
        attention,
        mlp_class(config.dim, config.ffn_dim, config.activation, bias=True),
        norm=config.norm,
        norm_eps=config.norm_eps,
        layer_scale=config.layer_scale,
        dropout=config.dropout,
    )
