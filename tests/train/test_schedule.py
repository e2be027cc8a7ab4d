"""Learning rates, decay groups, and the order of samples."""

from dataclasses import replace

import pytest
import torch
from tests.train.tiny_run import CONFIG

from triptych.architectures import find_architecture
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLM
from triptych.train import PanelRates, TrainConfig
from triptych.train.optimizer import build_optimizer, freeze, rate_factor, set_rates
from triptych.train.order import Order

PLAN = replace(CONFIG, warmup_steps=10, final_rate=0.1)


def test_the_rate_rises_linearly_and_reaches_its_peak_at_the_end_of_warm_up() -> None:
    factors = [rate_factor(step, 110, PLAN) for step in range(11)]
    assert factors == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0])


def test_cosine_is_half_way_in_the_middle_and_ends_at_the_final_rate() -> None:
    assert rate_factor(60, 110, PLAN) == pytest.approx(0.55)
    assert rate_factor(110, 110, PLAN) == pytest.approx(0.1)
    falling = [rate_factor(step, 110, PLAN) for step in range(10, 111)]
    assert falling == sorted(falling, reverse=True)


def test_a_constant_rate_stays_at_its_peak() -> None:
    plan = replace(PLAN, schedule="constant")
    assert {rate_factor(step, 110, plan) for step in range(10, 110)} == {1.0}


def test_no_warm_up_starts_at_the_peak() -> None:
    assert rate_factor(0, 100, replace(PLAN, warmup_steps=0)) == 1.0


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 0}, {"batch_size": 0}, {"accumulate": 0}, {"ema_decay": 1.0}],
)
def test_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        replace(CONFIG, **changes)


def built(name: str) -> VLM:
    model = find_architecture(name).build(seed=0)
    freeze(model, RATES)
    return model


RATES = PanelRates(vision=1e-4, connector=2e-4, fusion=3e-4, language=4e-4)
TRAIN = TrainConfig(learning_rates=RATES, epochs=1, batch_size=1, weight_decay=0.3)


@pytest.mark.parametrize("name", ["qwen2_vl_debug", "flamingo_debug", "blip2_debug"])
def test_every_parameter_is_in_exactly_one_group_with_the_rate_of_its_panel(name: str) -> None:
    model = built(name)
    optimizer = build_optimizer(model, TRAIN)
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    set_rates(optimizer, 0.5)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            panel = names[id(parameter)].partition(".")[0]
            assert group["lr"] == pytest.approx(0.5 * getattr(RATES, panel))


@pytest.mark.parametrize("name", ["qwen2_vl_debug", "flamingo_debug", "blip2_debug"])
def test_only_the_matrices_of_layers_decay(name: str) -> None:
    model = built(name)
    names = {id(p): name for name, p in model.named_parameters()}
    decaying = {
        names[id(p)]
        for group in build_optimizer(model, TRAIN).param_groups
        for p in group["params"]
        if group["weight_decay"] == 0.3
    }
    still = set(names.values()) - decaying
    assert "language.embedding.weight" in still
    # Learned positions, queries and latents are tables of vectors, as embeddings are.
    tables = {n for n in names.values() if n.endswith(("positions", "queries", "latents"))}
    assert tables <= still
    assert {n for n in names.values() if "gate" in n.split(".")[-1]} <= still
    assert {n for n in names.values() if n.endswith("bias")} <= still
    assert {n for n in names.values() if n.endswith(("query.weight", "down.weight"))} <= decaying
    assert all(dict(model.named_parameters())[n].ndim >= 2 for n in decaying)


@pytest.mark.parametrize(("num_samples", "per_step"), [(11, 4), (12, 4), (3, 8), (1, 1)])
def test_every_epoch_visits_every_sample_once(num_samples: int, per_step: int) -> None:
    order = Order(num_samples, per_step, seed=5)
    epochs = [
        [
            index
            for step in range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
            for index in order.indexes(step)
        ]
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert sorted(epoch) == list(range(num_samples))
    if num_samples > 10:
        assert epochs[0] != epochs[1] != epochs[2]


def test_samples_of_similar_length_share_a_step() -> None:
    lengths = tuple(10 + 7 * index % 40 for index in range(96))
    order = Order(96, 4, 5, lengths)
    steps = [order.indexes(step) for step in range(order.steps_per_epoch)]
    assert sorted(index for step in steps for index in step) == list(range(96))
    spread = [max(lengths[i] for i in step) - min(lengths[i] for i in step) for step in steps]
    assert sum(spread) / len(spread) < 4
    shortest = [min(lengths[i] for i in step) for step in steps]
    assert shortest != sorted(shortest)


def test_the_order_depends_on_the_seed_alone() -> None:
    assert Order(50, 5, seed=1).indexes(3) == Order(50, 5, seed=1).indexes(3)
    assert Order(50, 5, seed=1).indexes(3) != Order(50, 5, seed=2).indexes(3)


def test_a_sample_is_augmented_anew_in_every_epoch() -> None:
    order = Order(4, 2, seed=0)

    def draw(step: int, index: int) -> float:
        return float(torch.rand((), generator=order.generator(step, index)))

    assert draw(0, 3) == draw(1, 3)  # both in the first epoch
    assert len({draw(0, 3), draw(2, 3), draw(0, 2), draw(2, 2)}) == 4
