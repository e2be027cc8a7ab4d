"""What a data set lost on the way in: every sample left out is listed with its reason.

A reader returns a ledger beside its samples, so that nothing is skipped silently. A run writes
`as_dict()` beside its weights and prints `summary()`.
"""

from collections import Counter
from dataclasses import dataclass, field

from triptych.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One sample that is not used, and why."""

    sample_id: str
    """The sample, or the place (`file:line`) where one should have been."""
    reason: str
    """A short reason that samples can be counted by."""
    detail: str = ""
    """What exactly was found, where the reason alone does not say it."""


@dataclass(slots=True)
class Ledger:
    """Counts the samples that were kept and lists those that were left out, in reading order."""

    source: str
    """The file or folder that was read."""
    num_kept: int = 0
    """Samples in use."""
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    """Samples not in use."""

    def keep(self, count: int = 1) -> None:
        """Count samples in use."""
        self.num_kept += count

    def leave_out(self, sample_id: str, reason: str, detail: str = "") -> None:
        """List a sample that is not used."""
        self.left_out.append(LeftOut(sample_id, reason, detail))

    def counts(self) -> dict[str, int]:
        """Samples left out, by reason, the most frequent first."""
        return dict(Counter(each.reason for each in self.left_out).most_common())

    def share_left_out(self) -> float:
        """Samples left out of all samples seen, 0 to 1."""
        seen = self.num_kept + len(self.left_out)
        return len(self.left_out) / seen if seen else 0.0

    def summary(self) -> str:
        """One line for a person: what was kept, what was left out and why."""
        if not self.left_out:
            return f"{self.source}: {self.num_kept:,} samples, none left out"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.counts().items())
        return (
            f"{self.source}: {self.num_kept:,} samples, {len(self.left_out):,} left out: {reasons}"
        )

    def as_dict(self) -> dict[str, object]:
        """The whole ledger, ready for a JSON file."""
        return {
            "source": self.source,
            "num_kept": self.num_kept,
            "num_left_out": len(self.left_out),
            "counts": self.counts(),
            "left_out": [
                {"sample_id": each.sample_id, "reason": each.reason, "detail": each.detail}
                for each in self.left_out
            ],
        }

    def stop_above(self, tolerate: float) -> None:
        """Refuse to go on with a data set that lost too much.

        Raises:
            ConfigError: `tolerate` is not a share, 0 to 1.
            DataError: a larger share than `tolerate` was left out.
        """
        check_share(tolerate)
        if self.share_left_out() <= tolerate:
            return
        listed = [f"  {each.sample_id}: {each.detail or each.reason}" for each in self.left_out]
        if len(listed) > 5:
            listed = [*listed[:5], f"  and {len(listed) - 5:,} more"]
        seen = self.num_kept + len(self.left_out)
        raise DataError(
            f"{self.source}: {len(self.left_out):,} of {seen:,} samples "
            f"({self.share_left_out():.2%}) cannot be used, more than the tolerated "
            f"{tolerate:.2%}; mend them, or raise `tolerate` to go on without them:\n"
            + "\n".join(listed)
        )


def check_share(tolerate: float) -> None:
    """Refuse a tolerance that is not a share.

    Raises:
        ConfigError: it is not between 0 and 1.
    """
    if not 0.0 <= tolerate <= 1.0:
        raise ConfigError(f"tolerate is a share of the samples, 0 to 1, got {tolerate}")
