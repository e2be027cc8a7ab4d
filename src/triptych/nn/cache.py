"""Key-value cache: what attention layers remember of the tokens they have read.

Room is reserved once; a step writes its keys and values in place and reads views, so that no step
copies what is already there.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.errors import ShapeError


@dataclass(slots=True)
class LayerCache:
    """Keys and values of one layer, preallocated."""

    keys: Float[Tensor, "batch kv_head capacity head_dim"]
    values: Float[Tensor, "batch kv_head capacity head_dim"]
    length: int = 0
    """Positions that are filled."""

    def append(
        self,
        keys: Float[Tensor, "batch kv_head token head_dim"],
        values: Float[Tensor, "batch kv_head token head_dim"],
    ) -> tuple[
        Float[Tensor, "batch kv_head position head_dim"],
        Float[Tensor, "batch kv_head position head_dim"],
    ]:
        """Write new keys and values behind the old; returns views of all.

        Raises:
            ShapeError: there is no room left.
        """
        end = self.length + keys.shape[2]
        if end > self.keys.shape[2]:
            raise ShapeError(
                f"the cache has room for {self.keys.shape[2]} tokens, {end} are needed; "
                "allocate it with more max_tokens"
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


@dataclass(slots=True)
class KVCache:
    """The caches of all layers, and which of their positions hold real tokens."""

    layers: list[LayerCache]
    key_mask: Bool[Tensor, "batch position"]
    """True for real tokens, False for padding; as long as what has been read so far."""

    @classmethod
    def allocate(
        cls,
        num_layers: int,
        batch: int,
        num_kv_heads: int,
        head_dim: int,
        max_tokens: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> "KVCache":
        """Reserve room for `max_tokens` positions in every layer."""
        shape = (batch, num_kv_heads, max_tokens, head_dim)
        layers = [
            LayerCache(
                torch.empty(shape, dtype=dtype, device=device),
                torch.empty(shape, dtype=dtype, device=device),
            )
            for _ in range(num_layers)
        ]
        return cls(layers, torch.ones(batch, 0, dtype=torch.bool, device=device))

    @property
    def length(self) -> int:
        """Positions that are filled."""
        return self.layers[0].length

    @property
    def memory_bytes(self) -> int:
        """What the reserved room takes."""
        return sum(
            t.numel() * t.element_size() for c in self.layers for t in (c.keys, c.values)
        )

    def extend_mask(self, token_mask: Bool[Tensor, "batch token"]) -> None:
        """Say which of the tokens that are about to be read are real."""
        self.key_mask = torch.cat([self.key_mask, token_mask], dim=1)

    def select(self, rows: Int[Tensor, " row"]) -> None:
        """Go on with these rows of the batch; a row may come several times."""
        for layer in self.layers:
            layer.keys = layer.keys.index_select(0, rows)
            layer.values = layer.values.index_select(0, rows)
        self.key_mask = self.key_mask.index_select(0, rows)
