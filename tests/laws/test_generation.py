"""What every architecture promises of its answers, whichever way they are computed."""

from dataclasses import replace

import pytest
import torch
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

from triptych.generate import GenerationOptions, generate
from triptych.processor import Sample, ask_about

GREEDY = GenerationOptions(max_new_tokens=6)
BEAMS = GenerationOptions(max_new_tokens=6, num_beams=3)
SAMPLED = GenerationOptions(max_new_tokens=6, temperature=1.0, top_k=50, top_p=0.95, seed=7)


@pytest.fixture(params=DEBUG_NAMES)
def debug(request):
    return subject(request.param)


def grown(sample: Sample, token: int) -> Sample:
    """The sample with one more token of text behind it."""
    ids = sample.position_ids
    after = (ids.max() + 1).expand(*ids.shape[:-1], 1)
    return replace(
        sample,
        token_ids=[*sample.token_ids, token],
        labels=[*sample.labels, -100],
        branches=[*sample.branches, 0],
        position_ids=torch.cat([ids, after], dim=-1),
    )


@torch.inference_mode()
def greedy_without_cache(
    debug: Subject, sample: Sample, num_tokens: int
) -> tuple[list[int], float]:
    """The likeliest tokens, reading everything again for each."""
    chosen: list[int] = []
    score = 0.0
    for _ in range(num_tokens):
        hidden, _ = debug.model.read(debug.processor.collate([sample]))
        likely = debug.model.language.head(hidden)[0, -1].log_softmax(dim=-1)
        chosen.append(int(likely.argmax()))
        score += float(likely.max())
        if chosen[-1] in debug.processor.end_ids:
            break
        sample = grown(sample, chosen[-1])
    return chosen, score


@torch.inference_mode()
def test_what_is_wanted_of_some_tokens_is_what_all_have(debug):
    samples = [debug.processor.encode(each) for each in QUESTIONS[:2]]
    inputs = debug.processor.collate(samples)
    whole, _ = debug.model.read(inputs)
    rows, positions = inputs.token_mask.nonzero(as_tuple=True)
    chosen = torch.tensor([len(rows) - 1, 0, 3])
    wanted = rows[chosen], positions[chosen]
    some, _ = debug.model.read(inputs, wanted=wanted)
    torch.testing.assert_close(some, whole[wanted][None], atol=1e-5, rtol=1e-5)


def test_every_debug_architecture_is_here():
    assert DEBUG_NAMES == [
        "blip2_debug",
        "flamingo_debug",
        "git_debug",
        "idefics_debug",
        "internvl_debug",
        "kosmos2_debug",
        "llava_1_5_debug",
        "llava_debug",
        "llava_next_debug",
        "minivlm_debug",
        "paligemma_debug",
        "qwen2_5_vl_debug",
        "qwen2_vl_debug",
        "smolvlm_debug",
    ]


@pytest.mark.parametrize("question", QUESTIONS[2:], ids=["text only", "two pictures"])
def test_answers_with_a_cache_are_those_without(debug, question):
    prompt = debug.prompt(question)
    answer = generate(debug.model, debug.processor, [prompt], GREEDY)[0]
    chosen, score = greedy_without_cache(debug, prompt, GREEDY.max_new_tokens)
    assert list(answer.token_ids) == chosen
    assert answer.log_probability == pytest.approx(score, abs=1e-3)


def test_another_picture_is_another_answer(debug):
    prompts = [debug.prompt(ask_about([picture(n)], "what is it?")) for n in (0, 1)]
    with torch.no_grad():
        first, second = (debug.model(debug.processor.collate([each]))[0, -1] for each in prompts)
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize(
    "options", [GREEDY, BEAMS, SAMPLED], ids=["greedy", "three beams", "sampled"]
)
def test_a_prompt_is_answered_in_a_batch_as_alone(debug, options):
    prompts = [debug.prompt(question) for question in QUESTIONS]
    assert len({len(prompt.token_ids) for prompt in prompts}) >= 3
    together = generate(debug.model, debug.processor, prompts, options)
    for prompt, answer in zip(prompts, together, strict=True):
        [alone] = generate(debug.model, debug.processor, [prompt], options)
        assert answer.token_ids == alone.token_ids
        assert answer.log_probability == pytest.approx(alone.log_probability, abs=1e-3)
        assert answer.num_prompt_tokens == len(prompt.token_ids)


# -- clips ---------------------------------------------------------------------------------------

WATCHERS = ("qwen2_vl_debug", "qwen2_5_vl_debug")

# Unequal lengths and sizes, a picture behind a clip, and a clip with more slices than rows.
WATCHED = (
    watch(clip(0, 4)),
    [*answered(watch(clip(1, 5, 48, 32)), "a circle"), *ask_about([picture(0)], "and here?")],
    watch(clip(2, 12, 32, 32), "is it a cross?"),
    ask_about([picture(1, 64, 48)], "hi"),
)


@pytest.mark.parametrize("name", WATCHERS)
@pytest.mark.parametrize("question", WATCHED[:3], ids=["short", "and a picture", "long"])
def test_clips_are_answered_with_a_cache_as_without(question, name):
    debug = subject(name)
    prompt = debug.prompt(question)
    answer = generate(debug.model, debug.processor, [prompt], GREEDY)[0]
    chosen, score = greedy_without_cache(debug, prompt, GREEDY.max_new_tokens)
    assert list(answer.token_ids) == chosen
    assert answer.log_probability == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("name", WATCHERS)
@pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "three beams"])
def test_clips_are_answered_in_a_batch_as_alone(options, name):
    debug = subject(name)
    prompts = [debug.prompt(question) for question in WATCHED]
    together = generate(debug.model, debug.processor, prompts, options)
    for prompt, answer in zip(prompts, together, strict=True):
        [alone] = generate(debug.model, debug.processor, [prompt], options)
        assert answer.token_ids == alone.token_ids
        assert answer.log_probability == pytest.approx(alone.log_probability, abs=1e-3)


@torch.no_grad()
def test_the_order_of_frames_matters():
    debug = subject("qwen2_vl_debug")
    forward = clip(0, 4)
    logits = [
        debug.model(debug.processor.collate([debug.prompt(watch(replace(forward, frames=f)))]))
        for f in (forward.frames, forward.frames[::-1], forward.frames[2:] + forward.frames[:2])
    ]
    assert (logits[0] - logits[1])[0, -1].abs().max() > 1e-3
    assert (logits[0] - logits[2])[0, -1].abs().max() > 1e-3


def test_two_seeds_draw_two_answers_and_one_seed_one(debug):
    prompt = debug.prompt(QUESTIONS[0])
    draws = [
        generate(debug.model, debug.processor, [prompt], replace(SAMPLED, seed=seed))[0].token_ids
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
