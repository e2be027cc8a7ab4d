"""A server as an engine: what it is asked, and what is made of what it says."""

import threading
from typing import Any

import numpy as np
import pytest
from tests.engines.scripted import (
    DONE,
    Scripted,
    chunk,
    completion,
    event,
    says,
    scores,
    serving,
    streams,
)
from tests.laws.debug_models import picture

import triptych
from triptych.engines import Alternative, Engine
from triptych.engines.http import Server, ServerConfig
from triptych.engines.openai import NUM_PARALLEL, OpenAIEngine, connect
from triptych.errors import EngineError, MediaError, TokenError, UsageError
from triptych.generate import GenerationOptions
from triptych.generate.contrast import Contrast
from triptych.geometry import Box, Point
from triptych.media import Clip, open_clip, open_image
from triptych.processor import ask_about

GREEDY = GenerationOptions(max_new_tokens=7)
USAGE = {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32}
PENALTIES = ("repetition_penalty", "repeat_penalty", "repeat_last_n")
HELLO = [{"role": "user", "content": "hello"}]


def engine(scripted: Scripted, model: str = "m", **options: Any) -> OpenAIEngine:
    config = ServerConfig(url=scripted.url)
    return OpenAIEngine(Server(config, sleep=lambda seconds: None), model, **options)


def taken(streamed) -> tuple[list[str], Any]:
    return list(streamed), streamed.reply


# -- asking --------------------------------------------------------------------------------------


def test_it_is_an_engine():
    with serving(says({})) as scripted:
        assert isinstance(engine(scripted), Engine)


def test_a_greedy_question_is_asked_so():
    with serving(says(completion("hi"))) as scripted:
        engine(scripted).answer([HELLO], GREEDY)
        [asked] = scripted.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert "authorization" not in asked.headers
    assert asked.body == {
        "model": "m",
        "messages": HELLO,
        "max_tokens": 7,
        "temperature": 0.0,
        "logprobs": True,
    }


def test_every_way_of_choosing_is_passed_on():
    options = GenerationOptions(
        max_new_tokens=3,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        min_p=0.2,
        repetition_penalty=1.3,
        num_alternatives=5,
        seed=6,
        stop=("x", "y"),
    )
    with serving(streams(chunk("hi", "stop"), DONE)) as scripted:
        list(engine(scripted).stream(HELLO, options))
        body = scripted.asked[0].body
    assert body["temperature"] == 0.5
    assert (body["top_p"], body["top_k"], body["seed"]) == (0.9, 4, 6)
    assert (body["min_p"], body["top_logprobs"], body["stop"]) == (0.2, 5, ["x", "y"])
    # As vLLM and SGLang call it, and as llama.cpp does.
    assert body["repetition_penalty"] == body["repeat_penalty"] == 1.3
    assert body["repeat_last_n"] == -1
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_beams": 2}, "openai engine has no beam search; take one beam"),
        ({"contrast": Contrast()}, "openai engine has no contrast; leave it out, or take the nat"),
        ({"lookup": 4}, "openai engine cannot ask for drafts of lookup, .*; leave lookup out"),
    ],
)
def test_what_no_server_does_is_refused_in_one_sentence(options, said):
    with serving(says({})) as scripted, pytest.raises(UsageError, match=said):
        engine(scripted).answer([HELLO], GenerationOptions(**options))


def test_pictures_travel_inside_the_messages_in_their_order():
    pictures = [picture(0), picture(1, 64, 48)]
    with serving(says(completion("hi"))) as scripted:
        engine(scripted).answer([ask_about(pictures, "which?")], GREEDY)
        [message] = scripted.asked[0].body["messages"]
    *images, text = message["content"]
    assert text == {"type": "text", "text": "which?"}
    for part, original in zip(images, pictures, strict=True):
        assert part["type"] == "image_url"
        sent = open_image(part["image_url"]["url"]).rgb
        assert (np.asarray(sent) == original).all()


def test_pictures_are_reduced_to_as_many_pixels_as_one_allows():
    with serving(says(completion("hi"))) as scripted:
        message = ask_about([picture(0, 100, 200), picture(1, 20, 30)], "which?")
        engine(scripted, max_pixels=5000).answer([message], GREEDY)
        parts = scripted.asked[0].body["messages"][0]["content"]
    sizes = [open_image(part["image_url"]["url"]).rgb.size for part in parts[:2]]
    assert sizes == [(100, 50), (30, 20)]


@pytest.mark.parametrize(("most", "size"), [(None, (40, 20)), (200, (20, 10)), (5000, (40, 20))])
def test_a_picture_may_have_a_budget_of_its_own(most, size):
    part = {"type": "image", "image": picture(0, 100, 200), "max_pixels": 800}
    with serving(says(completion("hi"))) as scripted:
        messages = [{"role": "user", "content": [part]}]
        engine(scripted, max_pixels=most).answer([messages], GREEDY)
        [sent] = scripted.asked[0].body["messages"][0]["content"]
    assert open_image(sent["image_url"]["url"]).rgb.size == size


def test_a_clip_is_sent_as_its_frames():
    frames = [picture(number, 32, 48) for number in range(8)]
    with serving(says(completion("up"))) as scripted:
        assistant = triptych.load("m", engine="openai", url=scripted.url)
        assert assistant.watch(frames, "what moves?", fps=1.0, max_frames=4).text == "up"
        assistant.watch(open_clip(frames, fps=2.0), "what moves?")
        contents = [asked.body["messages"][0]["content"] for asked in scripted.asked]
    assert [part["type"] for part in contents[0]] == ["image_url"] * 4 + ["text"]
    assert len(contents[1]) == 9  # a clip that was sampled already is taken whole
    first = open_image(contents[0][0]["image_url"]["url"]).rgb
    assert (np.asarray(first) == frames[0]).all()


def test_other_fields_of_a_message_are_passed_on():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
    ]
    with serving(says(completion("hi"))) as scripted:
        engine(scripted).answer([messages], GREEDY)
        assert scripted.asked[0].body["messages"] == messages


def test_what_cannot_be_sent_is_refused_before_anything_is():
    box = {"type": "box", "box": [0, 0, 1, 1]}
    with serving(says(completion("hi"))) as scripted:
        asker = engine(scripted)
        with pytest.raises(UsageError, match="openai engine cannot write a box; describe"):
            asker.answer([[{"role": "user", "content": [box]}]], GREEDY)
        with pytest.raises(TokenError, match="has role 'robot'"):
            asker.answer([[{"role": "robot", "content": "hi"}]], GREEDY)
        with pytest.raises(MediaError, match="never fetched from the network"):
            asker.answer([ask_about(["http://host/x.png"], "hi")], GREEDY)
        assert scripted.asked == []


def test_many_conversations_are_asked_together_and_come_back_in_order():
    barrier = threading.Barrier(NUM_PARALLEL)

    def together(handler):
        barrier.wait(5)  # breaks unless all of them are asked at a time
        number = scripted.asked[-1].body  # only that a body came; the text is told by the handler
        assert number
        says(completion("same"))(handler)

    with serving(together) as scripted:
        messages = [[{"role": "user", "content": str(n)}] for n in range(NUM_PARALLEL)]
        replies = engine(scripted).answer(messages, GREEDY)
    assert [reply.text for reply in replies] == ["same"] * NUM_PARALLEL


# -- a server that knows less --------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
def test_a_field_that_a_server_refuses_is_left_out_from_then_on(status):
    refusal = says({"detail": "Unexpected fields: {'logprobs'}"}, status)
    with serving(refusal, says(completion("hi"))) as scripted:
        asker = engine(scripted)
        assert [asker.answer([HELLO], GREEDY)[0].text for _ in range(2)] == ["hi", "hi"]
        assert ["logprobs" in asked.body for asked in scripted.asked] == [True, False, False]


def test_a_server_may_tell_less_of_what_might_have_come():
    options = GenerationOptions(num_alternatives=3)
    refused = (("top_logprobs above 1", [True, False]), ("no logprobs here", [False, False]))
    for said, left in refused:
        with serving(says({"error": said}, 400), says(completion("hi"))) as scripted:
            [reply] = engine(scripted).answer([HELLO], options)
            body = scripted.asked[1].body
        assert [name in body for name in ("logprobs", "top_logprobs")] == left
        assert (reply.text, reply.alternatives) == ("hi", ())


def test_a_penalty_has_several_names_and_one_of_them_must_be_known():
    options = GenerationOptions(repetition_penalty=1.3)
    refusals = [says({"error": f"{name} is not known"}, 400) for name in PENALTIES]
    with serving(*refusals[1:], says(completion("hi"))) as scripted:
        assert engine(scripted).answer([HELLO], options)[0].text == "hi"
        assert [name in scripted.asked[-1].body for name in PENALTIES] == [True, False, False]
    with (
        serving(refusals[0]) as scripted,
        pytest.raises(EngineError, match="repetition_penalty is not known"),
    ):
        engine(scripted).answer([HELLO], options)


def test_a_stream_may_do_without_its_options_too():
    refusal = says({"error": {"message": "unknown field stream_options"}}, 400)
    with serving(refusal, streams(chunk("hi", "stop"), DONE)) as scripted:
        assert taken(engine(scripted).stream(HELLO, GREEDY))[0] == ["hi"]
        assert ["stream_options" in asked.body for asked in scripted.asked] == [True, False]


def test_a_field_may_have_another_name():
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with serving(says({"error": {"message": said}}, 400), says(completion("hi"))) as scripted:
        engine(scripted).answer([HELLO], GREEDY)
        assert "max_tokens" not in scripted.asked[1].body
        assert scripted.asked[1].body["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    "said", ["top_k is not known", "the prompt is too long", "logprobs, always"]
)
def test_other_refusals_are_told_and_nothing_is_tried_forever(said):
    with serving(says({"error": said}, 400)) as scripted:
        with pytest.raises(EngineError, match=f"refuses the request .400: {said}"):
            engine(scripted).answer([HELLO], GenerationOptions(top_k=3, temperature=1.0))
        assert len(scripted.asked) <= 2


def test_only_a_refused_request_is_made_again_without_the_field():
    with serving(says({"error": "no such path, logprobs or not"}, 404)) as scripted:
        with pytest.raises(EngineError, match="has no such model or address"):
            engine(scripted).answer([HELLO], GREEDY)
        assert len(scripted.asked) == 1


# -- hearing -------------------------------------------------------------------------------------


def test_a_whole_answer_says_all_that_the_server_tells():
    told = completion("hi there", usage=USAGE)
    told["choices"][0]["logprobs"] = scores([-0.5, -0.25])
    with serving(says(told)) as scripted:
        [reply] = engine(scripted).answer([HELLO], GREEDY)
    assert (reply.text, reply.ended) == ("hi there", True)
    assert (reply.num_prompt_tokens, reply.num_answer_tokens) == (30, 2)
    assert (reply.log_probability, reply.log_probabilities) == (-0.75, (-0.5, -0.25))
    assert reply.token_ids is None


def test_a_streamed_answer_says_the_same():
    first = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    parts = (
        chunk("hi", logprobs=[-0.5], usage=None),
        chunk(" there", logprobs=[-0.25]),
        chunk(None, "stop"),
        event({"choices": [], "usage": USAGE}),
        event({"choices": [], "usage": None}),
    )
    with serving(streams(first, *parts, DONE)) as scripted:
        pieces, reply = taken(engine(scripted).stream(HELLO, GREEDY))
    assert pieces == ["hi", " there"]
    assert (reply.text, reply.ended) == ("hi there", True)
    assert (reply.num_prompt_tokens, reply.num_answer_tokens) == (30, 2)
    assert reply.log_probabilities == (-0.5, -0.25)


def test_what_might_have_come_is_told_whole_and_streamed():
    tops = [{"b": -2.0, "hi": -0.5}, {" there": -0.25}]
    options = GenerationOptions(num_alternatives=2)
    expected = (
        (Alternative("hi", -0.5), Alternative("b", -2.0)),
        (Alternative(" there", -0.25),),
    )
    told = completion("hi there")
    told["choices"][0]["logprobs"] = scores([-0.5, -0.25], tops)
    with serving(says(told)) as scripted:
        assert engine(scripted).answer([HELLO], options)[0].alternatives == expected
    parts = [chunk("x", logprobs=scores([-0.5], [top])) for top in tops]
    with serving(streams(*parts, chunk(None, "stop"), DONE)) as scripted:
        assert taken(engine(scripted).stream(HELLO, options))[1].alternatives == expected


def test_what_a_server_does_not_tell_is_nothing():
    with serving(streams(chunk("hi"), chunk(None, "length"))) as scripted:  # no DONE either
        _, reply = taken(engine(scripted).stream(HELLO, GREEDY))
    assert (reply.text, reply.ended) == ("hi", False)
    assert (reply.num_prompt_tokens, reply.num_answer_tokens, reply.log_probability) == (None,) * 3


def test_a_stop_text_is_cut_where_the_server_leaves_it():
    options = GenerationOptions(stop=("END",))
    with serving(streams(chunk("one E"), chunk("ND two"), chunk(None, "length"), DONE)) as scripted:
        pieces, reply = taken(engine(scripted).stream(HELLO, options))
    assert ("".join(pieces), reply.text, reply.ended) == ("one ", "one ", True)
    with serving(says(completion("one END", "length"))) as scripted:
        [reply] = engine(scripted).answer([HELLO], options)
    assert (reply.text, reply.ended) == ("one ", True)


def test_thoughts_are_no_answer():
    thought = event({"choices": [{"delta": {"reasoning_content": "hm", "content": None}}]})
    with serving(streams(thought, chunk("hi", "stop"), DONE)) as scripted:
        assert taken(engine(scripted).stream(HELLO, GREEDY))[0] == ["hi"]


def test_a_stream_that_breaks_off_is_no_answer():
    for last in (b"", DONE, b"data: {"):
        with serving(streams(chunk("half an"), last)) as scripted:
            streamed = engine(scripted).stream(HELLO, GREEDY)
            assert next(streamed) == "half an"
            with pytest.raises(EngineError, match="broke off in the middle of its answer"):
                next(streamed)
            assert streamed.reply is None


def test_an_error_in_the_middle_is_told():
    for error in ({"message": "out of memory"}, "out of memory"):
        with serving(streams(chunk("half"), event({"error": error}))) as scripted:
            streamed = engine(scripted).stream(HELLO, GREEDY)
            next(streamed)
            with pytest.raises(EngineError, match="fails in the middle of its answer: out of mem"):
                next(streamed)


@pytest.mark.parametrize(
    "nonsense",
    [[], 1, None, "x", {}, {"choices": None}, {"choices": [1]}, {"choices": [{"delta": "x"}]}],
)
def test_nonsense_is_told(nonsense):
    with (
        serving(streams(event(nonsense), DONE)) as scripted,
        pytest.raises(EngineError, match="what is no chat completion"),
    ):
        list(engine(scripted).stream(HELLO, GREEDY))
    with (
        serving(says(nonsense)) as scripted,
        pytest.raises(EngineError, match="what is no chat completion"),
    ):
        engine(scripted).answer([HELLO], GREEDY)


@pytest.mark.parametrize(
    "odd",
    [
        {"logprobs": {"content": [1, {"logprob": "x"}, None]}},
        {"logprobs": {"content": "x"}},
        {"logprobs": []},
        {"logprobs": {"content": [{"top_logprobs": [1, {"token": "x"}, None]}]}},
        {"delta": {"content": ["x"]}},
    ],
)
def test_what_is_odd_at_the_edges_is_passed_over(odd):
    choice = {"delta": {"content": ""}, "finish_reason": "stop", **odd}
    with serving(
        streams(event({"choices": [choice], "usage": {"prompt_tokens": "x"}}))
    ) as scripted:
        _, reply = taken(engine(scripted).stream(HELLO, GREEDY))
    assert (reply.text, reply.log_probability, reply.num_prompt_tokens) == ("", None, None)
    assert reply.alternatives == ()


def test_a_withheld_answer_is_told():
    with (
        serving(says(completion("", "content_filter"))) as scripted,
        pytest.raises(EngineError, match="withholds the answer"),
    ):
        engine(scripted).answer([HELLO], GREEDY)


# -- which model, which key ----------------------------------------------------------------------


def test_the_only_model_of_a_server_needs_no_name():
    with serving(says({"data": [{"id": "the-one"}]}), says(completion("hi"))) as scripted:
        triptych.load(engine="openai", url=scripted.url).ask([], "hi")
        assert [asked.path for asked in scripted.asked] == ["/v1/models", "/v1/chat/completions"]
        assert scripted.asked[1].body["model"] == "the-one"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"data": [{"id": "a"}, {"id": "b"}]}, "has 2 models; name one with --model: a, b"),
        ({"data": []}, "has 0 models; name one with --model: none"),
        ({"models": []}, "does not list its models; name one with --model"),
        ([], "does not list its models"),
    ],
)
def test_several_models_are_listed(told, said):
    with serving(says(told)) as scripted, pytest.raises((UsageError, EngineError), match=said):
        triptych.load(engine="openai", url=scripted.url)


def test_a_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", " abc\n")
    monkeypatch.delenv("TRIPTYCH_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "never sent unless asked for")
    with serving(says(completion("hi"))) as scripted:
        for variable in ("MY_KEY", "TRIPTYCH_API_KEY"):
            connect(scripted.url, "m", key_variable=variable).answer([HELLO], GREEDY)
        keys = [asked.headers.get("authorization") for asked in scripted.asked]
    assert keys == ["Bearer abc", None]


# -- tasks ---------------------------------------------------------------------------------------


def test_tasks_run_over_a_server(monkeypatch):
    with serving(says(completion(' {"total": 3} ', usage=USAGE))) as scripted:
        assistant = triptych.load("m", engine="openai", url=scripted.url)
        answer = assistant.ask([picture(0)], "how much?")
        assert (answer.text, answer.num_prompt_tokens, answer.log_probability) == (
            '{"total": 3}',
            30,
            None,
        )
        assert assistant.read(picture(0), ["total"]).value == {"total": 3}
        assert [each.text for each in assistant.caption([picture(0)] * 3)] == ['{"total": 3}'] * 3
        assert scripted.asked[-1].body["messages"][0]["content"][1]["text"] == (
            "Describe the picture."
        )


def test_a_conversation_tells_the_server_all_that_was_said():
    with serving(says(completion("a cat")), streams(chunk("yes", "stop"), DONE)) as scripted:
        talk = triptych.load("m", engine="openai", url=scripted.url).chat([picture(0)])
        assert talk.send("what is it?") == "a cat"
        assert list(talk.stream("sure?")) == ["yes"]
        assert talk.last is not None and talk.last.text == "yes"
        roles = [each["role"] for each in scripted.asked[1].body["messages"]]
        said = scripted.asked[1].body["messages"]
    assert roles == ["user", "assistant", "user"]
    assert said[0]["content"][0]["type"] == "image_url"
    assert said[1]["content"] == "a cat"


def test_places_come_back_in_pixels_of_the_original():
    reply = '```json\n[{"bbox_2d": [14, 28, 28, 56], "label": "cat"}]\n```'
    with serving(says(completion(reply))) as scripted:
        assistant = triptych.load("Qwen/Qwen2.5-VL-7B-Instruct", engine="openai", url=scripted.url)
        [found] = assistant.locate(picture(0, 1120, 560), "the cat")
        part, text = scripted.asked[0].body["messages"][0]["content"]
    # It counts in pixels of what it sees: 560 x 1120 as they are, for both are multiples of 28.
    assert open_image(part["image_url"]["url"]).rgb.size == (560, 1120)
    assert (found.place, found.label) == (Box(14.0, 28.0, 28.0, 56.0), "cat")
    assert "cat" in text["text"] and "bbox_2d" in text["text"]


def test_a_form_of_coordinates_may_be_named():
    with serving(says(completion("(500, 250)"))) as scripted:
        load = {"engine": "openai", "url": scripted.url}
        with pytest.raises(
            UsageError, match=r"my-model writes no boxes .* --coordinates .*thousandths"
        ):
            triptych.load("my-model", **load).point(picture(0), "cat")
        assistant = triptych.load("my-model", coordinates="thousandths", **load)
        [found] = assistant.point(picture(0, 40, 60), "cat")
    assert found.place == Point(30.0, 10.0)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda assistant: assistant.model,
            "openai engine gives no hidden states, weights or X-ray; take the native",
        ),
        (
            lambda assistant: assistant.processor,
            "openai engine gives no model inputs, neither token ids",
        ),
        (lambda assistant: assistant.architecture, "openai engine does not show the architecture"),
    ],
)
def test_what_a_server_cannot_give_names_the_engine_that_can(ask, said):
    assistant = triptych.load("m", engine="openai", url="http://localhost:1")
    with pytest.raises(UsageError, match=said):
        ask(assistant)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"engine": "openai"}, "needs the address of a server; give it with --url"),
        ({"url": "http://host"}, "a url is for the openai engine, not for native"),
        ({"engine": "vllm"}, "no engine named 'vllm'; known: native, openai, transformers"),
        ({"coordinates": "inches"}, "no form of coordinates named 'inches'"),
        ({"engine": "transformers"}, "needs a model; name a folder"),
    ],
)
def test_engines_are_named_rightly(load, said):
    with pytest.raises(UsageError, match=said):
        triptych.load(**load)


def test_a_clip_is_sampled_sparingly_unless_asked():
    with serving(says({})) as scripted:
        asker = engine(scripted)
    frames = [picture(0, 16, 16)] * 100
    assert len(asker.open_clip(frames, 2.0, None).frames) == 16
    assert len(asker.open_clip(frames, 2.0, 50).frames) == 50
    clip = Clip(tuple(open_image(each).rgb for each in frames), 2.0, 50.0, "c")
    assert asker.open_clip(clip, None, None) is clip
