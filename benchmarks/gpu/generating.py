"""One picture, many pictures, and what a token starts: our engine beside theirs."""

import time
from functools import partial
from statistics import median
from typing import Any

import torch
from against_transformers import Ticks, Turn, ours
from twins import given_to_them, given_together

from gpu.asking import num_equal, picture, their_turn
from gpu.stage import SIDES, Found, Sides, Stage, guarded, tell_rates, timed
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions
from triptych.processor import Processor, ask_about
from triptych.sequences import Sample

NUM_COMPANY = 16


def generate_alone(stage: Stage, found: Found) -> None:
    """One question about one picture."""
    task, count = stage.task, stage.arguments.new_tokens
    began = time.monotonic()
    model, their = stage.models
    stage.wait()
    found["making_models_s"] = round(time.monotonic() - began, 2)
    given = given_to_them(task)
    sides: Sides = {"ours": lambda: ours(model, task, count)}
    if their is not None:
        sides["theirs"] = lambda: their_turn(stage, their, given, count)
        found["their_attention"] = str(getattr(their.config, "_attn_implementation", "?"))
    found |= {"prompt_tokens": task.num_tokens, "visual_tokens": task.num_visual}
    found["weights_gb"] = torch.cuda.memory_allocated() / 1e9 if stage.is_gpu else 0.0
    turns: dict[str, list[Turn]] = {side: [] for side in sides}
    found["warm_s"], found["peak_gb"] = {}, {}
    for side, run in list(sides.items()):
        guarded(found, sides, side, partial(timed, run), "warm_s")
    for index in range(stage.arguments.repeats):
        for side in list(sides)[:: -1 if index % 2 else 1]:
            stage.forget_peak()
            turns[side].append(sides[side]())
            found["peak_gb"][side] = round(stage.peak_gb(), 3)
            _tell_turns(found, turns)


def _tell_turns(found: Found, turns: dict[str, list[Turn]]) -> None:
    for side, each in turns.items():
        if not each:
            continue
        walls = [turn.ticks.wall for turn in each]
        step = median(map(Ticks.step, walls))
        found[side] = {
            "first_token_ms": round(1e3 * median(map(Ticks.reading, walls)), 2),
            "token_ms": round(1e3 * step, 3),
            "tokens_per_s": round(1 / step, 2),
            "whole_s": [round(wall[-1] - wall[0], 4) for wall in walls],
            "turns": len(walls),
        }
    told = {side: each[0].tokens for side, each in turns.items() if each}
    if len(told) == 2:
        found["same_answers"] = told["ours"] == told["theirs"]
        found["equal_tokens_at_first"] = num_equal(told["ours"], told["theirs"])
        found["first_token_ratio"] = _ratio(found, "first_token_ms")
        found["token_ratio"] = _ratio(found, "token_ms")


def _ratio(found: Found, name: str) -> float:
    """How many times as long theirs take."""
    return round(found["theirs"][name] / found["ours"][name], 3)


def company(stage: Stage, found: Found) -> None:
    """Questions of different lengths about as many pictures, at once."""
    model, their = stage.models
    processor, count = stage.task.processor, stage.arguments.new_tokens
    samples = _questions(processor, NUM_COMPANY, SIDES[stage.arguments.shape])
    found["prompt_tokens"] = [len(sample.token_ids) for sample in samples]
    told: dict[str, list[list[int]]] = {}

    def at_once(config: EngineConfig) -> None:
        engine = GenerationEngine(model, processor, config)
        options = GenerationOptions(max_new_tokens=count)
        done = engine.finish([engine.submit(sample, options) for sample in samples])
        told["ours"] = [list(each.token_ids) for each in done]

    def padded() -> None:
        given = stage.moved(their, given_together(processor, samples, pad="left"))
        with torch.inference_mode():
            whole = their.generate(**given, max_new_tokens=count, do_sample=False, pad_token_id=0)
        told["theirs"] = whole[:, given["input_ids"].shape[1] :].tolist()

    wide = EngineConfig(max_running=NUM_COMPANY, chunk_tokens=8192, max_step_tokens=8192)
    sides: Sides = {
        "ours": partial(at_once, EngineConfig(max_running=NUM_COMPANY)),
        "ours, large steps": partial(at_once, wide),
    }
    if their is not None:
        sides["theirs"] = padded
    times: dict[str, list[float]] = {side: [] for side in sides}
    found["warm_s"], found["peak_gb"] = {}, {}
    for side, run in list(sides.items()):
        guarded(found, sides, side, partial(timed, run), "warm_s")
    for index in range(stage.arguments.repeats):
        for side in list(sides)[:: -1 if index % 2 else 1]:
            stage.forget_peak()
            times[side].append(timed(sides[side]))
            found["peak_gb"][side] = round(stage.peak_gb(), 3)
            tell_rates(found, times, "tokens_per_s", NUM_COMPANY * count)
    if len(told) == 2:
        pairs = list(zip(told["ours"], told["theirs"], strict=True))
        found["equal_answers"] = sum(one == other for one, other in pairs)
        found["equal_tokens_at_first"] = [num_equal(*pair) for pair in pairs]


def _questions(processor: Processor, count: int, side: int) -> list[Sample]:
    return [
        processor.encode(
            ask_about([picture(side, 1 + n)], "red " * (1 + n % 5)), add_generation_prompt=True
        )
        for n in range(count)
    ]


def profile(stage: Stage, found: Found) -> None:
    """Kernels of a whole answer of few tokens, those that take longest first."""
    stage.drop_models()
    model, their = stage.models
    given = given_to_them(stage.task)
    sides: Sides = {"ours": lambda: ours(model, stage.task, 8)}
    if their is not None:
        sides["theirs"] = lambda: their_turn(stage, their, given, 8)
    kind = torch.profiler.ProfilerActivity
    kinds = [kind.CPU, kind.CUDA] if stage.is_gpu else [kind.CPU]
    for side, run in sides.items():
        run()
        with torch.profiler.profile(activities=kinds) as noted:
            run()
            stage.wait()
        rows = sorted(noted.key_averages(), key=_device_us, reverse=True)
        kernels = [each for each in rows if _device_us(each) and not each.key.startswith("aten::")]
        found[side] = {
            "launches": sum(each.count for each in kernels),
            "device_ms": round(sum(map(_device_us, kernels)) / 1e3, 3),
            "most": [[e.key[:70], e.count, round(_device_us(e) / 1e3, 3)] for e in kernels[:14]],
        }


def _device_us(row: Any) -> float:
    return float(getattr(row, "self_device_time_total", 0.0))
