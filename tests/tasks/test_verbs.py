"""Verbs without an assistant: they load what is named, and ask it."""

import inspect
from dataclasses import replace

import pytest
from tests.engines.scripted import completion, says, serving
from tests.laws.debug_models import picture, subject

import triptych
from triptych.checkpoint.model_folder import save_model
from triptych.errors import UnknownNameError
from triptych.generate import GenerationOptions
from triptych.tasks import Assistant, verbs

SHORT = GenerationOptions(max_new_tokens=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    qwen = subject("qwen2_vl_debug")
    folder = tmp_path_factory.mktemp("verbs") / "model"
    save_model(folder, qwen.architecture, qwen.model, qwen.processor.tokenizer)
    return folder


def told(answer):
    """An answer but for the last digits of its score: what was read before may be read again."""
    return replace(answer, log_probability=0.0, log_probabilities=())


def test_a_verb_says_what_an_assistant_says(model):
    assistant, clip = triptych.load(model), [picture(n, 32, 48) for n in range(4)]
    shown, one = [picture(0)], picture(0)
    asked = triptych.ask(shown, "hm?", SHORT, model=model)
    assert told(asked) == told(assistant.ask(shown, "hm?", SHORT))
    [described] = triptych.caption(shown, SHORT, model=model)
    assert told(described) == told(assistant.caption(shown, SHORT)[0])
    assert triptych.read(one, ["a"], SHORT, model=model) == assistant.read(one, ["a"], SHORT)
    assert triptych.locate(one, "a", SHORT, model=model) == assistant.locate(one, "a", SHORT)
    assert triptych.point(one, "a", SHORT, model=model) == assistant.point(one, "a", SHORT)
    seen = triptych.watch(clip, "up?", SHORT, max_frames=2, model=model)
    assert told(seen) == told(assistant.watch(clip, "up?", SHORT, max_frames=2))
    talks = (triptych.chat(shown, SHORT, model=model), assistant.chat(shown, SHORT))
    assert len({talk.send("hm?") for talk in talks}) == 1


def test_a_verb_takes_an_engine():
    with serving(says(completion("a cat"))) as scripted:
        answer = triptych.ask([picture(0)], "what?", model="m", engine="openai", url=scripted.url)
    assert answer.text == "a cat"
    with pytest.raises(UnknownNameError, match="no engine named"):
        triptych.ask([], "what?", engine="none")


def test_every_verb_of_an_assistant_stands_alone_too():
    assert set(verbs.VERBS) <= set(dir(Assistant))
    loading = set(inspect.signature(triptych.load).parameters) - {"name"}
    assert set(verbs.Where.__annotations__) == loading | {"model"}
