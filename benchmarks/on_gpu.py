"""On a GPU: the engine, company, a training step and a resumed run, beside transformers.

python benchmarks/on_gpu.py --out gpu.json
python benchmarks/on_gpu.py --device cpu --shape debug --precision float32      to try it without

generate  one question about one picture, in turns: first token, tokens a second, highest memory
company   16 questions about 16 pictures at once: our engine beside their padded batch
train     forward and backward of `mini`, and of a few wide blocks, in bfloat16 by autocast
resume    12 steps in one go and with a stop after 6: are losses and weights equal to the last bit
agree     debug twins answer on the GPU as on the processor, and in float32 as transformers does
profile   what a token of either engine starts on the GPU, and how long that takes

It is for a machine that is lent for a minute or two. Every section stands alone, ends in time and
leaves what it has found, whatever becomes of it; the file is written anew after each.
"""

import argparse
import faulthandler
import gc
import inspect
import json
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

# Before CUDA starts: without it sums of matrices may differ from run to run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from against_transformers import Streamer, Ticks, Turn, ours
from torch import Tensor, nn
from twins import (
    SHAPES,
    Task,
    given_to_them,
    given_together,
    make_task,
    our_model,
    our_model_alone,
    shaped,
    their_model,
)

from triptych.architectures import ARCHITECTURES, Architecture
from triptych.fusion.vlm import VLM
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions, generate
from triptych.measure.fresh import fresh_model
from triptych.nn.attention import attend
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.mixture import Objectives
from triptych.processor import Processor, ask_about
from triptych.sequences import Sample
from triptych.train import PanelRates, TrainConfig, fit
from triptych.train.record import read_record

SECONDS = {"generate": 32, "company": 22, "train": 22, "resume": 24, "agree": 25, "profile": 15}
"""What a section may take, within what is left of all."""

SIDES = {"2b": 448, "mini": 448, "debug": 96}
NUM_COMPANY = 16
NUM_STEPS, STOP = 12, 6

Found = dict[str, Any]
Sides = dict[str, Callable[[], Any]]


def main() -> None:
    """Run the sections that were asked for."""
    arguments = _arguments()
    # Where even a signal does not get through, what was found so far is on the disk.
    faulthandler.dump_traceback_later(arguments.budget + 25, exit=True)
    stage = Stage(arguments)
    report: Found = {"machine": _machine(arguments.device), "arguments": vars(arguments)}
    report["arguments"] = {name: str(value) for name, value in vars(arguments).items()}
    for name in arguments.sections:
        found: Found = {}
        report[name] = found
        _section(stage, name, found)
        line = json.dumps({name: found}, default=str)
        print(line, flush=True)
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(report, indent=1, default=str) + "\n")


def _section(stage: "Stage", name: str, found: Found) -> None:
    began = time.monotonic()
    seconds = min(SECONDS[name] * stage.arguments.patience, stage.left)
    try:
        if seconds < 3:
            raise TimeoutError("no time was left for it")
        with within(seconds):
            SECTIONS[name](stage, found)
    except Exception as error:
        traceback.print_exc(limit=-8)
        found["error"] = f"{type(error).__name__}: {error}"[:500]
    found["section_s"] = round(time.monotonic() - began, 2)
    try:
        stage.tidy()
    except Exception:
        traceback.print_exc(limit=-4)


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Raise TimeoutError in what takes longer."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Stage:
    """The device, the clock, and the models that several sections use."""

    arguments: argparse.Namespace
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds of the whole that are left."""
        return self.arguments.budget - (time.monotonic() - self.began)

    @property
    def device(self) -> str:
        return self.arguments.device

    @property
    def is_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtype(self) -> torch.dtype:
        return getattr(torch, self.arguments.precision)

    @cached_property
    def architecture(self) -> Architecture:
        return shaped(self.arguments.shape)

    @cached_property
    def task(self) -> Task:
        task = make_task(self.architecture, SIDES[self.arguments.shape], 30, 0)
        task.processor.end_ids = ()
        return task

    @cached_property
    def models(self) -> tuple[VLM, Any]:
        """Ours and theirs, which share their weights; None where transformers fails."""
        return self.twins(self.architecture, self.task, self.dtype)

    def twins(self, architecture: Architecture, task: Task, dtype: torch.dtype) -> tuple[VLM, Any]:
        try:
            theirs = their_model(architecture, task, 0, self.device, dtype)
        except Exception:
            traceback.print_exc(limit=-8)
            return our_model_alone(architecture, "", 0, self.device, dtype), None
        return our_model(architecture, theirs, ""), theirs

    def drop_models(self) -> None:
        """Give their memory back."""
        self.__dict__.pop("models", None)
        self.tidy()

    def tidy(self) -> None:
        gc.collect()
        if self.is_gpu:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()

    def wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize()

    def peak_gb(self) -> float:
        return torch.cuda.max_memory_allocated() / 1e9 if self.is_gpu else 0.0

    def forget_peak(self) -> None:
        gc.collect()  # what torch holds for later use stays, so that nothing has to ask for it
        if self.is_gpu:
            torch.cuda.reset_peak_memory_stats()

    def moved(self, model: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """What this version of their model takes of it, on the device."""
        known = inspect.signature(model.forward).parameters
        return {name: each.to(self.device) for name, each in given.items() if name in known}


# -- one picture ----------------------------------------------------------------------------------


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
        sides["theirs"] = lambda: _their_turn(stage, their, given, count)
        found["their_attention"] = str(getattr(their.config, "_attn_implementation", "?"))
    found |= {"prompt_tokens": task.num_tokens, "visual_tokens": task.num_visual}
    found["weights_gb"] = torch.cuda.memory_allocated() / 1e9 if stage.is_gpu else 0.0
    turns: dict[str, list[Turn]] = {side: [] for side in sides}
    found["warm_s"], found["peak_gb"] = {}, {}
    for side, run in list(sides.items()):
        _guarded(found, sides, side, partial(_timed, run), "warm_s")
    for index in range(stage.arguments.repeats):
        for side in list(sides)[:: -1 if index % 2 else 1]:
            stage.forget_peak()
            turns[side].append(sides[side]())
            found["peak_gb"][side] = round(stage.peak_gb(), 3)
            _tell_turns(found, turns)


def _guarded(found: Found, sides: Sides, side: str, run: Callable[[], float], key: str) -> None:
    """A first run, after which a side that fails is left out."""
    try:
        found[key][side] = round(run(), 3)
    except TimeoutError:
        raise
    except Exception as error:
        traceback.print_exc(limit=-8)
        found[f"{side}_error"] = f"{type(error).__name__}: {error}"[:500]
        del sides[side]


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


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
        found["equal_tokens_at_first"] = _num_equal(told["ours"], told["theirs"])
        found["first_token_ratio"] = _ratio(found, "first_token_ms")
        found["token_ratio"] = _ratio(found, "token_ms")


def _ratio(found: Found, name: str) -> float:
    """How many times as long theirs take."""
    return round(found["theirs"][name] / found["ours"][name], 3)


def _num_equal(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = zip(first, second, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), len(first))


def _their_turn(stage: Stage, model: Any, given: dict[str, Tensor], count: int) -> Turn:
    ticks = Ticks()
    ticks.tick()
    with torch.inference_mode():
        answer = model.generate(
            **stage.moved(model, given),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            streamer=Streamer(ticks),
        )
    return Turn(ticks, tuple(answer[0, given["input_ids"].shape[1] :].tolist()))


# -- many pictures --------------------------------------------------------------------------------


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
        _guarded(found, sides, side, partial(_timed, run), "warm_s")
    for index in range(stage.arguments.repeats):
        for side in list(sides)[:: -1 if index % 2 else 1]:
            stage.forget_peak()
            times[side].append(_timed(sides[side]))
            found["peak_gb"][side] = round(stage.peak_gb(), 3)
            _tell_rates(found, times, "tokens_per_s", NUM_COMPANY * count)
    if len(told) == 2:
        pairs = list(zip(told["ours"], told["theirs"], strict=True))
        found["equal_answers"] = sum(one == other for one, other in pairs)
        found["equal_tokens_at_first"] = [_num_equal(*pair) for pair in pairs]


def _tell_rates(found: Found, times: dict[str, list[float]], unit: str, amount: int) -> None:
    for side, each in times.items():
        if each:
            seconds = [round(one, 4) for one in each]
            found[side] = {"seconds": seconds, unit: round(amount / median(each), 2)}
    if "theirs" in found:
        ours = {side: found[side][unit] for side in times if side != "theirs" and side in found}
        ratios = {side: round(one / found["theirs"][unit], 3) for side, one in ours.items()}
        found["ratio"] = ratios


def _questions(processor: Processor, count: int, side: int) -> list[Sample]:
    return [
        processor.encode(
            ask_about([_picture(side, 1 + n)], "red " * (1 + n % 5)), add_generation_prompt=True
        )
        for n in range(count)
    ]


def _picture(side: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


# -- a training step ------------------------------------------------------------------------------


def train(stage: Stage, found: Found) -> None:
    """Forward and backward of a batch, ours beside theirs, in bfloat16 by autocast."""
    stage.drop_models()
    shapes = {"debug": ("debug", None, 4, 96)}
    if stage.arguments.shape != "debug":
        shapes = {"mini": ("mini", None, 32, 224), "2b, 2 blocks": ("2b", 2, 8, 448)}
    for name, (shape, blocks, batch, side) in shapes.items():
        found[name] = {}
        try:
            _train_one(stage, found[name], shaped(shape, blocks), batch, side)
        except TimeoutError:
            raise
        except Exception as error:
            traceback.print_exc(limit=-8)
            found[name]["error"] = f"{type(error).__name__}: {error}"[:500]
        stage.tidy()


def _train_one(
    stage: Stage, found: Found, architecture: Architecture, batch: int, side: int
) -> None:
    task = make_task(architecture, side, 20, 0)
    samples = _answered(task.processor, batch, side)
    model, their = stage.twins(architecture, task, torch.float32)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    inputs = task.processor.collate(samples)
    given = given_together(task.processor, samples)
    assert inputs.labels is not None
    given["labels"] = inputs.labels
    found |= {"batch": batch, "tokens": list(inputs.token_ids.shape), "losses": {}}
    found["visual_tokens"] = task.num_visual

    def our_step() -> None:
        with _mixed(stage):
            loss = language_modelling(model, inputs.to(stage.device))
        mean = loss.total / loss.num_tokens
        mean.backward()
        found["losses"]["ours"] = float(mean.detach())

    def their_step() -> None:
        with _mixed(stage):
            loss = their(**stage.moved(their, given), use_cache=False).loss
        loss.backward()
        found["losses"]["theirs"] = float(loss.detach())

    models: dict[str, nn.Module] = {"ours": model}
    steps: Sides = {"ours": our_step}
    if their is not None:
        models["theirs"], steps["theirs"] = their, their_step
    for each in models.values():
        each.requires_grad_(True).train()
    _compare_steps(stage, found, models, steps, batch)


def _compare_steps(
    stage: Stage, found: Found, models: dict[str, nn.Module], steps: Sides, batch: int
) -> None:
    times: dict[str, list[float]] = {side: [] for side in steps}
    found["warm_s"], found["peak_gb"] = {}, {}

    def one(side: str) -> float:
        stage.wait()
        began = time.perf_counter()
        steps[side]()
        stage.wait()
        taken = time.perf_counter() - began
        models[side].zero_grad(set_to_none=True)
        return taken

    for side in list(steps):
        _guarded(found, steps, side, partial(one, side), "warm_s")
    for index in range(2 * stage.arguments.repeats + 1):
        for side in list(steps)[:: -1 if index % 2 else 1]:
            if index == 0:
                stage.forget_peak()
            times[side].append(one(side))
            if index == 0:
                found["peak_gb"][side] = round(stage.peak_gb(), 3)
            _tell_rates(found, times, "images_per_s", batch)


def _mixed(stage: Stage) -> torch.autocast:
    return torch.autocast(stage.device.split(":")[0], dtype=torch.bfloat16)


def _answered(processor: Processor, count: int, side: int) -> list[Sample]:
    """Questions with answers of different lengths."""
    return [
        processor.encode(
            [
                *ask_about([_picture(side, 100 + n)], "what is in the picture?"),
                {"role": "assistant", "content": "a red circle above a blue square " * (1 + n % 3)},
            ]
        )
        for n in range(count)
    ]


# -- a run that is stopped ------------------------------------------------------------------------


def resume(stage: Stage, found: Found) -> None:
    """A run in one go, once more, and with a stop and a going on; for both optimizers."""
    stage.drop_models()
    equal: set[str] = set()
    for is_exact in (False, True):
        for optimizer in ("adamw", "muon"):
            if optimizer in equal:
                continue
            name = f"{optimizer}, deterministic kernels" if is_exact else optimizer
            found[name] = own = {}
            torch.use_deterministic_algorithms(is_exact, warn_only=True)
            try:
                _compare_runs(stage, own, optimizer)
            except TimeoutError:
                raise
            except Exception as error:
                traceback.print_exc(limit=-8)
                own["error"] = f"{type(error).__name__}: {error}"[:500]
            finally:
                torch.use_deterministic_algorithms(False)
            if own.get("resumed", {}).get("is_equal"):
                equal.add(optimizer)


def _compare_runs(stage: Stage, found: Found, optimizer: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        straight = _trained(stage, root / "straight", optimizer)
        again = _trained(stage, root / "again", optimizer)
        found["again"] = _differences(straight, again)
        try:
            _trained(stage, root / "stopped", optimizer, dies_at=STOP + 2)
        except _Stopped:
            found["stopped_after"] = len(read_record(root / "stopped" / "record.jsonl"))
        resumed = _trained(stage, root / "stopped", optimizer, resume=True)
        found["resumed"] = _differences(straight, resumed)
        found["losses"] = [round(line["loss"], 4) for line in straight[0]]
        found["device"] = straight[2]


Trained = tuple[list[dict[str, Any]], dict[str, Tensor], str]


def _trained(
    stage: Stage, folder: Path, optimizer: str, *, dies_at: int = 0, resume: bool = False
) -> Trained:
    """Record, weights and device of a run."""
    architecture = shaped("debug" if stage.arguments.shape == "debug" else "mini")
    language = replace(architecture.model.language, dropout=0.1)
    architecture = replace(architecture, model=replace(architecture.model, language=language))
    processor = make_task(architecture, 112, 1, 0).processor
    source = _Source(_answered(processor, 16, 112), dies_at)
    model = architecture.build(0)
    config = replace(RUN, optimizer=optimizer, device=stage.device)

    def validate(each: VLM) -> dict[str, float]:
        loss = language_modelling(each, processor.collate(source.samples[:4]))
        return {"val_loss": loss.nll / loss.num_tokens}

    fit(architecture, model, processor, source, config, folder, validate=validate, resume=resume)
    weights = {name: each.detach().cpu() for name, each in model.state_dict().items()}
    return read_record(folder / "record.jsonl"), weights, str(model.device)


RUN = TrainConfig(
    learning_rates=PanelRates(vision=1e-3, connector=1e-3, language=1e-3),
    epochs=100,
    batch_size=2,
    accumulate=2,
    max_steps=NUM_STEPS,
    precision="bfloat16",
    warmup_steps=3,
    objectives=Objectives(label_smoothing=0.1),
    ema_decay=0.9,
    validate_every=4,
    checkpoint_every=STOP,
)


class _Stopped(RuntimeError):
    """The run was to die here."""


@dataclass
class _Source:
    """Samples, and an end in the middle of a step where one is wanted."""

    samples: list[Sample]
    dies_at: int = 0
    """Step in which it dies, counted from 1; 0 for none."""
    count: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def lengths(self) -> tuple[int, ...]:
        return tuple(len(sample.token_ids) for sample in self.samples)

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        self.count += 1
        if self.dies_at and self.count > (self.dies_at - 1) * 4:
            raise _Stopped
        return self.samples[index]


def _differences(first: Trained, second: Trained) -> Found:
    lines = [
        [{name: v for name, v in line.items() if name != "seconds"} for line in trained[0]]
        for trained in (first, second)
    ]
    weights = {
        name: float((each.double() - second[1][name].double()).abs().max())
        for name, each in first[1].items()
    }
    losses = [abs(a["loss"] - b["loss"]) for a, b in zip(*lines, strict=True)]
    is_equal = lines[0] == lines[1] and not any(weights.values())
    return {
        "is_equal": is_equal,
        "steps": [len(each) for each in lines],
        "largest_loss_difference": max(losses),
        "first_step_that_differs": next((i + 1 for i, d in enumerate(losses) if d), None),
        "largest_weight_difference": max(weights.values()),
    }


# -- agreement ------------------------------------------------------------------------------------


def agree(stage: Stage, found: Found) -> None:
    """Twins of every family on the device and on the processor; then the large shape, exactly."""
    stage.drop_models()
    for name, check in (("blind_rows", _blind_rows), ("exact", _agree_exactly)):
        found[name] = {}
        try:
            check(stage, found[name])
        except TimeoutError:
            raise
        except Exception as error:
            traceback.print_exc(limit=-8)
            found[name]["error"] = f"{type(error).__name__}: {error}"[:500]
        stage.tidy()
    found["families"] = families = {}
    for name in sorted(name for name in ARCHITECTURES if name.endswith("_debug")):
        try:
            families[name] = _agree_twin(stage, name)
        except TimeoutError:
            raise
        except Exception as error:
            traceback.print_exc(limit=-8)
            families[name] = f"{type(error).__name__}: {error}"[:300]
    found["all_equal"] = all(each == [True, True, True] for each in families.values())


def _blind_rows(stage: Stage, found: Found) -> None:
    """Whether a query that may see nothing comes out as zero, gradients being numbers."""
    for dtype in (torch.float32, torch.bfloat16):
        query, key, value = (
            torch.randn(2, heads, 16, 64, device=stage.device, dtype=dtype, requires_grad=True)
            for heads in (4, 2, 2)
        )
        mask = torch.ones(2, 1, 16, 16, dtype=torch.bool, device=stage.device).tril()
        mask[0, :, :5] = False
        mixed = attend(query, key, value, mask=mask)
        mixed.float().square().sum().backward()
        gradients = [each.grad for each in (query, key, value) if each.grad is not None]
        found[str(dtype)] = {
            "zero": bool((mixed[0, :, :5] == 0).all()),
            "gradients": all(bool(each.isfinite().all()) for each in gradients),
        }


def _agree_exactly(stage: Stage, found: Found) -> None:
    """In float32, the first tokens of ours and theirs."""
    model, their = stage.twins(stage.architecture, stage.task, torch.float32)
    mine = ours(model, stage.task, 16).tokens
    found["equal_tokens"], found["of"] = None, 16
    if their is not None:
        other = _their_turn(stage, their, given_to_them(stage.task), 16).tokens
        found["equal_tokens"] = _num_equal(mine, other)


def _agree_twin(stage: Stage, name: str) -> list[bool]:
    """Whether float32 answers are equal, those of beams, too, and whether bfloat16 answers."""
    loaded = fresh_model(name, max_pixels=None)
    model, processor = loaded.model, loaded.processor
    prompts = [
        processor.encode(ask_about([_picture(64, n)], "red " * (1 + n)), add_generation_prompt=True)
        for n in (1, 2, 3)
    ]

    def answers() -> list[tuple[int, ...]]:
        engine = GenerationEngine(model, processor, EngineConfig(memory_bytes=10**9))
        options = GenerationOptions(max_new_tokens=6)
        done = engine.finish([engine.submit(each, options) for each in (*prompts, prompts[0])])
        return [each.token_ids for each in done]

    def beams() -> list[tuple[int, ...]]:
        options = GenerationOptions(max_new_tokens=4, num_beams=2)
        return [each.token_ids for each in generate(model, processor, prompts, options)]

    here = answers(), beams()
    model.to(stage.device)
    are_equal = [answers() == here[0], beams() == here[1]]
    model.to(torch.bfloat16)
    return [*are_equal, all(answers())]


# -- what a token starts --------------------------------------------------------------------------


def profile(stage: Stage, found: Found) -> None:
    """Kernels of a whole answer of few tokens, those that take longest first."""
    stage.drop_models()
    model, their = stage.models
    given = given_to_them(stage.task)
    sides: Sides = {"ours": lambda: ours(model, stage.task, 8)}
    if their is not None:
        sides["theirs"] = lambda: _their_turn(stage, their, given, 8)
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


SECTIONS: dict[str, Callable[[Stage, Found], None]] = {
    "generate": generate_alone,
    "company": company,
    "train": train,
    "resume": resume,
    "agree": agree,
    "profile": profile,
}


def _machine(device: str) -> Found:
    found: Found = {"torch": torch.__version__, "device": device}
    try:
        import transformers

        found["transformers"] = transformers.__version__
        if device.startswith("cuda"):
            facts = torch.cuda.get_device_properties(0)
            found |= {"gpu": facts.name, "gpu_memory_gb": facts.total_memory / 1e9}
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"[:300]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=SHAPES, default="2b")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--budget", type=float, default=75.0, help="seconds of all sections")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        help="times what a section may take, on slow machines",
    )
    parser.add_argument("--out", type=Path, help="file for all that was found")
    return parser.parse_args()


if __name__ == "__main__":
    main()
