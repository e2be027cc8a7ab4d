"""Tokens: text to ids and back, where ordinary text can never become a special token.

A special token (end of turn, a picture's slot) is control, ordinary text is data. `encode` takes
data: a text that spells `<|im_end|>` becomes the tokens of that spelling. Control is written by
`special` alone, which takes one token by name.

Files are those of the `tokenizers` package (`tokenizer.json`), or GPT-2's two files.
"""

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import tokenizers
from tokenizers import (
    AddedToken,
    Encoding,
    Regex,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

from triptych.errors import TokenError, nearest

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # a word with the space in front of it
    r"|\p{N}"  # digits one by one
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # punctuation
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"  # line ends and spaces
)
# How text is divided before merges; no token reaches over a boundary. Nearly Qwen2's division,
# which is GPT-2's with digits one by one and line ends apart.

MAX_KNOWN_LENGTH, MAX_KNOWN_TEXTS = 64, 4096
"""Characters of a text whose tokens are remembered at most, and how many of them are."""

Before: TypeAlias = Literal["nothing", "special", "text"]
"""What stands in front of a text: nothing, a special token, or text it was cut from."""


class Tokenizer:
    """Text to token ids and back."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        inner.no_truncation()
        inner.no_padding()
        self.inner = inner
        self._refresh()

    @classmethod
    def from_file(cls, path: Path | str) -> "Tokenizer":
        """Read a `tokenizer.json`.

        Raises:
            TokenError: the file is missing or not a tokenizer.
        """
        if not Path(path).is_file():
            raise TokenError(f"there is no tokenizer file {path}; a model folder needs one")
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise TokenError(f"{path} is not a tokenizer file: {_one_line(error)}") from error

    @classmethod
    def from_gpt2_files(
        cls,
        vocab: Path | str,
        merges: Path | str,
        special_tokens: Sequence[str] = ("<|endoftext|>",),
    ) -> "Tokenizer":
        """Read `vocab.json` and `merges.txt`, the form of GPT-2 and its descendants.

        Raises:
            TokenError: a file is missing, or they are not a byte-level BPE.
        """
        for path in (vocab, merges):
            if not Path(path).is_file():
                raise TokenError(f"there is no file {path}; give vocab.json and merges.txt")
        try:
            model = models.BPE.from_file(str(vocab), str(merges))
        except Exception as error:  # the library raises bare Exception
            raise TokenError(
                f"{vocab} and {merges} are not a BPE vocabulary: {_one_line(error)}"
            ) from error
        inner = tokenizers.Tokenizer(model)
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        tokenizer = cls(inner)
        tokenizer.add_special(special_tokens)
        return tokenizer

    @classmethod
    def train_byte_bpe(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        *,
        individual_digits: bool = True,
    ) -> "Tokenizer":
        """Learn merges of bytes from texts; the same texts give the same tokenizer.

        Ids are special tokens first, then the 256 bytes, then merges by frequency; few texts may
        yield fewer merges than there is room for.

        Args:
            texts: What to learn from; each is divided into words first.
            vocab_size: Number of tokens at most.
            special_tokens: Control tokens, in the order of their ids.
            individual_digits: Spell numbers out digit by digit, not in learned groups.

        Raises:
            TokenError: the vocabulary has no room for all bytes and special tokens.
        """
        specials = list(dict.fromkeys(special_tokens))
        needed = 256 + len(specials)
        if vocab_size < needed:
            raise TokenError(
                f"a vocabulary of {vocab_size} is too small for 256 bytes and {len(specials)} "
                f"special tokens; give at least {needed}"
            )
        inner = tokenizers.Tokenizer(models.BPE())
        words = _WORDS if individual_digits else _WORDS.replace(r"|\p{N}|", r"|\p{N}+|")
        division = pre_tokenizers.Split(Regex(words), behavior="isolated")
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        inner.pre_tokenizer = pre_tokenizers.Sequence([division, to_bytes])
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=specials,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    def save(self, path: Path | str) -> None:
        """Write a `tokenizer.json`."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.inner.save(str(path))

    def add_special(self, tokens: Sequence[str]) -> None:
        """Add special tokens that are not there yet; new ones get the next ids."""
        added = [AddedToken(token, special=True, normalized=False) for token in tokens]
        cast(Any, self.inner).add_special_tokens(added)
        self._refresh()

    @property
    def vocab_size(self) -> int:
        """Every id is below this: what an embedding table must hold at least."""
        return self._vocab_size

    @property
    def special_tokens(self) -> dict[str, int]:
        """Control tokens with their ids, in the order of ids.

        Added tokens that their file does not flag as special count too, except runs of white
        space, which some vocabularies add for ordinary text.
        """
        return dict(self._specials)

    def special(self, token: str) -> int:
        """The id of a special token.

        Raises:
            TokenError: it is not one; names the nearest.
        """
        if token not in self._specials:
            raise TokenError(
                f"this tokenizer has no special token {token!r}; {nearest(token, self._specials)}"
            )
        return self._specials[token]

    def ordinary(self, token: str) -> int:
        """The id of a token of ordinary text, spelt as in the vocabulary.

        Raises:
            TokenError: there is none.
        """
        id = self.inner.token_to_id(token)
        if id is None or token in self._specials:
            raise TokenError(f"this tokenizer has no ordinary token spelt {token!r}")
        return id

    def split_control(self, trusted: str) -> Iterator[tuple[str, bool]]:
        """Text that may write control, cut into (piece, whether it is a special token).

        Where special tokens overlap, the first counts, and of those the longest.
        """
        pieces = self._special_pattern.split(trusted) if self._specials else [trusted]
        for index, piece in enumerate(pieces):
            if piece:
                yield piece, index % 2 == 1

    def swallows_space(self, special_token: str) -> tuple[bool, bool]:
        """Whether white space in front of and behind a special token belongs to it."""
        return self._swallows.get(special_token, (False, False))

    @property
    def framing(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Special tokens that the file writes in front of a text, and behind it.

        Chat templates write their own; this is for models that read single texts.
        """
        text = self.inner.encode("a", add_special_tokens=False).tokens
        whole = self.inner.encode("a", add_special_tokens=True).tokens
        start = next(i for i in range(len(whole) + 1) if whole[i : i + len(text)] == text)
        return tuple(whole[:start]), tuple(whole[start + len(text) :])

    def framed(self, begin: Sequence[str], end: Sequence[str]) -> "Tokenizer":
        """The same tokenizer with a file that writes these special tokens around a text.

        Raises:
            TokenError: one is no special token.
        """
        if self.framing == (tuple(begin), tuple(end)):
            return self
        inner = tokenizers.Tokenizer.from_str(self.inner.to_str())
        template = processors.TemplateProcessing(
            single=[*begin, "$A", *end],
            special_tokens=[
                (token, self.special(token)) for token in dict.fromkeys([*begin, *end])
            ],
        )
        cast(Any, inner).post_processor = template
        return Tokenizer(inner)

    def encode(self, text: str, *, before: Before = "nothing") -> list[int]:
        """Ids of ordinary text, which never contain a special token (but for unknown characters).

        What stands in front matters to tokenizers that mark where a text begins: several pieces
        encoded with the right `before` are the tokens of the whole.

        Raises:
            TokenError: the text holds half a surrogate pair, or the vocabulary has no way to
                spell one of its special tokens.
        """
        if self._beginnings == "first" and before != "nothing":
            return self._encode_plainly(self._guard + text)[1:]
        if self._beginnings == "always" and before == "text":
            # The mark goes to a line end in front, and with it it leaves.
            line_end = self._encode_plainly("\n")
            whole = self._encode_plainly("\n" + text)
            if whole[: len(line_end)] == line_end:
                return whole[len(line_end) :]
        return self._encode_plainly(text)

    def decode(self, token_ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids; bytes that are not whole characters become U+FFFD.

        Ids that name no token (a model's table may be larger than its vocabulary) are silent.

        Raises:
            TokenError: an id is negative or too large to be one.
        """
        try:
            return self.inner.decode(list(token_ids), skip_special_tokens=skip_special)
        except OverflowError as error:
            raise TokenError(
                f"token ids run from 0 to {self.vocab_size - 1}, got {min(token_ids)} to "
                f"{max(token_ids)}; decode predicted ids, not labels or padding"
            ) from error

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[tokenizers.Tokenizer]]:
        """Copies in other processes keep special tokens out of text as well."""
        return Tokenizer, (self.inner,)

    def _refresh(self) -> None:
        added = dict(sorted(self.inner.get_added_tokens_decoder().items()))
        control = {id: token for id, token in added.items() if _is_control(token)}
        self._specials = {token.content: id for id, token in control.items()}
        self._swallows = {t.content: (t.lstrip, t.rstrip) for t in control.values()}
        longest_first = sorted(self._specials, key=len, reverse=True)
        self._special_pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        self._vocab_size = 1 + max(self.inner.get_vocab().values(), default=-1)
        settings = cast(dict[str, Any], json.loads(self.inner.to_str()))
        self._beginnings = _marks_beginnings(settings)
        self._guard = f"[{secrets.token_hex(16)}]"
        self._encoder = self._make_encoder(settings)
        # A character outside the vocabulary may become the unknown token, special or not.
        model = settings["model"]
        unknown = {model.get("unk_id"), self.inner.token_to_id(model.get("unk_token") or "")}
        self._forbidden = set(self._specials.values()) - unknown
        self._known: dict[str, tuple[int, ...]] = {}

    def _make_encoder(self, settings: dict[str, Any]) -> tokenizers.Tokenizer:
        """A tokenizer that recognises no control token in text."""
        encoder = self.inner
        flagged = all(token["special"] for token in settings["added_tokens"])
        if not flagged or self._beginnings == "first":
            for token in settings["added_tokens"]:
                token["special"] = bool(token["content"].strip())
            encoder = tokenizers.Tokenizer.from_str(json.dumps(settings))
        if self._beginnings == "first":
            # A token that nobody can guess stands in for the special token in front of a text.
            guard = AddedToken(self._guard, special=False, normalized=False)
            cast(Any, encoder).add_tokens([guard])
        encoder.encode_special_tokens = True
        return encoder

    def _encode_plainly(self, text: str) -> list[int]:
        # A template writes the same few words around everything that is said.
        known = self._known.get(text)
        if known is not None:
            return list(known)
        token_ids = self._encode_anew(text)
        if len(text) <= MAX_KNOWN_LENGTH and len(self._known) < MAX_KNOWN_TEXTS:
            self._known[text] = tuple(token_ids)
        return token_ids

    def _encode_anew(self, text: str) -> list[int]:
        try:
            encoding = self._encoder.encode(text, add_special_tokens=False)
        except TypeError as error:
            raise TokenError(
                "a text holds half a surrogate pair (a broken emoji or other rare character), "
                "which stands for nothing; repair or remove it"
            ) from error
        if self._forbidden.isdisjoint(encoding.ids):
            return encoding.ids
        return self._spell_out(text, encoding)

    def _spell_out(self, text: str, encoding: Encoding) -> list[int]:
        """Cut a text inside a word that the vocabulary itself knows as a special token."""
        index = next(i for i, id in enumerate(encoding.ids) if id in self._forbidden)
        start, stop = encoding.offsets[index]
        if stop - start < 2:
            raise TokenError(
                f"the text contains {text[start:stop]!r}, which this tokenizer can only write as "
                "a special token; remove it from the text"
            )
        head, tail = text[: start + 1], text[start + 1 :]
        return self._encode_plainly(head) + self.encode(tail, before="text")


def _is_control(token: AddedToken) -> bool:
    return bool(token.special or token.content.strip())


def _marks_beginnings(settings: dict[str, Any]) -> Literal["never", "first", "always"]:
    """Whether a tokenizer puts a space in front of a text: at its beginning, or of each piece."""
    steps = [*_steps(settings["normalizer"]), *_steps(settings["pre_tokenizer"])]
    if any(step.get("prepend_scheme") == "first" for step in steps):
        return "first"
    for step in steps:
        prepends = step["type"] == "Prepend" or step.get("prepend_scheme") == "always"
        if prepends or (step["type"] == "ByteLevel" and step.get("add_prefix_space")):
            return "always"
    return "never"


def _steps(settings: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if settings is None:
        return
    yield settings
    for key in ("normalizers", "pretokenizers"):
        for step in settings.get(key, ()):
            yield from _steps(step)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
