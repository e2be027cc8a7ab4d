"""Sinusoidal positions: fixed vectors, half of them sines and half cosines of the position.

The frequencies fall from 1 to 1 / 10000, both included, as in tensor2tensor and fairseq; section
3.5 of "Attention Is All You Need" (https://arxiv.org/abs/1706.03762) interleaves the two halves.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sinusoids(
    position_ids: Int[Tensor, "batch token"], dim: int
) -> Float[Tensor, "batch token dim"]:
    """Vectors of so many positions, float32."""
    half = dim // 2
    step = -math.log(10_000) / max(1, half - 1)
    frequencies = torch.exp(torch.arange(half, device=position_ids.device).float() * step)
    angles = position_ids[..., None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
