"""Texts that end an answer: found as it grows, and never shown, not even in part."""

from collections.abc import Sequence


def cut_at_stop(text: str, stops: Sequence[str]) -> str | None:
    """The text before the first stop text in it, or None if there is none."""
    found = [index for index in (text.find(stop) for stop in stops) if index >= 0]
    return text[: min(found)] if found else None


class StopGate:
    """Lets text through as soon as no stop text can still begin in it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = tuple(stops)
        self.text = ""
        """All that was pushed, up to a stop text if one has come."""
        self.is_shut = False
        """Whether a stop text has come; nothing is let through behind it."""
        self._held = max((len(stop) - 1 for stop in self.stops), default=0)
        self._shown = 0

    def push(self, piece: str) -> str:
        """What may be shown now that this piece has come; often less than the piece, or more."""
        if self.is_shut:
            return ""
        self.text += piece
        cut = cut_at_stop(self.text, self.stops)
        if cut is None:
            return self._show(len(self.text) - self._held)
        self.text, self.is_shut = cut, True
        return self._show(len(cut))

    def flush(self) -> str:
        """What was held back and can be shown now that nothing more comes."""
        return self._show(len(self.text))

    def _show(self, end: int) -> str:
        start, self._shown = self._shown, max(self._shown, end)
        return self.text[start : self._shown]
