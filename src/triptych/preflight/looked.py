"""What was looked at of the data of a run, and what was found."""

from dataclasses import dataclass, field

from triptych.preflight.findings import Finding
from triptych.processor import Sample


@dataclass(slots=True)
class LookedSource:
    """What was looked at of one source."""

    name: str
    num_samples: int = 0
    """All that it has, those that cannot be used included."""
    num_looked: int = 0
    num_unusable: int = 0
    num_filtered: int = 0
    num_cut: int = 0


@dataclass(slots=True)
class Looked:
    """What was found in the data of a run."""

    sources: list[LookedSource] = field(default_factory=list[LookedSource])
    findings: list[Finding] = field(default_factory=list[Finding])
    lengths: list[int] = field(default_factory=list[int])
    """Tokens of each sample, pictures included."""
    num_labels: list[int] = field(default_factory=list[int])
    """Tokens of each sample that are learned."""
    visual_tokens: list[int] = field(default_factory=list[int])
    """Slots of each picture."""
    image_sizes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Height and width of each picture as the model sees it; of one in tiles, of a tile."""
    example: Sample | None = None
    """The first sample with a wrong label, or else the first."""
    seconds: float = 0.0

    @property
    def spoils(self) -> bool:
        """Whether the run would be spoilt."""
        return any(each.spoils for each in self.findings)

    @property
    def num_looked(self) -> int:
        """Samples that were looked at."""
        return sum(each.num_looked for each in self.sources)
