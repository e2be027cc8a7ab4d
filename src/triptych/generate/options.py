"""How an answer is chosen from what the model thinks likely."""

from dataclasses import dataclass

from triptych.errors import ConfigError


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
            (all(self.stop), "a stop text must not be empty"),
            (
                self.num_beams == 1 or self.temperature == 0,
                "beam search does not sample; use num_beams=1 or temperature=0",
            ),
        )
        for holds, message in checks:
            if not holds:
                raise ConfigError(message)
