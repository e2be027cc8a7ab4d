"""MobileNetV2: a convolutional vision panel small enough for any laptop.

3.5 million weights see 1,000 kinds of things at a few dozen milliseconds a picture on one CPU
core. Each block widens its input with a 1x1 convolution, looks at 3x3 neighbourhoods one channel
at a time (depthwise) and narrows the result again, so the wide tensor never travels between
blocks. Here batch normalisation is already folded into the convolutions, as in deployed models.

    picture 224 x 224 x 3
    stem       3x3 / 2            112 x 112 x 32
    blocks     16 24 32 64 96     112 -> 56 -> 28 -> 14
               160 320            7 x 7 x 320
    last       1x1                7 x 7 x 1280      <- the cells of this panel

MobileNetV2: https://arxiv.org/abs/1801.04381, table 2. Departure from the paper: the padding is
TensorFlow's SAME, so the published TensorFlow weights fit; PyTorch's symmetric padding would
shift every stride-2 layer by one pixel.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.errors import CheckpointError, ConfigError, ShapeError
from triptych.nn.meta import without_weights
from triptych.shapes import Grid, Pixels, VisionFeatures


class Stage(NamedTuple):
    """A run of blocks of one width, one row of the paper's table 2."""

    expansion: int
    """Factor by which a block widens its input before the depthwise convolution."""
    channels: int
    """Channels the blocks put out, before the width multiplier."""
    num_blocks: int
    stride: int
    """Stride of the first block; the others have 1."""


PAPER_STAGES = (
    Stage(expansion=1, channels=16, num_blocks=1, stride=1),
    Stage(expansion=6, channels=24, num_blocks=2, stride=2),
    Stage(expansion=6, channels=32, num_blocks=3, stride=2),
    Stage(expansion=6, channels=64, num_blocks=4, stride=2),
    Stage(expansion=6, channels=96, num_blocks=3, stride=1),
    Stage(expansion=6, channels=160, num_blocks=3, stride=2),
    Stage(expansion=6, channels=320, num_blocks=1, stride=1),
)

TENSORFLOW_CENTRE = (128 / 255, 128 / 255, 128 / 255)
"""The published weights were trained on (byte - 128) / 128. On bytes scaled to 0..1 that is
exactly mean = standard deviation = 128 / 255 in every channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MobileNetV2Config:
    """A MobileNetV2 without its classifier; the defaults are the published 1.0 x 224 model."""

    width: float = 1.0
    """Multiplier of every channel count; products are rounded to a multiple of 8."""
    dim: int = 1280
    """Width of a cell's features: the channels of the last 1x1 convolution."""
    stages: tuple[Stage, ...] = PAPER_STAGES
    """The blocks between the stem and the last convolution."""
    pixel_mean: tuple[float, float, float] = TENSORFLOW_CENTRE
    """Subtracted from each colour channel of a picture scaled to 0..1."""
    pixel_std: tuple[float, float, float] = TENSORFLOW_CENTRE
    """What each colour channel is divided by after that."""

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ConfigError(f"width must be above 0, got {self.width}")
        if self.dim < 1:
            raise ConfigError(f"dim must be at least 1, got {self.dim}")
        if not self.stages:
            raise ConfigError("stages must be at least one")
        for stage in self.stages:
            if min(stage) < 1:
                raise ConfigError(f"every number of a stage must be at least 1, got {stage}")

    @property
    def patch_size(self) -> int:
        """Side of the square of pixels one cell stands for: the product of all strides."""
        return 2 * prod([stage.stride for stage in self.stages])

    def grid(self, height: int, width: int) -> Grid:
        """How the cells of a picture of that many pixels lie.

        Raises:
            ShapeError: a side is not a whole number of cells.
        """
        rows, cols = height // self.patch_size, width // self.patch_size
        if min(rows, cols) < 1 or height % self.patch_size or width % self.patch_size:
            raise ShapeError(
                f"a picture of {height} x {width} pixels does not divide into cells of "
                f"{self.patch_size} x {self.patch_size}; resize it to "
                f"{max(rows, 1) * self.patch_size} x {max(cols, 1) * self.patch_size}"
            )
        return Grid(rows, cols)

    def scaled(self, channels: int) -> int:
        """`channels` after the width multiplier."""
        wanted = channels * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        # The reference never loses more than a tenth to rounding.
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    def build(self) -> "MobileNetV2":
        return MobileNetV2(self)


class MobileNetV2(nn.Module):
    """Map pictures to the features of the last 1x1 convolution, one vector a cell."""

    def __init__(self, config: MobileNetV2Config) -> None:
        super().__init__()
        self.config = config
        stem_channels = config.scaled(32)
        self.stem = SameConv2d(3, stem_channels, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList(inverted_residuals(config, stem_channels))
        last_channels = config.scaled(config.stages[-1].channels)
        self.last = SameConv2d(last_channels, config.dim, kernel_size=1)

    @property
    def dim(self) -> int:
        return self.config.dim

    def forward(self, pixels: Pixels) -> VisionFeatures:
        """Features on the grid that `config.grid` promises; there is no class token.

        Raises:
            ShapeError: the pictures have a frame axis, or a side is not a whole number of cells.
        """
        features = deque(self.layer_outputs(pixels), maxlen=1).pop()[1]
        cells = rearrange(features, "image dim row col -> image row col dim")
        return VisionFeatures(cells=cells, prefix=cells.new_zeros(len(cells), 0, self.dim))

    def intermediates(self, pixels: Pixels) -> dict[str, Tensor]:
        """What every layer put out, `image row col dim`, by the name of the layer."""
        return {
            name: rearrange(features, "image dim row col -> image row col dim")
            for name, features in self.layer_outputs(pixels)
        }

    def layer_outputs(self, pixels: Pixels) -> Iterator[tuple[str, Tensor]]:
        """Run the network, naming each layer's output (`image dim row col`) as it appears."""
        if pixels.ndim != 4:
            raise ShapeError(
                f"MobileNetV2 reads single pictures (image channel height width), got axes "
                f"{tuple(pixels.shape)}; put the frames of a video on the image axis"
            )
        if pixels.shape[1] != 3:
            raise ShapeError(f"pictures must have 3 channels, got {pixels.shape[1]}")
        self.config.grid(*pixels.shape[-2:])
        # Channels last is how the CPU and GPU kernels of 1x1 convolutions want their input.
        hidden = pixels.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        hidden = F.relu6(self.stem(hidden), inplace=True)
        yield "stem", hidden
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            yield f"blocks.{index}", hidden
        yield "last", F.relu6(self.last(hidden), inplace=True)


class InvertedResidual(nn.Module):
    """Widen, look around, narrow; added to the input where nothing changes shape.

    input --[expand 1x1, relu6]--[depthwise 3x3, relu6]--[project 1x1]--(+)-- output
      `------------------- where stride is 1 and widths agree ----------'
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.is_residual = stride == 1 and in_channels == out_channels
        # The first block does not widen, and then has no 1x1 convolution in front.
        self.expand = SameConv2d(in_channels, hidden, kernel_size=1) if expansion > 1 else None
        self.depthwise = SameConv2d(hidden, hidden, kernel_size=3, stride=stride, groups=hidden)
        self.project = SameConv2d(hidden, out_channels, kernel_size=1)

    def forward(
        self, features: Float[Tensor, "image in_dim row col"]
    ) -> Float[Tensor, "image out_dim out_row out_col"]:
        hidden = features if self.expand is None else F.relu6(self.expand(features), inplace=True)
        hidden = self.project(F.relu6(self.depthwise(hidden), inplace=True))
        return features + hidden if self.is_residual else hidden


class SameConv2d(nn.Module):
    """A convolution with TensorFlow's SAME padding: the odd pixel goes right and below."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups
        shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        # Each output must keep the variance of its own group's inputs: depthwise kernels see
        # 9 values, which `fan_out` of the whole layer would miss.
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")

    def forward(
        self, features: Float[Tensor, "image in_dim row col"]
    ) -> Float[Tensor, "image out_dim out_row out_col"]:
        top, bottom = same_padding(features.shape[-2], self.kernel_size, self.stride)
        left, right = same_padding(features.shape[-1], self.kernel_size, self.stride)
        weight, padding = self.weight, (top, left)
        if padding != (bottom, right):
            # The odd pixel behind, without copying the picture to pad it: let the kernel grow
            # by a zero in front and start a pixel earlier. A quarter faster on a CPU.
            weight, padding = F.pad(weight, (right - left, 0, bottom - top, 0)), (bottom, right)
        return F.conv2d(features, weight, self.bias, self.stride, padding, groups=self.groups)


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis so that its output has ceil(size / stride) positions."""
    num_outputs = -(-size // stride)
    total = max((num_outputs - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


def inverted_residuals(config: MobileNetV2Config, channels: int) -> Iterator[InvertedResidual]:
    """The blocks of every stage in order, `channels` wide at the entrance."""
    for stage in config.stages:
        for index in range(stage.num_blocks):
            stride = stage.stride if index == 0 else 1
            wide = config.scaled(stage.channels)
            yield InvertedResidual(channels, wide, stage.expansion, stride)
            channels = wide


def mobilenet_v2() -> MobileNetV2Config:
    """The published 1.0 x 224 model: 3.5 M parameters with the classifier, 2.2 M without."""
    return MobileNetV2Config()


def mobilenet_v2_debug() -> MobileNetV2Config:
    """`mobilenet_v2` in miniature: 8-pixel cells, every kind of block."""
    stages = (
        Stage(expansion=1, channels=8, num_blocks=1, stride=1),
        Stage(expansion=2, channels=16, num_blocks=2, stride=2),
        Stage(expansion=2, channels=24, num_blocks=1, stride=2),
    )
    return MobileNetV2Config(width=0.5, dim=32, stages=stages)


def state_from_tflite_order(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the convolutions of a folded TensorFlow Lite MobileNetV2 as this module does.

    Such a file numbers its convolutions in the order they run: `00.weight`, `00.bias`, `01.weight`
    and so on; the last is the classifier, which is left out (see `classifier_from_tflite_order`).
    Values come back as 32-bit floats.

    Raises:
        CheckpointError: the numbers of convolutions differ.
    """
    names = tflite_order()
    num_found = sum(key.endswith(".weight") for key in tensors)
    if num_found != len(names) + 1:
        raise CheckpointError(
            f"a folded MobileNetV2 has {len(names) + 1} convolutions with its classifier, "
            f"this file has {num_found}; it is another network"
        )
    return {
        f"{name}.{kind}": tensors[f"{index:02d}.{kind}"].float()
        for index, name in enumerate(names)
        for kind in ("weight", "bias")
    }


def classifier_from_tflite_order(
    tensors: Mapping[str, Tensor],
) -> tuple[Float[Tensor, "label vision_dim"], Float[Tensor, " label"]]:
    """Weight and bias of the ImageNet classifier of the file `state_from_tflite_order` reads.

    Label 0 is "background"; the thousand ImageNet classes follow.
    """
    index = f"{len(tflite_order()):02d}"
    return tensors[f"{index}.weight"].float().flatten(1), tensors[f"{index}.bias"].float()


def tflite_order() -> list[str]:
    """Names of the published model's convolutions, in the order they run."""
    with without_weights():
        model = MobileNetV2Config().build()
    # Registration order is running order, in every block and in the whole.
    names = (key.rpartition(".") for key in model.state_dict())
    return [name for name, _, kind in names if kind == "weight"]


def classify(
    features: VisionFeatures,
    weight: Float[Tensor, "label vision_dim"],
    bias: Float[Tensor, " label"],
) -> Float[Tensor, "image label"]:
    """Probability of each label, from the mean over the cells."""
    return F.linear(features.cells.mean(dim=(1, 2)), weight, bias).softmax(dim=-1)
