"""Conversations as pairs: one picture, one of the things that are said of it."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.laws.debug_scorers import build_scorer

from triptych.data.conversations import ConversationSamples
from triptych.data.mixture import MixtureConfig, Share
from triptych.data.pair_fitting import PairFitting, texts_of
from triptych.data.sources import Conversation
from triptych.data.sources.messages import MessagesSource
from triptych.errors import ConfigError, DataError
from triptych.pairs import PairProcessor


@pytest.fixture(scope="module")
def processor() -> PairProcessor:
    return build_scorer("blip2_itm_debug").processor


def talk(folder: Path, *texts: str, pictures: int = 1) -> Conversation:
    """What is said of a picture, in as many alternatives as there are texts."""
    path = folder / "red.png"
    Image.new("RGB", (40, 20), "red").save(path)
    parts = [{"type": "image", "image": str(path)}] * pictures
    asked = {"role": "user", "content": [*parts, {"type": "text", "text": "describe it"}]}
    first, *others = ((asked, {"role": "assistant", "content": text}) for text in texts)
    return Conversation("one", first, others=tuple(others))


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_text_is_drawn_and_the_question_is_none(tmp_path, processor) -> None:
    given = talk(tmp_path, "red", "all of it is red", " ")
    assert texts_of(given) == ["red", "all of it is red"]
    fitting = PairFitting(processor)
    seen = {tuple(fitting.encode(given, draw(seed)).sample.token_ids) for seed in range(8)}
    assert seen == {tuple(processor.token_ids(text)) for text in texts_of(given)}


def test_a_plan_has_the_longest_text_and_opens_nothing(tmp_path, processor) -> None:
    planned = PairFitting(processor).plan(talk(tmp_path, "red", "all of it is red"))
    assert planned.sample.token_ids == processor.token_ids("all of it is red")
    assert planned.sample.images[0].original_width == 40
    assert planned.sample.images[0].pixels.numel() == 0


def test_a_text_that_is_too_long_loses_its_end_and_the_ledger_says_so(tmp_path, processor) -> None:
    samples = ConversationSamples(processor, [talk(tmp_path, "z" * 50)])
    limit = processor.config.max_tokens
    token_ids = samples.sample(0, draw(0)).token_ids
    assert token_ids == processor.token_ids("z" * (limit - 2)) and len(token_ids) == limit
    [change] = samples.ledger.changed
    assert (change.reason, change.detail) == ("end cut off", f"{50 - (limit - 2)} tokens")


@pytest.mark.parametrize(
    ("texts", "pictures", "sentence"),
    [
        (("red",), 2, "sample one has 2 pictures or clips, and a pair has one picture"),
        (("red",), 0, "sample one has 0 pictures or clips"),
        ((" ",), 1, "sample one says nothing of its picture; add what the assistant says"),
    ],
)
def test_what_is_no_pair_is_left_out_with_the_reason(
    tmp_path, processor, texts, pictures, sentence
) -> None:
    given = talk(tmp_path, *texts, pictures=pictures)
    with pytest.raises(DataError, match=sentence):
        PairFitting(processor).plan(given)
    good = talk(tmp_path, "red")
    samples = ConversationSamples(processor, [given, good], tolerate=0.5)
    assert len(samples) == 1
    assert sentence in samples.ledger.left_out[0].detail


def test_a_mixture_gives_pairs_to_a_model_that_compares(tmp_path, processor) -> None:
    talk(tmp_path, "red")
    (tmp_path / "talks.jsonl").write_text(
        '{"id": "a", "messages": [{"role": "user", "content": [{"type": "image", "image": '
        '"red.png"}]}, {"role": "assistant", "content": "it is red"}]}\n'
    )
    share = Share(source=MessagesSource(path="talks.jsonl"))
    source = MixtureConfig(shares=(share,)).build(processor, tmp_path)
    sample = source.sample(0, draw(0))
    assert sample.token_ids == processor.token_ids("it is red")
    assert source.lengths() == (len(sample.token_ids),)
    with pytest.raises(ConfigError, match="max_pixels=99 bound pictures of their own size"):
        Share(source=share.source, max_pixels=99).build(processor, tmp_path, seed=0)
