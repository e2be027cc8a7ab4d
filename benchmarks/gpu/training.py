"""A training step, ours beside theirs."""

import time
from functools import partial

import torch
from torch import nn
from twins import given_together, make_task, shaped

from gpu.asking import answered
from gpu.stage import Found, Sides, Stage, guarded, noting_failure, tell_rates
from triptych.architectures import Architecture
from triptych.objectives.language_modelling import language_modelling


def train(stage: Stage, found: Found) -> None:
    """Forward and backward of a batch, ours beside theirs, in bfloat16 by autocast."""
    stage.drop_models()
    shapes = {"debug": ("debug", None, 4, 96)}
    if stage.arguments.shape != "debug":
        shapes = {"mini": ("mini", None, 32, 224), "2b, 2 blocks": ("2b", 2, 8, 448)}
    for name, (shape, blocks, batch, side) in shapes.items():
        found[name] = {}
        with noting_failure(found[name]):
            _train_one(stage, found[name], shaped(shape, blocks), batch, side)
        stage.tidy()


def _train_one(
    stage: Stage, found: Found, architecture: Architecture, batch: int, side: int
) -> None:
    task = make_task(architecture, side, 20, 0)
    samples = answered(task.processor, batch, side)
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
        guarded(found, steps, side, partial(one, side), "warm_s")
    for index in range(2 * stage.arguments.repeats + 1):
        for side in list(steps)[:: -1 if index % 2 else 1]:
            if index == 0:
                stage.forget_peak()
            times[side].append(one(side))
            if index == 0:
                found["peak_gb"][side] = round(stage.peak_gb(), 3)
            tell_rates(found, times, "images_per_s", batch)


def _mixed(stage: Stage) -> torch.autocast:
    return torch.autocast(stage.device.split(":")[0], dtype=torch.bfloat16)
