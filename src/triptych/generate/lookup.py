"""Drafts by looking up: what followed the last words when they stood there before.

    prompt   ... total amount due : 23.40 EUR ...
    answer   the total amount | due : 23.40      <- a draft, checked by one forward

Answers that quote (a document read into JSON, a name said twice) repeat the context, so the next
tokens can be guessed without a model and checked together. A wrong draft costs a little, never
the answer.

Prompt lookup decoding: https://github.com/apoorvumang/prompt-lookup-decoding. Departures: of
several earlier places the latest counts, not the first; a draft that reaches the end goes on with
itself, so a loop is drafted in full; slots of pictures are neither matched nor drafted.
"""

from collections.abc import Collection, Iterable, Sequence

LONGEST_NGRAM = 3
"""Tokens that are matched at most; fewer where so many have not stood together before."""


def draft(
    token_ids: Sequence[int],
    most: int,
    longest_ngram: int = LONGEST_NGRAM,
    slot_ids: Collection[int] = (),
) -> list[int]:
    """Up to `most` tokens that may come next; `Lookup` is for one token after another."""
    return Lookup(token_ids, longest_ngram, slot_ids).draft(most)


class Lookup:
    """Where every n-gram of a growing sequence stood last, so that a draft takes no search.

    A few dictionary entries a token: a context of 10,000 is indexed in hundredths of a second and
    a token is pushed in a microsecond or two.
    """

    def __init__(
        self,
        token_ids: Iterable[int] = (),
        longest_ngram: int = LONGEST_NGRAM,
        slot_ids: Collection[int] = (),
    ) -> None:
        """`slot_ids` are the tokens that reserve room for pictures."""
        self.token_ids: list[int] = []
        self._longest_ngram = longest_ngram
        self._slot_ids = frozenset(slot_ids)
        self._run = 0
        """Tokens since the last slot."""
        self._next: dict[tuple[int, ...], int] = {}
        """Position of the token behind the latest occurrence that has one."""
        for token in token_ids:
            self.push(token)

    def push(self, token: int) -> None:
        """Append a token."""
        if token in self._slot_ids:
            self._run = 0
        else:
            # Only now something follows the n-grams that end here.
            for ngram in self._last_ngrams():
                self._next[ngram] = len(self.token_ids)
            self._run += 1
        self.token_ids.append(token)

    def draft(self, most: int) -> list[int]:
        """Up to `most` tokens that may come next; none where even the last token is new."""
        for ngram in self._last_ngrams():
            start = self._next.get(ngram)
            if start is not None:
                return self._follow(start, most)
        return []

    def _last_ngrams(self) -> Iterable[tuple[int, ...]]:
        """The n-grams at the end that hold no slot, longest first."""
        longest = min(self._longest_ngram, self._run)
        return (tuple(self.token_ids[-length:]) for length in range(longest, 0, -1))

    def _follow(self, start: int, most: int) -> list[int]:
        """What stands from `start` on, and behind the end what was drafted itself."""
        period = len(self.token_ids) - start
        drafted: list[int] = []
        for index in range(most):
            token = drafted[-period] if index >= period else self.token_ids[start + index]
            if token in self._slot_ids:
                break
            drafted.append(token)
        return drafted
