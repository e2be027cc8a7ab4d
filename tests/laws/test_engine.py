"""What one request is answered is the same in any company, however its prompt was read."""

from dataclasses import replace

import pytest
from tests.laws.debug_models import (
    DEBUG_NAMES,
    QUESTIONS,
    Subject,
    answered,
    clip,
    picture,
    subject,
    watch,
)

from triptych.generate import Completion, EngineConfig, GenerationEngine, GenerationOptions
from triptych.processor import Message, Sample, ask_about

GREEDY = GenerationOptions(max_new_tokens=6)
SAMPLED = GenerationOptions(max_new_tokens=9, temperature=1.0, top_k=50, seed=7)
OTHERWISE = GenerationOptions(max_new_tokens=4, temperature=0.7, min_p=0.01, seed=3)


@pytest.fixture(params=DEBUG_NAMES)
def debug(request):
    return subject(request.param)


def engine_of(debug: Subject, **config: int) -> GenerationEngine:
    config = {"memory_bytes": 10**9, **config}
    return GenerationEngine(debug.model, debug.processor, EngineConfig(**config))


def alone(debug: Subject, prompt: Sample, options: GenerationOptions) -> Completion:
    engine = engine_of(debug)
    [completion] = engine.finish([engine.submit(prompt, options)])
    return completion


def same(one: Completion, other: Completion) -> None:
    assert one.token_ids == other.token_ids
    assert one.text == other.text
    assert one.ended == other.ended
    assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)


def is_empty(engine: GenerationEngine) -> bool:
    """Whether no slot is open and nobody stands on a beginning."""
    assert not engine.running
    assert not engine.reader.slots.lengths
    return all(each.num_users == 0 for each in engine.reader.beginnings)


def test_requests_join_and_leave_between_steps(debug):
    options = (GREEDY, SAMPLED, OTHERWISE, replace(GREEDY, max_new_tokens=2))
    prompts = [debug.prompt(question) for question in QUESTIONS]
    engine = engine_of(debug, max_running=3)
    requests = []
    for prompt, each in zip(prompts, options, strict=True):
        requests.append(engine.submit(prompt, each))
        engine.step()
        engine.step()
    for prompt, each, completion in zip(prompts, options, engine.finish(requests), strict=True):
        same(completion, alone(debug, prompt, each))
    assert is_empty(engine)


def test_a_prompt_read_in_chunks_is_a_prompt_read_at_once(debug):
    prompts = [debug.prompt(question) for question in QUESTIONS]
    engine = engine_of(debug, chunk_tokens=5, max_step_tokens=7)
    completions = engine.finish([engine.submit(prompt, GREEDY) for prompt in prompts])
    for prompt, completion in zip(prompts, completions, strict=True):
        same(completion, alone(debug, prompt, GREEDY))


def test_questions_about_one_picture_encode_it_once(debug):
    texts = ("what is it?", "what is red?", "how many squares are there in it?", "hi")
    prompts = [debug.prompt(ask_about([picture(0)], text)) for text in texts]
    engine = engine_of(debug)
    completions = engine.finish([engine.submit(prompt, SAMPLED) for prompt in prompts])
    later = debug.prompt(ask_about([picture(0)], "and what is blue?"))
    completions += engine.finish([engine.submit(later, SAMPLED)])
    assert engine.reader.visual_tokens.num_encoded == 1
    for prompt, completion in zip([*prompts, later], completions, strict=True):
        same(completion, alone(debug, prompt, SAMPLED))
    if debug.architecture.name != "paligemma_debug":  # its picture sees the question
        shared = [completion.num_reused_tokens for completion in completions]
        assert all(each >= prompts[0].spans[0].stop for each in shared[1:])


def test_a_conversation_goes_on_from_what_was_read(debug):
    first = ask_about([picture(0)], 3 * "what is it? what is to the left of it, and above? ")
    engine = engine_of(debug)
    [answer] = engine.finish([engine.submit(debug.prompt(first), GREEDY)])
    second = debug.prompt([*answered(first, answer.text), *ask_about([], "are you sure?")])
    [completion] = engine.finish([engine.submit(second, GREEDY)])
    same(completion, alone(debug, second, GREEDY))
    if debug.architecture.name != "paligemma_debug":
        assert completion.num_reused_tokens >= answer.num_prompt_tokens - 1


def test_another_picture_of_the_same_size_is_not_taken_for_the_first(debug):
    engine = engine_of(debug)
    prompts = [debug.prompt(ask_about([picture(n)], "what is it?")) for n in (0, 1)]
    for prompt in prompts:
        [completion] = engine.finish([engine.submit(prompt, GREEDY)])
        same(completion, alone(debug, prompt, GREEDY))


def test_what_is_cancelled_leaves_the_others_as_they_are(debug):
    prompts = [debug.prompt(question) for question in QUESTIONS]
    for num_steps in range(4):
        engine = engine_of(debug, chunk_tokens=8, max_step_tokens=8)
        requests = [engine.submit(prompt, SAMPLED) for prompt in prompts]
        for _ in range(num_steps):
            engine.step()
        for request in requests[:2]:
            engine.cancel(request)
            assert request.is_finished
        for prompt, completion in zip(prompts[2:], engine.finish(requests[2:]), strict=True):
            same(completion, alone(debug, prompt, SAMPLED))
        assert is_empty(engine)


@pytest.mark.parametrize("name", ["qwen2_vl_debug", "qwen2_5_vl_debug"])
def test_clips_pictures_and_text_are_answered_together(name):
    debug = subject(name)
    conversations: list[list[Message]] = [
        watch(clip(0, 4)),
        ask_about([], "hi"),
        [*answered(watch(clip(1, 5, 48, 32)), "a circle"), *ask_about([picture(0)], "and here?")],
        ask_about([picture(1), picture(2)], "which?"),
        watch(clip(0, 4), "is it a cross?"),
    ]
    prompts = [debug.prompt(messages) for messages in conversations]
    engine = engine_of(debug)
    completions = engine.finish([engine.submit(prompt, SAMPLED) for prompt in prompts])
    for prompt, completion in zip(prompts, completions, strict=True):
        same(completion, alone(debug, prompt, SAMPLED))
    assert completions[4].num_reused_tokens >= prompts[0].spans[0].num_slots


@pytest.mark.parametrize("options", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_drafts_change_nothing(debug, options):
    prompts = [debug.prompt(question) for question in QUESTIONS]
    engine = engine_of(debug)
    drafting = replace(options, lookup=4, max_new_tokens=20)
    completions = engine.finish([engine.submit(prompt, drafting) for prompt in prompts])
    for prompt, completion in zip(prompts, completions, strict=True):
        same(completion, alone(debug, prompt, replace(options, max_new_tokens=20)))
    assert is_empty(engine)
