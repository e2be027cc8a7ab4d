"""Pictures and texts to be compared, every one with every other, and what came of it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.shapes import Pixels, TokenIds, TokenMask


@dataclass(frozen=True, slots=True, kw_only=True)
class PairInputs:
    """Some pictures and some texts; not as many of one as of the other."""

    pixels: Pixels
    """Pictures of one size, in the model's colour scale."""

    token_ids: TokenIds
    """One text a row, special tokens included, padded on the right."""

    token_mask: TokenMask
    """False on padding."""

    def to(self, device: torch.device | str) -> "PairInputs":
        """The same inputs on another device."""
        return replace(
            self,
            pixels=self.pixels.to(device),
            token_ids=self.token_ids.to(device),
            token_mask=self.token_mask.to(device),
        )


@dataclass(frozen=True, slots=True)
class PairScores:
    """How alike every picture and every text are."""

    similarities: Float[Tensor, "image text"]
    """Cosines, -1 to 1."""

    probabilities: Float[Tensor, "image text"]
    """What the model makes of a pair, 0 to 1; whether texts compete, the model's kind says."""
