"""Whether the device answers as the processor does, and as transformers does."""

import traceback

import torch
from against_transformers import ours
from twins import given_to_them

from gpu.asking import num_equal, picture, their_turn
from gpu.stage import Found, Stage, noting_failure
from triptych.architectures import ARCHITECTURES
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions, generate
from triptych.measure.fresh import fresh_model
from triptych.nn.attention import attend
from triptych.processor import ask_about


def agree(stage: Stage, found: Found) -> None:
    """Twins of every family on the device and on the processor; then the large shape, exactly."""
    stage.drop_models()
    for name, check in (("blind_rows", _blind_rows), ("exact", _agree_exactly)):
        found[name] = {}
        with noting_failure(found[name]):
            check(stage, found[name])
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
        other = their_turn(stage, their, given_to_them(stage.task), 16).tokens
        found["equal_tokens"] = num_equal(mine, other)


def _agree_twin(stage: Stage, name: str) -> list[bool]:
    """Whether float32 answers are equal, those of beams, too, and whether bfloat16 answers."""
    loaded = fresh_model(name, max_pixels=None)
    model, processor = loaded.model, loaded.processor
    prompts = [
        processor.encode(ask_about([picture(64, n)], "red " * (1 + n)), add_generation_prompt=True)
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
