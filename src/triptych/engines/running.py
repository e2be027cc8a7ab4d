"""A `generate` of the transformers library, token by token.

It runs in a thread, because it gives nothing away before its end. At every step we decide on the
token, from the logits that the model alone has made, and leave the library no other.
"""

import queue
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.errors import EngineError
from triptych.generate import GenerationOptions
from triptych.generate.matching import Matcher
from triptych.generate.sampling import (
    Alternatives,
    alternatives,
    log_probability,
    pick,
    row_generators,
)


class Chosen(NamedTuple):
    """A token of an answer."""

    token: int
    log_probability: float
    """Under the model's own distribution (temperature 1)."""
    alternatives: Alternatives = ()


def as_chosen(token: int, logits: Float[Tensor, " vocab"], num_alternatives: int) -> Chosen:
    """A token with what the model's own logits say of it."""
    score = log_probability(logits, torch.tensor(token))
    return Chosen(token, float(score), alternatives(logits, num_alternatives))


_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
_MOST_PENDING = 3
"""Bytes that may be there of a character whose last byte is still to come."""


class Running:
    """Gives tokens as they are chosen; leaving the `with` block ends it after one more at most."""

    def __init__(
        self,
        model: Any,
        inputs: Mapping[str, Any],
        settings: Any,
        options: GenerationOptions,
        slot_ids: Collection[int],
        explain: Callable[[Exception], EngineError],
        matcher: Matcher | None = None,
    ) -> None:
        """`settings` is the library's own configuration, `slot_ids` are what it reserves room for
        pictures with, `explain` makes a sentence of an error, and `matcher` follows the
        structure of the answer."""
        self._model = model
        self._inputs = inputs
        self._settings = settings
        self._options = options
        self._slot_ids = slot_ids
        self._explain = explain
        self._matcher = matcher
        [self._generator] = row_generators(1, options.seed)
        self._chosen: queue.Queue[Chosen | Exception | None] = queue.Queue()
        self._is_left = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_left.set()
        self._thread.join()

    def __iter__(self) -> Generator[Chosen]:
        while (item := self._chosen.get()) is not None:
            if isinstance(item, Exception):
                raise self._explain(item) from item
            yield item

    def _run(self) -> None:
        try:
            self._model.generate(
                **self._inputs,
                generation_config=self._settings,
                logits_processor=[self._choose],
                stopping_criteria=[self._should_stop],
            )
            self._chosen.put(None)
        except Exception as error:  # it is raised where somebody listens
            self._chosen.put(error)

    def _choose(self, token_ids: Tensor, logits: Tensor) -> Tensor:
        row = logits[0].float()
        previous = spoken(token_ids[0], self._slot_ids)
        allowed = None if self._matcher is None else self._matcher.allowed()
        token = pick(row, self._options, self._generator, previous, allowed)
        if self._matcher is not None:
            self._matcher.accept(token)
        self._chosen.put(as_chosen(token, row, self._options.num_alternatives))
        only = torch.full_like(logits, -torch.inf)
        only[0, token] = 0.0
        return only

    def _should_stop(self, token_ids: Tensor, scores: object, **more: object) -> Tensor:
        return torch.full((token_ids.shape[0],), self._is_left.is_set(), device=token_ids.device)


def spoken(token_ids: Int[Tensor, " token"], slot_ids: Collection[int]) -> set[int]:
    """The tokens of prompt and answer that a repetition penalty weakens: all but slots."""
    return set(cast(list[int], token_ids.tolist())).difference(slot_ids)


class GrowingText:
    """Text of tokens as they come, never half a character."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self.tokens: list[int] = []
        self._decode = decode
        self._shown = ""

    def push(self, token: int) -> str:
        """The text that this token completes; often empty for parts of rare characters."""
        self.tokens.append(token)
        text = self._decode(self.tokens)
        complete = text.rstrip(_INCOMPLETE)
        if len(text) - len(complete) > _MOST_PENDING:
            complete = text[:-_MOST_PENDING]  # the rest can never become a character
        return self._show(complete)

    def flush(self) -> str:
        """What is left when no more tokens come."""
        return self._show(self._decode(self.tokens))

    def _show(self, text: str) -> str:
        if not text.startswith(self._shown):
            return ""
        start, self._shown = len(self._shown), text
        return text[start:]
