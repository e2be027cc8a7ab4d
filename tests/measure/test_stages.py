"""A question runs stage by stage along the path that every answer takes."""

import itertools

import pytest
from tests.laws.debug_models import DEBUG_NAMES, clip, picture, subject

from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import MediaError, TokenError, UsageError
from triptych.generate import GenerationOptions, generate
from triptych.measure import clock
from triptych.measure.request import Request
from triptych.measure.stages import STAGES, Stage, measure_stages
from triptych.measure.work import NOTHING
from triptych.processor import ask_about


def loaded(name: str) -> LoadedModel:
    debug = subject(name)
    return LoadedModel(debug.architecture, debug.model, debug.processor)


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_every_architecture_is_measured(name):
    measured = measure_stages(
        loaded(name), [picture(0, 56, 84)], "what?", num_new_tokens=2, repeats=1
    )
    assert tuple(stage.name for stage in measured.stages) == STAGES
    prompt = subject(name).prompt(ask_about([picture(0, 56, 84)], "what?"))
    assert measured.num_prompt_tokens == len(prompt.token_ids)
    assert measured["open"].amount == 56 * 84
    for stage in measured.stages:
        assert len(stage.times_ms) == 1 and stage.ms > 0 and stage.peak_memory_bytes > 0
        is_counted = stage.name not in ("open", "resize", "prompt")
        assert (stage.work.total > 0) == (stage.work.num_bytes > 0) == is_counted


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_what_is_timed_is_what_generates(name):
    pictures = [picture(0, 56, 84)]
    run = Request(loaded(name), pictures, [], "what is it?", 4).run()
    debug = subject(name)
    prompt = debug.prompt(ask_about(pictures, "what is it?"))
    options = GenerationOptions(max_new_tokens=5)
    [answer] = generate(debug.model, debug.processor, [prompt], options)
    assert run.token_ids[: len(answer.token_ids)] == answer.token_ids


def test_the_engine_forgets_what_it_was_asked_before():
    """Each time it reads the whole prompt and encodes the picture."""
    request = Request(loaded("qwen2_vl_debug"), [picture(0, 56, 84)], [], "what is it?", 2)
    seen: list[int] = []
    vision = request.model.vision
    handle = vision.register_forward_pre_hook(lambda *_: seen.append(1))
    try:
        served = [request.serve() for _ in range(3)]
    finally:
        handle.remove()
    assert len(seen) == 3
    assert all(each.first_s > 0 for each in served)


def test_several_pictures_and_a_clip_are_one_question():
    measured = measure_stages(
        loaded("qwen2_vl_debug"),
        [picture(0, 56, 84), picture(1, 32, 32)],
        clips=[clip(0, 4)],
        num_new_tokens=1,
        repeats=1,
    )
    assert measured.num_pictures == 3
    assert measured["open"].amount == 56 * 84 + 32 * 32 + 4 * 32 * 48
    assert measured["decode"].amount == 1


def test_a_question_alone_sees_nothing():
    measured = measure_stages(loaded("qwen2_vl_debug"), [], num_new_tokens=1, repeats=2)
    assert [stage.name for stage in measured.stages] == ["prompt", "prefill", "decode"]
    assert len(measured.served) == 2
    assert measured.num_visual == 0


def test_stages_add_up(monkeypatch):
    """Every look at the clock takes a second: what `encode` does besides is the connector's."""
    ticks = itertools.count()
    monkeypatch.setattr(clock.time, "perf_counter", lambda: float(next(ticks)))
    measured = measure_stages(
        loaded("qwen2_vl_debug"), [picture(0, 56, 84)], num_new_tokens=4, repeats=3
    )
    told = {stage.name: stage.ms for stage in measured.stages}
    assert told == dict.fromkeys(STAGES, 1000.0) | {"connector": 4000.0, "decode": 250.0}
    assert measured.first_token_ms == 9000
    assert measured.answer_ms == 10_000


def test_a_stage_tells_its_median():
    stage = Stage(
        name="vision",
        times_ms=(3.0, 1.0, 2.0),
        amount=10,
        unit="patches",
        work=NOTHING,
        peak_memory_bytes=1,
    )
    assert stage.ms == 2.0
    assert stage.per_second == 5000


def test_warmth_is_not_counted():
    told: list[str] = []
    measured = measure_stages(
        loaded("qwen2_vl_debug"),
        [],
        num_new_tokens=1,
        repeats=2,
        asks_engine=False,
        progress=told.append,
    )
    assert measured.served == ()
    assert told == ["run for warmth", "run 1 of 2", "run 2 of 2"]
    assert len(measured["prefill"].times_ms) == 2


@pytest.mark.parametrize("numbers", [{"repeats": 0}, {"num_new_tokens": 0}])
def test_measuring_nothing_is_refused(numbers):
    with pytest.raises(UsageError, match="measure nothing"):
        measure_stages(loaded("qwen2_vl_debug"), [], **numbers)


def test_a_prompt_that_is_too_long_is_refused():
    debug = loaded("qwen2_vl_debug")
    with pytest.raises(TokenError, match="more than 512"):
        measure_stages(debug, [], "why? " * debug.architecture.processor.max_tokens)


def test_a_missing_picture_is_refused(tmp_path):
    with pytest.raises(MediaError, match="none"):
        measure_stages(loaded("qwen2_vl_debug"), [tmp_path / "none.png"])
