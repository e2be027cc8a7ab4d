"""Pictures of several shapes through the vision panel: shape by shape, or all in one row.

    224 x 224   p p p p ...  ---.
    224 x 224   p p p p ...  ---+--->  one row of patches, each seeing its own picture
    308 x 252   p p p p ...  ---'

On a GPU the launches of many small passes take longer than what they compute. On a CPU nothing is
gained, and class tokens, learned positions and windows keep to one shape a pass.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from triptych.nn.rotary import Rotation, rotation_2d
from triptych.nn.varied import Varied
from triptych.shapes import Pixels, VisionFeatures
from triptych.vision.vit import ViT


def encode_stacks(
    vision: Callable[[Pixels], VisionFeatures], stacks: Sequence[Tensor]
) -> Iterator[VisionFeatures]:
    """Features of stacks of pictures, one shape each; each stack by itself where that is best."""
    if isinstance(vision, ViT) and len(stacks) > 1 and _can_share_a_row(vision):
        return encode_in_one_row(vision, stacks)
    return (vision(stack) for stack in stacks)


def _can_share_a_row(vision: ViT) -> bool:
    config, is_on_gpu = vision.config, vision.patch.weight.is_cuda
    return is_on_gpu and config.positions == "rotary" and config.window is None


def encode_in_one_row(vision: ViT, stacks: Sequence[Tensor]) -> Iterator[VisionFeatures]:
    """The same in one pass; positions must be rotary and nothing windowed."""
    grids = [vision.config.grid(*stack.shape[-2:]) for stack in stacks]
    shapes = [(len(stack), grid.rows, grid.cols) for stack, grid in zip(stacks, grids, strict=True)]
    hidden = torch.cat([vision.embed(stack).flatten(0, 1) for stack in stacks])[None]
    rotation = _rotation(vision, shapes, hidden.device)
    varied = Varied([rows * cols for n, rows, cols in shapes for _ in range(n)], hidden.device)
    for block in vision.blocks:
        hidden = block(hidden, rotation=rotation, cache=varied)
    if vision.final_norm is not None:
        hidden = vision.final_norm(hidden)
    own = torch.split(hidden[0], [n * rows * cols for n, rows, cols in shapes])
    cells = [each.view(*shape, -1) for each, shape in zip(own, shapes, strict=True)]
    return (VisionFeatures(each, each.new_zeros(len(each), 0, each.shape[-1])) for each in cells)


def _rotation(
    vision: ViT, shapes: Sequence[tuple[int, int, int]], device: torch.device
) -> Rotation:
    """Angles of all patches of the row; each picture counts from its own corner."""
    config = vision.config
    head_dim = config.dim // config.num_heads
    cos: list[Tensor] = []
    sin: list[Tensor] = []
    for num_pictures, rows, cols in shapes:
        own = rotation_2d(rows, cols, head_dim, config.rope_theta, device)
        cos.append(own[0].repeat(1, num_pictures, 1))
        sin.append(own[1].repeat(1, num_pictures, 1))
    return torch.cat(cos, dim=1), torch.cat(sin, dim=1)
