"""One row of the parity table: how far a family's numbers are from the reference's."""

from dataclasses import dataclass

TOLERANCE = 2e-5
"""Largest absolute difference allowed in every column."""

NUM_GREEDY = 32
"""Tokens of the greedy continuation that must be identical."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParityRow:
    """The largest absolute differences in float32 on re-randomised weights.

    The batch holds at least two conversations with pictures of different sizes.
    """

    family: str
    """As `PublishedFamily.title`, with what is special about the row in brackets."""

    vision: float | None = None
    """Of the output of the vision panel; None where the family has no such panel alone."""

    connector: float | None = None
    """Of the visual tokens; None where the family has no connector."""

    output: float
    """Of the logits, scores or embeddings."""

    spread: float
    """Standard deviation of the reference's output, beside which the differences are read."""

    greedy: int | None = None
    """Equal leading tokens of NUM_GREEDY; None for models that do not generate."""

    def is_met(self) -> bool:
        """Whether every column is within its bar."""
        differences = [
            each for each in (self.vision, self.connector, self.output) if each is not None
        ]
        return max(differences) <= TOLERANCE and self.greedy in (None, NUM_GREEDY)
