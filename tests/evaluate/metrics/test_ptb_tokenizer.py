"""The words of a caption, against the Java program that published scores were counted with."""

import json
import time
from pathlib import Path

import pytest
from tests.toys import shared_data

from triptych.evaluate.metrics.ptb_tokenizer import tokenize

JAVA = json.loads((Path(__file__).parent / "ptb_tokens.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("caption", "words"), JAVA["pairs"])
def test_gives_the_words_that_the_java_program_gives(caption: str, words: str):
    assert tokenize(caption) == words


def test_the_java_sentences_are_all_there():
    assert len(JAVA["pairs"]) == 63


def test_flickr8k_captions_give_the_words_that_the_java_program_gives():
    captions = shared_data("..", "golden", "captions")
    golden = json.loads(next(captions.glob("*.json")).read_text(encoding="utf-8"))
    compared = 0  # all 40,460 captions were compared once, and 25,014 of COCO: no difference
    for item in list(golden["items"].values())[:400]:
        texts = [item["hypothesis"], *item["references"]]
        theirs = [item["hypothesis_ptb"], *item["references_ptb"]]
        assert [tokenize(text) for text in texts] == theirs
        compared += len(texts)
    assert compared == 2000


def test_a_line_break_is_a_space():
    assert tokenize("a dog\nand a cat\n") == "a dog and a cat"


def test_a_final_lone_letter_loses_its_stop_whatever_comes_next():
    # The Java program decides by the first word of the next caption in its file.
    assert tokenize("a sign that reads K.") == "a sign that reads k"


@pytest.mark.parametrize(
    "piece", ["a", "1", ".", "<a ", "a-", "a..", "a@", "'", "n't", "é\u2019", "😀"]
)
def test_time_grows_with_length_not_faster(piece: str):
    started = time.process_time()
    tokenize(piece * (20_000 // len(piece)))
    assert time.process_time() - started < 5


def test_strange_characters_are_no_words():
    assert tokenize("a\u200bdog\ufeff \U0001f600\x00 \ud83d cat") == "a dog cat"
