"""Slots, chunks, memory and drafts: what the engine does to answer many at once."""

from dataclasses import replace
from threading import Event

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, build_subject, picture, subject

from triptych.errors import CapacityError, ConfigError, ShapeError
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions, generate
from triptych.generate.contrast import Contrast, contrast_logits, without_picture
from triptych.processor import ask_about

OPTIONS = GenerationOptions(max_new_tokens=5)


@pytest.fixture
def debug():
    return subject("qwen2_vl_debug")


def engine_of(debug, **config):
    config = {"memory_bytes": 10**9, **config}
    return GenerationEngine(debug.model, debug.processor, EngineConfig(**config))


def count_tokens(engine):
    """How many tokens each forward reads, from now on."""
    counts = []
    advance = engine.model.advance

    def counted(strips, cache, wanted):
        counts.append(strips.token_ids.shape[1])
        return advance(strips, cache, wanted)

    engine.reader.model = type(
        "Counted", (), {"__getattr__": lambda _, n: getattr(engine.model, n)}
    )()
    engine.reader.model.advance = counted
    return counts


# -- steps ---------------------------------------------------------------------------------------


def test_a_battery_of_questions_reads_the_picture_once_in_one_forward(debug):
    texts = [f"is there a {thing}?" for thing in ("circle", "square", "star", "cross")]
    prompts = [debug.prompt(ask_about([picture(0)], text)) for text in texts]
    engine = engine_of(debug)
    counts = count_tokens(engine)
    engine.finish([engine.submit(prompt, OPTIONS) for prompt in prompts])
    end = prompts[0].spans[0].stop
    assert counts[0] == end + sum(len(prompt.token_ids) - end for prompt in prompts)
    assert all(count <= len(prompts) for count in counts[1:])


def test_a_long_prompt_lets_others_go_on_between_its_chunks(debug):
    engine = engine_of(debug, chunk_tokens=16)
    counts = count_tokens(engine)
    short = engine.submit(debug.prompt(ask_about([], "hi")), replace(OPTIONS, max_new_tokens=30))
    engine.step()
    long = engine.submit(debug.prompt(ask_about([picture(0, 200, 200)], "what?")), OPTIONS)
    told = len(short.token_ids)
    while not long.token_ids:
        engine.step()
        assert short.is_finished or len(short.token_ids) > told
        told = len(short.token_ids)
    assert max(counts[1:]) <= 17
    assert len(counts) > 3
    engine.finish([short, long])


def test_others_go_on_while_a_picture_is_encoded(debug, monkeypatch):
    engine = engine_of(debug)
    prompts = [debug.prompt(ask_about([], "hi")), debug.prompt(QUESTIONS[0])]
    told = engine.submit(prompts[0], replace(OPTIONS, max_new_tokens=8))
    engine.step()
    may_go_on, encode = Event(), debug.model.encode_images

    def encode_slowly(*args, **kwargs):
        may_go_on.wait(timeout=30)
        return encode(*args, **kwargs)

    monkeypatch.setattr(debug.model, "encode_images", encode_slowly)
    seen = engine.submit(prompts[1], OPTIONS)
    gone = engine.submit(debug.prompt(QUESTIONS[1]), OPTIONS)
    for _ in range(4):
        engine.step()
    assert len(told.token_ids) == 5
    assert not seen.token_ids
    engine.cancel(gone)
    may_go_on.set()
    completions = engine.finish([told, seen])
    expected = generate(debug.model, debug.processor, [prompts[1]], OPTIONS)[0]
    assert completions[1].token_ids == expected.token_ids


def test_a_picture_that_nobody_waits_for_any_more_stands_in_nobodys_way(debug):
    engine = engine_of(debug)
    first = engine.submit(debug.prompt(ask_about([], "hi")), OPTIONS)
    engine.step()
    gone = engine.submit(debug.prompt(QUESTIONS[0]), OPTIONS)
    engine.step()
    engine.cancel(gone)
    later = engine.submit(debug.prompt(QUESTIONS[1]), OPTIONS)
    engine.finish([first, later])
    assert later.token_ids
    assert engine.reader.visual_tokens.num_encoded == 2


def test_as_many_run_as_may_and_the_others_wait_their_turn(debug):
    engine = engine_of(debug, max_running=2)
    requests = [engine.submit(debug.prompt(QUESTIONS[0]), OPTIONS) for _ in range(5)]
    engine.step()
    assert len(engine.running) == 2
    assert engine.waiting == requests[2:]
    engine.finish(requests[:1])
    assert len(engine.running) <= 2
    engine.finish(requests)
    assert all(len(request.token_ids) == 5 or request.ended for request in requests)


def test_several_are_streamed_at_once(debug):
    engine = engine_of(debug)
    prompts = [debug.prompt(question) for question in QUESTIONS[:2]]
    streams = [engine.stream(engine.submit(prompt, OPTIONS)) for prompt in prompts]
    texts = ["", ""]
    for pieces in zip(*streams, strict=False):
        texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
    texts = [text + "".join(stream) for text, stream in zip(texts, streams, strict=True)]
    wholes = generate(debug.model, debug.processor, prompts, OPTIONS)
    assert texts == [whole.text for whole in wholes]


def test_a_stream_that_is_left_frees_its_place(debug):
    engine = engine_of(debug)
    stream = engine.stream(engine.submit(debug.prompt(QUESTIONS[0]), OPTIONS))
    next(stream)
    stream.close()
    assert not engine.running
    assert not engine.reader.slots.lengths


def test_a_request_that_cannot_go_on_fails_alone(debug):
    engine = engine_of(debug)
    prompts = [debug.prompt(question) for question in QUESTIONS[:2]]
    broken = replace(prompts[0], spans=(replace(prompts[0].spans[0], num_slots=3),))
    expected = generate(debug.model, debug.processor, prompts[1:], OPTIONS)[0]
    failing, fine = engine.submit(broken, OPTIONS), engine.submit(prompts[1], OPTIONS)
    [completion] = engine.finish([fine])
    assert completion.token_ids == expected.token_ids
    with pytest.raises(ShapeError, match="became 8 visual tokens but the prompt reserves 3"):
        engine.finish([failing])
    assert not engine.running


def test_after_a_crash_the_engine_goes_on_with_what_comes(debug, monkeypatch):
    engine = engine_of(debug)
    prompts = [debug.prompt(ask_about([picture(0)], text)) for text in ("what?", "how many?")]
    expected = generate(debug.model, debug.processor, prompts, OPTIONS)
    head = debug.model.language.head

    def break_once(hidden):
        monkeypatch.setattr(debug.model.language, "head", head)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(debug.model.language, "head", break_once)
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.finish([engine.submit(prompt, OPTIONS) for prompt in prompts])
    assert not engine.running
    assert not engine.reader.slots.lengths
    got = engine.finish([engine.submit(prompt, OPTIONS) for prompt in prompts])
    assert [each.token_ids for each in got] == [each.token_ids for each in expected]


def test_beams_are_not_searched_here(debug):
    with pytest.raises(ConfigError, match="searches no beams"):
        engine_of(debug).submit(debug.prompt(QUESTIONS[0]), replace(OPTIONS, num_beams=2))


# -- memory --------------------------------------------------------------------------------------


def test_what_can_never_fit_is_refused_with_numbers(debug):
    engine = engine_of(debug, memory_bytes=250_000)
    prompt = debug.prompt(QUESTIONS[0])
    with pytest.raises(CapacityError, match=r"5000 need \d\.\d MB .* has 0\.2 MB") as told:
        engine.submit(prompt, replace(OPTIONS, max_new_tokens=5000))
    assert f"a prompt of {len(prompt.token_ids)} tokens" in str(told.value)
    [completion] = engine.finish([engine.submit(prompt, OPTIONS)])
    assert completion.num_prompt_tokens == len(prompt.token_ids)


def test_many_pictures_never_take_more_than_they_may(debug):
    limit = 140_000
    engine = engine_of(debug, memory_bytes=limit, max_running=2)
    prompts = [debug.prompt(ask_about([picture(n)], "what is it?")) for n in range(12)]
    expected = generate(debug.model, debug.processor, prompts, OPTIONS)
    requests = [engine.submit(prompt, OPTIONS) for prompt in prompts]
    while not all(request.is_finished for request in requests):
        engine.step()
        assert engine.reader.memory_bytes <= limit
    got = [request.completion() for request in requests]
    assert [each.token_ids for each in got] == [each.token_ids for each in expected]
    assert 0 < len(list(engine.reader.beginnings)) < 12, "some are kept, not all"


def test_what_was_read_with_other_weights_is_forgotten():
    debug = build_subject("qwen2_vl_debug")
    engine = engine_of(debug)
    prompt = debug.prompt(QUESTIONS[0])
    engine.finish([engine.submit(prompt, OPTIONS)])
    with torch.no_grad():
        for parameter in debug.model.vision.parameters():
            parameter.mul_(1.5)
    [completion] = engine.finish([engine.submit(prompt, OPTIONS)])
    [fresh] = generate(debug.model, debug.processor, [prompt], OPTIONS)
    assert completion.log_probability == pytest.approx(fresh.log_probability, abs=1e-4)
    assert completion.num_reused_tokens == 0


# -- ways to choose ------------------------------------------------------------------------------


def test_drafts_that_come_true_save_forwards(debug):
    engine = engine_of(debug)
    counts = count_tokens(engine)
    options = GenerationOptions(max_new_tokens=60, lookup=6)
    [completion] = engine.finish([engine.submit(debug.prompt(QUESTIONS[0]), options)])
    if not completion.ended:  # a debug model repeats itself
        assert len(counts) < 60


def test_a_contrast_is_the_two_forwards_it_says():
    debug = subject("llava_1_5_debug")
    contrast = Contrast(against="noise", strength=1.0)
    prompt = debug.prompt(QUESTIONS[0])
    options = replace(OPTIONS, contrast=contrast, max_new_tokens=1)
    [completion] = generate(debug.model, debug.processor, [prompt], options)
    with torch.inference_mode():
        rows = [
            debug.model(debug.processor.collate([each]))[0, -1]
            for each in (prompt, without_picture(prompt, contrast))
        ]
    assert completion.token_ids == (int(contrast_logits(*rows, contrast).argmax()),)
    own = rows[0].log_softmax(dim=-1)[completion.token_ids[0]]
    assert completion.log_probability == pytest.approx(float(own), abs=1e-4)


def test_a_contrast_in_company_is_a_contrast_alone():
    debug = subject("llava_1_5_debug")
    options = replace(OPTIONS, contrast=Contrast(against="blank", strength=2.0))
    prompts = [debug.prompt(question) for question in QUESTIONS]
    together = generate(debug.model, debug.processor, prompts, options)
    for prompt, each in zip(prompts, together, strict=True):
        [lonely] = generate(debug.model, debug.processor, [prompt], options)
        assert each.token_ids == lonely.token_ids


def test_a_contrast_takes_drafts_and_says_the_same():
    debug = subject("llava_1_5_debug")
    options = GenerationOptions(max_new_tokens=20, contrast=Contrast(against="blank"))
    prompts = [debug.prompt(question) for question in QUESTIONS]
    slowly, quickly = (
        generate(debug.model, debug.processor, prompts, replace(options, lookup=lookup))
        for lookup in (0, 4)
    )
    assert [each.token_ids for each in slowly] == [each.token_ids for each in quickly]


def test_alternatives_are_told_of_every_token(debug):
    prompt = debug.prompt(QUESTIONS[0])
    options = replace(OPTIONS, num_alternatives=3)
    [completion] = generate(debug.model, debug.processor, [prompt], options)
    assert len(completion.alternatives) == len(completion.token_ids)
    for token, score, told in zip(
        completion.token_ids,
        completion.log_probabilities,
        completion.alternatives,
        strict=True,
    ):
        assert len(told) == 3
        assert told[0] == (token, pytest.approx(score, abs=1e-5)), "greedy takes the likeliest"


def test_options_that_make_no_sense_are_refused():
    for wrong in ({"max_running": 0}, {"chunk_tokens": 0}, {"memory_bytes": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            EngineConfig(**wrong)
