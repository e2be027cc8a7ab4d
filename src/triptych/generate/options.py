"""How an answer is chosen from what the model thinks likely."""

import math
from dataclasses import dataclass

from triptych.errors import ConfigError
from triptych.generate.contrast import Contrast
from triptych.generate.structure import Structure

MOST_ALTERNATIVES = 20
"""As many as OpenAI's servers tell at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationOptions:
    """Greedy by default; a temperature above zero samples, several beams search."""

    max_new_tokens: int = 64
    """Longest answer, end token included."""

    temperature: float = 0.0
    """0 takes the likeliest token; higher values flatten the distribution that is sampled."""

    top_k: int = 0
    """Sample among the k likeliest tokens only; 0 means all."""

    top_p: float = 1.0
    """Sample among the likeliest tokens that together reach this probability."""

    min_p: float = 0.0
    """Sample among tokens at least this fraction as likely as the likeliest; 0 means all."""

    repetition_penalty: float = 1.0
    """Logits of tokens that prompt or answer hold are divided by it, negative ones multiplied;
    above 1 repeats less. Slots of pictures do not count."""

    num_alternatives: int = 0
    """Likeliest tokens whose log-probabilities are told of each answered token; 20 at most."""

    contrast: Contrast | None = None
    """Weaken what the model would say without seeing the pictures; costs a second forward."""

    lookup: int = 0
    """Most tokens drafted at a time by looking up how the last words went on before; 0 drafts
    none. The answer stays the same, quoting gets faster."""

    structure: Structure | None = None
    """What the answer must be: JSON of a schema, a regular expression, or one of some texts."""

    num_beams: int = 1
    """Hypotheses kept side by side; 1 means no beam search."""

    length_penalty: float = 1.0
    """A hypothesis scores log-probability / length ** length_penalty (length in tokens)."""

    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are not part of it."""

    seed: int = 0
    """Seed of the sampling; every row of a batch draws as if it were alone."""

    def __post_init__(self) -> None:
        checks = (
            (self.max_new_tokens >= 1, f"max_new_tokens must be >= 1, got {self.max_new_tokens}"),
            (self.temperature >= 0, f"temperature must be >= 0, got {self.temperature}"),
            (self.top_k >= 0, f"top_k must be >= 0, got {self.top_k}"),
            (0 < self.top_p <= 1, f"top_p must be in (0, 1], got {self.top_p}"),
            (self.num_beams >= 1, f"num_beams must be >= 1, got {self.num_beams}"),
            (0 <= self.min_p <= 1, f"min_p must be in [0, 1], got {self.min_p}"),
            (
                0 < self.repetition_penalty < math.inf,
                f"repetition_penalty must be a number above 0, got {self.repetition_penalty}",
            ),
            (
                0 <= self.num_alternatives <= MOST_ALTERNATIVES,
                f"num_alternatives must be 0 to {MOST_ALTERNATIVES}, got {self.num_alternatives}",
            ),
            (self.lookup >= 0, f"lookup must be >= 0 tokens, got {self.lookup}"),
            (all(self.stop), "a stop text must not be empty"),
            *self._beam_checks(),
        )
        for holds, message in checks:
            if not holds:
                raise ConfigError(message)

    def _beam_checks(self) -> tuple[tuple[bool, str], ...]:
        """Beam search ranks whole answers by the model's own distribution and has no steps that
        could be changed or told."""
        is_plain = {
            "does not sample; use num_beams=1 or temperature=0": self.temperature == 0,
            "takes no repetition_penalty": self.repetition_penalty == 1,
            "tells no alternatives": self.num_alternatives == 0,
            "takes no contrast": self.contrast is None,
            "takes no drafts of lookup": self.lookup == 0,
            "follows no structure": self.structure is None,
        }
        return tuple(
            (
                self.num_beams == 1 or holds,
                f"beam search {what}" if ";" in what else f"beam search {what}; use num_beams=1",
            )
            for what, holds in is_plain.items()
        )
