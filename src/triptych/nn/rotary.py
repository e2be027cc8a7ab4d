"""Rotary positions: turn pairs of channels by an angle proportional to the position.

The two channels of a pair lie half a head apart ("rotate-half"), so the angles of a token are
`head_dim / 2` numbers written twice. Angles are computed in float32 whatever the model runs in:
in bfloat16 neighbouring positions beyond 256 would coincide.

RoFormer: https://arxiv.org/abs/2104.09864
Qwen2-VL (two- and three-dimensional positions): https://arxiv.org/abs/2409.12191
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.errors import ConfigError, ShapeError
from triptych.nn.linear import learns

Rotation: TypeAlias = tuple[
    Float[Tensor, "#batch token head_dim"], Float[Tensor, "#batch token head_dim"]
]
"""Cosines and sines, float32; the two halves of `head_dim` are equal. Batch may be 1."""


def rotation_1d(position_ids: Int[Tensor, "batch token"], head_dim: int, theta: float) -> Rotation:
    """Angles of ordinary text positions."""
    return _rotation(position_ids[..., None] * _frequencies(head_dim, theta, position_ids.device))


def rotation_2d(
    rows: int, cols: int, head_dim: int, theta: float, device: torch.device | str | None = None
) -> Rotation:
    """Angles of a `rows` x `cols` patch grid in reading order.

    The first half of the angles turns with the row, the second with the column, both counting
    patches from 0 through the same `head_dim / 4` frequencies.

    Raises:
        ConfigError: `head_dim` is not a multiple of 4.
    """
    if head_dim % 4:
        raise ConfigError(f"two-dimensional rotary needs a head_dim in fours, got {head_dim}")
    frequencies = _frequencies(head_dim // 2, theta, device)
    row = torch.arange(rows, device=device).repeat_interleave(cols)
    col = torch.arange(cols, device=device).repeat(rows)
    angles = torch.cat([row[:, None] * frequencies, col[:, None] * frequencies], dim=-1)
    return _rotation(angles[None])


def rotation_mrope(
    position_ids: Int[Tensor, "3 batch token"],
    head_dim: int,
    theta: float,
    sections: tuple[int, int, int],
) -> Rotation:
    """Angles of M-RoPE: the first frequencies turn with time, then with rows, then with columns.

    `sections` says how many frequencies each of the three has (16, 24, 24 in Qwen2-VL). Tokens
    whose three positions are equal, as text has, get the angles of `rotation_1d`.

    Raises:
        ConfigError: the sections do not add up to `head_dim / 2`.
    """
    if sum(sections) * 2 != head_dim:
        raise ConfigError(
            f"M-RoPE sections {sections} add up to {sum(sections)} frequencies, "
            f"a head_dim of {head_dim} has {head_dim // 2}"
        )
    frequencies = torch.split(_frequencies(head_dim, theta, position_ids.device), list(sections))
    parts = [ids[..., None] * part for ids, part in zip(position_ids, frequencies, strict=True)]
    return _rotation(torch.cat(parts, dim=-1))


def _frequencies(
    head_dim: int, theta: float, device: torch.device | str | None
) -> Float[Tensor, " half_dim"]:
    """Radians a position, falling from 1 to almost 1 / theta."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    return 1.0 / theta**exponents


def _rotation(angles: Float[Tensor, "batch token half_dim"]) -> Rotation:
    twice = torch.cat([angles, angles], dim=-1)
    return twice.cos(), twice.sin()


def apply_rotation(
    x: Float[Tensor, "batch head token head_dim"], rotation: Rotation
) -> Float[Tensor, "batch head token head_dim"]:
    """Turn queries or keys; computed in float32, returned in the dtype of `x`."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = rotation[0][:, None], rotation[1][:, None, :, : x.shape[-1] // 2]
    if learns(x):
        cos = cos[..., : x.shape[-1] // 2]
        turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
    else:
        # The same in place: half the time, and nothing but the result takes memory.
        turned = x * cos
        turned_first, turned_second = turned.chunk(2, dim=-1)
        turned_first.addcmul_(second, sin, value=-1)
        turned_second.addcmul_(first, sin)
    return turned.to(x.dtype)


def multimodal_positions(
    num_tokens: int,
    blocks: Sequence[tuple[int, int, int, int]],
    time_steps: Sequence[float] | None = None,
) -> Int[Tensor, "3 token"]:
    """M-RoPE position ids (time, row, column) of one sequence of text and pictures.

    Each block is `(start, frames, rows, cols)`: where its visual tokens begin in the sequence
    and how they lie, in the order time, row, column. Text counts up with three equal ids. A block
    that begins at position p gets p + its frame, row and column, and the text after it goes on
    from the largest id so far plus one:

        two words, a mark, a 2 x 3 picture, a mark, two words
        time  0 1 2  3 3 3 3 3 3  6 7 8
        row   0 1 2  3 3 3 4 4 4  6 7 8
        col   0 1 2  3 4 5 3 4 5  6 7 8

    `time_steps` says for each block how far apart two frames are in time, 1 where it is left out.
    Qwen2.5-VL counts seconds so: frame k of a clip gets p + floor(k * step), step being positions
    a second times seconds a frame.

    This is the rule of the paper (section 2.1) and of transformers 4. transformers 5.23 and 5.24 go
    on from p + max(rows, cols) and forget the frames, so that after a video longer than it is wide
    the text repeats positions the video already used; we depart from them there. In Qwen2.5-VL that
    concerns all but short clips, because their slices are two positions and more apart.

    Raises:
        ShapeError: a block overlaps the one before it or does not fit in the sequence.
    """
    parts: list[Tensor] = []
    filled, position = 0, 0
    steps = time_steps or [1.0] * len(blocks)
    for (start, frames, rows, cols), step in zip(blocks, steps, strict=True):
        end = start + frames * rows * cols
        if start < filled or end > num_tokens:
            raise ShapeError(
                f"a {frames} x {rows} x {cols} block at token {start} does not fit between "
                f"token {filled} and the end of the {num_tokens} tokens"
            )
        parts.append(_text_positions(position, start - filled))
        position += start - filled
        block = _block_positions(frames, rows, cols, step)
        parts.append(position + block)
        position += int(block.max()) + 1
        filled = end
    parts.append(_text_positions(position, num_tokens - filled))
    return torch.cat(parts, dim=1)


def _text_positions(start: int, num_tokens: int) -> Int[Tensor, "3 token"]:
    return torch.arange(start, start + num_tokens).expand(3, -1)


def _block_positions(
    frames: int, rows: int, cols: int, time_step: float
) -> Int[Tensor, "3 visual"]:
    # In float32, as the published code does: a rounding up to a whole number counts there too.
    time = (torch.arange(frames) * time_step).long()
    axes = [time, torch.arange(rows), torch.arange(cols)]
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")])
