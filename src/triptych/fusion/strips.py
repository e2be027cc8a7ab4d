"""What one step of generation reads: new tokens of many sequences, one after the other in a row.

The engine makes these from samples, and every fusion knows what to do with them; the pictures have
been encoded before.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from triptych.fusion.memory import GatedMemory
from triptych.shapes import PositionIds, TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class StripInputs:
    """Strips of several sequences; `triptych.nn.ragged` knows whose tokens are whose."""

    token_ids: TokenIds
    """A batch of one row."""
    position_ids: PositionIds
    slots: Int[Tensor, " slot"]
    """Which of these tokens stand for visual tokens."""
    visual: Float[Tensor, "slot language_dim"] | None = None
    """What stands there; None where there are no slots."""
    image_counts: Int[Tensor, "1 token"] | None = None
    """For fusions that keep pictures outside the sequence: how many of the pictures in `memory`
    have begun up to and including each token's last; 0 before a sequence's first picture."""
    memory: GatedMemory | None = None
    """The pictures of all sequences, one after the other."""
