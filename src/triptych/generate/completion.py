"""What one request came to."""

from dataclasses import dataclass

from triptych.generate.sampling import Alternatives


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer."""

    text: str
    token_ids: tuple[int, ...]
    """Chosen tokens, the end token included if it came."""
    log_probability: float
    """Sum over these tokens, under the model's own distribution (temperature 1)."""
    ended: bool
    """True when the model ended its answer (end token or stop text), False at the length limit
    and where it was cancelled."""
    num_prompt_tokens: int
    log_probabilities: tuple[float, ...] = ()
    """Of each of these tokens; empty after a beam search, which keeps sums only."""
    alternatives: tuple[Alternatives, ...] = ()
    """At each of these tokens, the likeliest ones; empty unless they were asked for."""
    num_reused_tokens: int = 0
    """Tokens of the prompt that were not read again, because another prompt began with them."""
