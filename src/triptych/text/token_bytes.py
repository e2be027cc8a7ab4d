"""What every token writes, as bytes: what a grammar needs to know of a vocabulary.

    byte-level   `Ġcat` -> b" cat"    every byte has a printable character of its own
    metaspace    `▁cat` -> b" cat"    `<0xE2>` is a byte, for characters without a token

Byte-level BPE is GPT-2's and Qwen's, metaspace is SentencePiece's (Llama, Gemma, T5). Vocabularies
of whole words (BERT's) add spaces while they decode, so their tokens write nothing definite.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from triptych.errors import TokenError
from triptych.text.tokenizer import Tokenizer

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE = "▁"


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """What each id writes, by id; nothing for special tokens and for ids without a token.

    Raises:
        TokenError: what a token writes depends on its neighbours.
    """
    added = tokenizer.inner.get_added_tokens_decoder()
    specials = set(tokenizer.special_tokens.values())
    written = [b""] * tokenizer.vocab_size
    spell = _speller(tokenizer)
    for token, id in tokenizer.inner.get_vocab().items():
        if id in added:
            written[id] = b"" if id in specials else added[id].content.encode()
        else:
            written[id] = spell(token)
    return written


def drops_first_space(tokenizer: Tokenizer, written: Sequence[bytes]) -> bool:
    """Whether decoding leaves out a space that a text begins with."""
    spaced = next((id for id, each in enumerate(written) if re.match(rb" \w", each)), None)
    return spaced is not None and not tokenizer.decode([spaced]).startswith(" ")


def _speller(tokenizer: Tokenizer) -> "_ByteLevel | _Metaspace":
    kinds = {step["type"]: step for step in _decoding_steps(tokenizer)}
    if "ByteLevel" in kinds:
        return _ByteLevel()
    replaced = kinds.get("Replace", {}).get("pattern", {}).get("String")
    if "Metaspace" in kinds or replaced == _METASPACE:
        return _Metaspace(has_bytes="ByteFallback" in kinds)
    raise TokenError(
        f"what a token of this tokenizer writes depends on its neighbours (its decoder is "
        f"{' and '.join(kinds) or 'none'}), so no structure can be held; take a model whose "
        "tokenizer is byte-level BPE or SentencePiece"
    )


def _decoding_steps(tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
    decoder: Any = tokenizer.inner.decoder
    if decoder is not None:
        settings = cast(dict[str, Any], json.loads(decoder.__getstate__()))
        yield from cast(list[dict[str, Any]], settings.get("decoders", [settings]))


class _ByteLevel:
    """Spells tokens whose characters stand for bytes, as GPT-2 drew them up.

    Printable bytes are their own Latin-1 characters; the others follow from U+0100 on.
    """

    def __init__(self) -> None:
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        rest = [byte for byte in range(256) if byte not in printable]
        characters = [*map(chr, printable), *(chr(0x100 + index) for index in range(len(rest)))]
        self._bytes = dict(zip(characters, [*printable, *rest], strict=True))

    def __call__(self, token: str) -> bytes:
        if all(character in self._bytes for character in token):
            return bytes(self._bytes[character] for character in token)
        return token.encode()


class _Metaspace:
    """Spells tokens in which `▁` stands for a space."""

    def __init__(self, *, has_bytes: bool) -> None:
        self.has_bytes = has_bytes

    def __call__(self, token: str) -> bytes:
        if self.has_bytes and (match := _BYTE.fullmatch(token)):
            return bytes([int(match[1], 16)])
        return token.replace(_METASPACE, " ").encode()
