"""Structured output: before each token, which may come next for the answer to have its form.

An answer that ends has the form. One that meets the length limit first has the beginning of it, and
says that it has not ended.

    allowed() -> logits elsewhere at -inf -> a token is chosen -> accept(token) -> allowed() -> ...

The grammars are those of llguidance: it compiles no tables beforehand, needs no other library, and
refuses what it does not know. Where only one text can come next (a field's name), only its usual
tokens are allowed.

llguidance: https://github.com/guidance-ai/llguidance
"""

import re
from collections.abc import Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from triptych.errors import FailureError, MissingExtraError, UsageError
from triptych.generate.schemas import subschemas
from triptych.generate.structure import JsonSchema, Regex, Structure
from triptych.text import Tokenizer
from triptych.text.token_bytes import drops_first_space, token_bytes

_MOST_GRAMMARS = 64
"""Compiled grammars kept beside a vocabulary."""


class Matcher:
    """Follows an answer through its structure, token by token."""

    def __init__(self, inner: Any, vocabulary: "_Vocabulary") -> None:
        self._inner = inner
        self._vocabulary = vocabulary
        self._has_ended = False
        self._bits = np.zeros((len(vocabulary.tokens) + 31) // 32, np.uint32)

    @property
    def is_complete(self) -> bool:
        """Whether the text so far has the form, so that an end token may come."""
        return bool(self._inner.is_accepting())

    @property
    def is_finished(self) -> bool:
        """Whether an end token has come, or nothing else can come."""
        return self._has_ended or bool(self._inner.is_stopped())

    def allowed(self) -> Bool[Tensor, " vocab"]:
        """Which tokens may come next; an end token where the text so far has the form.

        Raises:
            FailureError: no token of this vocabulary goes on, or the grammar is too large.
        """
        self._inner.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        if self._inner.is_error():
            raise _stuck(self._inner.get_error())
        bits = np.unpackbits(self._bits.view(np.uint8), bitorder="little")
        mask = bits[: len(self._vocabulary.tokens)].view(np.bool_)
        if not mask.any():
            raise _stuck("no token of the vocabulary goes on")
        return torch.from_numpy(mask)

    def mask_logits(self, logits: Float[Tensor, " vocab"]) -> None:
        """Set the logits of tokens that may not come next to -inf, in place.

        Raises:
            FailureError: see `allowed`.
        """
        logits.masked_fill_(~self.allowed().to(logits.device), -torch.inf)

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen.

        Raises:
            FailureError: it may not come next; the matcher stays as it was.
        """
        if self._has_ended:
            is_taken = False
        elif token_id in self._vocabulary.end_ids:
            is_taken = self._has_ended = self.is_complete
        else:
            is_taken = self._inner.try_consume_tokens([token_id]) == 1
        if not is_taken:
            raise FailureError(
                f"token {token_id} does not fit the structure here; choose an allowed one"
            )

    def rollback(self, num_tokens: int) -> None:
        """Take back the tokens accepted last."""
        if num_tokens < 1:
            return
        # The library counts an end token only where something else could have come.
        if not self._inner.rollback(num_tokens - self._has_ended):
            raise FailureError(f"fewer than {num_tokens} tokens were accepted; take back fewer")
        self._has_ended = False

    def copy(self) -> "Matcher":
        """A matcher at the same place, which goes on by itself."""
        copied = Matcher(self._inner.deep_copy(), self._vocabulary)
        copied._has_ended = self._has_ended
        return copied


def compile_structure(
    structure: Structure, tokenizer: Tokenizer, end_ids: Sequence[int], vocab_size: int
) -> Matcher:
    """A matcher at the beginning of an answer.

    A vocabulary is compiled once per tokenizer, a grammar once per vocabulary.

    Args:
        structure: The form of the answer.
        tokenizer: Of the model.
        end_ids: Tokens that end an answer.
        vocab_size: Logits of the model, at least the tokenizer's vocabulary; what lies beyond it
            is never allowed.

    Raises:
        MissingExtraError: llguidance is not installed.
        UsageError: nothing can have this form, the library does not support it, or the model has
            no end token.
        TokenError: the tokenizer's tokens do not write definite bytes.
    """
    if not end_ids:
        raise UsageError(
            "the model has no end token, so its answer would go on behind the form; leave the "
            "structure out"
        )
    kinds = _vocabularies.setdefault(tokenizer, {})
    key = (tuple(end_ids), vocab_size)
    if key not in kinds:
        kinds[key] = _Vocabulary(tokenizer, end_ids, vocab_size)
    return kinds[key].matcher(structure)


def check_structure(structure: Structure) -> None:
    """Refuse a structure that cannot be held, before any model is loaded.

    Raises:
        MissingExtraError, UsageError: see `compile_structure`.
    """
    if words := _complaint(structure):
        raise _refusal(structure, words)


class _Vocabulary:
    """A tokenizer as the library sees it, with the grammars compiled for it."""

    is_tokenizer_wrapper = True
    bos_token_id = None
    special_token_ids = ()
    """Special tokens write nothing, and what writes nothing is never allowed."""

    def __init__(self, tokenizer: Tokenizer, end_ids: Sequence[int], vocab_size: int) -> None:
        written = token_bytes(tokenizer)
        self.drops_space = drops_first_space(tokenizer, written)
        self.tokens = [*written, *[b""] * (vocab_size - len(written))]
        self.end_ids = tuple(end_ids)
        self.eos_token_id = end_ids[0]
        self._encoder = tokenizer.inner
        self._matchers: dict[str, Matcher] = {}
        self._inner = _library().LLTokenizer(self, eos_token=[*end_ids])

    def __call__(self, text: str) -> list[int]:
        """The usual tokens of a text, for the library; the longest ones where those are not it."""
        ids = self._encoder.encode(text, add_special_tokens=False).ids
        if b"".join(self.tokens[id] for id in ids) == text.encode():
            return ids
        return cast(list[int], self._inner.greedy_tokenize(text))

    def matcher(self, structure: Structure) -> Matcher:
        """A matcher at the beginning."""
        grammar = structure.grammar(drops_space=self.drops_space)
        if grammar not in self._matchers:
            while len(self._matchers) >= _MOST_GRAMMARS:
                del self._matchers[next(iter(self._matchers))]
            self._matchers[grammar] = self._compiled(structure, grammar)
        return self._matchers[grammar].copy()

    def _compiled(self, structure: Structure, grammar: str) -> Matcher:
        inner = _library().LLMatcher(self._inner, grammar, log_level=0)
        if inner.is_error():
            raise _refusal(structure, inner.get_error())
        matcher = Matcher(inner, self)
        try:
            matcher.copy().allowed()
        except FailureError as error:
            raise _refusal(structure, "nothing that the model can write has this form") from error
        return matcher


_vocabularies: WeakKeyDictionary[Tokenizer, dict[tuple[tuple[int, ...], int], _Vocabulary]] = (
    WeakKeyDictionary()
)


def _library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise MissingExtraError("llguidance", "structure", "an answer of a given form") from error
    return llguidance


def _complaint(structure: Structure) -> str:
    """What the library has against a structure; mostly nothing."""
    validate: Any = _library().LLMatcher.validate_grammar_with_warnings
    is_wrong, words = validate(structure.grammar())
    return words[0] if is_wrong else ""


def _refusal(structure: Structure, words: str) -> UsageError:
    reason = _in_short(words)
    if isinstance(structure, JsonSchema):
        return UsageError(
            f"the schema cannot be obeyed{_place(structure)}: {reason}; change it there"
        )
    what = "regular expression" if isinstance(structure, Regex) else "choice"
    return UsageError(f"the {what} cannot be obeyed: {reason}; write it otherwise")


def _place(structure: JsonSchema) -> str:
    """Where in a schema the innermost part stands that is refused by itself, too."""
    whole = structure.schema
    if isinstance(whole, bool):
        return ""
    shared = {key: whole[key] for key in ("$defs", "definitions") if key in whole}
    for path, part in subschemas(whole):
        if _complaint(JsonSchema({**shared, **part})):
            return f" at {path}"
    return ""


def _in_short(words: str) -> str:
    """The sentence within a complaint, which also shows the grammar."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    marked = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    sentence = marked[0] if marked else _WHERE.sub("", lines[0])
    return _ONE_OF if sentence.startswith("oneOf") else sentence


_WHERE = re.compile(r"^at \d+\(\d+\): (failed to compile JSON schema: |.*\(in regex\): )?")
_ONE_OF = "the cases of oneOf may hold together, so say anyOf"


def _stuck(words: str) -> FailureError:
    return FailureError(
        f"the structure cannot be followed any further: {_in_short(words)}; make it simpler"
    )
