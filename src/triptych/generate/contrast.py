"""Contrastive decoding: weaken what the model would say without seeing the pictures.

    logits with the pictures l, and with the pictures blanked or drowned in noise l'

    (1 + strength) * l - strength * l',   only among tokens with p >= plausible * max p under l

What a language model expects anyway (bananas are yellow) is likely in both and loses against what
is seen in one alone. The bound on plausibility keeps tokens out that are rare in both and win by
the difference alone.

Visual Contrastive Decoding: https://arxiv.org/abs/2311.16922 (equations 3 to 5); the noise is that
of its code, https://github.com/DAMO-NLP-SG/VCD at 039af55, which steps with sigmoids of -6 to 6.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.errors import ConfigError, UsageError
from triptych.pictures import EncodedImage
from triptych.sequences import Sample

NUM_NOISE_STEPS = 1000
"""Of the diffusion that noise is taken from."""

_SMALLEST_BETA, _LARGEST_BETA = 1e-5, 0.5e-2
"""Share of the variance that the first and the last step replace by noise, nearly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """Against what an answer is contrasted, and how much."""

    against: Literal["blank", "noise"] = "noise"
    """The pictures all of one colour, the mean of those the model knows; or under noise."""

    strength: float = 1.0
    """How much of the difference is added to the logits (alpha); 0 adds nothing."""

    plausible: float = 0.1
    """Tokens less likely than this fraction of the likeliest are out (beta); 0 keeps all."""

    noise_step: int = 500
    """Which of 1000 steps of diffusion the noise is taken from, 0 (hardly any) to 999."""

    seed: int = 0
    """Of the noise. Equal pictures get equal noise, wherever they stand."""

    def __post_init__(self) -> None:
        checks = (
            (
                0 <= self.strength < math.inf,
                f"strength must be a number from 0, got {self.strength}",
            ),
            (0 <= self.plausible <= 1, f"plausible must be in [0, 1], got {self.plausible}"),
            (
                0 <= self.noise_step < NUM_NOISE_STEPS,
                f"noise_step must be 0 to {NUM_NOISE_STEPS - 1}, got {self.noise_step}",
            ),
        )
        for holds, message in checks:
            if not holds:
                raise ConfigError(message)


def contrast_logits(
    logits: Float[Tensor, "*batch vocab"],
    without: Float[Tensor, "*batch vocab"],
    contrast: Contrast,
) -> Float[Tensor, "*batch vocab"]:
    """Logits of what the pictures add, in float32; implausible tokens are at -inf.

    Plausible are tokens under `logits` alone. What is at -inf there stays so.
    """
    logits, without = logits.float(), without.float()
    is_out = logits.isneginf()
    if contrast.plausible > 0:
        likeliest = logits.amax(dim=-1, keepdim=True)
        is_out = is_out | (logits < likeliest + math.log(contrast.plausible))
    difference = (1 + contrast.strength) * logits - contrast.strength * without
    return difference.masked_fill(is_out, -torch.inf)


def without_picture(sample: Sample, contrast: Contrast) -> Sample:
    """The same prompt about pictures, clips and tiles in which nothing or little is to be seen.

    Tokens, positions and sizes stay, so both answer from the same places. A prompt without
    pictures comes back as it is; there is nothing to contrast it with.

    Raises:
        UsageError: a picture is given as the features of a frozen vision panel.
    """
    return replace(sample, images=tuple(_hidden(image, contrast) for image in sample.images))


def add_noise(pixels: Tensor, noise_step: int, generator: torch.Generator) -> Tensor:
    """Normalised pixels, on any number of axes, as a step of the diffusion leaves them."""
    kept = _kept_variance()[noise_step].item()
    noise = torch.randn(pixels.shape, generator=generator)
    return math.sqrt(kept) * pixels + math.sqrt(1 - kept) * noise.to(pixels)


def _hidden(image: EncodedImage, contrast: Contrast) -> EncodedImage:
    if image.is_features:
        raise UsageError(
            "a contrast changes the pixels of a picture, and this one is given as features; give "
            "the picture itself"
        )
    if contrast.against == "blank":  # the mean colour is 0 after normalisation
        return replace(image, pixels=torch.zeros_like(image.pixels))
    generator = torch.Generator().manual_seed(contrast.seed)
    return replace(image, pixels=add_noise(image.pixels, contrast.noise_step, generator))


@lru_cache(maxsize=1)
def _kept_variance() -> Float[Tensor, " step"]:
    """Share of a picture's own variance that is left after each step."""
    ramp = torch.linspace(-6, 6, NUM_NOISE_STEPS, dtype=torch.float64).sigmoid()
    betas = ramp * (_LARGEST_BETA - _SMALLEST_BETA) + _SMALLEST_BETA
    return (1 - betas).cumprod(dim=0)
