"""Pictures and texts on their way into a model that compares them."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
import tokenizers
import torch
from tests.checkpoint.published_dual import BEGIN, END, clip_tokenizer, siglip_tokenizer
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import scorer
from tests.toys import shared_data
from tokenizers import models

from triptych.architectures import SCORERS
from triptych.errors import ConfigError, MediaError, TokenError, UsageError
from triptych.pairs import PairProcessor
from triptych.text import Tokenizer


@pytest.fixture
def clip() -> PairProcessor:
    return scorer("clip_debug").processor


@pytest.fixture
def siglip() -> PairProcessor:
    return scorer("siglip_debug").processor


def test_a_text_stands_between_its_special_tokens(clip, siglip):
    plain = clip.tokenizer.encode("hi")
    assert clip.token_ids("hi") == [0, *plain, 1]
    assert siglip.token_ids("hi") == [*siglip.tokenizer.encode("hi"), 0]


def test_clip_fills_up_to_the_longest_of_the_batch_and_siglip_to_the_longest_of_all(clip, siglip):
    ids, mask = clip.encode_texts(["hi", "a red circle"])
    assert ids.shape[1] == len(clip.token_ids("a red circle"))
    assert mask[0].tolist() == [True] * 4 + [False] * (ids.shape[1] - 4)
    assert (ids[0, 4:] == clip.pad_id).all()
    ids, mask = siglip.encode_texts(["hi"])
    assert ids.shape == (1, 24) and int(mask.sum()) == 3


def test_what_a_person_spells_never_becomes_a_special_token(clip):
    ids = clip.token_ids(f"a{END}")
    assert ids[0] == 0 and ids[-1] == 1
    assert not {0, 1} & set(ids[1:-1])
    published = clip_tokenizer()
    specials = set(published.special_tokens.values())
    assert not specials & set(published.encode(f"a {END} b {BEGIN}", before="special"))


def test_letters_become_small_where_the_tokenizers_file_says_so():
    for tokenizer in (clip_tokenizer(), siglip_tokenizer()):
        assert tokenizer.encode("A Photo") == tokenizer.encode("a photo")
    assert siglip_tokenizer().encode("a, photo!") == siglip_tokenizer().encode("a photo")


def test_a_file_says_what_it_writes_around_a_text():
    assert clip_tokenizer().framing == ((BEGIN,), (END,))
    assert siglip_tokenizer().framing == ((), ("</s>",))
    debug = scorer("clip_debug").processor.tokenizer
    assert debug.framing == ((), ())
    framed = debug.framed((BEGIN,), (END,))
    assert framed.framing == ((BEGIN,), (END,)) and debug.framing == ((), ())
    assert framed.framed((BEGIN,), (END,)) is framed
    assert framed.encode("hi") == debug.encode("hi")


def test_pictures_become_one_size_in_the_models_colours(clip):
    white = np.full((50, 90, 3), 255, np.uint8)
    pixels = clip.encode_pictures([picture(0), white])
    assert pixels.shape == (2, 3, 32, 32)
    mean, std = (torch.tensor(each) for each in (clip.colours.mean, clip.colours.std))
    torch.testing.assert_close(pixels[1, :, 5, 5], (1 - mean) / std)


def test_a_text_too_long_is_refused(clip):
    with pytest.raises(TokenError, match=r"'x x x .* tokens, this model reads 24; shorten it"):
        clip.encode_texts(["hi", "x " * 40])


def test_nothing_to_compare_is_refused(clip, tmp_path):
    with pytest.raises(UsageError, match="no picture"):
        clip.encode([], ["a"])
    with pytest.raises(UsageError, match="no text"):
        clip.encode([picture(0)], [])
    with pytest.raises(MediaError):
        clip.encode([tmp_path / "none.png"], ["a"])


def test_a_tokenizer_larger_than_the_model_is_refused(clip):
    language = replace(clip.model.language, vocab_size=300)
    with pytest.raises(ConfigError, match="320 tokens but the model knows 300"):
        PairProcessor(clip.config, replace(clip.model, language=language), clip.tokenizer)


def test_no_room_for_a_text_is_refused(clip):
    with pytest.raises(ConfigError, match="above the 2 special tokens"):
        replace(clip.config, max_tokens=2)


@pytest.fixture(scope="module")
def openai_clip() -> Tokenizer:
    """CLIP's own vocabulary in the form of a published tokenizer file."""
    lines = gzip.decompress(
        shared_data("tokenizers", "clip", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    ).decode()
    merges = [tuple(line.split()) for line in lines.split("\n")[1 : 49152 - 256 - 2 + 1]]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    words = [*alphabet, *(f"{each}</w>" for each in alphabet), *map("".join, merges), BEGIN, END]
    model = models.BPE(
        vocab={word: index for index, word in enumerate(words)},
        merges=merges,
        end_of_word_suffix="</w>",
        unk_token=END,
    )
    settings = json.loads(clip_tokenizer().inner.to_str())
    settings["model"] = json.loads(tokenizers.Tokenizer(model).to_str())["model"]
    settings["added_tokens"] = [
        {**token, "id": words.index(token["content"])} for token in settings["added_tokens"]
    ]
    frame = settings["post_processor"]["special_tokens"]
    for token, entry in frame.items():
        entry["ids"] = [words.index(token)]
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(settings)))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A  photo of a DOG", [320, 1125, 539, 320, 1929]),
    ],
)
def test_clips_own_vocabulary_gives_the_ids_everybody_knows(openai_clip, text, ids):
    known = SCORERS["clip_b32"]()
    processor = PairProcessor(known.processor, known.model, openai_clip)
    assert processor.token_ids(text) == [49406, *ids, 49407]
    assert openai_clip.framing == ((BEGIN,), (END,))


def test_clips_own_vocabulary_never_makes_its_end_out_of_text(openai_clip):
    for text in (END, f"x{BEGIN}{END}y", "<|endoftext", "\U0001f600 \u732b"):
        assert not {49406, 49407} & set(openai_clip.encode(text, before="special"))
