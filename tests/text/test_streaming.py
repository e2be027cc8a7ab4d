"""Text as it comes: whole characters only, and in the end all of it."""

import random

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from triptych.text import StreamDecoder, Tokenizer

SPECIALS = ("<s>", "</s>")
BYTES = Tokenizer.train_byte_bpe(["the cat sat"] * 5, 270, SPECIALS)


def pushed(tokenizer: Tokenizer, ids: list[int], **options: bool) -> list[str]:
    stream = StreamDecoder(tokenizer, **options)
    return [*(stream.push(id) for id in ids), stream.flush()]


def test_a_character_of_several_tokens_comes_out_whole():
    ids = BYTES.encode("a😀é写!")
    assert len(ids) == 1 + 4 + 2 + 3 + 1
    assert pushed(BYTES, ids) == ["a", "", "", "", "😀", "", "é", "", "", "写", "!", ""]


def test_words_come_out_as_they_complete():
    assert pushed(BYTES, BYTES.encode("the cat")) == ["the", " cat", ""]


@pytest.mark.parametrize("skip_special", [True, False])
def test_all_pieces_together_are_the_whole(skip_special):
    source = random.Random(0)
    letters = ["the", " cat", "é", "写真", "😀", "👨‍👩‍👧", "\ufffd", "\n", " ", "e\u0301"]
    for _ in range(400):
        ids = BYTES.encode("".join(source.choice(letters) for _ in range(source.randrange(9))))
        for _ in range(source.randrange(3)):
            ids.insert(source.randrange(len(ids) + 1), source.randrange(2))
        pieces = pushed(BYTES, ids, skip_special=skip_special)
        assert "".join(pieces) == BYTES.decode(ids, skip_special=skip_special)


def test_random_bytes_stream_as_they_decode():
    source = random.Random(1)
    for _ in range(400):
        ids = [source.randrange(BYTES.vocab_size) for _ in range(source.randrange(40))]
        assert "".join(pushed(BYTES, ids)) == BYTES.decode(ids)


def test_an_incomplete_end_is_shown_by_the_flush():
    pieces = pushed(BYTES, BYTES.encode("a😀")[:-1])
    assert pieces == ["a", "", "", "", "\ufffd"]


def test_broken_bytes_are_not_held_back_for_ever():
    broken = BYTES.encode("é")[0]
    stream = StreamDecoder(BYTES)
    shown = "".join(stream.push(broken) for _ in range(10))
    assert len(shown) >= 7
    assert shown + stream.flush() == BYTES.decode([broken] * 10)


def test_after_a_flush_a_new_text_begins():
    stream = StreamDecoder(BYTES)
    stream.push(BYTES.encode("é")[0])
    assert stream.flush() == "\ufffd"
    assert stream.push(BYTES.encode("a")[0]) == "a"
    assert stream.flush() == ""


def test_spaces_between_words_survive_in_tokenizers_that_drop_the_first():
    vocab = {token: id for id, token in enumerate(["<unk>", "▁", "▁the", "▁cat", "s", "</s>"])}
    inner = tokenizers.Tokenizer(models.BPE(vocab, [], unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace("▁")
    inner.decoder = decoders.Metaspace("▁")
    inner.add_special_tokens(["<unk>", "</s>"])
    tokenizer = Tokenizer(inner)
    ids = [5, 2, 3, 4, 5, 3]
    assert tokenizer.decode(ids) == "the cats cat"
    assert pushed(tokenizer, ids) == ["", "the", " cat", "s", "", " cat", ""]


def test_bytes_among_words_make_whole_characters():
    names = ["<unk>", "▁the", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab = {token: id for id, token in enumerate(names)}
    inner = tokenizers.Tokenizer(models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer = Tokenizer(inner)
    ids = [1, *(2 + byte for byte in "写😀".encode()), 1]
    assert tokenizer.decode(ids) == "the写😀 the"
    assert pushed(tokenizer, ids) == ["the", "", "", "写", "", "", "", "😀", " the", ""]
