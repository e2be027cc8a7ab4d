"""A batch of sequences that is being continued: its cache, its positions, its pictures."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.fusion.vlm import VLM, Memory
from triptych.inputs import ModelInputs
from triptych.nn.cache import KVCache


@dataclass(slots=True)
class DecodingState:
    """Everything that one more step needs."""

    model: VLM
    cache: KVCache
    memory: Memory
    next_positions: Int[Tensor, " batch"]
    """Position of the next token of every row."""
    num_axes: int
    """0 for plain positions, 3 for M-RoPE."""

    @classmethod
    def start(
        cls, model: VLM, inputs: ModelInputs, max_new_tokens: int
    ) -> tuple["DecodingState", Float[Tensor, "batch vocab"]]:
        """Read the prompts; also the logits of each row's first new token."""
        batch, length = inputs.token_ids.shape
        cache = model.language.allocate_cache(batch, length + max_new_tokens)
        rows = torch.arange(batch, device=model.device)
        hidden, memory = model.read(inputs, cache, wanted=(rows, torch.full_like(rows, length - 1)))
        positions = inputs.position_ids.masked_fill(~inputs.token_mask, -1).to(model.device)
        num_axes = positions.ndim - 2 and positions.shape[0]
        last = positions.reshape(-1, batch, length).amax(dim=(0, 2))
        state = cls(model, cache, memory, last + 1, num_axes)
        return state, model.language.head(hidden)[0]

    def step(self, token_ids: Int[Tensor, " batch"]) -> Float[Tensor, "batch vocab"]:
        """Append one token to every row; the logits of the next."""
        positions = self.next_positions[:, None]
        if self.num_axes:
            positions = positions.expand(self.num_axes, -1, -1)
        token_ids = token_ids.to(positions.device)
        hidden = self.model.step(token_ids[:, None], positions, self.cache, self.memory)
        self.next_positions = self.next_positions + 1
        return self.model.language.head(hidden)[:, 0]

    def select(self, rows: Int[Tensor, " row"]) -> None:
        """Go on with these rows; a row may be taken several times or not at all."""
        rows = rows.to(self.next_positions.device)
        self.cache.select(rows)
        self.next_positions = self.next_positions[rows]
        if self.memory is not None:
            self.memory = self.memory.select(rows)


def repeat_rows(num_rows: int, times: int) -> Int[Tensor, " row"]:
    """Row indexes with every row `times` times in a run."""
    return torch.arange(num_rows).repeat_interleave(times)
