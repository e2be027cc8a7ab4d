"""Tokens: a byte-level BPE in which ordinary text can never become a special token.

A special token (end of turn, a picture's slot) is control, ordinary text is data. `encode` takes
data: a text that spells `<|im_end|>` becomes the bytes of that spelling. Control is written by
`special` alone, which takes one token by name.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from triptych.errors import TokenError, nearest

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # a word with the space in front of it
    r"|\p{N}"  # digits one by one, so that numbers are spelled out
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # punctuation
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"  # line ends and spaces
)
"""How text is divided before merges; no token reaches over a boundary."""


class Tokenizer:
    """Text to token ids and back."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        # Encoding never looks for special tokens; they are written by name only.
        inner.encode_special_tokens = True
        self.inner = inner
        added = inner.get_added_tokens_decoder()
        self._specials = {token.content: id for id, token in added.items() if token.special}

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`.

        Raises:
            TokenError: the file is missing or not a tokenizer.
        """
        if not path.is_file():
            raise TokenError(f"{path} does not exist; a model folder needs its tokenizer")
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise TokenError(f"{path} is not a tokenizer file: {error}") from error

    @classmethod
    def train_byte_bpe(
        cls, texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str] = ()
    ) -> "Tokenizer":
        """Learn merges from texts; ids are special tokens first, then bytes, then merges.

        Raises:
            TokenError: the vocabulary has no room for all bytes and special tokens.
        """
        needed = 256 + len(special_tokens)
        if vocab_size < needed:
            raise TokenError(
                f"a vocabulary of {vocab_size} is too small; it needs {needed} or more"
            )
        inner = _byte_level(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(special_tokens),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    @classmethod
    def from_gpt2_files(
        cls, vocab: Path, merges: Path, special_tokens: Sequence[str] = ("<|endoftext|>",)
    ) -> "Tokenizer":
        """Read `vocab.json` and `merges.txt`, the form of GPT-2 and its descendants."""
        try:
            inner = tokenizers.Tokenizer(models.BPE.from_file(str(vocab), str(merges)))
        except Exception as error:
            raise TokenError(f"{vocab} and {merges} are not a BPE vocabulary: {error}") from error
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        tokenizer = cls(inner)
        tokenizer.add_special(special_tokens)
        return tokenizer

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.inner.save(str(path))

    def add_special(self, tokens: Sequence[str]) -> None:
        """Add special tokens that are not there yet; new ones get the next ids."""
        self.inner.add_special_tokens([AddedToken(each, special=True) for each in tokens])
        added = self.inner.get_added_tokens_decoder()
        self._specials = {token.content: id for id, token in added.items() if token.special}

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return self.inner.get_vocab_size(with_added_tokens=True)

    @property
    def special_tokens(self) -> dict[str, int]:
        """Special tokens with their ids."""
        return dict(self._specials)

    def special(self, token: str) -> int:
        """The id of a special token.

        Raises:
            TokenError: it is not one; names the nearest.
        """
        if token not in self._specials:
            raise TokenError(
                f"{token!r} is not a special token of this tokenizer; "
                f"{nearest(token, self._specials)}"
            )
        return self._specials[token]

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text, which never contain a special token."""
        return self.inner.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids; bytes that are not whole characters become U+FFFD."""
        return self.inner.decode(list(token_ids), skip_special_tokens=skip_special)


class StreamDecoder:
    """Decodes token by token and gives out text as soon as its characters are complete."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.pending: list[int] = []

    def push(self, token_id: int) -> str:
        """Text that has become complete with this token."""
        self.pending.append(token_id)
        text = self.tokenizer.decode(self.pending)
        # A character of up to four bytes may still be coming.
        if text.endswith("\N{REPLACEMENT CHARACTER}") and len(self.pending) < 8:
            return ""
        self.pending.clear()
        return text

    def flush(self) -> str:
        """What is left when no more tokens come."""
        text = self.tokenizer.decode(self.pending)
        self.pending.clear()
        return text


def _byte_level(model: models.BPE) -> tokenizers.Tokenizer:
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    return inner
