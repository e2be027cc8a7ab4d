"""Text as it is generated: token by token, and never half a character."""

from triptych.text.tokenizer import Tokenizer

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
_MOST_PENDING = 3
"""Bytes that may be there of a character whose last byte is still to come."""


class StreamDecoder:
    """Gives out text as soon as its characters are complete.

    A character may be spread over several tokens, and what a token means may depend on the one in
    front of it. So a window of tokens is decoded: those given out last, as context, and those not
    given out yet. All pushes and the flush together are `Tokenizer.decode` of all tokens.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self.tokenizer = tokenizer
        self.skip_special = skip_special
        self._silent = frozenset(tokenizer.special_tokens.values()) if skip_special else frozenset()
        self._context: list[int] = []
        self._pending: list[int] = []
        self._shown = ""
        """What of the window's text has been given out."""

    def push(self, token_id: int) -> str:
        """The text that this token completes; often empty for parts of rare characters."""
        if token_id in self._silent and not self.tokenizer.decode([token_id]):
            return ""
        self._pending.append(token_id)
        text = self._window()
        complete = text.rstrip(_INCOMPLETE)
        if len(text) - len(complete) > _MOST_PENDING:
            complete = text[:-_MOST_PENDING]  # the rest can never become a character
        if not complete.startswith(self._shown):
            return ""
        new = complete[len(self._shown) :]
        if complete == text and new:
            self._context, self._pending = self._pending, []
            self._shown = self._window()
        else:
            self._shown = complete
        return new

    def flush(self) -> str:
        """What is left when no more tokens come; an incomplete character becomes U+FFFD."""
        rest = self._window()[len(self._shown) :]
        self._context, self._pending, self._shown = [], [], ""
        return rest

    def _window(self) -> str:
        tokens = self._context + self._pending
        return self.tokenizer.decode(tokens, skip_special=self.skip_special)
