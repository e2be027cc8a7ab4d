"""Conversations: every answer knows all that was said and shown before."""

import pytest
from tests.laws.debug_models import answered, picture
from tests.tasks.saying import QWEN, photograph, say

from triptych.errors import MediaError, TokenError, UsageError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about

CAT, DOG = picture(0), picture(1, 64, 48)
SHORT = GenerationOptions(max_new_tokens=6)


def length(messages) -> int:
    return len(QWEN.prompt(messages).token_ids)


def test_a_turn_is_asked_with_all_turns_and_pictures_before_it(qwen):
    talk = qwen.chat([CAT], SHORT)
    first = talk.send("what is it?")
    assert first == qwen.ask([CAT], "what is it?", SHORT).text
    second = talk.send("and this?", [DOG])
    so_far = [*answered(ask_about([CAT], "what is it?"), first), *ask_about([DOG], "and this?")]
    assert talk.last.text == second
    assert talk.last.num_prompt_tokens == length(so_far)
    assert [each["role"] for each in talk.messages] == ["user", "assistant"] * 2
    assert talk.messages == answered(so_far, second)


def test_a_streamed_turn_is_the_turn(qwen):
    sent, streamed = qwen.chat([CAT], SHORT), qwen.chat([CAT], SHORT)
    for text in ("what is it?", "why?"):
        assert "".join(streamed.stream(text)).strip() == sent.send(text)
    assert [each["content"] for each in streamed.messages[1::2]] == [
        each["content"] for each in sent.messages[1::2]
    ]


def test_a_stream_that_is_left_leaves_nothing(qwen):
    talk = qwen.chat([CAT], SHORT)
    next(talk.stream("what is it?"))
    assert talk.messages == []


def test_a_reset_begins_with_the_first_pictures_again(qwen):
    talk = qwen.chat([CAT], SHORT)
    first = talk.send("what is it?")
    cost = talk.last.num_prompt_tokens
    talk.send("hm", [DOG])
    talk.reset()
    assert talk.messages == []
    assert talk.send("what is it?") == first
    assert talk.last.num_prompt_tokens == cost


def test_a_turn_that_fails_leaves_nothing_behind(qwen):
    talk = qwen.chat([CAT], SHORT)
    talk.send("what is it?")
    before = list(talk.messages)
    for text, pictures, error in (
        (" ", [], UsageError),
        ("and this?", ["missing.png"], MediaError),
        ("long " * 600, [], TokenError),
    ):
        for speak in (talk.send, talk.stream):
            with pytest.raises(error):
                speak(text, pictures)
    assert talk.messages == before
    assert talk.send("and?")


def test_a_conversation_that_has_become_too_long_is_not_cut_in_silence(qwen, monkeypatch):
    say(monkeypatch, "word " * 300, "more")
    talk = qwen.chat()
    talk.send("go on")
    with pytest.raises(TokenError, match="tokens long and this model takes 512; begin anew"):
        talk.send("go on " * 20)


def test_a_note_stays_for_the_conversation(drawn_only):
    talk = drawn_only.chat([], SHORT)
    talk.send("hello")
    assert talk.note == talk.last.note == ""
    talk.send("what is it?", [photograph()])
    talk.send("sure?")
    assert talk.note == talk.last.note != ""
    talk.reset()
    assert talk.note == ""
