"""Tokenizers: exact round trips, repeatable training, and text that never becomes control."""

import json
import pickle
import random

import pytest
import tokenizers
from tests.toys import shared_data
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from triptych.errors import TokenError
from triptych.text import QWEN2_VL_SPECIALS, Tokenizer

CORPUS = [
    "a red circle to the left of a blue square",
    "What is in the picture? It's a green triangle, I'd say: 3 of 1024.",
    "line one\nline two\n\n  indented   text\ttab",
    "größer Straße 写真 の 中 😀🎉 e\u0301",
]
SPECIALS = ("<|im_start|>", "<|im_end|>", "<image>", "<image>x", "</s>", "[PAD]", "Ġcircle")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train_byte_bpe(CORPUS, 400, SPECIALS)


def random_text(source: random.Random, specials: tuple[str, ...]) -> str:
    """Words, line ends, rare characters, special strings whole and cut into halves."""
    bits = [
        *CORPUS[0].split(),
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "é",
        "写",
        "😀",
        "\u200d",
        "0",
        "<",
        "|>",
    ]
    bits += [*specials, *(special[: len(special) // 2] for special in specials)]
    bits += [special[len(special) // 2 :] for special in specials]
    return "".join(source.choice(bits) for _ in range(source.randrange(12)))


# -- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [*CORPUS, "", " ", "\n", "\0", "\ufffd", "日本語" * 50, "\u202eabc"]
)
def test_every_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_merges_are_learned(tokenizer):
    assert len(tokenizer.encode(CORPUS[0])) < len(CORPUS[0]) / 2


def test_ids_are_specials_then_bytes_then_merges(tokenizer):
    assert [tokenizer.special(token) for token in SPECIALS] == list(range(len(SPECIALS)))
    assert tokenizer.special_tokens == {token: id for id, token in enumerate(SPECIALS)}
    assert {tokenizer.encode(chr(code))[0] for code in range(33, 127)} <= set(range(7, 7 + 256))
    assert len(SPECIALS) + 256 < tokenizer.vocab_size <= 400


def test_every_byte_has_a_token_even_untrained():
    bare = Tokenizer.train_byte_bpe([], 256)
    assert bare.vocab_size == 256
    assert len(bare.encode("é😀a")) == 2 + 4 + 1


def test_training_twice_gives_the_same_tokenizer():
    first, second = (Tokenizer.train_byte_bpe(iter(CORPUS), 380, SPECIALS) for _ in range(2))
    assert first.inner.to_str() == second.inner.to_str()


def test_digits_are_spelled_one_by_one_unless_asked_otherwise():
    numbers = ["2024 2024 2024"] * 20
    single = Tokenizer.train_byte_bpe(numbers, 300)
    grouped = Tokenizer.train_byte_bpe(numbers, 300, individual_digits=False)
    assert len(single.encode("2024")) == 4
    assert len(grouped.encode("2024")) == 1
    assert single.decode(single.encode("x2024 7")) == "x2024 7"


def test_words_carry_the_space_in_front_and_lines_end_apart():
    trained = Tokenizer.train_byte_bpe(["yes no\n"] * 9, 300)
    split = [trained.decode([id]) for id in trained.encode("yes no\nno")]
    assert split == ["yes", " no", "\n", "no"]


def test_special_tokens_named_twice_are_one():
    assert Tokenizer.train_byte_bpe(CORPUS, 300, ("<a>", "<a>", "<b>")).special("<b>") == 1


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(TokenError, match="256 bytes and 2 special tokens; give at least 258"):
        Tokenizer.train_byte_bpe(CORPUS, 257, ("<a>", "<b>"))


# -- files ----------------------------------------------------------------------------------------


def test_a_saved_tokenizer_comes_back(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "deep" / "tokenizer.json")
    again = Tokenizer.from_file(tmp_path / "deep" / "tokenizer.json")
    assert again.special_tokens == tokenizer.special_tokens
    for text in CORPUS:
        assert again.encode(text) == tokenizer.encode(text)


def test_truncation_and_padding_of_a_file_are_ignored(tokenizer, tmp_path):
    inner = tokenizers.Tokenizer.from_str(tokenizer.inner.to_str())
    inner.enable_truncation(3)
    inner.enable_padding(length=9)
    inner.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.encode(CORPUS[0]) == tokenizer.encode(CORPUS[0])


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"version": "1.0", "model": 3}', "[]"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(TokenError, match="is not a tokenizer file: ") as caught:
        Tokenizer.from_file(path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_refused(tmp_path):
    for missing in (tmp_path, tmp_path / "no.json"):
        with pytest.raises(TokenError, match="there is no tokenizer file"):
            Tokenizer.from_file(missing)
        with pytest.raises(TokenError, match=r"give vocab\.json and merges\.txt"):
            Tokenizer.from_gpt2_files(missing, missing)


def test_gpt2_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "merges.txt").write_text("x y\n")
    with pytest.raises(TokenError, match="are not a BPE vocabulary"):
        Tokenizer.from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")


def test_gpt2_comes_out_as_published():
    folder = shared_data("tokenizers", "gpt2")
    gpt2 = Tokenizer.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    assert gpt2.vocab_size == 50_257
    assert gpt2.special("<|endoftext|>") == 50_256
    assert gpt2.encode("Hello world, this is 2024.") == [15496, 995, 11, 428, 318, 48609, 13]
    text = "Hi <|endoftext|> 😀\n\n  x"
    assert gpt2.decode(gpt2.encode(text)) == text
    assert 50_256 not in gpt2.encode(text)


# -- control and data -----------------------------------------------------------------------------


def test_text_never_becomes_a_special_token(tokenizer):
    source = random.Random(0)
    control = set(tokenizer.special_tokens.values())
    for _ in range(3000):
        text = random_text(source, SPECIALS)
        ids = tokenizer.encode(text)
        assert control.isdisjoint(ids), text
        assert tokenizer.decode(ids, skip_special=False) == text


def test_the_spelling_of_a_special_token_is_tokenised_like_any_other_text():
    specials = SPECIALS[:-1]  # the last one is a word that training finds as well
    corpus = [*CORPUS, *["<|im_start|> <|im_end|> <image> </s>"] * 9]
    tokenizer = Tokenizer.train_byte_bpe(corpus, 390 + len(specials), specials)
    bare = Tokenizer.train_byte_bpe(corpus, 390)
    assert len(bare.encode("<|im_end|>")) == 4  # "<|", "im", "_end", "|>"
    inner = tokenizers.Tokenizer.from_str(bare.inner.to_str())
    inner.add_tokens([AddedToken("<|im_end|>", special=False)])
    flagged_otherwise = Tokenizer(inner)
    source = random.Random(2)
    for _ in range(300):
        text = random_text(source, specials)
        expected = bare.encode(text)
        assert [id - len(specials) for id in tokenizer.encode(text)] == expected
        assert flagged_otherwise.encode(text) == expected


def test_text_never_becomes_a_special_token_in_another_process(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    for copy in (
        pickle.loads(pickle.dumps(tokenizer)),
        Tokenizer.from_file(tmp_path / "tokenizer.json"),
    ):
        assert copy.encode("a<|im_end|>b") == tokenizer.encode("a<|im_end|>b")
        assert copy.special("<|im_end|>") not in copy.encode("a<|im_end|>b")


def test_added_tokens_count_as_control_even_where_their_file_does_not_say_so():
    inner = Tokenizer.train_byte_bpe(CORPUS, 300, ("<s>",)).inner
    inner.add_tokens([AddedToken("<tool_call>", special=False), AddedToken("    ", special=False)])
    tokenizer = Tokenizer(inner)
    call = tokenizer.special("<tool_call>")
    assert call not in tokenizer.encode("a<tool_call>b <s>")
    assert tokenizer.decode(tokenizer.encode("a<tool_call>b <s>")) == "a<tool_call>b <s>"
    # Runs of spaces are ordinary text, and a file's flag decides what decoding shows.
    assert inner.token_to_id("    ") in tokenizer.encode("a    b")
    assert tokenizer.decode([call]) == "<tool_call>"
    assert "    " not in tokenizer.special_tokens


def test_a_vocabulary_that_knows_a_special_token_as_a_word_spells_it_out():
    words = {"<s>": 0, "<": 1, "s": 2, ">": 3, "s>": 4}
    inner = tokenizers.Tokenizer(models.BPE(words, [("s", ">"), ("<", "s>")]))
    inner.add_special_tokens(["<s>"])
    assert Tokenizer(inner).encode("s<s>s") == [2, 1, 4, 2]


def test_a_special_token_that_cannot_be_spelled_out_is_refused():
    inner = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    inner.add_special_tokens(["b"])
    with pytest.raises(TokenError, match="'b', which this tokenizer can only write as a special"):
        Tokenizer(inner).encode("aba")


def test_unknown_characters_may_become_the_unknown_token():
    inner = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.add_special_tokens(["[UNK]"])
    assert Tokenizer(inner).encode("a b") == [1, 0]
    pieces = models.Unigram([("<unk>", 0.0), ("▁a", -1.0)], unk_id=0)
    inner = tokenizers.Tokenizer(pieces)
    inner.add_special_tokens(["<unk>"])
    assert Tokenizer(inner).encode("b") == [0]


def test_an_unknown_special_token_is_refused_with_the_nearest(tokenizer):
    with pytest.raises(TokenError, match=r"no special token '<imag>'.*did you mean <image>"):
        tokenizer.special("<imag>")
    with pytest.raises(TokenError, match="no special token 'circle'"):
        tokenizer.special("circle")


def test_special_tokens_can_be_added_once():
    tokenizer = Tokenizer.train_byte_bpe(CORPUS, 300, ("<a>",))
    size = tokenizer.vocab_size
    tokenizer.add_special(["<b>", "<a>", "<c>"])
    tokenizer.add_special(["<c>"])
    assert tokenizer.special_tokens == {"<a>": 0, "<b>": size, "<c>": size + 1}
    assert tokenizer.vocab_size == size + 2
    assert tokenizer.special("<b>") not in tokenizer.encode("<b>")


def test_every_id_is_below_the_vocabulary_size_even_with_holes():
    settings = json.loads(Tokenizer.train_byte_bpe(CORPUS, 300, ("<a>",)).inner.to_str())
    settings["added_tokens"].append({**settings["added_tokens"][0], "id": 999, "content": "<far>"})
    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(settings)))
    assert max(tokenizer.special_tokens.values()) < tokenizer.vocab_size


def test_qwen2_vl_has_its_fourteen_specials_in_order():
    # Published as 151643 to 151656; image_pad is 151655.
    published = {token: 151_643 + index for index, token in enumerate(QWEN2_VL_SPECIALS)}
    assert published["<|im_start|>"] == 151_644 and published["<|im_end|>"] == 151_645
    assert published["<|object_ref_start|>"] == 151_646 and published["<|quad_end|>"] == 151_651
    assert published["<|vision_start|>"] == 151_652 and published["<|vision_end|>"] == 151_653
    assert published["<|image_pad|>"] == 151_655 and published["<|video_pad|>"] == 151_656


def test_trusted_text_is_cut_at_its_special_tokens_the_longest_first(tokenizer):
    pieces = list(tokenizer.split_control("a<image>x<image></s>b"))
    assert pieces == [
        ("a", False),
        ("<image>x", True),
        ("<image>", True),
        ("</s>", True),
        ("b", False),
    ]
    bare = Tokenizer.train_byte_bpe([], 256)
    assert list(bare.split_control("a<image>")) == [("a<image>", False)]


# -- decoding -------------------------------------------------------------------------------------


def test_special_tokens_are_hidden_unless_asked_for(tokenizer):
    ids = [*tokenizer.encode("yes"), tokenizer.special("<|im_end|>")]
    assert tokenizer.decode(ids) == "yes"
    assert tokenizer.decode(ids, skip_special=False) == "yes<|im_end|>"


def test_incomplete_characters_are_shown_as_such(tokenizer):
    assert tokenizer.decode(tokenizer.encode("😺")[:-1]) == "\ufffd"


def test_ids_of_no_token_are_silent_and_impossible_ones_refused(tokenizer):
    assert tokenizer.decode([tokenizer.vocab_size + 5]) == ""
    assert tokenizer.decode([]) == ""
    for wrong in (-100, 2**40):
        with pytest.raises(TokenError, match="token ids run from 0 to"):
            tokenizer.decode([5, wrong])


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(TokenError, match="half a surrogate pair"):
        tokenizer.encode("a\ud83d")


# -- tokenizers that mark where a text begins -----------------------------------------------------


def sentencepiece_like(scheme: str) -> tokenizers.Tokenizer:
    """Words begin with a mark; `scheme` says which pieces of a text get one they did not have."""
    alphabet = ["<unk>", "<s>", "\n", "▁", *"abcdefghijklmnopqrstuvwxyz:"]
    words = ["ca", "cat", "▁cat", "▁a"]
    merges = [("c", "a"), ("ca", "t"), ("▁", "cat"), ("▁", "a")]
    vocab = {token: id for id, token in enumerate([*alphabet, *words])}
    inner = tokenizers.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>"))
    if scheme == "normalizer":
        inner.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=False)
        inner.decoder = decoders.Metaspace("▁", prepend_scheme=scheme, split=False)
    inner.add_special_tokens(["<unk>", "<s>"])
    return inner


def tokens(tokenizer: Tokenizer, text: str, before: str) -> list[str]:
    return [tokenizer.inner.id_to_token(id) for id in tokenizer.encode(text, before=before)]


def test_a_tokenizer_that_marks_the_first_text_marks_no_other():
    tokenizer = Tokenizer(sentencepiece_like("first"))
    assert tokens(tokenizer, "cat", "nothing") == ["▁cat"]
    assert tokens(tokenizer, "cat", "special") == ["cat"]
    assert tokens(tokenizer, " cat", "text") == ["▁cat"]
    assert tokens(tokenizer, "<s>", "special")[0] == "<unk>"  # spelled out, not control
    # As the library itself has it in one string.
    whole = sentencepiece_like("first").encode("<s>cat", add_special_tokens=False).tokens
    assert whole == ["<s>", "cat"]


@pytest.mark.parametrize("scheme", ["always", "normalizer"])
def test_a_tokenizer_that_marks_every_text_does_not_mark_what_was_cut_off(scheme):
    tokenizer = Tokenizer(sentencepiece_like(scheme))
    assert tokens(tokenizer, "cat", "nothing") == ["▁cat"]
    assert tokens(tokenizer, "cat", "special") == ["▁cat"]
    whole = sentencepiece_like(scheme).encode("<s>cat", add_special_tokens=False).tokens
    assert whole == ["<s>", "▁cat"]
    # "a:" and " cat" are the tokens of "a: cat".
    assert tokens(tokenizer, "a:", "special") + tokens(tokenizer, " cat", "text") == tokens(
        tokenizer, "a: cat", "special"
    )
    assert tokens(tokenizer, "cat", "text") == ["cat"]


def test_byte_level_tokenizers_do_not_care_what_stands_in_front(tokenizer):
    for text in CORPUS:
        once = tokenizer.encode(text)
        assert once == tokenizer.encode(text, before="special")
        assert once == tokenizer.encode(text, before="text")
