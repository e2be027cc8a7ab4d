"""Rotary positions: turn each pair of query and key numbers by an angle that grows with position.

    angle = position * theta ** (-2 i / head_dim)          for pair i of head_dim / 2

A pair is (i, i + head_dim / 2), the rotate-half convention of published Llama and Qwen weights.
Text has one position a token, patches two (row, column), and M-RoPE three (time, row, column).

RoPE: https://arxiv.org/abs/2104.09864. M-RoPE: https://arxiv.org/abs/2409.12191 (section 2.1)
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

Rotation: TypeAlias = tuple[
    Float[Tensor, "#batch token head_dim"], Float[Tensor, "#batch token head_dim"]
]
"""Cosine and sine of every angle, float32, the angles of a pair standing in both halves."""


def frequencies(
    head_dim: int, theta: float, device: torch.device | str | None = None
) -> Float[Tensor, " pair"]:
    """Angle per unit of position for each pair, largest first."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    return 1.0 / theta**exponents


def rotation_1d(position_ids: Int[Tensor, "batch token"], head_dim: int, theta: float) -> Rotation:
    """The rotation of plain positions."""
    angles = position_ids[..., None].float() * frequencies(head_dim, theta, position_ids.device)
    return _duplicated(angles)


def rotation_2d(
    rows: int,
    cols: int,
    head_dim: int,
    theta: float,
    device: torch.device | str | None = None,
) -> Rotation:
    """The rotation of a grid of patches in reading order.

    Half of the pairs turn with the row, half with the column, each with the frequencies of a head
    of half the width (Qwen2-VL's vision panel).
    """
    each = frequencies(head_dim // 2, theta, device)
    row = torch.arange(rows, device=device).repeat_interleave(cols)
    col = torch.arange(cols, device=device).repeat(rows)
    angles = torch.cat([row[:, None].float() * each, col[:, None].float() * each], dim=-1)
    return _duplicated(angles[None])


def rotation_mrope(
    position_ids: Int[Tensor, "3 batch token"],
    head_dim: int,
    theta: float,
    sections: tuple[int, int, int],
) -> Rotation:
    """The rotation of (time, row, column) positions.

    The pairs are divided in order: the first `sections[0]` turn with time, the next with the row,
    the last with the column. Equal positions on all axes give exactly `rotation_1d`.
    """
    angles = position_ids[..., None].float() * frequencies(head_dim, theta, position_ids.device)
    parts = angles.split(list(sections), dim=-1)
    return _duplicated(torch.cat([part[axis] for axis, part in enumerate(parts)], dim=-1))


def apply_rotation(
    x: Float[Tensor, "batch head token head_dim"], rotation: Rotation
) -> Float[Tensor, "batch head token head_dim"]:
    """Turn every pair of `x`; computed in float32, returned in the precision of `x`."""
    cos, sin = (each[:, None] for each in rotation)
    wide = x.float()
    first, second = wide.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (wide * cos + turned * sin).to(x.dtype)


def multimodal_positions(
    num_tokens: int, blocks: Sequence[tuple[int, int, int, int]]
) -> Int[Tensor, "3 token"]:
    """M-RoPE positions of a sequence with vision blocks (start, frames, rows, cols).

        tokens   a b <  v v v v v v  > c d         a block of 1 frame, 2 rows, 3 columns
        time     0 1 2  3 3 3 3 3 3  6 7 8
        row      0 1 2  3 3 3 4 4 4  6 7 8
        column   0 1 2  3 4 5 3 4 5  6 7 8

    Text has equal positions on all axes. A block that starts at p has time p + frame, row p + row,
    column p + col; the text after it goes on at the largest of all these plus one. (transformers
    5.23 leaves the frames out of that maximum, so after a video longer than it is high and wide
    its positions differ from the paper's, which are these.)
    """
    columns: list[Tensor] = []
    used, next_position = 0, 0
    for start, frames, rows, cols in sorted(blocks):
        text = torch.arange(next_position, next_position + start - used)
        columns.append(text.expand(3, -1))
        next_position += start - used
        block = torch.cartesian_prod(
            torch.arange(frames), torch.arange(rows), torch.arange(cols)
        ).reshape(-1, 3)
        columns.append(block.T + next_position)
        next_position += max(frames, rows, cols)
        used = start + frames * rows * cols
    rest = torch.arange(next_position, next_position + num_tokens - used)
    return torch.cat([*columns, rest.expand(3, -1)], dim=1)


def _duplicated(angles: Float[Tensor, "batch token pair"]) -> Rotation:
    both = torch.cat([angles, angles], dim=-1)
    return both.cos(), both.sin()
