"""What gated fusion remembers of the pictures between two steps of generation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.errors import ShapeError
from triptych.nn.cache import LayerCache


@dataclass(frozen=True, slots=True)
class GatedMemory:
    """What later steps still need of the pictures."""

    visual: Float[Tensor, "batch key visual_dim"]
    """Every row's pictures one after the other, padded with zeros."""

    image_counts: Int[Tensor, " batch"]
    """Pictures each row has seen so far; the last of them is the one its next token sees."""

    num_images: int
    tokens_per_image: int

    caches: dict[str, LayerCache] = field(default_factory=dict[str, LayerCache])
    """While generating: by language layer, the keys and values of `visual`, made once."""

    def select(self, rows: Int[Tensor, " row"]) -> "GatedMemory":
        """The memory of some rows, as beam search reorders them; the old one is used up."""
        for cache in self.caches.values():
            cache.select(rows)
        return replace(self, visual=self.visual[rows], image_counts=self.image_counts[rows])

    @classmethod
    def beside(cls, memories: Sequence["GatedMemory"]) -> "GatedMemory":
        """Memories of one row each as one row: all of their pictures, one after the other.

        Raises:
            ShapeError: pictures became different numbers of tokens.
        """
        looking = [memory for memory in memories if memory.num_images]
        if len(looking) < 2:
            return (looking or list(memories))[0]
        sizes = {memory.tokens_per_image for memory in looking}
        if len(sizes) != 1:
            raise ShapeError(unequal(sizes))
        first = looking[0]
        joined = {
            layer: LayerCache.of(
                torch.cat([memory.caches[layer].keys for memory in looking], dim=2),
                torch.cat([memory.caches[layer].values for memory in looking], dim=2),
            )
            for layer in first.caches
        }
        return cls(
            torch.cat([memory.visual for memory in looking], dim=1),
            first.image_counts,
            sum(memory.num_images for memory in looking),
            first.tokens_per_image,
            joined,
        )


def unequal(lengths: set[int]) -> str:
    """The sentence about pictures that became different numbers of tokens."""
    return (
        f"pictures became {sorted(lengths)} visual tokens; cross-attention needs equal numbers, "
        "use a resampler or one picture size"
    )
