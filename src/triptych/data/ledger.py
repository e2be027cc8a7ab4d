"""What a data set lost on the way in: every sample left out is listed with its reason.

    left out    cannot be used: a missing picture, a broken file, text that does not fit
    filtered    could be used, and a rule says no
    changed     is used, but not as it is written: a picture was shrunk, an end cut off

A reader returns a ledger beside its samples, so that nothing is skipped silently. Only what is
left out counts against a tolerance. A run writes `as_dict()` beside its weights and prints
`summary()`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from triptych.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One sample that is not used, or not as it is written, and why."""

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
    """Samples that cannot be used."""
    filtered: list[LeftOut] = field(default_factory=list[LeftOut])
    """Samples that a rule excludes."""
    changed: list[LeftOut] = field(default_factory=list[LeftOut])
    """Samples in use, though not as they are written."""

    def keep(self, count: int = 1) -> None:
        """Count samples in use."""
        self.num_kept += count

    def leave_out(self, sample_id: str, reason: str, detail: str = "") -> None:
        """List a sample that is not used."""
        self.left_out.append(LeftOut(sample_id, reason, detail))

    def counts(self) -> dict[str, int]:
        """Samples left out, by reason, the most frequent first."""
        return _by_reason(self.left_out)

    def share_left_out(self) -> float:
        """Samples left out of all samples that no rule excludes, 0 to 1."""
        seen = self.num_kept + len(self.left_out)
        return len(self.left_out) / seen if seen else 0.0

    def summary(self) -> str:
        """One line for a person: what was kept, what was left out and why."""
        line = f"{self.source}: {self.num_kept:,} samples, "
        parts = [f"{len(self.left_out):,} left out{_reasons(self.left_out)}"]
        if not self.left_out:
            parts = ["none left out"]
        if self.filtered:
            parts.append(f"{len(self.filtered):,} filtered{_reasons(self.filtered)}")
        if self.changed:
            parts.append(f"{len(self.changed):,} changed{_reasons(self.changed)}")
        return line + "; ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """The whole ledger, ready for a JSON file."""
        return {
            "source": self.source,
            "num_kept": self.num_kept,
            "num_left_out": len(self.left_out),
            "counts": self.counts(),
            "left_out": _listed(self.left_out),
            "filtered": _listed(self.filtered),
            "changed": _listed(self.changed),
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


def _by_reason(entries: Iterable[LeftOut]) -> dict[str, int]:
    return dict(Counter(each.reason for each in entries).most_common())


def _reasons(entries: Iterable[LeftOut]) -> str:
    counted = _by_reason(entries).items()
    return ": " + ", ".join(f"{count:,} {reason}" for reason, count in counted)


def _listed(entries: Iterable[LeftOut]) -> list[dict[str, str]]:
    return [
        {"sample_id": each.sample_id, "reason": each.reason, "detail": each.detail}
        for each in entries
    ]
