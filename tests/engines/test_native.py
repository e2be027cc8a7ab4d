"""The native engine: all that a reply can say, streamed and whole."""

import pytest
from tests.laws.debug_models import picture, subject

from triptych.checkpoint.model_folder import LoadedModel
from triptych.engines import Engine, NativeEngine
from triptych.errors import TokenError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about

SHORT = GenerationOptions(max_new_tokens=5)
QUESTION = ask_about([picture(0)], "what is it?")


@pytest.fixture(scope="module")
def engine() -> NativeEngine:
    qwen = subject("qwen2_vl_debug")
    return NativeEngine(LoadedModel(qwen.architecture, qwen.model, qwen.processor))


def test_it_is_an_engine(engine):
    assert isinstance(engine, Engine)


def test_a_reply_has_the_tokens_and_how_likely_each_was(engine):
    [reply] = engine.answer([QUESTION], SHORT)
    assert reply.token_ids is not None
    assert len(reply.token_ids) == len(reply.log_probabilities) == reply.num_answer_tokens
    assert sum(reply.log_probabilities) == pytest.approx(reply.log_probability)
    assert reply.num_prompt_tokens == len(subject("qwen2_vl_debug").prompt(QUESTION).token_ids)


def test_the_reply_of_a_stream_is_that_of_the_whole_answer(engine):
    streamed = engine.stream(QUESTION, SHORT)
    assert streamed.reply is None
    pieces = list(streamed)
    assert streamed.reply == engine.answer([QUESTION], SHORT)[0]
    assert "".join(pieces) == streamed.reply.text
    assert list(streamed) == [] and streamed.reply is not None


def test_what_is_too_long_is_refused_before_the_first_piece(engine):
    with pytest.raises(TokenError, match="1938 more than 512"):
        engine.stream(ask_about([], "long " * 600), SHORT)
